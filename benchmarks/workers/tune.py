"""One side of benchmarks/tune.py: SIDE STEPS SKIP SECONDS → a line of JSON."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import llm_magics as lm  # noqa: E402
from llm_magics.models.adapters.targets import resolve_targets  # noqa: E402
from llm_magics.models.loading.convert import weights_of  # noqa: E402
from llm_magics.tuning.dataset import read_rows  # noqa: E402
from llm_magics.tuning.examples import Example, encode_rows, split  # noqa: E402
from llm_magics.tuning.plan import RATE  # noqa: E402
from llm_magics.tuning.training import hardware  # noqa: E402
from llm_magics.tuning.training.trainer import BETAS, CLIP, LAST_RATE, WARM_UP  # noqa: E402

BATCH, RANK, ALPHA = 8, 8, 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    side, steps, skip, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    model = lm.load()
    examples, _ = encode_rows(model, read_rows(ROOT / "notebooks" / "data" / "brindle.jsonl").rows)
    data = split(examples, fraction=0.2)
    source = model.origin.source()
    del model
    make = Ours if side.startswith("ours") else Peft
    side_run = make(source, data.train, last=side.endswith("last 8"), bf16="bf16" in side)
    out: dict[str, float] = {}
    if seconds:
        out["begun"] = best = side_run.loss([*data.validation, *data.test])
        side_run.step()  # the first prepares kernels
        began = time.perf_counter()
        side_run.step()
        side_run.total = total = int(seconds / (time.perf_counter() - began))
        # Held-out checks are no part of the minute, for either side.
        for n in range(min(total, 150)):
            side_run.step()
            if n % 5 == 4:
                best = min(best, side_run.loss([*data.validation, *data.test]))
        out |= {"held_out": best, "steps": total}
    else:
        times, tokens = [], []
        for n in range(steps + skip):
            began = time.perf_counter()
            count = side_run.step()
            if n >= skip:
                times.append(time.perf_counter() - began)
                tokens.append(count)
        out |= {"step_s": statistics.median(times), "tokens_per_s": sum(tokens) / sum(times)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({**out, "peak_mb": peak}))


class Ours:
    total = 40

    def __init__(self, source: Path, train: list[Example], *, last: bool, bf16: bool) -> None:
        hardware.import_torch()
        from llm_magics.tuning.examples import Split
        from llm_magics.tuning.training.lora import LoraParameters
        from llm_magics.tuning.training.model import TrainableModel
        from llm_magics.tuning.training.trainer import Trainer

        weights = weights_of(source)
        first = weights.spec.layers - 8 if last else 0
        network = TrainableModel(weights, hardware.fastest_dtype(), first=first)
        weights.release()
        layers = range(first, weights.spec.layers)
        lora = LoraParameters(
            weights.spec, layers, resolve_targets(weights.spec, "all"), rank=RANK, alpha=ALPHA, seed=0
        )
        rate = RATE
        self.trainer = Trainer(network, lora, Split(train=train), rate=rate, batch=BATCH, seed=0)
        if last:
            self.trainer.freeze()

    def step(self) -> int:
        self.trainer.total = self.total
        examples = self.trainer._next()
        self.trainer.advance()
        return sum(len(example.ids) for example in examples)

    def loss(self, examples: list[Example]) -> float:
        return self.trainer.loss(examples)


class Peft:
    """transformers and PEFT as their documentation has it: padded batches, autocast for bf16."""

    total = 40

    def __init__(self, source: Path, train: list[Example], *, last: bool, bf16: bool) -> None:
        hardware.import_torch()  # the same settings of torch as ours
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32
        )
        layers = model.config.num_hidden_layers
        config = LoraConfig(
            r=RANK,
            lora_alpha=ALPHA,
            target_modules=TARGETS,
            layers_to_transform=list(range(layers - 8, layers)) if last else None,
            task_type="CAUSAL_LM",
        )
        self.model = get_peft_model(model, config)
        self.parameters = [item for item in self.model.parameters() if item.requires_grad]
        rate = RATE
        self.optimizer = torch.optim.AdamW(self.parameters, lr=rate, betas=BETAS, weight_decay=0.0)
        self.train, self.n, self.rate = train, 0, rate
        self.how: Any = torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()

    def batch(self, examples: list[Example]) -> dict[str, Any]:
        import torch

        longest = max(len(example.ids) for example in examples)

        def padded(values: list[Any], fill: int) -> list[Any]:
            return [*values, *[fill] * (longest - len(values))]

        labels = [
            [id if learnt else -100 for id, learnt in zip(example.ids, example.loss_mask, strict=True)]
            for example in examples
        ]
        return {
            "input_ids": torch.tensor([padded(list(example.ids), 0) for example in examples]),
            "attention_mask": torch.tensor([padded([1] * len(example.ids), 0) for example in examples]),
            "labels": torch.tensor([padded(row, -100) for row in labels]),
        }

    def step(self) -> int:
        import torch

        examples = [self.train[(self.n * BATCH + k) % len(self.train)] for k in range(BATCH)]
        with self.how:
            loss = self.model(**self.batch(examples)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        left = max(self.total - self.n, 0) / max(self.total - WARM_UP, 1)
        share = (self.n + 1) / WARM_UP if self.n < WARM_UP else LAST_RATE + (1 - LAST_RATE) * left
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * share
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.n += 1
        return sum(len(example.ids) for example in examples)

    def loss(self, examples: list[Example]) -> float:
        import torch

        with torch.no_grad(), self.how:
            total = sum(
                float(self.model(**self.batch([example])).loss) * example.completions for example in examples
            )
        return total / sum(example.completions for example in examples)


if __name__ == "__main__":
    main()
