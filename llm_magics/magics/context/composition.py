"""What a model is given for one answer, part by part: the budget, what is dropped, and how it is shown."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...errors import ContextOverflow
from ...sanitize import printable
from .collect import ContextBlock

_NAMES = {
    "system": "system message",
    "turn": "earlier turn",
    "cell": "from the notebook",
    "variable": "from the notebook",
    "file": "from the notebook",
    "prompt": "this cell",
    "template": "chat template",
}


@dataclass(slots=True)
class Part:
    """A part of what the model is given.

    Attributes:
        origin: a key of the table of names above.
        title: what it is called.
        text: as the model reads it.
        tokens: how many tokens it has by itself.
        dropped: whether it was dropped to fit.
    """

    origin: str
    title: str
    text: str
    tokens: int
    dropped: bool = False


@dataclass(slots=True)
class Composition:
    """The parts of one prompt.

    Attributes:
        parts: in the order in which the model reads them.
        limit: tokens of the model's context; 0 where a server does not tell it.
        room: tokens that are kept for the answer.
    """

    parts: list[Part] = field(default_factory=list)
    limit: int = 0
    room: int = 0

    @property
    def tokens(self) -> int:
        """Return the tokens of all parts that are used."""
        return sum(part.tokens for part in self.parts if not part.dropped)

    @property
    def dropped(self) -> list[Part]:
        return [part for part in self.parts if part.dropped]

    def complete(self, total: int, room: int) -> None:
        """Add what the chat template and the lines between the parts take.

        Args:
            total: tokens of the whole prompt.
            room: tokens that the answer may have.
        """
        rest = max(total - self.tokens, 0)
        last = sum(not part.dropped for part in self.parts)
        self.parts.insert(last, Part("template", "template", "(marks of roles, lines between parts)", rest))
        self.room = room

    def to_text(self) -> str:
        """Return the budget in one line, and the exact text of each part."""
        lines = [self.summary()]
        for part in self.parts:
            gone = ", dropped" if part.dropped else ""
            lines += [
                "",
                f"── {part.title} · {_NAMES[part.origin]} · {part.tokens:,} tokens{gone}",
                part.text,
            ]
        return printable("\n".join(lines))

    def summary(self) -> str:
        """Return the tokens of each part in one line."""
        used = [f"{part.title} {part.tokens:,}" for part in self.parts if not part.dropped and part.tokens]
        room = f"; {self.room:,} are kept for the answer"
        size = f"{self.tokens:,} of {self.limit:,}" if self.limit else f"about {self.tokens:,}"
        return f"{size} tokens: {', '.join(used)}{room}"

    def to_html(self) -> str:
        """Return the same as HTML: a part is a fold with its name, its tokens and its share."""
        rows = []
        for part in self.parts:
            share = f"{100 * part.tokens / max(self.tokens, 1):.0f} %"
            title = html.escape(printable(part.title))
            count = f"{part.tokens:,} tokens" + (", dropped to fit" if part.dropped else f", {share}")
            name = f"<s>{title}</s>" if part.dropped else f"<b>{title}</b>"
            body = html.escape(printable(part.text))
            ground = _GROUNDS[part.origin]
            rows.append(
                f"<details><summary>{name} <sub>{_NAMES[part.origin]} · {count}</sub></summary>"
                f'<pre style="border-left:3px solid {ground};padding-left:8px;white-space:pre-wrap">'
                f"{body}</pre>"
                "</details>"
            )
        return f"<p>{html.escape(printable(self.summary()))}</p>{''.join(rows)}"


# Blue is from the notebook, grey was there before: colors that are read on light and dark ground.
_GROUNDS = {
    "system": "#8a8f98",
    "turn": "#8a8f98",
    "template": "#c0c4cc",
    "cell": "#4a7fd6",
    "variable": "#4a7fd6",
    "file": "#4a7fd6",
    "prompt": "#2a5db0",
}


def with_blocks(blocks: Sequence[ContextBlock], prompt: str) -> str:
    """Return the message of the user: the blocks, and what is asked about them."""
    return "\n\n".join([*(block.text for block in blocks), prompt])


def _sizes(blocks: Sequence[ContextBlock], count: Callable[[Sequence[ContextBlock]], int]) -> str:
    """Return the tokens of each block, and of what is asked, in one line."""
    rest = count([])
    parts = [*((block.title, count([block]) - rest) for block in blocks), ("this cell", rest)]
    return " · ".join(f"{title} {tokens:,} tokens" for title, tokens in parts)


def fit_blocks(
    blocks: Sequence[ContextBlock],
    count: Callable[[Sequence[ContextBlock]], int],
    *,
    limit: int,
    room: int,
    drop: bool,
) -> tuple[list[ContextBlock], list[ContextBlock]]:
    """Return the blocks that fit, and those that were dropped, the oldest first.

    Args:
        blocks: in the order in which they are read.
        count: returns the tokens of the whole prompt with some of the blocks.
        limit: tokens of the model's context.
        room: tokens that are kept for the answer.
        drop: whether blocks may be dropped.

    Raises:
        ContextOverflow: they do not fit, and none may be dropped; or not even without them.
    """
    kept, dropped = list(blocks), []
    total = count(kept)
    while total + room > limit:
        if not (drop and kept):
            over = total + room - limit
            raise ContextOverflow(
                f"the prompt has {total:,} tokens, and {limit - room:,} of {limit:,} are free, with "
                f"{room:,} kept for the answer: {over:,} too many",
                over=over,
                why=_sizes(blocks, count),
                replacement=("llm ", "llm --fit ") if blocks and not drop else None,
                hint="Use --fit to drop the oldest parts.\nName fewer parts with --see, or lower -n.\n"
                "Run %llm context to see the prompt of the last answer."
                if blocks
                else "Shorten the prompt, or lower -n.",
            )
        dropped.append(kept.pop(0))
        total = count(kept)
    return kept, dropped
