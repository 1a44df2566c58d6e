"""SamplingOptions: how the next token is chosen, checked once and then trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any

from ..errors import UsageError
from .validation import as_int, format_value, require_float, require_int

MAX_ALTERNATIVES = 100
_FLOATS = (
    "temperature",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
GRAMMARS = ("json", "regex", "lark")
PENALTIES = ("presence_penalty", "frequency_penalty", "no_repeat_ngram_size")


@dataclass(frozen=True, slots=True)
class Grammar:
    """What an answer may be.

    Attributes:
        kind: "json", "regex" or "lark".
        source: a JSON Schema as text, a regular expression (the answer is a full match), or a grammar in the
            form of Lark.
    """

    kind: str
    source: str

    def __post_init__(self) -> None:
        if self.kind not in GRAMMARS or not isinstance(self.source, str) or not self.source:
            raise UsageError(
                f"a grammar needs a kind ({', '.join(GRAMMARS)}) and a source, got {format_value(self.kind)}",
                hint="Pass schema=…, regex=… or grammar=….",
            )

    def to_dict(self) -> dict[str, str]:
        """Return plain JSON."""
        return {"kind": self.kind, "source": self.source}

    @classmethod
    def from_dict(cls, data: Any) -> Grammar | None:
        """Read what :meth:`to_dict` wrote; None for nothing."""
        if data is None or isinstance(data, Grammar):
            return data
        if not isinstance(data, Mapping):
            raise UsageError("the grammar has the wrong format", hint="Pass schema=…, regex=… or grammar=….")
        return cls(str(data.get("kind")), str(data.get("source", "")))


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How to sample, and when to stop.

    Attributes:
        max_tokens: at most this many new tokens, ≥ 1.
        temperature: 0 is greedy; otherwise logits are divided by it, ≤ 10.
        top_k: keep the k likeliest tokens; 0 keeps all.
        top_p: keep the smallest set with a probability of at least p, in (0, 1] (Holtzman et al. 2020,
            arXiv:1904.09751).
        min_p: keep tokens with at least min_p × the likeliest one's probability, in [0, 1]
            (arXiv:2407.01082).
        repetition_penalty: divide positive (multiply negative) logits of tokens already seen, > 0; 1 is off
            (Keskar et al. 2019, arXiv:1909.05858).
        presence_penalty: taken off the logits of tokens that the answer has already, from -2 to 2.
        frequency_penalty: taken off as often as the answer has the token, from -2 to 2 (both as OpenAI's
            API has them).
        no_repeat_ngram_size: never repeat so many tokens in a row of prompt and answer; 0 is off (Paulus et
            al. 2017, arXiv:1705.04304).
        seed: the same seed gives the same text.
        stop: strings that end the text; they are not part of it.
        alternatives: how many of the likeliest tokens to record next to each chosen one, 0 to 100.
        grammar: the form that the answer must have, or None.
    """

    max_tokens: int = 256
    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    no_repeat_ngram_size: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()
    alternatives: int = 10
    grammar: Grammar | None = None

    def __post_init__(self) -> None:
        stop_strings: object = self.stop
        stop = (
            (stop_strings,) if isinstance(stop_strings, str) else () if stop_strings is None else stop_strings
        )
        if not isinstance(stop, Iterable):
            raise UsageError(
                f"stop must be a string or a list of strings, got {format_value(stop)}",
                hint='Use for example stop=["\\n"].',
            )
        object.__setattr__(self, "stop", tuple(stop))
        # pandas and NumPy have numbers of their own.
        for name in ("max_tokens", "top_k", "seed", "alternatives", "no_repeat_ngram_size"):
            if (count := as_int(getattr(self, name))) is not None:
                object.__setattr__(self, name, count)
        for name in _FLOATS:
            value = getattr(self, name)
            if isinstance(value, Real) and not isinstance(value, (bool, int, float)):
                object.__setattr__(self, name, float(value))
        require_int(self.max_tokens, "max_tokens", 1, hint="Use for example max_tokens=256.")
        require_float(self.temperature, "temperature", 0, 10, hint="Use for example temperature=0.7.")
        require_int(self.top_k, "top_k", 0, hint="Use for example top_k=40.")
        require_float(self.top_p, "top_p", 0, 1, hint="Use for example top_p=0.95.")
        if self.top_p == 0:
            raise UsageError("top_p must be above 0, got 0", hint="Set temperature=0 for greedy decoding.")
        require_float(self.min_p, "min_p", 0, 1, hint="Use for example min_p=0.05.")
        require_float(
            self.repetition_penalty,
            "repetition_penalty",
            0.01,
            100,
            hint="Use for example repetition_penalty=1.1.",
        )
        for name in ("presence_penalty", "frequency_penalty"):
            require_float(getattr(self, name), name, -2, 2, hint=f"Use for example {name}=0.5.")
        require_int(
            self.no_repeat_ngram_size,
            "no_repeat_ngram_size",
            0,
            hint="Use for example 3.",
        )
        require_int(self.seed, "seed", 0, 2**64 - 1, hint="Use for example seed=0.")
        require_int(
            self.alternatives, "alternatives", 0, MAX_ALTERNATIVES, hint="Use for example alternatives=10."
        )
        for text in self.stop:
            if not isinstance(text, str) or not text:
                raise UsageError(
                    f"a stop string must be a non-empty string, got {format_value(text)}",
                    hint="Omit empty stop strings.",
                )
        object.__setattr__(self, "grammar", Grammar.from_dict(self.grammar))
        if self.grammar is not None:
            self._check_grammar()

    def _check_grammar(self) -> None:
        """Refuse what would cut or bend an answer of a given form."""
        if self.stop:
            raise UsageError(
                "stop strings and a schema cannot be combined: they could cut a value",
                hint="Omit the stop strings.",
            )
        if self.has_penalties or self.repetition_penalty != 1:
            raise UsageError(
                "penalties and a schema cannot be combined: they would fall on quotes and commas",
                hint="Omit the penalties.",
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, without conversion."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def has_penalties(self) -> bool:
        """Return whether tokens of the answer change what may follow, beyond the repetition penalty."""
        return bool(self.presence_penalty or self.frequency_penalty or self.no_repeat_ngram_size)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them; penalties that are off are left out, as in earlier records."""
        off = [name for name in PENALTIES if not getattr(self, name)]
        values = {name: value for name, value in asdict(self).items() if name not in (*off, "grammar")}
        grammar = {} if self.grammar is None else {"grammar": self.grammar.to_dict()}
        return {**values, "stop": list(self.stop), **grammar}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SamplingOptions:
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


def sampling_options(values: Mapping[str, Any]) -> SamplingOptions:
    """Check option names, with a near match for a wrong one."""
    from difflib import get_close_matches

    known = SamplingOptions.__dataclass_fields__
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"unknown option {name!r}",
                hint=f"Did you mean {near[0]}?" if near else "Choose one of " + ", ".join(known) + ".",
            )
    return SamplingOptions(**values)
