"""llm-magics, through its public API: streaming, with ten alternatives recorded for every token."""

import time

from common import answer, request

asked = request()
start = time.perf_counter()
import llm_magics as lm  # noqa: E402  the import counts as loading

more = (
    {"kv_cache": asked["kv_cache"]} if "kv_cache" in asked else {}
)  # earlier versions have no such argument
model = lm.load(asked["gguf"], threads=asked["threads"], **more)
load_s = time.perf_counter() - start


def run(ids: list[int], new: int) -> tuple[float, float, list[int]]:
    model.pool.clear()
    tokens = list(
        model.stream(model.tokenizer.decode(ids), raw=True, max_tokens=new, temperature=0, speculate=False)
    )
    assert len(tokens) == new, "the prompt's greedy answer ends early: choose another"
    assert model.last and model.last.timing.prompt_tokens == len(ids)
    span = tokens[-1].time_s - tokens[0].time_s
    return tokens[0].time_s, (new - 1) / span, [token.id for token in tokens]


run(asked["prompt"], 8)
first_s, decode, tokens = run(asked["prompt"], asked["new"])
peak = {"short_peak_mb": __import__("common").peak_mb()}
long = {f"at_{len(ids)}": run(ids, 64)[1] for ids in asked["long"]}
if asked["logits"]:
    import numpy as np

    cache = model.engine.cache()
    prose = asked["prose"]
    parts = [cache.extend(prose[at : at + 64], all_logits=True).copy() for at in range(0, len(prose), 64)]
    np.save(asked["logits"], np.concatenate(parts))
answer(
    load_s=load_s,
    first_s=first_s,
    decode=decode,
    long=long,
    tokens=tokens,
    bytes_per_token=model.bytes_per_token,
    **peak,
)
