"""Write docs/checkpoints.md: how far our logits are from transformers', by family, version and file format.

    .venv/bin/python tools/checkpoint_matrix.py

The checkpoints are those of tests/support/checkpoints.py: tiny random models with default and with unusual
values.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support import checkpoints, decoders, families  # noqa: E402  # they stand next to the package

HEAD = """# Checkpoints of transformers 4 and 5

The table shows the largest absolute error of the logits against transformers, over 100 tokens, in fp32. A
family has several checkpoints: its default values, and unusual ones in which every field of its
configuration that changes the computation has another value. transformers saves each checkpoint, and computes
its logits, in an environment of its own. The GGUF files hold the same weights, written as llama.cpp's
converter writes them. `tests/model/test_checkpoints.py` checks all of them to 1e-4.
`tools/checkpoint_matrix.py` wrote this page.

| family | checkpoints | {heads} |
| --- | --: | {rules} |
"""
CASES = {**families.EVERY, **families.NEWER}


def error_of(source: Path, expected: np.ndarray) -> float:
    """The largest error over the text."""
    with tempfile.TemporaryDirectory() as folder:
        engine = decoders.engine(checkpoints.weights_of(source), Path(folder) / "fp32", "fp32")
        return float(np.abs(engine.cache().extend(checkpoints.ids(), all_logits=True) - expected).max())


def main() -> None:
    versions = list(checkpoints.PYTHONS)
    columns = [(version, kind) for kind in ("safetensors", "GGUF") for version in versions]
    errors: dict[tuple[str, str, str], list[float]] = {}
    for version in versions:
        folder = checkpoints.folder(version)
        for case, (family, _) in CASES.items():
            if not (folder / case).exists():  # a family that this version does not have
                continue
            expected = np.load(folder / case / "logits.npy")
            for kind, path in (("safetensors", folder / case), ("GGUF", folder / case / "model.gguf")):
                if path.exists():
                    errors.setdefault((family, version, kind), []).append(error_of(path, expected))
    lines = []
    for family in sorted({family for family, _ in CASES.values()}):
        count = sum(kind == family for kind, _ in CASES.values())
        cells = [errors.get((family, version, kind)) for version, kind in columns]
        shown = [f"{max(cell):.1e}" if cell else "–" for cell in cells]
        lines.append(f"| {family} | {count} | {' | '.join(shown)} |")
    heads = " | ".join(f"{kind}, transformers {version}" for version, kind in columns)
    text = HEAD.format(heads=heads, rules=" | ".join(["--:"] * len(columns))) + "\n".join(lines) + "\n"
    (ROOT / "docs" / "checkpoints.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
