"""The records that travel from the engine to the views: the contract between Python and TypeScript.

All are frozen values. ``to_dict`` gives plain JSON types with the tokens as columns (one list a field: small,
and quick to read back); ``from_dict`` reads every schema number up to :data:`SCHEMA`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from ..errors import RUN_CELL, IncompleteAnswer, ModelFileError, UsageError
from .options import SamplingOptions
from .reasoning import Reasoning, split_reasoning
from .record_checks import MOST_BRANCHES, check_generation, check_trace

SCHEMA = 4
StopReason = Literal["stop", "length", "interrupted"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token the model could have chosen; ``logprob`` in nats under the unmodified distribution.

    ``banned``: whether the grammar of the answer did not allow it.
    """

    id: int
    text: str
    logprob: float
    banned: bool = False


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
        u: the random number from 0 to 1 that decided on it; None where none did, or it was not noted.
        log_total: the logarithm of the sum of all e^logit, so that a logit is logprob + log_total; None where
            it was not noted.
        allowed: how many tokens the grammar of the answer allowed; 1 where this one was forced, None without
            a grammar.
        log_allowed: the logarithm of the probability of all allowed tokens, so that the probability among
            them is e^(logprob − log_allowed); None without a grammar.
    """

    id: int
    text: str
    logprob: float
    entropy: float
    rank: int
    alternatives: tuple[Alternative, ...] = ()
    time_s: float = 0.0
    u: float | None = None
    log_total: float | None = None
    allowed: int | None = None
    log_allowed: float | None = None


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
    license: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return JSON of the saved format, in which the license is spelled ``licence``."""
        data = asdict(self)
        data["licence"] = data.pop("license")
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelInfo:
        """Read what :meth:`to_dict` wrote; the first versions call the fingerprint ``sha256``."""
        known = {"fingerprint": data.get("sha256", ""), "license": data.get("licence", ""), **data}
        return cls(**_check_fields(cls, known))


@dataclass(frozen=True, slots=True)
class Branch:
    """An answer that turns off at one token of another.

    Attributes:
        parent: 0 is the answer itself, n its n-th branch.
        at: the place of the first token that differs.
        text: the whole text.
        tokens: from ``at`` on.
    """

    parent: int
    at: int
    text: str
    tokens: tuple[Token, ...]
    stop_reason: StopReason
    options: SamplingOptions = field(default_factory=SamplingOptions)
    timing: Timing = field(default_factory=Timing)


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
        prompt_texts: what each token of the prompt adds to it; empty where it was not noted.
        specials: the special tokens among them all, and how they are written.
        branches: what the answer would have been from other tokens on; see :meth:`with_branch`.
        missing: the fields of tokens that are not known, which a server did not tell: "logprob", "entropy"
            (0 there) and "rank" (where the token is not among the alternatives).
        built: the object that an answer of a given form was made into; not saved.
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
    prompt_texts: tuple[str, ...] = ()
    specials: Mapping[int, str] = field(default_factory=dict)
    branches: tuple[Branch, ...] = ()
    missing: tuple[str, ...] = ()
    built: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.text

    @property
    def value(self) -> Any:
        """Return the value of an answer of a given form: an object of the type, JSON, or a text.

        Raises:
            IncompleteAnswer: the answer was cut off inside a value. UsageError: it was asked for in no form.
        """
        grammar = self.options.grammar
        if grammar is None:
            raise UsageError(
                "the answer was asked for in no form", hint="Pass schema=…, regex=… or grammar=…."
            )
        if self.stop_reason != "stop":
            raise IncompleteAnswer(
                "the answer was cut off inside a value", generation=self, hint="Use a larger max_tokens (-n)."
            )
        if self.built is not None:
            return self.built
        return json.loads(self.text) if grammar.kind == "json" else self.text

    def __format__(self, spec: str) -> str:
        return format(self.text, spec)

    @property
    def reasoning(self) -> str:
        """Return what the model wrote for itself before its answer; empty for nothing."""
        return self._split.thought

    @property
    def answer(self) -> str:
        """Return the text without the model's reasoning."""
        split = self._split
        return split.answer if split.end or split.thought else self.text

    @property
    def spelled(self) -> str:
        """Return the text of the tokens with the special ones, which the text does not show, spelled out."""
        return "".join(self.specials.get(token.id, token.text) for token in self.tokens)

    @property
    def _split(self) -> Reasoning:
        """Return reasoning and answer; special tokens, which the text does not show, are their marks too."""
        marks = [self.specials[token.id] for token in self.tokens if token.id in self.specials]
        if not any("hink" in mark.lower() or "channel" in mark for mark in marks):
            return split_reasoning(self.text, self.prompt)
        split = split_reasoning(self.spelled, self.prompt)
        hidden = sorted({*marks}, key=len, reverse=True)
        answer = split.answer
        for mark in hidden:
            answer = answer.replace(mark, "")
        return replace(split, answer=answer)

    def __hash__(self) -> int:
        """Hash the text, the prompt, the model and the token ids: the tables cannot be hashed."""
        return hash((self.text, self.prompt, self.model, tuple(token.id for token in self.tokens)))

    def path(self, number: int) -> Generation:
        """Return the answer itself (0) or a branch (by its number) as an answer without branches.

        Raises:
            UsageError: there is no such branch.
        """
        if number == 0:
            return replace(self, branches=())
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= len(self.branches):
            raise UsageError(
                f"branch {number!r} does not exist", hint=f"Use a number from 0 to {len(self.branches)}."
            )
        branch = self.branches[number - 1]
        return replace(
            self,
            text=branch.text,
            tokens=(*self.path(branch.parent).tokens[: branch.at], *branch.tokens),
            stop_reason=branch.stop_reason,
            options=branch.options,
            timing=branch.timing,
            branches=(),
            built=None,
        )

    def with_branch(self, other: Generation, *, at: int, parent: int = 0) -> Generation:
        """Return this answer with a branch that leaves the path ``parent`` at token ``at``.

        Raises:
            UsageError: it has :data:`MOST_BRANCHES` already, or ``parent`` is none of its paths.
        """
        if len(self.branches) >= MOST_BRANCHES:
            raise UsageError(
                f"this answer already has {MOST_BRANCHES} branches, the maximum",
                hint="Branch from another answer.",
            )
        if not 0 <= parent <= len(self.branches):
            raise UsageError(
                f"branch {parent!r} does not exist", hint=f"Use a number from 0 to {len(self.branches)}."
            )
        branch = Branch(
            parent, at, other.text, other.tokens[at:], other.stop_reason, other.options, other.timing
        )
        return replace(
            self,
            branches=(*self.branches, branch),
            pieces={**self.pieces, **other.pieces},
            specials={**self.specials, **other.specials},
        )

    def with_more(self, other: Generation, *, path: int = 0) -> Generation:
        """Return this answer with ``other`` in place of one of its paths, which it goes on with.

        Raises:
            UsageError: ``path`` is none of its paths.
        """
        if not 0 <= path <= len(self.branches):
            raise UsageError(
                f"branch {path!r} does not exist", hint=f"Use a number from 0 to {len(self.branches)}."
            )
        pieces, specials = {**self.pieces, **other.pieces}, {**self.specials, **other.specials}
        if path == 0:
            return replace(other, branches=self.branches, pieces=pieces, specials=specials)
        old = self.branches[path - 1]
        new = replace(
            old,
            text=other.text,
            tokens=other.tokens[old.at :],
            stop_reason=other.stop_reason,
            options=other.options,
            timing=other.timing,
        )
        branches = (*self.branches[: path - 1], new, *self.branches[path:])
        return replace(self, branches=branches, pieces=pieces, specials=specials)

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
            "model": self.model.to_dict(),
            "prompt_ids": list(self.prompt_ids),
            "vocab_size": self.vocab_size,
            "pieces": {str(id): data.hex() for id, data in self.pieces.items()},
            "prompt_texts": list(self.prompt_texts),
            "specials": {str(id): text for id, text in self.specials.items()},
            "branches": [
                {
                    **{name: getattr(branch, name) for name in ("parent", "at", "text", "stop_reason")},
                    "tokens": _columns(branch.tokens),
                    "options": branch.options.to_dict(),
                    "timing": asdict(branch.timing),
                }
                for branch in self.branches
            ],
            **({"missing": list(self.missing)} if self.missing else {}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Generation:
        check_schema(data, "generation")
        record = cls(
            text=data["text"],
            tokens=_tokens(data["tokens"]),
            stop_reason=data["stop_reason"],
            prompt=data["prompt"],
            options=SamplingOptions.from_dict(data["options"]),
            timing=Timing(**_check_fields(Timing, data["timing"])),
            model=ModelInfo.from_dict(data["model"]),
            prompt_ids=tuple(data.get("prompt_ids", ())),
            vocab_size=int(data.get("vocab_size", 0)),
            pieces={int(id): bytes.fromhex(text) for id, text in data.get("pieces", {}).items()},
            prompt_texts=tuple(data.get("prompt_texts", ())),
            specials={int(id): str(text) for id, text in data.get("specials", {}).items()},
            branches=tuple(_branch(n, item) for n, item in enumerate(data.get("branches", ()), 1)),
            missing=tuple(data.get("missing", ())),
        )
        check_generation(record)
        return record


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

    def __str__(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return format(self.text, spec)

    @property
    def perplexity(self) -> float:
        """Return exp(−mean logprob) over the predicted tokens; NaN when none was."""
        read = self.tokens[self.predicted_from :]
        return math.exp(-sum(token.logprob for token in read) / len(read)) if read else math.nan

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": "trace",
            "text": self.text,
            "tokens": _columns(self.tokens),
            "model": self.model.to_dict(),
            "predicted_from": self.predicted_from,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Trace:
        check_schema(data, "trace")
        record = cls(
            text=data["text"],
            tokens=_tokens(data["tokens"]),
            model=ModelInfo.from_dict(data["model"]),
            predicted_from=data["predicted_from"],
        )
        check_trace(record)
        return record


def _columns(tokens: tuple[Token, ...]) -> dict[str, list[Any]]:
    return {
        "id": [token.id for token in tokens],
        "text": [token.text for token in tokens],
        "logprob": [token.logprob for token in tokens],
        "entropy": [token.entropy for token in tokens],
        "rank": [token.rank for token in tokens],
        "time_s": [token.time_s for token in tokens],
        "u": [token.u for token in tokens],
        "log_total": [token.log_total for token in tokens],
        "alternatives": [
            [
                [other.id for other in token.alternatives],
                [other.text for other in token.alternatives],
                [other.logprob for other in token.alternatives],
                *([[other.banned for other in token.alternatives]] if token.allowed is not None else []),
            ]
            for token in tokens
        ],
        **{
            name: [getattr(token, name) for token in tokens]
            for name in ("allowed", "log_allowed")
            if any(token.allowed is not None for token in tokens)
        },
    }


def _branch(number: int, data: dict[str, Any]) -> Branch:
    if not 0 <= data["parent"] < number:  # a parent comes before its branch: a path never leads in a circle
        raise ModelFileError(
            "the saved branches are in the wrong order: a branch refers to a later one", hint=RUN_CELL
        )
    return Branch(
        data["parent"],
        data["at"],
        data["text"],
        _tokens(data["tokens"]),
        data["stop_reason"],
        SamplingOptions.from_dict(data["options"]),
        Timing(**_check_fields(Timing, data["timing"])),
    )


def _tokens(columns: dict[str, list[Any]] | tuple[Token, ...]) -> tuple[Token, ...]:
    """Build tokens from columns; tokens that are already built pass through."""
    if isinstance(columns, tuple):
        return columns
    none = [None] * len(columns["id"])  # what records of earlier schemas have of the last ones
    rows = zip(
        *(columns[name] for name in ("id", "text", "logprob", "entropy", "rank", "alternatives", "time_s")),
        *(columns.get(name, none) for name in ("u", "log_total", "allowed", "log_allowed")),
        strict=True,
    )
    return tuple(
        Token(id, text, logprob, entropy, rank, tuple(map(Alternative, *others)), *more)
        for id, text, logprob, entropy, rank, others, *more in rows
    )


def _check_fields(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that this version knows: a newer minor version may write more."""
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in data.items() if key in names}


def check_schema(data: Mapping[str, Any], kind: str) -> None:
    """Check the kind and the schema of a saved record.

    Raises:
        ModelFileError: the kind is another one, or the schema is newer than this version.
    """
    if data.get("kind") != kind or not isinstance(data.get("schema"), int):
        raise ModelFileError(
            f"not a {kind} record: kind is {data.get('kind')!r}",
            hint="Pass a dictionary that to_dict() returned.",
        )
    if data["schema"] > SCHEMA:
        raise ModelFileError(
            f"this {kind} record has schema {data['schema']}; this version reads up to {SCHEMA}",
            hint="Upgrade with pip install -U open-llm-magics.",
        )
