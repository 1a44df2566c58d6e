"""What can be asked of a model's inside. A part of Model, in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import validation
from ..core.records import Generation, ModelInfo
from ..engine.batch import Request
from ..engine.runtime import Runtime
from ..errors import LLMMagicsError
from .forms import thinking_off
from .rows.journal import open_journal

if TYPE_CHECKING:
    from ..inspection.answers.choices import Choice
    from ..inspection.answers.decisions import Decisions
    from ..inspection.attention import Attention
    from ..inspection.attribution import Attribution
    from ..inspection.logit_lens import LogitLens
    from ..inspection.memorization import Memorization
    from ..inspection.probe import Probe
    from ..inspection.reading.instrumented import InstrumentedDecoder
    from ..inspection.reading.tokenized_text import Text
    from ..inspection.replay import Replay
    from ..inspection.tokenization import Tokenization
    from ..inspection.track import TokenTrack
    from ..inspection.tree import SampleTree
    from ..inspection.walkthrough import Walkthrough
    from .adapters.sessions import LoraSessions
    from .cluster.model_spec import ModelSpec
    from .prompts import PromptEncoder


class Inspections:
    """The views of what goes on inside.

    Each gives a record that shows itself where it is a cell's last value, with ``to_dict``, ``to_pandas`` and
    ``save_html``. A text goes to the model as it is, with no chat template; an answer (:class:`Generation`)
    with its prompt.
    """

    info: ModelInfo
    lora_sessions: LoraSessions | None
    base: Inspections | None
    spec: ModelSpec | None
    _last: Any
    _runtime: Runtime
    _prompts: PromptEncoder
    _opened: InstrumentedDecoder | None = None
    sampling_defaults: dict[str, Any]

    def tokenize(self, text: str) -> Tokenization:
        """Return how this model cuts a text: pieces, ids, bytes, counts, and what a language costs.

        Raises:
            UsageError: the text is empty, or too long for a view.
        """
        from ..inspection.tokenization import tokenize

        return tokenize(text, {self.info.name: self._runtime.tokenizer}, self.info)

    def logit_lens(self, text: Text, *, track: Sequence[str] = ()) -> LogitLens:
        """Return the logit lens: what the model would say after each layer, at each token.

        Args:
            text: a text, an answer, or token ids.
            track: texts; the first token of each is followed through all layers.

        Raises:
            UnsupportedModel: it runs a graph that somebody else exported. UsageError: there is no text.
            ContextOverflow: it is too long.
        """
        from ..inspection.logit_lens import logit_lens
        from ..inspection.reading.tokenized_text import tokenize_text

        pieces = tokenize_text(self._runtime, text)
        return logit_lens(self._instrumented, self._runtime.tokenizer, pieces, self.info, track=track)

    def attention(
        self, text: Text, *, layers: Sequence[int] | None = None, allow_large: bool = False
    ) -> Attention:
        """Return where each head of each layer looks, from ONNX Runtime's own attention.

        Args:
            text: a text, an answer, or token ids.
            layers: that are stored as matrices, from 1; None: all of them where the text is short, else
                one.
            allow_large: also where they take more than 1 GB.

        Raises:
            UsageError: there is no such layer or no text, or it takes more than 1 GB. UnsupportedModel,
            ContextOverflow: as :meth:`lens`.
        """
        from ..inspection.attention import attention
        from ..inspection.reading.tokenized_text import tokenize_text

        pieces = tokenize_text(self._runtime, text)
        return attention(self._instrumented, pieces, self.info, layers=layers, allow_large=allow_large)

    def probe(self, prompt: Text, strings: Sequence[str]) -> Probe:
        """Return the exact probability of whole strings behind a prompt: summed, per token, per byte.

        Args:
            prompt: a text as it is; or an answer, with its prompt.
            strings: what may follow; mind the space before a word.

        Raises:
            UsageError: there is no string, or one is empty. ContextOverflow: one does not fit.
        """
        from ..inspection.probe import probe

        return probe(self._runtime, self.info, prompt, strings)

    def choose(self, prompt: Any, choices: Any, *, system: str | None = None, raw: bool = False) -> Choice:
        """Return the likeliest of several labels as the answer to a prompt: a string with probabilities.

        The probabilities are exact: those of all tokens of a label, not of drawn answers.

        Args:
            prompt: a text, or messages.
            choices: labels, or a mapping of labels to lists of spellings.
            system: the system message.
            raw: continue the text, with no chat template; mind the space before a word.

        Raises:
            UsageError: there are fewer than two labels. ContextOverflow: the prompt is too long.
        """
        from ..inspection.answers.choices import Choice, choose, label_spellings

        labels = label_spellings(choices)
        switches = thinking_off(self._prompts.template, raw=raw)
        _, ids = self._prompts.encode(prompt, system, raw, switches)
        return Choice(choose(self._runtime, self.info, ids, labels))

    def decide(self, text: str, questions: str, *, system: str | None = None, raw: bool = False) -> Decisions:
        """Return typed answers to several questions about one text, with exact probabilities.

        Args:
            text: what the questions are about.
            questions: such as "team: billing|tech|sales; urgent?; severity 1-5".
            system: the system message.
            raw: continue the text, with no chat template.

        Raises:
            UsageError: a question cannot be read. ContextOverflow: the text is too long.
        """
        from ..inspection.answers.decisions import decide, questions_of

        text = validation.require_str(text, "text")
        return decide(
            self.info,
            text,
            questions_of(validation.require_str(questions, "questions")),
            lambda prompt, labels: self.choose(prompt, list(labels), system=system, raw=raw),
        )

    def choose_rows(
        self,
        prompts: Iterable[Any],
        choices: Any,
        *,
        system: str | None = None,
        raw: bool = False,
        keep: bool | str | Path | None = None,
        fresh: bool = False,
        on: Any = None,
    ) -> Iterator[tuple[int, Choice | LLMMagicsError]]:
        """Yield the likeliest label of each prompt, with its number; an error where there is none.

        Args:
            prompts: texts, or lists of messages.
            choices: as for :meth:`choose`.
            system: the system message.
            raw: continue the texts, with no chat template.
            keep: as for :meth:`map`.
            fresh: label rows that were finished before again.
            on: as for :meth:`map`.

        Raises:
            UsageError: there are fewer than two labels.
            ClusterError: the workers are gone, or they cannot run the model. What they finished is kept.
        """
        from ..inspection.answers.choices import label_spellings
        from .cluster.open_batch import open_labels
        from .rows.choose_rows import choose_rows, label_here

        labels = label_spellings(choices)
        switches = thinking_off(self._prompts.template, raw=raw)
        with ExitStack() as stack:
            journal = stack.enter_context(open_journal(keep, on, fresh=fresh))

            def label_requests(requests: Iterable[Request]) -> Any:
                if on is None:
                    return label_here(self._runtime, self.info, labels, requests)
                return stack.enter_context(closing(open_labels(self.info, labels, requests, self.spec, on)))

            yield from choose_rows(
                label_requests,
                self.info,
                lambda prompt: self._prompts.encode(prompt, system, raw, switches),
                prompts,
                labels,
                journal,
            )

    def replay(self, answer: Generation | None = None) -> Replay:
        """Return the sampler's choices of an answer again.

        What each rule removed, where the dice fell, and what other settings would have done.

        Args:
            answer: of this model; None: the last one.

        Raises:
            UsageError: there is none, or another model gave it.
        """
        from ..errors import NEED_GENERATION, UsageError
        from ..inspection.replay import replay

        if answer is None and self._last:
            answer = self._last.generation
        if answer is None:
            raise UsageError("there is no answer yet", hint="Ask something first.")
        validation.require_instance(answer, Generation, "answer", hint=NEED_GENERATION)
        return replay(self._runtime, self.info, answer)

    def sample_tree(
        self, prompt: Text, *, samples: int = 32, extend_from: SampleTree | None = None, **options: Any
    ) -> SampleTree:
        """Return what else it could have said: many samples side by side, laid over each other.

        An interrupt keeps what there is.

        Args:
            prompt: a text as it is; or an answer, which is gone on from.
            samples: the number of samples.
            extend_from: a tree of the same prompt and options, to which the missing samples are added.
            **options: the fields of :class:`SamplingOptions`; by default 16 tokens of the model's own
            distribution
                (temperature 1, nothing removed). Seeds count up from ``seed``.

        Raises:
            UsageError: an option is out of its range. ContextOverflow: the prompt is too long.
        """
        from ..core.options import sampling_options
        from ..inspection.reading.tokenized_text import tokenize_text
        from ..inspection.tree import sample_tree

        own = {"max_tokens": 16, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        chosen = sampling_options({**own, **options})
        pieces = tokenize_text(self._runtime, prompt)
        return sample_tree(self._runtime, self.info, pieces, chosen, samples=samples, extend_from=extend_from)

    def attribution(
        self, text: Text, *, target: str | None = None, against: str | None = None
    ) -> Attribution:
        """Return which tokens moved the next one: each is left out in turn (leave-one-out).

        An interrupt keeps what there is.

        Args:
            text: as it is; or an answer, with its prompt.
            target: a text; its first token is explained; None: what the model would say.
            against: a text to contrast it with: why the one and not the other.

        Raises:
            UsageError: a text is empty. ContextOverflow: it is too long.
        """
        from ..inspection.attribution import attribute
        from ..inspection.logit_lens import first_token_of
        from ..inspection.reading.tokenized_text import tokenize_text

        tokenizer = self._runtime.tokenizer
        one, other = (None if item is None else first_token_of(tokenizer, item) for item in (target, against))
        pieces = tokenize_text(self._runtime, text)
        return attribute(self._runtime, self.info, pieces, target=one, against=other)

    def memorization(self, text: Text, *, prompt_tokens: int | None = None) -> Memorization:
        """Return how far the model goes on with a text word for word, and the rank of each true token.

        Args:
            text: a text, an answer, or token ids.
            prompt_tokens: the number of tokens that are the prompt; None: a quarter, or an answer's own.

        Raises:
            UsageError: the text is too short. ContextOverflow: it is too long.
        """
        from ..inspection.memorization import memorization
        from ..inspection.reading.tokenized_text import tokenize_text

        pieces = tokenize_text(self._runtime, text)
        if prompt_tokens is None and 0 < pieces.prompt < len(pieces.ids):
            prompt_tokens = pieces.prompt
        return memorization(self._runtime, self.info, pieces, prompt_tokens=prompt_tokens)

    def track(self, text: Text, strings: Sequence[str]) -> TokenTrack:
        """Follow strings through a text or an answer.

        How likely each would have been behind every token, and its rank. Of a string of several tokens the
        first is followed.

        Raises:
            UsageError: there is no string, or one is empty. ContextOverflow: the text is too long.
        """
        from ..inspection.reading.tokenized_text import tokenize_text
        from ..inspection.track import track

        return track(self._runtime, self.info, tokenize_text(self._runtime, text), strings)

    def walkthrough(self, prompt: str | Sequence[int], **options: Any) -> Walkthrough:
        """Return one token's way through the model, step by step, with its real numbers; then the next ones'.

        Args:
            prompt: a text as it is.
            **options: the fields of :class:`SamplingOptions`; 4 tokens by default.

        Raises:
            UsageError: an option is out of its range, or the text is too long for a walk.
        """
        from ..core.options import sampling_options
        from ..inspection.reading.tokenized_text import tokenize_text
        from ..inspection.walkthrough import walkthrough

        chosen = sampling_options({**self.sampling_defaults, "max_tokens": 4, **options})
        return walkthrough(
            self._runtime, self._instrumented, self.info, tokenize_text(self._runtime, prompt), chosen
        )

    @property
    def _instrumented(self) -> InstrumentedDecoder:
        """Return the instrumented decoder. It is built at the first call and kept.

        A model that nobody inspects pays nothing for it.
        """
        if self._opened is None:
            from ..inspection.reading.instrumented import InstrumentedDecoder

            slots = self.lora_sessions or (self.base.lora_sessions if self.base else None)
            self._opened = InstrumentedDecoder(self._runtime.engine, slots.spec if slots else None)
        return self._opened
