"""What each order of a view does: the model, the record that is shown, and the order → another record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ...core.records import Generation, Token, Trace
from ...errors import RUN_CELL, ModelFileError, UsageError
from ...evaluation.evaluation import Evaluation
from ...inspection.answers.cell_fix import CellFix
from ...inspection.answers.choices import Choices
from ...inspection.answers.decisions import Decisions
from ...inspection.answers.rows import RowsRun
from ...inspection.answers.side_by_side import SideBySide
from ...inspection.answers.verification import Verification
from ...inspection.attention import Attention
from ...inspection.attribution import Attribution
from ...inspection.compare import Comparison
from ...inspection.logit_lens import LogitLens
from ...inspection.memorization import Memorization
from ...inspection.probe import Probe
from ...inspection.replay import Replay
from ...inspection.tokenization import Tokenization
from ...inspection.track import TokenTrack
from ...inspection.tree import SampleTree
from ...inspection.walkthrough import Walkthrough
from ...models.catalog.card import ModelCard
from ...models.catalog.model_table import ModelTable
from ...views.inspection_record import InspectionRecord
from ..channel import int_field

if TYPE_CHECKING:
    from ...models.model import Model

Act = dict[str, Any]
Source = InspectionRecord | Generation | Trace
_ALL = (
    Attention,
    Attribution,
    Comparison,
    Tokenization,
    LogitLens,
    Memorization,
    Probe,
    Replay,
    SampleTree,
    Walkthrough,
    TokenTrack,
    ModelCard,
    ModelTable,
    CellFix,
    Choices,
    Decisions,
    RowsRun,
    SideBySide,
    Evaluation,
    Verification,
)
KINDS: dict[str, type[InspectionRecord]] = {kind.kind: kind for kind in _ALL}


def read_record(payload: Mapping[str, Any]) -> InspectionRecord:
    """Return the record of a view's bundle.

    Raises:
        ModelFileError: it is damaged, or of no kind that is known.
    """
    kind = KINDS.get(str(payload.get("view")))
    if kind is None:
        raise ModelFileError("this output has no record", hint=RUN_CELL)
    return kind.from_payload(payload)


def source_tokens(source: Source, act: Act | None = None) -> Any:
    """Return what a record is of, as a view's call takes it.

    Of a walk only what stands before the token that is walked.

    Raises:
        UsageError: it is of no single text.
    """
    if not isinstance(source, InspectionRecord):
        return source
    ids = source.head.get("ids")
    if not isinstance(ids, list) or not all(isinstance(id, int) for id in ids):
        raise UsageError("this record covers more than one text", hint="Pass the text itself.")
    return ids[: int_field(act, "upto")] if act and "upto" in act else ids


OPENERS: dict[str, Callable[[Model, Source, Act], InspectionRecord]] = {
    "tokenizers": lambda model, source, act: model.tokenize(text_string(model, source, act)),
    "attention": lambda model, source, act: model.attention(source_tokens(source, act)),
    "causes": lambda model, source, act: (
        label_causes(model, source, act)
        if isinstance(source, Choices)
        else model.attribution(source_tokens(source, act))
    ),
    "branch": lambda model, source, act: continue_replay(model, source, act),
    "probe": lambda model, source, act: probe_step(model, source, act),
    "replay": lambda model, source, act: model.replay(require_answer(source)),
    "lens": lambda model, source, act: model.logit_lens(source_tokens(source, act)),
}
FOLLOW_UPS: dict[tuple[str, str], Callable[[Model, InspectionRecord, Act], InspectionRecord]] = {
    ("attention", "layer"): lambda model, picture, act: model.attention(
        source_tokens(picture), layers=[int_field(act, "layer")]
    ),
    ("causes", "target"): lambda model, picture, act: model.attribution(
        source_tokens(picture), target=optional_text(act, "target"), against=optional_text(act, "against")
    ),
    ("tokenizers", "add"): lambda model, picture, act: add_tokenizer(picture, str(act.get("name", ""))),
    ("tree", "extend"): lambda model, picture, act: more_samples(model, picture, int_field(act, "samples")),
    ("probe", "add"): lambda model, picture, act: model.probe(
        source_tokens(picture),
        [*(item["text"] for item in picture.head["strings"]), str(act.get("text", ""))],
    ),
}


def require_answer(source: Source) -> Generation:
    """Return the answer of a record.

    Raises:
        UsageError: the record is not an answer.
    """
    if isinstance(source, Walkthrough):
        return source.answer
    if not isinstance(source, Generation):
        raise UsageError("only an answer can be replayed", hint="Call model.replay(answer) with an answer.")
    return source


def label_causes(model: Model, source: Choices, act: Act) -> InspectionRecord:
    """Return which tokens of the prompt decided on a label, against the likeliest other one.

    Raises:
        UsageError: there is no such label, or the record has no prompt. ModelFileError: it is damaged.
    """
    ids: Any = source.head.get("prompt_ids")
    place = int_field(act, "label")
    try:
        labels = source.head["labels"]
        if not isinstance(ids, list) or not 0 <= place < len(labels):
            raise UsageError("this record has no prompt, or no such label", hint=RUN_CELL)
        others = [item for n, item in enumerate(labels) if n != place]
        best = max(others, key=lambda item: item["share"])
        target, against = (str(item["spellings"][0]["text"]) for item in (labels[place], best))
        same = labels[place]["spellings"][0]["ids"][0] == best["spellings"][0]["ids"][0]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ModelFileError(f"this record cannot be read: {error}", hint=RUN_CELL) from error
    # Where both begin alike, the first token says nothing about which of them it is.
    return model.attribution(cast(Any, ids), target=target, against=None if same else against)


def continue_replay(model: Model, source: Source, act: Act) -> InspectionRecord:
    """Return an answer that is replayed, from another token on: what comes of it, replayed too.

    Raises:
        UsageError: the place or the token does not exist.
    """
    if not isinstance(source, Replay):
        raise UsageError("only a replayed answer can be continued here", hint="Run %llm replay.")
    h = source.head
    tokens = tuple(
        Token(id, "" if id in h["ends"] else text, 0.0, 0.0, 0)
        for id, text in zip(h["chosen"], h["texts"], strict=True)
    )
    answer = Generation(
        "".join(token.text for token in tokens),
        tokens,
        "length",
        h["tail"],
        source.options,
        model=source.model,
        prompt_ids=tuple(h["ids"][: h["prompt"]]),
    )
    return model.replay(model.branch(answer, int_field(act, "at"), int_field(act, "token")))


def more_samples(model: Model, picture: InspectionRecord, samples: int) -> InspectionRecord:
    """Return a tree with so many samples more."""
    assert isinstance(picture, SampleTree)
    options = {name: value for name, value in picture.head["options"].items() if name != "alternatives"}
    many = len(picture.head["samples"]) + samples
    return model.sample_tree(source_tokens(picture), samples=many, extend_from=picture, **options)


def text_string(model: Model, source: Source, act: Act) -> str:
    """Return the text that a record is of."""
    result = source_tokens(source, act)
    return model.tokenizer.decode(result) if isinstance(result, list) else str(result.text)


def add_tokenizer(picture: InspectionRecord, name: str) -> InspectionRecord:
    """Return the same text in one tokenizer more, next to those that the record has.

    Theirs are kept as they stand: the names that a notebook's file brings are not looked up.

    Raises:
        UsageError: there are too many. ModelFileError: the record is damaged.
    """
    from ...models.compare import MOST, compare_tokenizers

    try:
        text, columns, languages = (picture.head[key] for key in ("text", "columns", "languages"))
        names = [str(item["name"]) for item in columns]
        if len(columns) >= MOST or name in names:
            raise UsageError(
                f"there are {len(columns)} tokenizers already", hint=f"Compare at most {MOST}, each once."
            )
        more = compare_tokenizers(text, [name])
        counts = {item["name"]: item["counts"] for item in more.head["languages"]}
        languages = [
            {**item, "counts": [*item["counts"], *counts.get(item["name"], [0])]} for item in languages
        ]
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"this record cannot be read: {error}", hint=RUN_CELL) from error
    info = replace(picture.model, name=", ".join([*names, name]))
    return Tokenization(
        info, {"text": text, "columns": [*columns, *more.head["columns"]], "languages": languages}
    )


def optional_text(act: Act, name: str) -> str | None:
    """Return a text that an order may give."""
    result = act.get(name)
    return result if isinstance(result, str) and result else None


def probe_step(model: Model, source: Source, act: Act) -> InspectionRecord:
    """Return the likeliest tokens of a walk's step, as strings.

    Raises:
        UsageError: it is no walk, or has no such token.
    """
    at = int_field(act, "token")
    if not isinstance(source, Walkthrough) or not 0 <= at < len(source.head["tokens"]):
        raise UsageError("this step does not exist", hint="Run %llm walkthrough.")
    order = source.arrays["logprobs"][at].argsort()[::-1][:8]
    words = [source.head["words"][str(id)] for id in source.arrays["cand_ids"][at][order].tolist()]
    return model.probe(source_tokens(source, act), [word for word in words if word and "\ufffd" not in word])
