"""Whose words a prompt's are: the template's own, or a message's.

A message must not be able to speak for another role, so none of its words ever becomes a special token, and
the template's own always do. To tell them apart, the template runs again on masked messages: their letters
are exchanged, one for one, for letters that occur nowhere. Where the prompt is the same but for that, each of
its letters tells where it is from.

A template may look into a message, for ``</think>`` say, and makes another prompt of a masked one. What it
may look for is spelt in it; so much of a message is left as it is, and as little as possible. Where special
tokens are among that, they are asked for one by one: what is put next to them in the message is next to them
in the prompt only if they are the message's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain
from typing import Any

from ..errors import TemplateError
from . import template_process
from .messages import map_texts, texts_of
from .prompt import Messages, render

_PRIVATE = (range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))  # letters that mean nothing in Unicode
_ESCAPED = "\"'\\&<>"  # what `tojson` and `escape` write in another way
_MOST_SPELT = 64  # texts that are tried one by one
_MOST_ASKED = 64  # messages that are asked one by one


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a rendered prompt; in a trusted one special tokens mean what they say."""

    text: str
    trusted: bool


def is_neutral(parts: Iterable[Segment]) -> str:
    """Return whether a prompt has nothing from the messages."""
    return "".join(part.text if part.trusted else "x" for part in parts)


def split_by_origin(
    messages: Messages,
    template: str,
    *,
    literals: Sequence[str],
    specials: Callable[[str], Sequence[int]],
    bos_token: str = "",
    eos_token: str = "",
    switches: Mapping[str, bool] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> list[Segment]:
    """Split the text of :func:`render` into trusted parts (of the template) and others (of messages).

    Args:
        messages: messages with ``role`` and ``content``.
        template: the Jinja chat template.
        literals: how the tokenizer's special tokens are spelt.
        specials: text → the ids of the special tokens in it.
        bos_token: the text of the BOS token.
        eos_token: the text of the EOS token.
        switches: further variables of the template.
        tools: schemas of functions.

    Raises:
        As render.
    """
    made_with: dict[str, Any] = {"bos_token": bos_token, "eos_token": eos_token}
    made_with |= {"switches": switches, "tools": tools}
    now = datetime.now()  # of all renderings: a template may write the time

    def run(messages: Messages) -> str | None:
        try:
            return render(messages, template, **made_with, now=now)
        except TemplateError:  # of masked messages: it looks for something in them
            return None

    text = render(messages, template, **made_with, now=now)
    masks = _Masks(messages, text + template)
    if masks.too_many:
        return [Segment(text, False)]
    hidden = run(masks.mask(()))
    alike = _parts(text, masks.spans(hidden)) if masks.is_consistent(hidden, text) else None
    spelt = _template_literals(template, messages) if alike is None or _any_in(literals, messages) else []
    asked = [item for item in literals if any(item in other for other in spelt)]
    if alike is not None and not asked:
        return alike

    masked, output = _mask_and_render(masks, messages, [*asked, *spelt], literals, text, run)
    whole = not any(_could_merge(text, masks.used, literals) for text in _all_texts(masked))
    if masks.is_consistent(output, text) and whole and output is not None:
        where = [_probe_literal(literal, masked, output, hidden or "", masks.mark, run) for literal in asked]
        if alike is None or None not in where:
            result = [
                _occurrences(literal, output) if spans is None else spans
                for literal, spans in zip(asked, where, strict=True)
            ]
            return _parts(text, chain(masks.spans(output), *result))
    if alike is not None:
        return alike
    # It changes the messages' letters. What it says of itself is known all the same.
    own = hidden if asked or not whole or output is None else output
    if own is not None and specials(own) == specials(text):
        return [Segment(text, True)]
    output = run(masks.mask(literals, spare=False))
    if own is not None and masks.is_consistent(output, text):
        parts = _parts(text, masks.spans(output))
        if specials(is_neutral(parts)) == specials(own):
            return parts
    return [Segment(text, False)]


def _mask_and_render(
    masks: _Masks,
    messages: Messages,
    spelt: Sequence[str],
    literals: Sequence[str],
    text: str,
    run: Callable[[Messages], str | None],
) -> tuple[Messages, str | None]:
    """Mask the messages, except what the template spells itself, and render them.

    Where special tokens or parts of them are in the messages, as little is left out as the prompt allows.
    """
    for signs in ("", _ESCAPED):
        spared = [*spelt, *(sign for sign in signs if _any_in([sign], messages))]
        masked = masks.mask(spared)
        if masks.is_consistent(output := run(masked), text):
            break
    else:
        return masked, output
    parted = any(_could_merge(text, masks.used, literals) for text in _all_texts(masked))
    if parted or _any_in(literals, messages):
        for item in [item for item in spared if item not in literals]:
            fewer = [other for other in spared if other != item]
            less = masks.mask(fewer)
            if masks.is_consistent(without := run(less), text):
                spared, masked, output = fewer, less, without
    return masked, output


class _Masks:
    """A letter that occurs nowhere for every letter of the messages, and the way back."""

    def __init__(self, messages: Messages, known: str) -> None:
        self._messages = messages
        letters = {
            letter
            for message in messages
            for text in texts_of(message)
            for letter in text
            if not letter.isspace()
        }
        taken = letters | set(known)
        free = (letter for item in _PRIVATE for letter in map(chr, item) if letter not in taken)
        self.mark = next(free, "")
        there = dict(zip(sorted(letters), free, strict=False))
        self.too_many = len(there) < len(letters)
        self.used = "".join(there.values())
        self._there, self._back = str.maketrans(there), {ord(there[item]): item for item in there}
        # Space between two of a message's words is left as it is, and belongs to them.
        self._run = re.compile(f"[{self.used}]+(?:\\s+[{self.used}]+)*") if there else None

    def mask(self, texts: Sequence[str], *, spare: bool = True) -> Messages:
        """Return the messages masked except for these texts, or with only these masked."""
        result = _any_of(texts)

        def masked(content: str) -> str:
            hidden = content.translate(self._there)
            inside, outside = (content, hidden) if spare else (hidden, content)
            pieces, end = [], 0
            for begin, stop in _covered_spans(result, content) if result else ():
                pieces += [outside[end:begin], inside[begin:stop]]
                end = stop
            return "".join([*pieces, outside[end:]])

        return [map_texts(message, masked) for message in self._messages]

    def is_consistent(self, prompt: str | None, text: str) -> bool:
        """Return whether the text is the prompt except for the masks."""
        return prompt is not None and prompt.translate(self._back) == text

    def spans(self, prompt: str | None) -> list[tuple[int, int]]:
        """Return where the words of the messages are."""
        return [match.span() for match in self._run.finditer(prompt or "")] if self._run else []


def _parts(text: str, spans: Iterable[tuple[int, int]]) -> list[Segment]:
    parts, end = [], 0
    for begin, stop in sorted(spans):
        if begin > end:
            parts.append(Segment(text[end:begin], True))
        if stop > max(begin, end):
            parts.append(Segment(text[max(begin, end) : stop], False))
        end = max(end, stop)
    if end < len(text) or not parts:
        parts.append(Segment(text[end:], True))
    return parts


def _probe_literal(
    literal: str, masked: Messages, prompt: str, hidden: str, mark: str, run: Callable[[Messages], str | None]
) -> list[tuple[int, int]] | None:
    """Find where the prompt has a literal of the messages that the template looks for; None if unknown.

    A letter is put before it in a message, and then one after it. Where both are in the prompt next to it, it
    is the message's; where neither is, the template took it away, or wrote its own. Where one is, either may
    be: the template's, if it has as many when the messages are all hidden.
    """
    spans, same = [], hidden.count(literal) == prompt.count(literal)
    for number, message in enumerate(masked):
        if not _any_in([literal], [message]):
            continue
        if number >= _MOST_ASKED:
            return None

        def render_with(form: str, number: int = number, message: Mapping[str, str] = message) -> str | None:
            changed = map_texts(message, lambda text: text.replace(literal, form))
            return run([*masked[:number], changed, *masked[number + 1 :]])

        before = _find_marked(literal, prompt, mark, render_with, lambda text: text + literal)
        after = _find_marked(literal, prompt, mark, render_with, lambda text: literal + text)
        if before is None or after is None:
            return None
        ends = before & after if same else before | after
        spans += [(end - len(literal), end) for end in ends]
    return spans


def _find_marked(
    literal: str,
    prompt: str,
    mark: str,
    render_with: Callable[[str], str | None],
    join: Callable[[str], str],
) -> set[int] | None:
    """Find where a marked literal ends in the prompt; None if the mark changes the prompt."""
    marked = join(mark)
    changed = render_with(marked)
    if changed is not None:
        pieces = changed.split(marked)
        if literal.join(pieces) == prompt:
            return set(accumulate(len(piece) + len(literal) for piece in pieces[:-1]))
        if len(pieces) == 1 and changed.replace(mark, "") == prompt:
            return set()
    # The mark may have kept the template from cutting off the space next to it.
    return set() if render_with(join("\n")) == prompt else None


def _occurrences(literal: str, text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(literal), text)]


def _template_literals(template: str, messages: Messages) -> list[str]:
    """Return the words of the messages that the template itself spells."""
    texts = [text for text in template_process.constants(template) if text.strip()]
    return [text for text in texts if _any_in([text], messages)][:_MOST_SPELT]


def _any_in(texts: Sequence[str], messages: Messages) -> bool:
    return any(text in own for own in _all_texts(messages) for text in texts)


def _all_texts(messages: Messages) -> list[str]:
    return [text for message in messages for text in texts_of(message)]


def _could_merge(content: str, used: str, literals: Sequence[str]) -> bool:
    """Return whether unmasked text could form a literal together with words of the template."""
    for run in re.findall(rf"[^\s{used}]+", content):
        for literal in literals:
            ends = range(1, len(literal))
            if any(run.endswith(literal[:n]) or run.startswith(literal[n:]) for n in ends):
                return True
    return False


def _covered_spans(occurrences: re.Pattern[str], content: str) -> Iterator[tuple[int, int]]:
    """Yield the spans that the occurrences cover; overlapping ones are merged."""
    begin = end = 0
    for match in occurrences.finditer(content):
        here = match.start(), match.start() + len(match[1])
        if here[0] > end:
            if end > begin:
                yield begin, end
            begin = here[0]
        end = max(end, here[1])
    if end > begin:
        yield begin, end


def _any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern that matches any of the texts, the longest first."""
    ordered = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile(f"(?=({'|'.join(map(re.escape, ordered))}))") if ordered else None
