"""Logprobs of a text that is already there: a user's, or an answer of another model."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import progress, validation
from ..core.options import MAX_ALTERNATIVES
from ..core.records import Generation, ModelInfo, Trace
from ..engine.generate import score
from ..engine.runtime import Runtime
from ..errors import NEED_GENERATION, UsageError


def score_text(runtime: Runtime, info: ModelInfo, text: str, prompt: str, alternatives: int) -> Trace:
    """Compute logprob, rank, entropy and alternatives of every token of ``text`` behind ``prompt``.

    Raises:
        UsageError: the text is empty. ContextOverflow: it is longer than the context.
    """
    tokenizer = runtime.tokenizer
    before = tokenizer.encode(prompt, special=False) if validation.require_str(prompt, "the prompt") else []
    ids = tokenizer.encode(text, special=False, begin=not before)
    if not ids:
        raise UsageError("there is no text to score", hint="Pass a text.")
    has_bos = tokenizer.bos_id is not None and ids[0] == tokenizer.bos_id
    predicted_from = 0 if before or (has_bos and len(ids) > 1) else 1
    return _score(runtime, info, before, ids, text, predicted_from, alternatives)


def score_answer(runtime: Runtime, info: ModelInfo, answer: Generation, alternatives: int) -> Trace:
    """Compute the same of an answer's tokens behind its own prompt.

    Raises:
        UsageError: this model cuts the answer into other tokens, or it is empty.
    """
    validation.require_instance(answer, Generation, "answer", hint=NEED_GENERATION)
    ids = [token.id for token in answer.tokens]
    alike = answer.prompt_ids and answer.vocab_size == runtime.tokenizer.vocab_size and ids
    if not alike or runtime.tokenizer.decode(ids, skip_special=True) != answer.text:
        raise UsageError(
            f"{info.name} cannot read the tokens of this answer", hint="Compare its text: answer.text."
        )
    return _score(runtime, info, answer.prompt_ids, ids, answer.text, 0, alternatives)


def _score(
    runtime: Runtime,
    info: ModelInfo,
    before: Sequence[int],
    ids: Sequence[int],
    text: str,
    predicted_from: int,
    alternatives: int,
) -> Trace:
    alternatives = validation.require_int(
        alternatives, "alternatives", 0, MAX_ALTERNATIVES, hint="Use for example 10."
    )
    with progress.progress_bar("reading", len(before) + len(ids) - 1, unit="token") as step:
        return score(
            runtime,
            [*before, *ids],
            text=text,
            predicted_from=predicted_from,
            alternatives=alternatives,
            model=info,
            prompt=len(before),
            step=step,
        )
