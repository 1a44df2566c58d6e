"""Whose words a prompt's are: the template's own, or a message's.

A message must not be able to speak for another role, so none of its words ever becomes a special token, and
the template's own always do. To tell them apart, the template runs again on masked messages: their letters
are exchanged, one for one, for letters that occur nowhere. Where the prompt is the same but for that, each of
its letters tells where it is from.

A template may look into a message, for ``</think>`` say, and makes another prompt of a masked one. What it
may look for is spelt in it; so much of a message is left as it is, and as little as possible. Where special
tokens are among that, they are asked for one by one: what is put beside them in the message is beside them
in the prompt only if they are the message's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain

from ..errors import TemplateError
from . import helper
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


def neutral(parts: Iterable[Segment]) -> str:
    """The prompt with nothing of what the messages say."""
    return "".join(part.text if part.trusted else "x" for part in parts)


def segments(
    messages: Messages,
    template: str,
    *,
    literals: Sequence[str],
    specials: Callable[[str], Sequence[int]],
    bos_token: str = "",
    eos_token: str = "",
) -> list[Segment]:
    """The text of :func:`render` in parts: the template's own (trusted) and the messages' (not).

    Args:
        literals: how the tokenizer's special tokens are spelt.
        specials: text → the ids of the special tokens in it.

    Raises:
        As render.
    """
    made_with = {"bos_token": bos_token, "eos_token": eos_token}
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
    hidden = run(masks.over(()))
    alike = _parts(text, masks.spans(hidden)) if masks.fit(hidden, text) else None
    spelt = _spelt(template, messages) if alike is None or _any_in(literals, messages) else []
    asked = [each for each in literals if any(each in other for other in spelt)]
    if alike is not None and not asked:
        return alike

    masked, made = _looked_into(masks, messages, [*asked, *spelt], literals, text, run)
    whole = not any(_meet(message["content"], masks.used, literals) for message in masked)
    if masks.fit(made, text) and whole and made is not None:
        where = [_asked(literal, masked, made, hidden or "", masks.mark, run) for literal in asked]
        if alike is None or None not in where:
            found = [
                _all(literal, made) if spans is None else spans
                for literal, spans in zip(asked, where, strict=True)
            ]
            return _parts(text, chain(masks.spans(made), *found))
    if alike is not None:
        return alike
    # It changes the messages' letters. What it says of itself is known all the same.
    own = hidden if asked or not whole or made is None else made
    if own is not None and specials(own) == specials(text):
        return [Segment(text, True)]
    made = run(masks.over(literals, spare=False))
    if own is not None and masks.fit(made, text):
        parts = _parts(text, masks.spans(made))
        if specials(neutral(parts)) == specials(own):
            return parts
    return [Segment(text, False)]


def _looked_into(
    masks: _Masks,
    messages: Messages,
    spelt: Sequence[str],
    literals: Sequence[str],
    text: str,
    run: Callable[[Messages], str | None],
) -> tuple[Messages, str | None]:
    """The messages masked but for what the template spells, and their prompt.

    Where special tokens or parts of them are in the messages, as little is left out as the prompt allows.
    """
    for signs in ("", _ESCAPED):
        spared = [*spelt, *(sign for sign in signs if _any_in([sign], messages))]
        masked = masks.over(spared)
        if masks.fit(made := run(masked), text):
            break
    else:
        return masked, made
    parted = any(_meet(message["content"], masks.used, literals) for message in masked)
    if parted or _any_in(literals, messages):
        for each in [each for each in spared if each not in literals]:
            fewer = [other for other in spared if other != each]
            less = masks.over(fewer)
            if masks.fit(without := run(less), text):
                spared, masked, made = fewer, less, without
    return masked, made


class _Masks:
    """A letter that occurs nowhere for every letter of the messages, and the way back."""

    def __init__(self, messages: Messages, known: str) -> None:
        self._messages = messages
        letters = {letter for message in messages for letter in message["content"] if not letter.isspace()}
        taken = letters | set(known)
        free = (letter for each in _PRIVATE for letter in map(chr, each) if letter not in taken)
        self.mark = next(free, "")
        there = dict(zip(sorted(letters), free, strict=False))
        self.too_many = len(there) < len(letters)
        self.used = "".join(there.values())
        self._there, self._back = str.maketrans(there), {ord(there[each]): each for each in there}
        # Space between two of a message's words is left as it is, and belongs to them.
        self._run = re.compile(f"[{self.used}]+(?:\\s+[{self.used}]+)*") if there else None

    def over(self, texts: Sequence[str], *, spare: bool = True) -> Messages:
        """The messages, masked but for these texts, or only these."""
        found = _any_of(texts)

        def masked(content: str) -> str:
            hidden = content.translate(self._there)
            inside, outside = (content, hidden) if spare else (hidden, content)
            pieces, end = [], 0
            for begin, stop in _covered(found, content) if found else ():
                pieces += [outside[end:begin], inside[begin:stop]]
                end = stop
            return "".join([*pieces, outside[end:]])

        return [{**message, "content": masked(message["content"])} for message in self._messages]

    def fit(self, made: str | None, text: str) -> bool:
        """Whether it is the prompt but for the masks."""
        return made is not None and made.translate(self._back) == text

    def spans(self, made: str | None) -> list[tuple[int, int]]:
        """Where the messages' words are."""
        return [match.span() for match in self._run.finditer(made or "")] if self._run else []


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


def _asked(
    literal: str, masked: Messages, made: str, hidden: str, mark: str, run: Callable[[Messages], str | None]
) -> list[tuple[int, int]] | None:
    """Where the prompt has this of the messages' words, which the template looks for; None: nobody knows.

    A letter is put before it in a message, and then one after it. Where both are in the prompt beside it, it
    is the message's; where neither is, the template took it away, or wrote its own. Where one is, either may
    be: the template's, if it has as many when the messages are all hidden.
    """
    spans, same = [], hidden.count(literal) == made.count(literal)
    for number, message in enumerate(masked):
        if literal not in message["content"]:
            continue
        if number >= _MOST_ASKED:
            return None

        def beside(form: str, number: int = number, message: Mapping[str, str] = message) -> str | None:
            changed = {**message, "content": message["content"].replace(literal, form)}
            return run([*masked[:number], changed, *masked[number + 1 :]])

        before = _found(literal, made, mark, beside, lambda text: text + literal)
        after = _found(literal, made, mark, beside, lambda text: literal + text)
        if before is None or after is None:
            return None
        ends = before & after if same else before | after
        spans += [(end - len(literal), end) for end in ends]
    return spans


def _found(
    literal: str,
    made: str,
    mark: str,
    beside: Callable[[str], str | None],
    join: Callable[[str], str],
) -> set[int] | None:
    """Where in the prompt the literal ends that a mark is put beside; None: the prompt becomes another."""
    marked = join(mark)
    changed = beside(marked)
    if changed is not None:
        pieces = changed.split(marked)
        if literal.join(pieces) == made:
            return set(accumulate(len(piece) + len(literal) for piece in pieces[:-1]))
        if len(pieces) == 1 and changed.replace(mark, "") == made:
            return set()
    # The mark may have kept the template from cutting off the space beside it.
    return set() if beside(join("\n")) == made else None


def _all(literal: str, text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(literal), text)]


def _spelt(template: str, messages: Messages) -> list[str]:
    """What of the messages the template itself spells."""
    texts = [text for text in helper.constants(template) if text.strip()]
    return [text for text in texts if _any_in([text], messages)][:_MOST_SPELT]


def _any_in(texts: Sequence[str], messages: Messages) -> bool:
    return any(text in message["content"] for message in messages for text in texts)


def _meet(content: str, used: str, literals: Sequence[str]) -> bool:
    """Whether what is not masked could become one of the literals together with words of the template."""
    for run in re.findall(rf"[^\s{used}]+", content):
        for literal in literals:
            ends = range(1, len(literal))
            if any(run.endswith(literal[:n]) or run.startswith(literal[n:]) for n in ends):
                return True
    return False


def _covered(found: re.Pattern[str], content: str) -> Iterator[tuple[int, int]]:
    """What the occurrences cover, those that overlap together."""
    begin = end = 0
    for match in found.finditer(content):
        here = match.start(), match.start() + len(match[1])
        if here[0] > end:
            if end > begin:
                yield begin, end
            begin = here[0]
        end = max(end, here[1])
    if end > begin:
        yield begin, end


def _any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    """Matches any of them at every place, the longest that is there."""
    ordered = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile(f"(?=({'|'.join(map(re.escape, ordered))}))") if ordered else None
