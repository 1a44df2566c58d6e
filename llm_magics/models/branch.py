"""An answer that goes on: from another token, or from its end."""

from __future__ import annotations

from dataclasses import replace

from ..core import given
from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo
from ..core.sampling import Weighed
from ..engine.base import Tokenizer
from ..engine.generate import Runtime, Stream, read_tokens
from ..errors import UsageError

MORE = 256  # tokens that an answer is given when it goes on, where nothing else is asked for


def extend(
    runtime: Runtime, info: ModelInfo, generation: Generation, tokens: int | None, *, speculate: bool
) -> Stream:
    """Return a stream that goes on where the answer was cut, with the random numbers that were next.

    Raises:
        UsageError: the answer is complete or has no tokens, or another model gave it.
    """
    _check_model(generation, info)
    tokens = given.whole(MORE if tokens is None else tokens, "tokens", 1)
    if generation.stop_reason == "stop" or not generation.tokens:
        raise UsageError("there is nothing to go on with: the answer is complete", hint="ask something else")
    before = [replace(each, time_s=0.0) for each in generation.tokens]
    return Stream(
        runtime,
        [*generation.prompt_ids, *(each.id for each in before)],
        replace(generation.options, max_tokens=len(before) + tokens),
        prompt=generation.prompt,
        model=info,
        speculate=speculate,
        before=before,
        goes_on=True,
    )


def branch(
    runtime: Runtime,
    info: ModelInfo,
    generation: Generation,
    at: int,
    token: str | int,
    options: SamplingOptions,
    *,
    speculate: bool,
) -> Stream:
    """A stream whose answer has the first ``at`` tokens already, and ``token`` behind them.

    What an answer's record knows of an alternative is kept; what it does not know is read by the engine.

    Raises:
        UsageError: the place or the token does not exist, or another model gave the answer.
    """
    _check_model(generation, info)
    place = given.as_whole(at)
    if place is None or not 0 <= place <= len(generation.tokens):
        raise UsageError(
            f"there is no place {given.shown(at)} in this answer", hint=f"0 to {len(generation.tokens)}"
        )
    at = place
    if not isinstance(token, str):
        if (id := given.as_whole(token)) is None:
            raise UsageError(
                f"a token is its text or its id, got {given.shown(token)}", hint='for example " Paris"'
            )
        token = id
    before = [replace(each, time_s=0.0) for each in generation.tokens[:at]]
    ids = [*generation.prompt_ids, *(each.id for each in before)]
    first = _weighed(generation, at, token)
    more = [first.id] if first else _ids_of(runtime.tokenizer, token, runtime.engine.vocab_size)
    before += read_tokens(runtime, ids, more, before, alternatives=options.alternatives, first=first)
    return Stream(
        runtime,
        [*ids, *more],
        options,
        prompt=generation.prompt,
        model=info,
        speculate=speculate,
        before=before,
    )


def _check_model(generation: Generation, info: ModelInfo) -> None:
    if generation.model.fingerprint != info.fingerprint or not generation.prompt_ids:
        raise UsageError(
            f"the answer is of {generation.model.name}, or of an earlier version", hint="ask this model again"
        )


def _ids_of(tokenizer: Tokenizer, token: str | int, vocab_size: int) -> list[int]:
    """The ids of what somebody chose."""
    if isinstance(token, int):
        if not 0 <= token < vocab_size:
            raise UsageError(f"there is no token {given.shown(token)}", hint=f"0 to {vocab_size - 1:,}")
        return [token]
    ids = tokenizer.encode(token, special=False, begin=False)
    if not ids:
        raise UsageError("there is no text to go on from", hint="pass a token's text or its id")
    return ids


def _weighed(generation: Generation, at: int, token: str | int) -> Weighed | None:
    """What the record knows of an alternative; None where the token is none."""
    if at == len(generation.tokens):
        return None
    kept = generation.tokens[at]
    for rank, other in enumerate(kept.alternatives):
        if token in (other.id, other.text):
            return Weighed(
                other.id,
                other.logprob,
                kept.entropy,
                rank,
                tuple(each.id for each in kept.alternatives),
                tuple(each.logprob for each in kept.alternatives),
                log_total=kept.log_total,
            )
    return None
