"""Earlier turns, the context and the prompt → the messages of one answer, within the model's context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...chat.messages import as_messages
from ...core.options import SamplingOptions
from ...errors import UsageError
from ...sanitize import single_line
from ..conversations import TurnPosition
from ..parsing.cell_request import CellRequest
from .collect import ContextBlock
from .composition import Composition, Part, fit_blocks, with_blocks

if TYPE_CHECKING:
    from ...models.language_model import LanguageModel
    from ...models.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Composed:
    """A prompt that fits.

    Attributes:
        messages: what the model is given.
        prompt: the message of the user, with the context before it.
        composition: its parts.
        note: what was dropped, in one line; empty for nothing.
    """

    messages: Prompt
    prompt: str
    composition: Composition
    note: str


def compose(
    model: LanguageModel, place: TurnPosition, request: CellRequest, blocks: Sequence[ContextBlock]
) -> Composed:
    """Return the messages of an answer.

    Args:
        model: counts the tokens.
        place: the turn of a conversation that is asked now.
        request: the cell.
        blocks: the context from the notebook.

    Raises:
        ContextOverflow: it is too long, and nothing may be dropped.
    """
    system = place.conversation.system
    turns = [(turn.prompt, turn.answer) for turn in place.conversation.turns[: place.index]]
    earlier = [
        ContextBlock("turn", f"turn {n + 1}", f"{asked}\n\n{told}") for n, (asked, told) in enumerate(turns)
    ]
    everything = [*earlier, *blocks]

    def messages(kept: Sequence[ContextBlock]) -> Prompt:
        before = [turns[earlier.index(block)] for block in kept if block.origin == "turn"]
        prompt = with_blocks([block for block in kept if block.origin != "turn"], request.prompt)
        return as_messages(before, prompt) if before else prompt

    def count(kept: Sequence[ContextBlock]) -> int:
        return model.count_prompt(messages(kept), system=system, raw=request.raw)

    kept, room = everything, 0
    dropped: list[ContextBlock] = []
    limit = model.context_length
    if request.fit and not limit:
        raise UsageError(
            f"--fit needs the context length, which {single_line(model.name)} does not tell",
            hint="Omit --fit, and name fewer parts with --see.",
        )
    if limit and (blocks or request.fit):
        most = request.options.get("max_tokens", model.sampling_defaults.get("max_tokens"))
        room = min(most or SamplingOptions().max_tokens, limit // 2)
        kept, dropped = fit_blocks(everything, count, limit=limit, room=room, drop=request.fit)

    parts = [Part("system", "system", system, model.count_tokens(system))] if system else []
    parts += [Part(block.origin, block.title, block.text, model.count_tokens(block.text)) for block in kept]
    parts.append(Part("prompt", "this cell", request.prompt, model.count_tokens(request.prompt)))
    parts += [
        Part(block.origin, block.title, block.text, model.count_tokens(block.text), True) for block in dropped
    ]
    told = ", ".join(f"{part.title} ({part.tokens:,} tokens)" for part in parts if part.dropped)
    return Composed(
        messages(kept),
        with_blocks([block for block in kept if block.origin != "turn"], request.prompt),
        Composition(parts, limit, room),
        f"dropped to fit: {told}" if told else "",
    )
