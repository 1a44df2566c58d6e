"""One side of benchmarks/gpu.py: a request on argv, figures as JSON on stdout."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import greedy, request

import llm_magics as lm
from llm_magics.core.sampling import log_softmax
from llm_magics.models.fidelity import sample_text

ROOT = Path(__file__).parents[2]
ASKED = request()
ON_CARD = ASKED["device"].startswith("cuda")


def prompt() -> list[int]:
    ids = lm.load(ASKED["gguf"], device="cpu").tokenizer.encode(sample_text(), special=False)
    return (ids * 4)[: ASKED["prompt"]]


def ours(*, graph: bool = True) -> dict[str, float]:
    """Measure the speed, and the fidelity of single steps to the same file in fp32 on the CPU."""
    model = lm.load(ASKED["gguf"], device=ASKED["device"])
    engine: Any = model.engine if graph else model.engine.without_capture()  # type: ignore[attr-defined]
    cache = engine.cache()

    def step(ids: list[int], state: Any) -> tuple[int, Any]:
        if state is None:
            cache.truncate(0)
        return int(cache.extend(ids)[-1].argmax()), cache

    ids = prompt()
    greedy(step, ids, 8)
    first_s, decode, _ = greedy(step, ids, ASKED["new"])
    prose = model.tokenizer.encode(sample_text())[: ASKED["prose"]]
    exact = lm.load(ASKED["gguf"], device="cpu", precision="fp32").engine.cache()
    expected = log_softmax(exact.extend(prose, all_logits=True), np.float64)[1:]
    cache.truncate(0)
    cache.extend(prose[:1])
    logits = np.concatenate([cache.extend([token])[:1].copy() for token in prose[1:]])
    logprobs = log_softmax(logits, np.float64)
    return {
        "prefill": len(ids) / first_s,
        "decode": decode,
        "kl": float((np.exp(expected) * (expected - logprobs)).sum(-1).mean()),
        "same_argmax": float((expected.argmax(-1) == logprobs.argmax(-1)).mean()),
        "captures": int(engine.captures),
    }


def rows() -> dict[str, float]:
    """Measure 32 answers side by side."""
    model = lm.load(ASKED["gguf"], device=ASKED["device"])
    prompts = [f"Tell me about the number {n}." for n in range(32)]
    options: dict[str, Any] = {"max_tokens": min(ASKED["new"], 64), "temperature": 0}
    list(model.map(prompts[:2], **options))
    begin = time.perf_counter()
    count = sum(len(answer.tokens) for answer in model.map(prompts, **options))
    return {"decode": count / (time.perf_counter() - begin)}


def transformers(how: str) -> dict[str, float]:
    import torch
    from transformers import AutoModelForCausalLM

    file = Path(ASKED["gguf"])
    model: Any = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float16 if ON_CARD else torch.float32,
        attn_implementation="eager" if how == "eager" else "sdpa",
    )
    model = model.to(ASKED["device"]).eval()
    if how == "compiled":
        model.generation_config.cache_implementation = "static"
        model.forward = torch.compile(model.forward, mode="reduce-overhead", fullgraph=True)
    ids = torch.tensor([prompt()], device=ASKED["device"])

    @torch.inference_mode()
    def seconds(new: int) -> float:
        begin = time.perf_counter()
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            min_new_tokens=new,
            max_new_tokens=new,
            do_sample=False,
        )
        assert out.shape[1] == ids.shape[1] + new
        return time.perf_counter() - begin

    for _ in range(2):  # the second one has what the first compiled
        seconds(8)
    first, whole = seconds(1), seconds(ASKED["new"])
    return {"prefill": ids.shape[1] / first, "decode": (ASKED["new"] - 1) / (whole - first)}


def llama_cpp() -> dict[str, float]:
    import xllamacpp

    system = str(xllamacpp.get_system_info())
    if ON_CARD and "CUDA" not in system:
        raise SystemExit("this build of llama.cpp has no CUDA")
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = ASKED["gguf"], 2048, 1
    params.n_gpu_layers = 999 if ON_CARD else 0
    server = xllamacpp.Server(params)
    ids = prompt()

    def timings(new: int) -> dict[str, float]:
        request = {
            "prompt": ids,
            "n_predict": new,
            "temperature": 0,
            "cache_prompt": False,
            "ignore_eos": True,
        }
        answer = server.handle_completions(request)
        result = json.loads(answer) if isinstance(answer, str) else answer
        return result["timings"]  # type: ignore[no-any-return]

    timings(8)
    told = timings(ASKED["new"])
    return {"prefill": told["prompt_per_second"], "decode": told["predicted_per_second"]}


def tuning() -> dict[str, float]:
    """Measure steps of tuning, and decoding with the adapter that they gave."""
    from llm_magics.tuning.dataset import read_rows
    from llm_magics.tuning.options import tune_options
    from llm_magics.tuning.run import TuneRun

    model = lm.load(ASKED["gguf"], device=ASKED["device"])
    data = read_rows(ROOT / "notebooks" / "data" / "brindle.jsonl")
    run = TuneRun(model, data, tune_options({"steps": ASKED["steps"], "max_tokens": 4}))
    ends: list[float] = []
    for _ in run.train_steps():
        if run.step > len(ends):
            ends.append(time.perf_counter())
    step_s = statistics.median(np.diff(ends))
    tuned = model.with_adapter(run.adapter)
    options: dict[str, Any] = {"raw": True, "max_tokens": ASKED["new"], "temperature": 0, "speculate": False}
    tuned.generate("Once", **options)
    begin = time.perf_counter()
    count = len(tuned.generate("Once upon a time", **options).tokens)
    return {
        "step_s": float(step_s),
        "decode": count / (time.perf_counter() - begin),
        "on_card": int(ON_CARD and not any("computes on the CPU" in note for note in run.notes)),
    }


RUNS: dict[str, Callable[[], dict[str, float]]] = {
    "ours": ours,
    "ours, without a CUDA graph": lambda: ours(graph=False),
    "ours, 32 rows": rows,
    "ours, tuning": tuning,
    "transformers, eager": lambda: transformers("eager"),
    "transformers, sdpa": lambda: transformers("sdpa"),
    "transformers, compiled": lambda: transformers("compiled"),
    "llama.cpp": llama_cpp,
}

if __name__ == "__main__":
    print("\n" + json.dumps(RUNS[ASKED["side"]]()), flush=True)
