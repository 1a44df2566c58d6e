"""Where the time of a decoded token goes, by operator, as ONNX Runtime's own profiler sees it (which slows
small ones down).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import onnxruntime as ort

import llm_magics as lm
from llm_magics.engine.ort import OrtEngine
from llm_magics.models.loading.convert import ConvertedModel

TOKENS = 64


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=None)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--context", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    tokens = 2 if args.quick else TOKENS
    model = lm.load(args.model, precision=args.precision)
    assert model.folder is not None
    spec = ConvertedModel.read(model.folder).spec
    with tempfile.TemporaryDirectory() as place:
        original = ort.InferenceSession

        def profiled(path: str, options: ort.SessionOptions, **more: object) -> ort.InferenceSession:
            options.enable_profiling, options.profile_file_prefix = True, str(Path(place) / "profile")
            return original(path, options, **more)

        ort.InferenceSession = profiled
        engine = OrtEngine(
            model.folder / "decoder.onnx",
            vocab_size=spec.vocab,
            context_length=spec.context,
            cache_shape=spec.cache_shape,
        )
        cache = engine.cache()
        cache.extend(list(range(100, 100 + args.context)))
        cache.extend([5])
        time.sleep(0.01)
        start = time.perf_counter()
        for _ in range(tokens):
            cache.extend([7])
        spent = (time.perf_counter() - start) / tokens
        events = json.loads(Path(engine.session.end_profiling()).read_text())
    runs = [event for event in events if event.get("name") == "model_run"][-tokens:]
    begin = runs[0]["ts"]
    times: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for event in events:
        if event.get("cat") == "Node" and event["ts"] >= begin and event["name"].endswith("_kernel_time"):
            op = event["args"]["op_name"]
            op = f"{op} (head)" if op == "MatMulNBits" and event["dur"] > 500 else op
            times[op] += event["dur"] / tokens
            counts[op] += 1
    print(
        f"{model.name} ({model.info.precision}), {args.context} tokens of context: {spent * 1e3:.2f} ms a "
        f"token while profiled"
    )
    for op, spent_us in sorted(times.items(), key=lambda item: -item[1]):
        print(
            f"{op:40} {counts[op] / tokens:6.0f} nodes {spent_us:8.0f} µs "
            f"{spent_us / sum(times.values()):6.1%}"
        )


if __name__ == "__main__":
    main()
