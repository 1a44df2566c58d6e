"""What a run is asked to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any

from ..core.validation import format_value, require_float, require_int
from ..errors import UsageError

DEPTH = 8  # layers that learn where not all do: the head costs as much as two, so fewer save little
MOST_RANK = 256
BATCH = 8  # rows a step, where nobody asks for another number


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """Options of :func:`tune`.

    Attributes:
        minutes: the whole run takes no longer; None where ``steps`` says how long it is.
        steps: how many, or None.
        depth: "full" (all layers), the number of last layers that learn, or "auto".
        rank, alpha: of the LoRA; what is added is alpha / rank · B A x.
        targets: "all", or roles or modules such as ("q_proj", "v_proj").
        learning_rate: at its highest, or "auto".
        eval_fraction: of the prompts, put aside: half to choose the best moment by, half for the figure.
        batch: rows a step.
        max_length: tokens of a row; what is longer is cut.
        max_tokens: of the answers to ``prompts``.
        seed: of everything that is drawn.
    """

    minutes: float | None = 1.0
    steps: int | None = None
    depth: str | int = "auto"
    rank: int = 8
    alpha: float = 16.0
    targets: str | tuple[str, ...] = "all"
    learning_rate: float | str = "auto"
    eval_fraction: float = 0.1
    batch: int = BATCH
    max_length: int = 512
    max_tokens: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("rank", 1, MOST_RANK),
            ("batch", 1, 256),
            ("max_length", 8, 1 << 17),
            ("max_tokens", 1, 4096),
            ("seed", 0, (1 << 63) - 1),
        ):
            self._count(name, least, most)
        if self.steps is not None:
            self._count("steps", 1, 1_000_000)
        if self.minutes is not None:
            require_float(self.minutes, "minutes", 0, 24 * 60, above=True)
        if self.minutes is None and self.steps is None:
            raise UsageError("a run needs a limit", hint="Set minutes or steps.")
        require_float(self.alpha, "alpha", 0, 1024, above=True)
        if not isinstance(self.learning_rate, str) or self.learning_rate != "auto":
            require_float(self.learning_rate, "learning_rate", 0, 1, above=True)
        if not isinstance(self.depth, str) or self.depth not in ("auto", "full"):
            self._count("depth", 1, 1_000, hint='Leave it out, or say "auto" or "full".')

    def _count(self, name: str, least: int, most: int, hint: str = "leave it out") -> None:
        """Check an integer option; integers of pandas and NumPy are converted."""
        object.__setattr__(self, name, require_int(getattr(self, name), name, least, most, hint=hint))

    def to_dict(self) -> dict[str, Any]:
        out = asdict(self)
        return {**out, "targets": out["targets"] if isinstance(out["targets"], str) else list(out["targets"])}


def tune_options(options: Mapping[str, Any]) -> TuneOptions:
    """Return options by name; ``steps`` alone means that there is no ceiling of time.

    Raises:
        UsageError: one is unknown or out of its range.
    """
    known = [item.name for item in fields(TuneOptions)]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"unknown option {name!r:.40}",
                hint=f"Did you mean {near[0]}?" if near else f"Choose one of {', '.join(known)}.",
            )
    values = dict(options)
    if values.get("steps") is not None and "minutes" not in values:
        values["minutes"] = None
    targets = values.get("targets", "all")
    if not isinstance(targets, str):
        if not isinstance(targets, Sequence) or not all(isinstance(item, str) for item in targets):
            raise UsageError(
                f"targets must be names, got {format_value(targets)}",
                hint='Pass "all", or a list such as ["q_proj"].',
            )
        values["targets"] = tuple(targets)
    if isinstance(values.get("depth"), str) and values["depth"].isdigit():
        values["depth"] = int(values["depth"])
    return TuneOptions(**values)
