"""llama.cpp (the xllamacpp wheel) on the very same GGUF file, in process, timed by its own clock, no sampling
record.
"""

import json
import time

from common import answer, peak_mb, request

asked = request()
start = time.perf_counter()
import xllamacpp  # noqa: E402

params = xllamacpp.CommonParams()
params.model.path = asked["gguf"]
params.n_ctx, params.n_parallel = asked.get("n_ctx", 2048), 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked["threads"]
server = xllamacpp.Server(params)
load_s = time.perf_counter() - start


def run(ids: list[int], new: int) -> tuple[float, float, list[int]]:
    body = {
        "prompt": ids,
        "n_predict": new,
        "temperature": 0,
        "cache_prompt": False,
        "ignore_eos": True,
        "return_tokens": True,
    }
    result = server.handle_completions(body)
    result = json.loads(result) if isinstance(result, str) else result
    assert result["timings"]["predicted_n"] == new
    return (
        result["timings"]["prompt_ms"] / 1000,
        result["timings"]["predicted_per_second"],
        result.get("tokens", []),
    )


run(asked["prompt"], 8)
first_s, decode, tokens = run(asked["prompt"], asked["new"])
short = peak_mb()
long = {f"at_{len(ids)}": run(ids, 64)[1] for ids in asked["long"]}
answer(
    load_s=load_s,
    first_s=first_s,
    decode=decode,
    long=long,
    tokens=tokens,
    short_peak_mb=short,
    build=xllamacpp.get_system_info(),
)
