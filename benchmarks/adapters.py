"""Decoding with an adapter next to the model alone, interleaved; what taking another one up costs.

python benchmarks/adapters.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import llm_magics as lm  # noqa: E402
from llm_magics.decoder.spec import DecoderSpec  # noqa: E402
from llm_magics.models.adapters.lora import Adapter, LoraPair  # noqa: E402
from llm_magics.models.adapters.roles import roles_by_matmul, shape_of  # noqa: E402
from llm_magics.models.adapters.targets import resolve_targets, to_modules  # noqa: E402

ROUNDS, TOKENS, RANK = 9, 120, 8


def random_adapter(spec: DecoderSpec, first: int, *, shared: bool) -> Adapter:
    """Small random matrices at every place from a layer on; ``shared``: one A where inputs are one."""
    rng, pairs = np.random.default_rng(0), {}
    roles = resolve_targets(spec, "all")
    for layer in range(first, spec.layers):
        for stacked in roles_by_matmul(spec).values():
            a = None
            for role in (role for role in stacked if role in roles):
                out, width = shape_of(spec, layer, role)
                if a is None or not shared:
                    a = rng.normal(0, 0.04, (RANK, width)).astype(np.float32)
                pairs[layer, role] = LoraPair(a, rng.normal(0, 0.01, (out, RANK)).astype(np.float32))
    return Adapter(to_modules(spec, pairs), 16.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    quick = parser.parse_args().quick
    rounds, tokens, switches = (1, 3, 6) if quick else (ROUNDS, TOKENS, 24)
    model = lm.load()
    assert model.lora_sessions is not None
    spec = model.lora_sessions.spec
    adapters = {
        "last 8 layers": random_adapter(spec, spec.layers - 8, shared=True),
        "all layers": random_adapter(spec, 0, shared=True),
        "foreign, all layers": random_adapter(spec, 0, shared=False),
    }
    for name, adapter in adapters.items():
        tuned = model.with_adapter(adapter)
        ratios = []
        for _ in range(rounds):
            speeds = [
                variant.generate(
                    "Why is the sky blue?", temperature=0, max_tokens=tokens, speculate=False
                ).timing.decode_tokens_per_s
                for variant in (model, tuned)
            ]
            ratios.append(speeds[1] / speeds[0])
        print(f"{name:<22} {statistics.median(ratios):.3f} of the model alone")
    times = []
    for n in range(switches):
        began = time.perf_counter()
        name = ("last 8 layers", "all layers")[n % 2]
        model.with_adapter(adapters[name], 0.5 + n / 100).engine.cache()  # type: ignore[attr-defined]
        times.append(1000 * (time.perf_counter() - began))
    print(f"switching: {statistics.median(times[4:]):.1f} ms, at most {max(times[4:]):.1f}")


if __name__ == "__main__":
    main()
