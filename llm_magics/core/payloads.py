"""The shapes that travel to the views and that notebooks keep, as JSON.

The interfaces in labextension/src/protocol are their twins; a test compares the fields. Fields keep the names
of the first version, so that saved notebooks open: ``licence``, ``kept``, ``choose``, ``final``.
"""

from __future__ import annotations

from typing import Any, TypedDict


class ModelInfoPayload(TypedDict):
    """The model of a record. Twin: ModelInfo in record.ts."""

    name: str
    revision: str
    fingerprint: str
    precision: str
    licence: str


class RecordPayload(TypedDict, total=False):
    """An answer or a scored text. Twin: RecordPayload in record.ts."""

    schema: int
    kind: str
    view: str
    final: bool
    max_tokens: int
    model: dict[str, str]
    stop_reason: str
    data: str
    prose: int
    missing: list[str]
    note: str
    conversation: Any
    run: dict[str, Any]


class InspectionPayload(TypedDict, total=False):
    """An inspection record. Twin: InspectionPayload in inspection.ts."""

    view: str
    schema: int
    model: dict[str, str]
    data: str


class TunedAnswerPayload(TypedDict):
    """An answer of the tuned model. Twin: TunedAnswer in tuning.ts."""

    step: int
    strength: float
    text: list[list[Any]]
    lost: list[int]


class PromptAnswersPayload(TypedDict):
    """A prompt with its answers. Twin: PromptAnswers in tuning.ts."""

    prompt: str
    before: list[str]
    after: list[TunedAnswerPayload]


class TuningRecordPayload(TypedDict):
    """A tuning run. Twin: TuningRecord in tuning.ts."""

    schema: int
    kind: str
    id: str
    final: bool
    state: str
    why: str
    name: str
    kept: str
    model: dict[str, str]
    source: str
    rows: dict[str, int]
    rank: int
    plan: dict[str, Any] | None
    step: int
    total: int
    tokens_per_s: float | None
    left_s: float | None
    memory: dict[str, int]
    weights: tuple[int, int]
    loss: list[list[float]]
    held_out: list[list[float]]
    best: int | None
    rising: bool
    notes: list[str]
    strength: float
    adapter_step: int
    prompts: list[PromptAnswersPayload]
    perplexity: dict[str, Any] | None


class PlaygroundTurnPayload(TypedDict, total=False):
    """A turn of a playground. Twin: PlaygroundTurn in playground.ts."""

    asked: str
    live: str
    failed: str
    path: int
    fork: tuple[int, int] | None
    more: bool
    kept: dict[str, Any] | None
    key: str
    versions: tuple[int, int]
    stars: list[int]
    side: dict[str, Any] | None
    markdown: str


class PlaygroundStatePayload(TypedDict, total=False):
    """A playground. Twin: PlaygroundState in playground.ts."""

    schema: int
    id: str
    model: str | None
    settings: dict[str, float]
    set: int
    system: str
    raw: bool
    form: str
    turns: list[PlaygroundTurnPayload]
    loading: dict[str, Any] | None
    failed: str
    refused: str
    adapter: str
    strength: float
    compared: str
    undo: bool
    context: list[int] | None
    others: Any
