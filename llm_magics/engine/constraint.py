"""Which tokens may come next in an answer of a given form, by llguidance.

The mask is applied before penalties, temperature and truncation. Behind top-k nothing would be left at some
places: the best allowed token may be the thousandth.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.options import Grammar
from ..core.sampling import AllowedTokens
from ..errors import UsageError
from ..sanitize import single_line
from .base import Tokenizer

# As json.dumps writes it: there is no white space to get stuck in, and most of a document is forced.
_JSON_STYLE: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_MATCHERS = 64  # compiled grammars that a tokenizer keeps
_CAP = 2_000  # tokens of the shortest end that is looked for
_NAMES = {"json": "schema", "regex": "regular expression", "lark": "grammar"}


class _WrappedTokenizer:
    """A tokenizer in the form that llguidance takes."""

    is_tokenizer_wrapper = True

    def __init__(self, tokenizer: Tokenizer) -> None:
        count = tokenizer.vocab_size
        self._tokenizer = tokenizer
        self.eos_token_id, self.bos_token_id = min(tokenizer.eos_ids), tokenizer.bos_id
        self.tokens = [tokenizer.token_bytes(id) for id in range(count)]
        # A token that ends an answer is never text, also where its file does not call it special.
        self.special_token_ids = sorted({*tokenizer.special_ids(range(count)), *tokenizer.eos_ids})

    def __call__(self, text: str | bytes) -> list[int]:
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return self._tokenizer.encode(text, special=False, begin=False)


class _Vocabulary:
    """What is computed once a tokenizer: its tokens as a trie, and the compiled grammars."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        from llguidance import LLTokenizer

        self.lock = threading.Lock()
        wrapped: Any = _WrappedTokenizer(tokenizer)  # told by an attribute, not by its class
        self.trie = LLTokenizer(wrapped, n_vocab=vocab_size, eos_token=sorted(tokenizer.eos_ids))
        self.matchers: dict[Grammar, Any] = {}
        # In the order in which they end an answer soonest: brackets, a quote, short words.
        special = {*tokenizer.special_ids(range(tokenizer.vocab_size))}
        costs = {}
        for id in range(tokenizer.vocab_size):
            data = b"" if id in special else tokenizer.token_bytes(id)
            if not data or id in tokenizer.eos_ids:
                continue
            closes = all(byte in b'}]"' for byte in data)
            costs[id] = (not closes, data.isspace(), not data.isalnum(), len(data))
        self.closing = sorted(costs, key=costs.__getitem__)[:400]

    def matcher(self, grammar: Grammar) -> Any:
        """Return a matcher at the beginning of a grammar.

        Raises:
            UsageError: the grammar cannot be used.
        """
        from llguidance import LLMatcher

        with self.lock:
            first = self.matchers.get(grammar)
            if first is None:
                first = LLMatcher(self.trie, compiled(grammar), log_level=0)
                if first.is_error():
                    raise _unusable(grammar, first.get_error())
                while len(self.matchers) >= _MATCHERS:
                    del self.matchers[next(iter(self.matchers))]
                self.matchers[grammar] = first
            return first.deep_copy()


_vocabularies: weakref.WeakKeyDictionary[Any, _Vocabulary] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def compiled(grammar: Grammar) -> str:
    """Return a grammar in the form of llguidance.

    Raises:
        UsageError: it cannot be used.
    """
    from llguidance import LLMatcher

    try:
        if grammar.kind == "json":
            return str(LLMatcher.grammar_from_json_schema(grammar.source, overrides=_JSON_STYLE))
        if grammar.kind == "regex":
            return str(LLMatcher.grammar_from_regex(grammar.source))
        return str(LLMatcher.grammar_from_lark(grammar.source))
    except ValueError as error:
        raise _unusable(grammar, str(error)) from None


def check_grammar(grammar: Grammar) -> None:
    """Check a grammar without a tokenizer.

    Raises:
        UsageError: it cannot be used.
    """
    from llguidance import LLMatcher

    is_error, messages = LLMatcher.validate_grammar_with_warnings(compiled(grammar))
    if is_error:
        raise _unusable(grammar, "; ".join(messages))


class TokenConstraint:
    """What one answer may still be.

    Args:
        grammar: the form of the answer.
        tokenizer: of the model.
        vocab_size: logits of the model.

    Attributes:
        taken: how many tokens it has taken.
        ended_at: the number of tokens after which the answer is whole, -1 before.
    """

    def __init__(self, grammar: Grammar, tokenizer: Tokenizer, vocab_size: int) -> None:
        with _lock:
            vocabulary = _vocabularies.get(tokenizer)
            if vocabulary is None:
                vocabulary = _vocabularies[tokenizer] = _Vocabulary(tokenizer, vocab_size)
        self._grammar, self._vocabulary, self._size = grammar, vocabulary, vocab_size
        self._matcher = vocabulary.matcher(grammar)
        self._ends = tokenizer.eos_ids
        self._forced: list[int] | None = None  # those of this place; None where they were not computed
        self._bits: Any = None
        self.taken, self.ended_at = 0, -1

    @property
    def forced(self) -> list[int]:
        """Return the tokens that come next, whatever the model computes."""
        if self._forced is None:
            self._forced = [] if self.ended_at >= 0 else list(self._matcher.compute_ff_tokens())
        return self._forced

    def allowed(self) -> AllowedTokens:
        """Return the ids that may come next."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        if self._bits is None:
            self._bits = allocate_token_bitmask(1, self._size)
        fill_next_token_bitmask(self._matcher, self._bits, 0)
        mask = np.unpackbits(self._bits.view(np.uint8)[0], bitorder="little")[: self._size].view(np.bool_)
        count = int(np.count_nonzero(mask))
        if count == 0:
            raise self._error()
        return AllowedTokens(mask, count)

    def allowed_prefix(self, ids: Sequence[int]) -> list[int]:
        """Return the leading ids that may come next."""
        return list(ids[: self._matcher.validate_tokens(list(ids))]) if ids else []

    def take(self, id: int) -> None:
        """Append a token to the answer.

        Raises:
            UsageError: the token may not come here.
        """
        known = self._forced
        self._forced = known[1:] or None if known and known[0] == id else None
        if not self._matcher.consume_token(id):
            raise self._error()
        self.taken += 1
        if self.ended_at < 0 and (id in self._ends or self._matcher.is_stopped()):
            self.ended_at = self.taken

    @property
    def is_whole(self) -> bool:
        """Return whether the answer may end here."""
        return bool(self._matcher.is_accepting() or self._matcher.is_stopped())

    def tokens_to_end(self) -> int | None:
        """Return about how many tokens the answer needs to its end; None where no end is in sight."""
        matcher, count = self._matcher.deep_copy(), 0
        while count < _CAP:
            if matcher.is_accepting() or matcher.is_stopped():
                return count
            forced = matcher.compute_ff_tokens()
            if forced:
                if matcher.try_consume_tokens(forced) != len(forced):
                    return None
                count += len(forced)
                continue
            id = next((id for id in self._vocabulary.closing if matcher.validate_tokens([id])), None)
            if id is None or not matcher.consume_token(id):
                return None
            count += 1
        return None

    def _error(self) -> UsageError:
        return _unusable(self._grammar, self._matcher.get_error() or "no token is allowed here")


def _unusable(grammar: Grammar, why: str) -> UsageError:
    why = single_line(why.strip().splitlines()[0] if why.strip() else "it allows no answer", most=200)
    return UsageError(
        f"this {_NAMES[grammar.kind]} cannot be used: {why}", hint="Change it, or ask without it."
    )
