"""What can be asked of a model's inside. A part of Model, in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core import given
from ..core.records import Generation, ModelInfo
from ..engine.answer import Answer
from ..engine.generate import Runtime

if TYPE_CHECKING:
    from ..lens.attention import Attention
    from ..lens.causes import Causes
    from ..lens.cut import Cut
    from ..lens.layers import Lens
    from ..lens.memory import Memory
    from ..lens.probe import Probe
    from ..lens.reading.pieces import Text
    from ..lens.reading.tapped import Tapped
    from ..lens.replay import Replay
    from ..lens.tree import Tree
    from ..lens.walk import Walk
    from ..lens.watch import Watch
    from .adapted import Slots


class Inside:
    """The views of what goes on inside. Each gives a record that shows itself where it is a cell's last
    value, with ``to_dict``, ``to_pandas`` and ``save_html``. A text goes to the model as it is, with no chat
    template; an answer (:class:`Generation`) with its prompt.
    """

    info: ModelInfo
    slots: Slots | None
    base: Inside | None
    _last: Answer | None
    _runtime: Runtime
    _opened: Tapped | None = None

    def tokenize(self, text: str) -> Cut:
        """How this model cuts a text: pieces, ids, bytes, counts, and what a language costs.

        Raises:
            UsageError: the text is empty, or too long for a view.
        """
        from ..lens.cut import cut

        return cut(text, {self.info.name: self._runtime.tokenizer}, self.info)

    def lens(self, text: Text, *, watch: Sequence[str] = ()) -> Lens:
        """The logit lens: what the model would say after each layer, at each token.

        Args:
            watch: texts whose first token is followed through all layers.

        Raises:
            UnsupportedModel: it runs a graph that somebody else exported. UsageError: there is no text.
            ContextOverflow: it is too long.
        """
        from ..lens.layers import lens
        from ..lens.reading.pieces import pieces_of

        pieces = pieces_of(self._runtime, text)
        return lens(self._tapped, self._runtime.tokenizer, pieces, self.info, watch=watch)

    def attention(
        self, text: Text, *, layers: Sequence[int] | None = None, whatever_it_takes: bool = False
    ) -> Attention:
        """Where each head of each layer looks, from ONNX Runtime's own attention.

        Args:
            layers: whose whole matrices are kept, from 1; None: all of them where the text is short, else
                one.
            whatever_it_takes: also where they take more than 1 GB.

        Raises:
            UsageError: there is no such layer or no text, or it takes more than 1 GB. UnsupportedModel,
            ContextOverflow: as :meth:`lens`.
        """
        from ..lens.attention import attention
        from ..lens.reading.pieces import pieces_of

        pieces = pieces_of(self._runtime, text)
        return attention(self._tapped, pieces, self.info, layers=layers, whatever_it_takes=whatever_it_takes)

    def probe(self, prompt: Text, strings: Sequence[str]) -> Probe:
        """The exact probability of whole strings behind a prompt: summed, per token, per byte.

        Args:
            prompt: a text as it is; or an answer, with its prompt.
            strings: what may follow; mind the space before a word.

        Raises:
            UsageError: there is no string, or one is empty. ContextOverflow: one does not fit.
        """
        from ..lens.probe import probe

        return probe(self._runtime, self.info, prompt, strings)

    def replay(self, answer: Generation | None = None) -> Replay:
        """The sampler's choices of an answer again: what each rule removed, where the dice fell, and what
        other settings would have done.

        Args:
            answer: of this model; None: the last one.

        Raises:
            UsageError: there is none, or another model gave it.
        """
        from ..errors import UsageError
        from ..lens.replay import replay

        if answer is None and self._last:
            answer = self._last.generation
        if answer is None:
            raise UsageError("there is no answer yet", hint="ask something first")
        given.one_of(answer, Generation, "what is replayed", hint="pass what generate gave")
        return replay(self._runtime, self.info, answer)

    def tree(self, prompt: Text, *, samples: int = 32, had: Tree | None = None, **options: Any) -> Tree:
        """What else it could have said: many samples side by side, laid over each other.

        An interrupt keeps what there is.

        Args:
            prompt: a text as it is; or an answer, which is gone on from.
            had: a tree of the same prompt and options, to which the missing samples are added.
            **options: the fields of :class:`SamplingOptions`; by default 16 tokens of the model's own
            distribution
                (temperature 1, nothing removed). Seeds count up from ``seed``.

        Raises:
            UsageError: an option is out of its range. ContextOverflow: the prompt is too long.
        """
        from ..core.options import sampling_options
        from ..lens.reading.pieces import pieces_of
        from ..lens.tree import tree

        own = {"max_tokens": 16, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        chosen = sampling_options({**own, **options})
        pieces = pieces_of(self._runtime, prompt)
        return tree(self._runtime, self.info, pieces, chosen, samples=samples, had=had)

    def attribute(self, text: Text, *, target: str | None = None, against: str | None = None) -> Causes:
        """Which tokens moved the next one: each is left out in turn (leave-one-out). An interrupt keeps what
        there is.

        Args:
            text: as it is; or an answer, with its prompt.
            target: a text whose first token is explained; None: what the model would say.
            against: a text to contrast it with: why the one and not the other.

        Raises:
            UsageError: a text is empty. ContextOverflow: it is too long.
        """
        from ..lens.causes import causes
        from ..lens.layers import first_of
        from ..lens.reading.pieces import pieces_of

        tokenizer = self._runtime.tokenizer
        one, other = (None if each is None else first_of(tokenizer, each) for each in (target, against))
        pieces = pieces_of(self._runtime, text)
        return causes(self._runtime, self.info, pieces, target=one, against=other)

    def memorised(self, text: Text, *, given: int | None = None) -> Memory:
        """How far the model goes on with a text word for word, and the rank of each true token.

        Args:
            given: so many tokens of it are the prompt; None: a quarter of them, or an answer's own prompt.

        Raises:
            UsageError: the text is too short. ContextOverflow: it is too long.
        """
        from ..lens.memory import memory
        from ..lens.reading.pieces import pieces_of

        pieces = pieces_of(self._runtime, text)
        if given is None and 0 < pieces.prompt < len(pieces.ids):
            given = pieces.prompt
        return memory(self._runtime, self.info, pieces, given=given)

    def watch(self, text: Text, strings: Sequence[str]) -> Watch:
        """Follow strings through a text or an answer: how likely each would have been behind every token, and
        its rank. Of a string of several tokens the first is followed.

        Raises:
            UsageError: there is no string, or one is empty. ContextOverflow: the text is too long.
        """
        from ..lens.reading.pieces import pieces_of
        from ..lens.watch import watch

        return watch(self._runtime, self.info, pieces_of(self._runtime, text), strings)

    def walk(self, prompt: str | Sequence[int], **options: Any) -> Walk:
        """One token's way through the model, step by step, with its real numbers; then the next ones'.

        Args:
            prompt: a text as it is.
            **options: the fields of :class:`SamplingOptions`; 4 tokens by default.

        Raises:
            UsageError: an option is out of its range, or the text is too long for a walk.
        """
        from ..core.options import sampling_options
        from ..lens.reading.pieces import pieces_of
        from ..lens.walk import walk

        chosen = sampling_options({"max_tokens": 4, **options})
        return walk(self._runtime, self._tapped, self.info, pieces_of(self._runtime, prompt), chosen)

    @property
    def _tapped(self) -> Tapped:
        """Made when it is first asked for, and kept: a model that nobody looks into pays nothing for it."""
        if self._opened is None:
            from ..lens.reading.tapped import Tapped

            slots = self.slots or (self.base.slots if self.base else None)
            self._opened = Tapped(self._runtime.engine, slots.spec if slots else None)
        return self._opened
