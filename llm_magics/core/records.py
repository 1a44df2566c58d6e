"""The records that travel from the engine to the views: the contract between Python and TypeScript.

All are frozen values. ``to_dict`` gives plain JSON types with the tokens as columns (one list a field: small,
and quick to read back); ``from_dict`` reads every schema number up to :data:`SCHEMA`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from ..errors import ModelFileError
from .options import SamplingOptions

SCHEMA = 2
StopReason = Literal["stop", "length", "interrupted"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token the model could have chosen; ``logprob`` in nats under the unmodified distribution."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Token:
    """One token, as chosen or as read.

    Attributes:
        id: the vocabulary index.
        text: what this token added to the text; empty while a character is still incomplete.
        logprob: natural logarithm of its probability under the model's own distribution, that is before
            temperature, penalties and truncation.
        entropy: Shannon entropy of that distribution, in nats.
        rank: 0 for the likeliest token, 1 for the next, …
        alternatives: the likeliest tokens, best first; may hold the chosen one.
        time_s: seconds since the request began; 0 in a trace.
    """

    id: int
    text: str
    logprob: float
    entropy: float
    rank: int
    alternatives: tuple[Alternative, ...] = ()
    time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time went. Seconds, tokens per second, counts of tokens.

    ``decode_tokens_per_s`` counts the tokens after the first; 0 when there was none.
    """

    first_token_s: float = 0.0
    decode_tokens_per_s: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which weights answered: enough to find them again and to see that they are the same.

    Attributes:
        fingerprint: changes when the weights do. The sha256 of a single file; of a Hub repository, of its
            name, commit and files' names; of a local folder, of its files' sizes, times and beginnings.
    """

    name: str
    revision: str = ""
    fingerprint: str = ""
    precision: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer, with everything needed to show it, judge it and make it again.

    Attributes:
        text: the answer; the concatenation of the tokens' texts, less a stop string.
        tokens: one record a token.
        stop_reason: "stop" (end token or stop string), "length" (max_tokens or context) or "interrupted".
        prompt: the exact text the model was given, special tokens included.
        prompt_ids: the prompt's tokens; empty where they were not noted.
        vocab_size: of the model; 0 where it was not noted.
        pieces: the bytes of those tokens that are no whole characters, by id; their texts hold U+FFFD.
    """

    text: str
    tokens: tuple[Token, ...]
    stop_reason: StopReason
    prompt: str
    options: SamplingOptions = field(default_factory=SamplingOptions)
    timing: Timing = field(default_factory=Timing)
    model: ModelInfo = field(default_factory=lambda: ModelInfo(""))
    prompt_ids: tuple[int, ...] = ()
    vocab_size: int = 0
    pieces: Mapping[int, bytes] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": "generation",
            "text": self.text,
            "tokens": _columns(self.tokens),
            "stop_reason": self.stop_reason,
            "prompt": self.prompt,
            "options": self.options.to_dict(),
            "timing": asdict(self.timing),
            "model": asdict(self.model),
            "prompt_ids": list(self.prompt_ids),
            "vocab_size": self.vocab_size,
            "pieces": {str(id): data.hex() for id, data in self.pieces.items()},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Generation:
        check_schema(data, "generation")
        tokens = data["tokens"]  # columns, or tokens that came another way
        return cls(
            text=data["text"],
            tokens=tokens if isinstance(tokens, tuple) else _tokens(tokens),
            stop_reason=data["stop_reason"],
            prompt=data["prompt"],
            options=SamplingOptions.from_dict(data["options"]),
            timing=Timing(**_known(Timing, data["timing"])),
            model=_model_info(data["model"]),
            prompt_ids=tuple(data.get("prompt_ids", ())),
            vocab_size=int(data.get("vocab_size", 0)),
            pieces={int(id): bytes.fromhex(text) for id, text in data.get("pieces", {}).items()},
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """A text as the model reads it: each token with what the model expected there.

    The first token has nothing before it unless the model starts texts with a BOS token; its logprob and
    entropy are then 0, its rank 0 and it has no alternatives. It does not count in the perplexity.
    """

    text: str
    tokens: tuple[Token, ...]
    model: ModelInfo = field(default_factory=lambda: ModelInfo(""))
    predicted_from: int = 1

    @property
    def perplexity(self) -> float:
        """exp(−mean logprob) over the predicted tokens; NaN when none was."""
        read = self.tokens[self.predicted_from :]
        return math.exp(-sum(token.logprob for token in read) / len(read)) if read else math.nan

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": "trace",
            "text": self.text,
            "tokens": _columns(self.tokens),
            "model": asdict(self.model),
            "predicted_from": self.predicted_from,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Trace:
        check_schema(data, "trace")
        return cls(
            text=data["text"],
            tokens=_tokens(data["tokens"]),
            model=_model_info(data["model"]),
            predicted_from=data["predicted_from"],
        )


def _columns(tokens: tuple[Token, ...]) -> dict[str, list[Any]]:
    return {
        "id": [token.id for token in tokens],
        "text": [token.text for token in tokens],
        "logprob": [token.logprob for token in tokens],
        "entropy": [token.entropy for token in tokens],
        "rank": [token.rank for token in tokens],
        "time_s": [token.time_s for token in tokens],
        "alternatives": [
            [
                [other.id for other in token.alternatives],
                [other.text for other in token.alternatives],
                [other.logprob for other in token.alternatives],
            ]
            for token in tokens
        ],
    }


def _tokens(columns: dict[str, list[Any]]) -> tuple[Token, ...]:
    rows = zip(
        *(columns[name] for name in ("id", "text", "logprob", "entropy", "rank", "alternatives", "time_s")),
        strict=True,
    )
    return tuple(
        Token(id, text, logprob, entropy, rank, tuple(map(Alternative, *others)), time_s)
        for id, text, logprob, entropy, rank, others, time_s in rows
    )


def _model_info(data: dict[str, Any]) -> ModelInfo:
    """Records of the first versions call the fingerprint sha256."""
    return ModelInfo(**_known(ModelInfo, {"fingerprint": data.get("sha256", ""), **data}))


def _known(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """Only the fields this version knows: a newer minor writer may add some."""
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in data.items() if key in names}


def check_schema(data: Mapping[str, Any], kind: str) -> None:
    """Raises: ModelFileError: it is no record of that kind, or of a later schema."""
    if data.get("kind") != kind or not isinstance(data.get("schema"), int):
        raise ModelFileError(
            f"not a {kind} record: kind is {data.get('kind')!r}", hint="pass what to_dict() gave"
        )
    if data["schema"] > SCHEMA:
        raise ModelFileError(
            f"this {kind} record has schema {data['schema']}; this version reads up to {SCHEMA}",
            hint="upgrade: pip install -U open-llm-magics",
        )
