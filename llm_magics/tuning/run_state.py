"""What a run notes on its way."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal

from ..core.records import Generation
from ..sanitize import printable
from .dataset import Row
from .evaluation import Perplexity
from .examples import Split
from .options import TuneOptions
from .plan import Plan

if TYPE_CHECKING:
    from ..models.model import Model

State = Literal["new", "loading", "training", "paused", "done", "stopped", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class TuneStep:
    """One step: loss before it in nats a token, tokens of its batch, seconds it took."""

    step: int
    loss: float
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt answered by the adapter as it was after ``step``."""

    step: int
    strength: float
    prompt: str
    answer: Generation


@dataclass(frozen=True, slots=True)
class PromptComparison:
    """One prompt, answered without and with an adapter."""

    prompt: str
    base: Generation
    tuned: Generation
    strength: float

    @property
    def changed(self) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        """Return which tokens of base and tuned answer differ (difflib), one flag per token."""
        return changed([token.id for token in self.base.tokens], [token.id for token in self.tuned.tokens])

    def __repr__(self) -> str:
        return f"before: {printable(self.base.text)}\n after: {printable(self.tuned.text)}"


def changed(before: Sequence[int], after: Sequence[int]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Return which tokens of base and tuned answer differ (difflib), one flag per token."""
    ours, theirs = [True] * len(before), [True] * len(after)
    for a, b, size in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        ours[a : a + size] = [False] * size
        theirs[b : b + size] = [False] * size
    return tuple(ours), tuple(theirs)


@dataclass(repr=False)
class RunState:
    """What a run was asked, and what it noted until now.

    Attributes:
        model: without the adapter.
        name: what the adapter is called.
        history: a :class:`TuneStep` each.
        checks: held-out loss by step, in nats a token.
        samples: answers on the way; ``before`` has those of the base, by prompt.
        labels: what ``--decide`` compared: the labels of rows that nothing was learned from, or None.
        perplexity: before and after, on rows that nothing was chosen on; None where there are none, or not
            yet.
        plan: depth and steps, with the reason.
        notes: what was done to the rows, and what was noticed; row_notes are what was said when they were
            read.
        state: "training", "paused", …; ``why`` says how it ended.
        keep: whether the adapter is written to ``LLM_MAGICS_HOME/adapters`` under its name at the end.
        kept: the name under which it is there now; empty as long as it is not.
        id: of this run; the adapter that it wrote before is replaced, one of another run is not.
    """

    model: Model
    rows: Sequence[Row]
    options: TuneOptions
    prompts: tuple[str, ...]
    name: str
    source: str
    history: list[TuneStep] = field(default_factory=list)
    heldout_losses: dict[int, float] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    base_answers: dict[str, Generation] = field(default_factory=dict)
    perplexity: Perplexity | None = None
    labels: Any = None
    plan: Plan | None = None
    notes: list[str] = field(default_factory=list)
    row_notes: Sequence[str] = ()
    state: State = "new"
    message: str = ""
    memory: dict[str, int] = field(default_factory=dict)
    split: Split = field(default_factory=Split)
    strength: float = 1.0
    keep: bool = False
    kept: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def best(self) -> int | None:
        """Return the step of the lowest held-out loss; None where nothing is held out."""
        return (
            min(self.heldout_losses, key=lambda step: self.heldout_losses[step])
            if self.heldout_losses
            else None
        )

    @property
    def loss_rising(self) -> bool:
        """Return whether the last two checks were each worse than the one before."""
        losses = [self.heldout_losses[step] for step in sorted(self.heldout_losses)][-3:]
        return len(losses) == 3 and losses[0] < losses[1] < losses[2]
