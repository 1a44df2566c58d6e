"""llm-magics' engine on token ids as they are: models with random weights have no text. Greedy, no record."""

import time

from common import answer, greedy, peak_mb, request

asked = request()
start = time.perf_counter()
import llm_magics as lm  # noqa: E402  the import counts as loading

model = lm.load(asked["gguf"], threads=asked["threads"], precision=asked.get("precision", "auto"))
load_s = time.perf_counter() - start
cache = model.engine.cache()


def step(ids: list[int], state: object) -> tuple[int, object]:
    return int(cache.extend(ids)[-1].argmax()), state


def run(ids: list[int], new: int) -> tuple[float, float, list[int]]:
    cache.truncate(0)
    return greedy(step, ids, new)


run(asked["prompt"][:32], 8)
first_s, decode, tokens = run(asked["prompt"], asked["new"])
answer(
    load_s=load_s,
    first_s=first_s,
    decode=decode,
    tokens=tokens,
    bytes_per_token=model.bytes_per_token,
    short_peak_mb=peak_mb(),
)
