"""transformers in eager mode, fp32, over the file's dequantised weights."""

import time

from common import answer, greedy, peak_mb, request

asked = request()
start = time.perf_counter()
import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

torch.set_num_threads(asked["threads"])
model = AutoModelForCausalLM.from_pretrained(asked["cache"], dtype=torch.float32).eval()
load_s = time.perf_counter() - start


@torch.inference_mode()
def step(ids: list[int], past: object) -> tuple[int, object]:
    out = model(torch.tensor([ids]), past_key_values=past, use_cache=True, logits_to_keep=1)
    return int(out.logits[0, -1].argmax()), out.past_key_values


greedy(step, asked["prompt"], 4)
first_s, decode, tokens = greedy(step, asked["prompt"], asked["new"])
short = peak_mb()
if asked["logits"]:
    with torch.inference_mode():
        np.save(asked["logits"], model(torch.tensor([asked["prose"]])).logits[0].numpy())
answer(load_s=load_s, first_s=first_s, decode=decode, long={}, tokens=tokens, short_peak_mb=short)
