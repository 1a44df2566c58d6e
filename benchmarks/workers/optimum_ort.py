"""optimum's ORTModelForCausalLM, its own export, fp32, with I/O binding."""

import time

from common import answer, greedy, peak_mb, request

asked = request()
start = time.perf_counter()
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from optimum.onnxruntime import ORTModelForCausalLM  # noqa: E402

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = asked["threads"]
model = ORTModelForCausalLM.from_pretrained(
    asked["cache"] + "-onnx", session_options=options, use_io_binding=True
)
load_s = time.perf_counter() - start


def step(ids: list[int], state: tuple[object, int] | None) -> tuple[int, tuple[object, int]]:
    past, seen = state or (None, 0)
    total = seen + len(ids)
    out = model(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, total, dtype=torch.int64),
        position_ids=torch.arange(seen, total)[None],
        past_key_values=past,
        use_cache=True,
    )
    return int(out.logits[0, -1].argmax()), (out.past_key_values, total)


greedy(step, asked["prompt"], 4)
first_s, decode, tokens = greedy(step, asked["prompt"], asked["new"])
short = peak_mb()
if asked["logits"]:
    prose = torch.tensor([asked["prose"]])
    out = model(
        input_ids=prose,
        attention_mask=torch.ones_like(prose),
        position_ids=torch.arange(prose.shape[1])[None],
    )
    np.save(asked["logits"], np.asarray(out.logits[0]))
answer(load_s=load_s, first_s=first_s, decode=decode, long={}, tokens=tokens, short_peak_mb=short)
