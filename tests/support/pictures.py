"""A small record of each kind of view, as golden files and hostile texts need them.

``python -m tests.support.pictures`` writes tests/golden/inside-1*.json anew: only for kinds that are new.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from llm_magics.core.options import SamplingOptions
from llm_magics.core.records import Alternative, Generation, ModelInfo, Timing, Token
from llm_magics.evaluation.evaluation import Evaluation, ModelRun, make_evaluation
from llm_magics.evaluation.items import Item
from llm_magics.evaluation.scoring import Likelihood
from llm_magics.inspection.answers.cell_fix import CellFix, cell_fix
from llm_magics.inspection.answers.choices import Choices
from llm_magics.inspection.answers.decisions import Decisions
from llm_magics.inspection.answers.rows import RowResult, RowsRun, RowsState, rows_run
from llm_magics.inspection.answers.side_by_side import SideBySide, side_by_side
from llm_magics.inspection.answers.verification import Outcome, Verification, verification
from llm_magics.inspection.attention import Attention
from llm_magics.inspection.attribution import Attribution
from llm_magics.inspection.compare import Comparison
from llm_magics.inspection.logit_lens import LogitLens
from llm_magics.inspection.memorization import Memorization
from llm_magics.inspection.probe import Probe
from llm_magics.inspection.replay import Replay, decide
from llm_magics.inspection.tokenization import Tokenization
from llm_magics.inspection.track import TokenTrack
from llm_magics.inspection.tree import SampleTree
from llm_magics.inspection.walkthrough import Walkthrough
from llm_magics.models.catalog.card import ModelCard
from llm_magics.models.catalog.model_table import ModelTable
from llm_magics.views.inspection_record import InspectionRecord

GOLDEN = Path(__file__).parents[1] / "golden"


def info(text: str = "") -> ModelInfo:
    return ModelInfo(text[:200] or "tiny", "r1", "f" * 8, "fp32", text[:200] or "MIT")


def pieces(text: str = "") -> dict[str, Any]:
    texts = [text] * 4 if text else ["The", " cap", " of", " is"]
    return {"ids": [5, 6, 7, 8], "texts": texts, "special": [0] if text else [], "prompt": 4}


def lens(text: str = "") -> LogitLens:
    p = np.array([[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.1], [0.5, 0.5, 0.5, 0.5]])
    top = np.tile(np.array([[3, 4], [3, 4], [4, 3]])[:, None], (1, 4, 1))
    return LogitLens(
        info(text),
        {
            **pieces(text),
            "words": {"3": text or " the", "4": text or " a"},
            "watch": [{"text": text or " the", "id": 3}],
        },
        {
            "top_ids": top,
            "top_logprobs": np.log(np.stack([np.maximum(p, 0.4), np.minimum(1 - p, 0.3)], axis=-1)),
            "logprob": np.log(p),
            "rank": np.array([[5, 900, 3, 2], [1, 0, 2, 4], [0, 0, 0, 0]]),
            "entropy": np.full((3, 4), 1.25),
            "kl": np.array([[3.0, 2, 1, 1], [1, 0.5, 0.25, 1], [0, 0, 0, 0]]),
            "watch_logprob": np.log(p)[None],
            "watch_rank": np.array([[[5, 900, 3, 2], [1, 0, 2, 4], [1, 1, 1, 1]]]),
        },
    )


def attention(text: str = "") -> Attention:
    """Two layers of two heads over four tokens; head 2 of layer 2 looks at " cap"."""
    row = np.array([1.0, 0.2, 0.8, 0.5, 0.25, 0.25, 0.1, 0.7, 0.1, 0.1])
    flat = np.array([1.0, 0.6, 0.4, 0.6, 0.2, 0.2, 0.4, 0.2, 0.2, 0.2])
    triangles = np.stack([[flat, flat, flat], [flat, row, flat]])
    habits = np.full((2, 2, 4), 0.25)
    habits[0, 0, 1] = np.nan
    head = {**pieces(text), "kept": [1, 2], "copies": 1}
    return Attention(
        info(text), head, {"thumbs": np.full((2, 2, 4, 4), 0.5), "triangles": triangles, "habits": habits}
    )


def probe(text: str = "") -> Probe:
    strings = [(" Paris", [7]), (" not Paris", [8, 7]), ("Rome", [9, 10])]
    return Probe(
        info(text),
        {
            **pieces(text),
            "strings": [
                {
                    "text": text or string,
                    "ids": ids,
                    "texts": [text or f"t{id}" for id in ids],
                    "joined": n == 2,
                }
                for n, (string, ids) in enumerate(strings)
            ],
            "words": {"3": text or " the", "4": text or " a"},
        },
        {
            "logprob": np.log([0.8, 0.01, 0.5, 0.001, 0.25]),
            "rank": np.array([0, 5, 1, 90, 2]),
            "entropy": np.full(5, 1.5),
            "instead_ids": np.tile([3, 4], (5, 1)),
            "instead_logprobs": np.log(np.tile([0.6, 0.3], (5, 1))),
        },
    )


def compare(text: str = "") -> Comparison:
    a, b = np.log([0.5, 0.25, 0.5, 0.8]), np.log([0.5, 0.125, 0.6, 0.1])
    head = {
        "other": {"name": text[:200] or "tiny", "precision": "int4", "licence": text[:200] or "MIT"},
        "texts": [text or each for each in ("The", " sea", " is", " wide")],
        "alike": True,
        "parted": 4,
        "rests": [text or " and blue", text],
        "favourites": {"3": [text or " wide", text or " red"]},
        "mean": -1.0,
        "interval": [-2.5, 0.1],
        "perplexity": [2.1, 4.2],
        "bits_per_byte": [0.5, 0.9],
        "memory": [600_000_000, 110_000_000],
    }
    return Comparison(info(text), head, {"logprob_a": a, "logprob_b": b, "same": np.array([1, 1, 1, 0])})


def replay(text: str = "") -> Replay:
    """Three steps: the second had a choice of three, and its dice fell on the second."""
    p = np.array([[0.97, 0.01, 0.01, 0.005], [0.5, 0.3, 0.15, 0.02], [0.6, 0.2, 0.1, 0.05]])
    head = {
        "ids": [1, 2, 3, 4, 3],
        "prompt": 2,
        "tail": text or "Say: ",
        "texts": [text or " the", text or " sea", text or " the"],
        "chosen": [3, 4, 3],
        "words": {str(n): text or f" w{n}" for n in range(3, 8)},
        "options": {"temperature": 1.0, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 3},
        "vocab": 1000,
        "ends": [],
    }
    arrays = {
        "cand_ids": np.array([[3, 4, 5, 6], [3, 4, 5, 6], [3, 4, 5, 7]]),
        "logprobs": np.log(p),
        "seen": np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]]),
        "u": np.array([0.5, 0.75, 0.1]),
        "log_total": np.full(3, 20.0),
        "exact": np.array([1, 1, 1]),
    }
    return Replay(info(text), head, arrays)


def tree(text: str = "") -> SampleTree:
    """Five samples: three begin alike, two are alike."""
    paths = [[3, 4, 5], [3, 4, 6], [3, 7], [8, 9], [8, 9]]
    many = sum(map(len, paths))
    head = {
        **pieces(text),
        "samples": [
            {"seed": n, "texts": [text or f" w{id}" for id in path], "end": "length"}
            for n, path in enumerate(paths)
        ],
        "words": {str(n): text or f" w{n}" for n in range(3, 12)},
        "options": {**SamplingOptions().to_dict(), "temperature": 1.0, "max_tokens": 3},
    }
    arrays = {
        "token": np.concatenate(paths),
        "logprob": np.log(np.linspace(0.3, 0.6, many)),
        "entropy": np.full(many, 1.0),
        "other_ids": np.tile([3, 8, 10, 11, 4], (many, 1)),
        "other_logprobs": np.log(np.tile([0.3, 0.2, 0.1, 0.05, 0.01], (many, 1))),
    }
    return SampleTree(info(text), head, arrays)


def tokenizers(text: str = "") -> Tokenization:
    """ "né ok" in pieces, and in bytes: é is two tokens there."""
    columns = [
        ("one", ["n", "é", " ok"], [5, 6, 7], ["6e", "c3a9", "206f6b"]),
        (
            "bytes",
            ["n", "", "é", " ", "o", "k"],
            [110, 195, 169, 32, 111, 107],
            ["6e", "c3", "a9", "20", "6f", "6b"],
        ),
    ]
    made = [
        {
            "name": text[:200] or name,
            "vocab": 300,
            "ids": ids,
            "texts": [text] * len(ids) if text else texts,
            "bytes": data,
        }
        for name, texts, ids, data in columns
    ]
    languages = [
        {"name": "English", "bytes": 10, "counts": [2, 10]},
        {"name": "German", "bytes": 12, "counts": [4, 12]},
    ]
    head = {"text": text or "né ok", "columns": made, "languages": languages}
    return Tokenization(info(text), head)


def causes(text: str = "") -> Attribution:
    head = {
        **pieces(text),
        "target": 3,
        "against": 4,
        "logprob": -0.5,
        "logprob_against": -3.0,
        "likeliest": [3, 4, 3, -1],
        "method": "contrastive leave-one-out",
        "words": {"3": text or " the", "4": text or " a"},
    }
    return Attribution(info(text), head, {"effect": np.array([0.1, 2.0, -1.0, np.nan])})


def memory(text: str = "") -> Memorization:
    head = {
        **pieces(text),
        "given": 1,
        "run": 2,
        "longest": [1, 2],
        "words": {"6": text or " cap", "9": text or " in"},
    }
    arrays = {"rank": np.array([0, 0, 0, 7]), "logprob": np.array([np.nan, -0.1, -0.2, -4.0])}
    return Memorization(info(text), head, {**arrays, "best": np.array([5, 6, 6, 9])})


def watch(text: str = "") -> TokenTrack:
    watched = [
        {"text": text or " Paris", "id": 3, "first": text or " Paris", "longer": False},
        {"text": text or " Lyon city", "id": 4, "first": text or " Lyon", "longer": True},
    ]
    p = np.array([[0.1, 0.2, 0.3, 0.8], [0.01, 0.02, 0.01, 0.1]])
    head = {**pieces(text), "prompt": 2, "watch": watched}
    return TokenTrack(
        info(text), head, {"logprob": np.log(p), "rank": np.array([[3, 2, 1, 0], [90, 50, 60, 1]])}
    )


def walk(text: str = "") -> Walkthrough:
    """Two tokens, two layers of two heads; the first is looked up by layer 2, head 2."""
    looks = np.zeros((2, 2, 2, 6))
    looks[:, :, :, 0] = 1.0
    looks[0, 1, 1, :4] = [0.1, 0.7, 0.1, 0.1]
    looks[1, 1, 0, :5] = [0.1, 0.1, 0.6, 0.1, 0.1]
    p = np.array([[0.6, 0.2, 0.1, 0.05], [0.9, 0.05, 0.02, 0.01]])
    head = {
        **pieces(text),
        "ids": [5, 6, 7, 6, 3, 4],
        "texts": [text] * 6 if text else ["The", " cap", " of", " cap", " w3", " w4"],
        "tokens": [{"id": 3, "text": text or " w3"}, {"id": 4, "text": text or " w4"}],
        "numbers": [0.1, -0.2, 0.3],
        "places": [1, 2, 3, 4],
        "vocab": 1000,
        "hidden": 8,
        "layers": 2,
        "heads": 2,
        "options": {**SamplingOptions().to_dict(), "temperature": 1.0, "seed": 3},
        "words": {str(n): text or f" w{n}" for n in range(3, 12)},
        "ends": [],
    }
    arrays = {
        "cand_ids": np.array([[3, 8, 9, 10], [4, 8, 9, 10]]),
        "logprobs": np.log(p),
        "seen": np.zeros((2, 4)),
        "u": np.array([0.25, 0.5]),
        "log_total": np.full(2, 20.0),
        "scores": np.tile(np.arange(48), (2, 1)),
        "bounds": np.array([[-10.0, 20.0], [-12.0, 21.0]]),
        "looks": looks,
        "adds": np.array([[[0.1, 0.2], [0.3, 2.0]], [[0.1, -0.2], [1.0, 0.5]]]),
        "lens_ids": np.array([[[8, 9, 3, 4, 10], [3, 8, 9, 4, 10]]] * 2),
        "lens_logprobs": np.log(np.tile([0.5, 0.2, 0.1, 0.05, 0.01], (2, 2, 1))),
        "lens_rank": np.array([[2, 0], [5, 0]]),
        "alike": np.array([[1.0, 0.9, 0.6], [np.nan] * 3]),
        "throws": np.linspace(0, 0.99, 200).reshape(2, 100),
        "warm": np.full(2, 20.0),
        "vectors": np.sin(np.arange(32)).reshape(4, 8),
    }
    return Walkthrough(info(text), head, arrays)


def catalog_row(text: str) -> dict[str, Any]:
    return {
        "name": text or "llama-3.2-1b-instruct",
        "title": text or "Llama 3.2 1B Instruct",
        "repository": text or "meta-llama/Llama-3.2-1B-Instruct",
        "license": {
            **{name: text or "Llama 3.2" for name in ("id", "name", "short")},
            "commercial": text or "on terms",
            "asks": text or "“Built with”, name",
            "may": [text or "use it commercially"],
            "must": [text or "pass on the license"],
        },
        "gated": True,
        "languages": [text or "en", "de"],
        "good_for": text or "chat",
        "context": 131_072,
        "parameters": 1_236_000_000,
        "fetch": 2_470_000_000,
        "fetch_known": False,
        "memory": {
            **{"weights": 1_900_000_000, "cache": 268_000_000, "working": 64_000_000},
            **{"expected": 2_232_000_000, "low": 1_500_000_000, "high": 2_500_000_000},
            **{"token_bytes": 65_536, "verdict": "tight", "max_tokens": 12_000},
        },
        "speed": {"value": 27.3, "measured": True},
        "state": text or "in the cache",
    }


def models(text: str = "") -> ModelTable:
    unknown = {"memory": None, "speed": None, "fetch": None, "context": None, "gated": None, "languages": []}
    plain = {"name": "b", "title": "Mystery 3B", "state": ""}
    large = {"name": "c", "title": "Mixtral 8×7B", "state": "", "speed": {"value": 1.5, "measured": False}}
    row = catalog_row(text)
    large["memory"] = {**row["memory"], "verdict": "too large", "expected": 59_000_000_000}
    license = {**row["license"], "short": "unknown", "commercial": "unknown", "asks": "unknown", "may": []}
    rows = [row, {**catalog_row(""), **large}, {**catalog_row(""), **plain, **unknown, "license": license}]
    head = {
        "rows": rows,
        "machine": {"cores": 2, "free": 3_000_000_000, "rate": 20_000_000_000},
        "context": 4096,
        "others": [{"key": text or "llama/auto-6-ab", "bytes": 116_000_000, "damaged": True}],
        "date": text or "2026-11-29T08:00+00:00",
    }
    return ModelTable(ModelInfo(""), head)


def card(text: str = "") -> ModelCard:
    names = ("id", "name", "short", "url", "source", "read", "commercial", "asks", "use_policy", "notice")
    license: dict[str, Any] = {name: text or "Llama 3.2" for name in (*names, "built_with", "name_prefix")}
    license |= {"may": [text], "must": [text], "changed": True}
    question = {"question": text or "commercial use", "answer": text or "yes", "section": text or "§2"}
    head = {
        "row": catalog_row(text),
        "license": {**license, "conditions": [question]},
        "contexts": [{"tokens": n, "bytes": 2_000_000_000 + 65_536 * n} for n in (1024, 4096, 131_072)],
        "precisions": [
            {"name": text or "fp32", "bytes": 5_000_000_000, "kl": 0.0, "same": 1.0},
            {"name": text or "int4", "bytes": 1_500_000_000, "kl": 0.021, "same": 0.94},
            {"name": text or "int8", "bytes": 1_900_000_000, "kl": None, "same": None},
        ],
        "training": {"texts": text, "until": text or "December 2023", "made_from": text, "languages": text},
        "saving": {"done": [text or "NOTICE is written"], "left": [text or "show “Built with Llama”"]},
        "free": 6_200_000_000,
    }
    return ModelCard(info(text), head)


def answer(text: str = "", *pieces: str, logprob: float = -0.5) -> Generation:
    other = Alternative(9, text or " a", -1.5)
    tokens = tuple(
        Token(
            n, text or piece, logprob, 0.4, 0, (Alternative(n, text or piece, logprob), other), time_s=0.1 * n
        )
        for n, piece in enumerate(pieces)
    )
    whole = "".join(token.text for token in tokens)
    return Generation(whole, tokens, "length", text or "?", model=info(text), timing=Timing(0.1, 9.5, 4, 0))


def beside(text: str = "") -> SideBySide:
    answers = [
        answer(text, "The", " sky", " is", " blue"),
        answer(text, "The", " sky", " was", " red", logprob=-0.7),
    ]
    third = answer(text, "A", " sky")
    return side_by_side([*answers, third], errors=["", text], notes=[text or "dropped to fit: df", ""])


def verified(text: str = "") -> Verification:
    before, after = answer(text, "The", " sky", " is"), answer("", "The", " sky", " was")
    outcomes = [
        Outcome(text or "3", text or "Why is the sky blue?", "equal", before, before),
        Outcome(
            "4",
            text or "Name a river",
            "drifted",
            before,
            after,
            text or 'first at 3: " is" → " was"',
            0.2,
            3,
        ),
        Outcome("9", text, "close", before, before, text, 0.001),
        Outcome("15", text or "Translate", "not run", None, None, text or "mistral-7b is not loaded"),
    ]
    return verification(outcomes, path=text or "lesson.ipynb", seconds=9.2)


def chosen(text: str = "") -> Choices:
    def row(name: str, share: float) -> dict[str, Any]:
        spelling = {"text": text or name, "ids": [3], "texts": [text or name], "p": share / 2}
        return {"name": text or name, "share": share, "of_all": share / 2, "spellings": [spelling]}

    labels = [row("pos", 0.63), row("neg", 0.32), row("neutral", 0.05)]
    head = {"labels": labels, "chosen": 0, "others": [[text or " negative", 0.21]]}
    return Choices(info(text), head, {"logprob": np.log([0.315, 0.16, 0.025])})


def run_over_rows(text: str = "") -> RowsRun:
    def result(n: int) -> RowResult:
        label, p = text or ("pos" if n % 3 else "neg"), 0.55 + (n % 9) / 20
        return RowResult(n, text or f"review {n}", label, p, shares={"pos": 0.6, "neg": 0.4})

    results = {n: result(n) for n in range(60)}
    results[60] = RowResult(60, text, error=text or "the review is empty")
    truth = {n: text or ("pos" if n % 4 else "neg") for n in range(60)}
    moments = [(float(n), 5 * n + 3 * (n % 4)) for n in range(13)]
    sizes = {"memory": 1_900_000_000, "memory_limit": 4_000_000_000, "working": True}
    workers = [
        {"address": text or "tcp://a:1", "name": text or str(n), "host": text or f"node-{n}", "rows": 20 - n}
        | sizes
        | {"present": n < 2}
        for n in range(3)
    ]
    columns, source = (text or "df.label",), text or "df.review"
    state = RowsState(source, 70, results, truth, 12.5, "running", columns, moments, workers)
    return rows_run(state, info(text))


def decided(text: str = "") -> Decisions:
    def row(name: str, kind: str, value: Any, names: list[str]) -> dict[str, Any]:
        labels = [
            {"name": text or item, "share": 1 / (n + 1.5), "of_all": 0.1 / (n + 1)}
            for n, item in enumerate(names)
        ]
        told = {"kind": kind, "value": value, "share": 0.6, "mean": 2.4}
        return {"name": text or name, "labels": labels, **told}

    rows = [
        row("team", "label", text or "tech", ["tech", "billing", "sales"]),
        row("urgent", "yes or no", True, ["yes", "no"]),
        row("severity", "number", 2, ["1", "2", "3"]),
    ]
    return Decisions(info(text), {"questions": rows})


def fixed(text: str = "") -> CellFix:
    before = f"import math\nprices = [3, 4]\n{text}total = sum(price)\nprint(total)"
    return cell_fix(6, before, before.replace("(price)", "(prices)"), info(text))


def evaluated(text: str = "") -> Evaluation:
    names = ("Paris", "Lyon", "Rome")
    items = [
        Item(text or f"Capital {n}?", tuple(text + name for name in names), " ", (n % 3,)) for n in range(6)
    ]
    runs = [ModelRun(ModelInfo(text[:200] or name, precision=name)) for name in ("fp32", "int4")]
    for shift, run in enumerate(runs):
        for n in range(6):
            logprobs = [np.log([0.2 + 0.1 * ((n + shift * (n > 3) + k) % 3), 0.9]) for k in range(3)]
            run.scores.append([Likelihood((k, 9), row, False) for k, row in enumerate(logprobs)])
            run.texts.append([(text or f" {name[:2]}", name[2:]) for name in names])
    return make_evaluation(text or "capitals", items, runs)


KINDS: dict[str, Callable[..., InspectionRecord]] = {
    "attention": attention,
    "card": card,
    "causes": causes,
    "choices": chosen,
    "compare": compare,
    "decisions": decided,
    "evaluation": evaluated,
    "fix": fixed,
    "lens": lens,
    "memory": memory,
    "models": models,
    "probe": probe,
    "replay": replay,
    "rows": run_over_rows,
    "side_by_side": beside,
    "tokenizers": tokenizers,
    "tree": tree,
    "verify": verified,
    "walk": walk,
    "watch": watch,
}


def sampler_cases() -> list[dict[str, Any]]:
    """Random choices under random rules, as Python decides them."""
    rng = np.random.default_rng(5)
    cases = []
    for n in range(60):
        k = int(rng.integers(1, 30))
        logprobs = np.sort(np.log(rng.dirichlet(np.full(k + 1, 0.5))[:k]))[::-1]
        rules = {
            "temperature": 0.0 if n % 10 == 9 else float(rng.uniform(0.3, 2)),
            "top_k": int(rng.choice([0, 3, 10, 40])),
            "top_p": float(rng.choice([1.0, 0.9, 0.5])),
            "min_p": float(rng.choice([0.0, 0.05, 0.2])),
            "repetition_penalty": float(rng.choice([1.0, 1.3])),
        }
        case = {
            "ids": list(range(k)),
            "logprobs": logprobs.tolist(),
            "seen": rng.integers(0, 2, k).tolist(),
            "log_total": float(rng.uniform(-5, 25)),
            "u": float(rng.random()),
            "rest": max(0.0, 1 - float(np.exp(logprobs).sum())),
            "rules": rules,
        }
        made = decide(
            np.array(case["ids"]),
            logprobs + case["log_total"],
            np.array(case["seen"]) > 0,
            case["u"],
            SamplingOptions(**rules),
            rest=case["rest"],
        )
        case["made"] = {
            "order": made.ids.tolist(),
            "shares": made.probabilities.tolist(),
            "removed": list(made.removed),
            "chosen": made.chosen,
            "lacks": made.lacks,
        }
        cases.append(case)
    return cases


def main() -> None:
    hostile = json.loads((Path(__file__).parents[1] / "hostile_texts.json").read_text("utf-8"))
    worst = "".join(text[:200] for text in hostile)[:4000]
    for name, text in (("inside-1.json", ""), ("inside-1-hostile.json", worst)):
        path = GOLDEN / name
        had = json.loads(path.read_text("utf-8")) if path.exists() else {}
        made = {kind: had.get(kind) or make(text).to_payload() for kind, make in KINDS.items()}
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
    (GOLDEN / "sampler-1.json").write_text(json.dumps(sampler_cases(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
