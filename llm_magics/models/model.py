"""Model: what a user holds. Load, generate, stream, score."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..chat.prompt import render
from ..chat.whose import neutral, segments
from ..clean import line
from ..core import given, progress
from ..core.options import MAX_ALTERNATIVES, sampling_options
from ..core.records import Generation, ModelInfo, Trace
from ..engine.answer import Answer
from ..engine.base import Engine, Tokenizer
from ..engine.batch import ROWS
from ..engine.generate import Runtime, Stream, score
from ..engine.kv import Pool
from ..errors import UsageError
from ..sources import store
from .branch import branch, extend
from .fidelity import TOKENS, Fidelity, keep, measure, prose
from .inside import Inside
from .map import Answers, map_prompts

if TYPE_CHECKING:
    from .adapted import Slots
    from .adapter import Adapter

Prompt = str | Sequence[Mapping[str, str]]


class Model(Inside):
    """A language model, ready to answer. Made by :func:`load`, or from parts.

    Args:
        engine: token ids in, logits out.
        tokenizer: text ↔ token ids.
        info: which weights these are.
        template: the chat template (Jinja); None when the model only continues text.
        weights_bytes, bytes_per_token: size of the weights, and what of it one decoded token reads, in bytes.

    Attributes:
        last: the newest finished or interrupted :class:`Generation`, or None.
        fidelity: what packing cost, where it was measured (see :meth:`measure_fidelity`), or None.
        folder: where the converted model lies, or None.
        last_tune: the newest run of :func:`tune` on it, or None.
        last_map: what the newest :meth:`map` has made so far, or None.
        reference: gives the same model in fp32 for the length of a with block, or is None.
        base: the model without its adapter, or None where it has none.
        slots: what an adapter is put into, or None.
        source: gives the file or folder that this model was converted from, or is None.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        info: ModelInfo,
        *,
        template: str | None = None,
        weights_bytes: int = 0,
        bytes_per_token: int = 0,
        folder: Path | None = None,
    ) -> None:
        self.engine, self.tokenizer, self.info, self.template = engine, tokenizer, info, template
        self.weights_bytes, self.bytes_per_token, self.folder = weights_bytes, bytes_per_token, folder
        self.fidelity: Fidelity | None = None
        self.reference: Callable[[], AbstractContextManager[Model]] | None = None
        self.source: Callable[[], Path] | None = None
        self.ignore_config: tuple[str, ...] = ()  # as it was loaded
        self.base: Model | None = None
        self.slots: Slots | None = None
        self._variants: WeakValueDictionary[str, Model] = WeakValueDictionary()
        self._adapters: dict[tuple[Path, int], Adapter] = {}
        self._runtime = Runtime(engine, tokenizer, Pool(engine))
        self._last: Answer | None = None
        self.last_map: Answers | None = None
        self.last_tune: Any = None

    def __reduce__(self) -> Any:
        raise UsageError(
            "a model cannot be pickled or copied: it holds a session of ONNX Runtime",
            hint="pass its name, and load it again there: lm.load(name)",
        )

    def __repr__(self) -> str:
        return f"<Model {line(self.name)} ({self.info.precision}), context {self.context_length:,} tokens>"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def context_length(self) -> int:
        """Tokens."""
        return self.engine.context_length

    @property
    def memory_bytes(self) -> int:
        """Bytes of weights and KV caches held."""
        return self.weights_bytes + self.pool.nbytes

    @property
    def pool(self) -> Pool:
        """The KV caches of this model's answers."""
        return self._runtime.pool

    @property
    def last(self) -> Generation | None:
        return self._last.generation if self._last else None

    def render(self, prompt: Prompt, *, system: str | None = None, raw: bool = False) -> str:
        """The exact text the model is given.

        A string is one user message; where the model has no chat template, or with ``raw``, it is continued
        as it is.
        """
        messages = self._messages(prompt, system, raw)
        if isinstance(messages, str):
            return messages
        return render(messages, self.template or "", **self._special_texts())

    def _messages(self, prompt: Prompt, system: str | None, raw: bool) -> str | list[Mapping[str, str]]:
        system = None if system is None else given.text(system, "system")
        if not isinstance(prompt, (str, Sequence)):
            raise UsageError(
                f"a prompt is a text or a list of messages, got {given.shown(prompt)}", hint="pass a string"
            )
        if isinstance(prompt, str) and (raw or self.template is None):
            if system:
                raise UsageError(
                    "a system message needs a chat template", hint="leave out raw, or the system message"
                )
            return prompt
        if raw or self.template is None:
            raise UsageError(
                "a list of messages needs a chat template", hint="pass the text itself as one string"
            )
        if isinstance(prompt, str):
            prompt = [{"role": "user", "content": prompt}]
        return list(prompt) if system is None else [{"role": "system", "content": system}, *prompt]

    def encode(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False
    ) -> tuple[str, list[int]]:
        """The prompt's text and ids. A special token that a message spells out is read as plain
        characters.
        """
        messages, tokenizer = self._messages(prompt, system, raw), self.tokenizer
        if isinstance(messages, str):
            return messages, tokenizer.encode(messages)
        parts = segments(
            messages,
            self.template or "",
            literals=tokenizer.literals,
            specials=tokenizer.specials_in,
            **self._special_texts(),
        )
        text = "".join(part.text for part in parts)
        ids, other = tokenizer.encode(text), neutral(parts)
        # The messages make no special token: mostly seen by the ids, and at the latest by what is not
        # unknown.
        if tokenizer.specials(ids) == tokenizer.specials(tokenizer.encode(other)):
            return text, ids
        if tokenizer.specials_in(text) == tokenizer.specials_in(other):
            return text, ids
        return text, tokenizer.encode_parts((part.text, part.trusted) for part in parts)

    def stream(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        raw: bool = False,
        speculate: bool = True,
        **options: Any,
    ) -> Stream:
        """Answer token by token.

        Args:
            prompt: a text, or messages ``{"role": "user", "content": …}``.
            system: a system message to put first.
            raw: continue the text, with no chat template.
            speculate: check guesses from the text itself several at a time, where that pays; see
                :class:`Stream`.
            **options: the fields of :class:`SamplingOptions`.

        Raises:
            UsageError: an option is unknown or out of its range. ContextOverflow: the prompt is too long.
        """
        chosen = sampling_options(options)
        text, ids = self.encode(prompt, system=system, raw=raw)
        stream = Stream(self._runtime, ids, chosen, prompt=text, model=self.info, speculate=speculate)
        self._last = stream.answer  # not the stream, which has a cache to itself as long as it lives
        return stream

    def generate(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        raw: bool = False,
        speculate: bool = True,
        **options: Any,
    ) -> Generation:
        """Answer; the arguments are those of :meth:`stream`.

        A KeyboardInterrupt goes through; what was made until then is in :attr:`last`.
        """
        return self.stream(prompt, system=system, raw=raw, speculate=speculate, **options).to_end()

    def stream_branch(
        self, generation: Generation, at: int, token: str | int, *, speculate: bool = True, **options: Any
    ) -> Stream:
        """Go on from another token: the answer's first ``at`` tokens, ``token``, and what the model says
        then.

        The tokens that are new are given out as they come; ``generation`` of the stream has all of them. They
        are those of the same text asked afresh, and what a KV cache holds of it is not computed again.

        Args:
            generation: an answer of this model.
            at: the place of the token that is replaced, from 0; the number of tokens goes on at the end.
            token: its text, or its id. A text may be several tokens.
            **options: replace those of the answer.

        Raises:
            UsageError: the place or the token does not exist, or another model gave the answer.
        """
        given.one_of(generation, Generation, "what is branched", hint="pass what generate gave")
        chosen = sampling_options({**generation.options.given(), **options})
        stream = branch(self._runtime, self.info, generation, at, token, chosen, speculate=speculate)
        self._last = stream.answer
        return stream

    def branch(self, generation: Generation, at: int, token: str | int, **options: Any) -> Generation:
        """As :meth:`stream_branch`, to its end."""
        return self.stream_branch(generation, at, token, **options).to_end()

    def stream_more(
        self, generation: Generation, tokens: int | None = None, *, speculate: bool = True
    ) -> Stream:
        """Go on with an answer that was cut off or interrupted, as if it had not been.

        The tokens that are new are given out as they come; ``generation`` of the stream has all of them.

        Args:
            generation: an answer of this model.
            tokens: how many more it may have; None is 256.

        Raises:
            UsageError: the answer is complete, or another model gave it.
        """
        given.one_of(generation, Generation, "what goes on", hint="pass what generate gave")
        stream = extend(self._runtime, self.info, generation, tokens, speculate=speculate)
        self._last = stream.answer
        return stream

    def extend(self, generation: Generation, tokens: int | None = None) -> Generation:
        """As :meth:`stream_more`, to its end."""
        return self.stream_more(generation, tokens).to_end()

    def with_adapter(
        self, adapter: Adapter | str | Path, strength: float | None = None, *, name: str = ""
    ) -> Model:
        """This model with a LoRA adapter: a second graph over the same weights file, with nothing exported.

        Models with other adapters, and this one without, may answer at the same time.

        Args:
            adapter: an :class:`Adapter`; a folder that PEFT or :meth:`TuneRun.save` wrote; or the name of
                one that :func:`tune` kept. The strength may stand behind a colon: "pirate:0.8".
            strength: 0 is as without it, 1 as it was trained.
            name: what it is called in the record of an answer; else the folder's name.

        Returns:
            The same object as long as an earlier one for the same adapter and strength is alive.

        Raises:
            UsageError: there is no such adapter, or this model can take none. UnsupportedModel: it is of
                another model.
        """
        from .adapter import Adapter, check_strength, with_strength

        if self.base is not None:
            return self.base.with_adapter(adapter, strength, name=name)
        if self.slots is None:
            raise UsageError(
                f"{self.name} can take no adapter", hint="load a GGUF file or a checkpoint, not an export"
            )
        if isinstance(adapter, (str, Path)):
            folder, told = with_strength(str(adapter))
            strength = told if strength is None else strength
            place = _adapter_folder(folder)
            adapter, name = self._adapter_in(place), name or place.name
        given.one_of(adapter, Adapter, "an adapter", hint="pass one, or its folder")
        strength = check_strength(1.0 if strength is None else strength)
        print_of = hashlib.sha256(f"{self.info.fingerprint}{adapter.digest}{strength}".encode()).hexdigest()
        model = self._variants.get(print_of)
        if model is None:
            label = f"{self.name} + {name or 'adapter'}" + (f":{strength:g}" if strength != 1 else "")
            model = Model(
                self.slots.engine(adapter, strength),
                self.tokenizer,
                replace(self.info, name=label, fingerprint=print_of),
                template=self.template,
                weights_bytes=self.weights_bytes,
                bytes_per_token=self.bytes_per_token + adapter.nbytes,
            )
            model.base, model.pool.budget = self, self.pool.budget
            self._variants[print_of] = model
        return model

    def variant(self, fingerprint: str) -> Model | None:
        """This model, or one with an adapter that is alive, by the fingerprint of its answers."""
        return self if fingerprint == self.info.fingerprint else self._variants.get(fingerprint)

    def _adapter_in(self, folder: Path) -> Adapter:
        """Read, or the same object as before where the file is the same."""
        from .adapter import WEIGHTS, load_adapter

        try:
            key = folder.resolve(), (folder / WEIGHTS).stat().st_mtime_ns
        except OSError:
            return load_adapter(folder, ignore_config=self.ignore_config)  # says what is missing
        if key not in self._adapters:
            self._adapters[key] = load_adapter(folder, ignore_config=self.ignore_config)
        return self._adapters[key]

    async def agenerate(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        raw: bool = False,
        speculate: bool = True,
        **options: Any,
    ) -> Generation:
        """Answer in a thread while the event loop goes on. Cancelling stops within one token."""
        stream = self.stream(prompt, system=system, raw=raw, speculate=speculate, **options)

        def work() -> Generation:
            for _ in stream:
                pass
            return stream.generation

        try:
            return await asyncio.to_thread(work)
        finally:
            stream.close()

    def map(
        self,
        prompts: Iterable[Any],
        *,
        system: str | None = None,
        raw: bool = False,
        rows: int = ROWS,
        progress: bool = True,
        answers: Answers | None = None,
        **options: Any,
    ) -> Answers:
        """Answer many prompts, several at a time: a list or a pandas column in, a list of answers in its
        order out.

        A row that cannot be answered has its error in its place. A KeyboardInterrupt goes through; what was
        made until then is in ``answers``, if one was passed, and in :attr:`last_map`.

        Args:
            prompts: texts, or lists of messages.
            rows: at most so many at a time.
            progress: show a bar.
            answers: filled in place.
            **options: the fields of :class:`SamplingOptions`, the same for each row.

        Raises:
            UsageError: ``prompts`` is a single text or a table, or an option is out of its range.
        """
        chosen = sampling_options(options)
        self.last_map = Answers() if answers is None else answers
        return map_prompts(
            self._runtime,
            lambda prompt: self.encode(prompt, system=system, raw=raw),
            prompts,
            chosen,
            info=self.info,
            rows=rows,
            progress=progress,
            answers=self.last_map,
        )

    def measure_fidelity(self) -> Fidelity:
        """Compare this model with its own source in fp32 over some prose; kept beside the converted model.

        The source is converted to fp32 for it, and takes four bytes a weight of disk and memory meanwhile;
        what was not there before is removed afterwards.

        Raises:
            UsageError: this model was not converted from a source that is still known.
        """
        if self.reference is None or self.folder is None:
            raise UsageError(
                f"the source of {self.name} is not known here",
                hint="load it from where it was converted from",
            )
        ids = self.tokenizer.encode(prose(), special=False)[: min(TOKENS, self.context_length)]
        with self.reference() as reference:
            self.fidelity = measure(self.engine.cache(), reference.engine.cache(), ids)
        keep(self.folder, self.fidelity)
        return self.fidelity

    def save(self, folder: str | Path) -> Path:
        """Write the converted model into a new folder, which :func:`load` takes; gives its path.

        Raises:
            UsageError: the folder exists, or this model was not converted. StoreError: it cannot be written.
        """
        if self.folder is None:
            raise UsageError(
                f"{self.name} was not converted by this package", hint="copy the files it came from"
            )
        return store.export(self.folder, given.path(folder, "the folder"))

    def score(self, text: str, *, prompt: str = "", alternatives: int = 10) -> Trace:
        """Read ``text`` and record each token's logprob, rank, entropy and alternatives as the model expected
        them.

        Args:
            prompt: what stands before it, as it is; it is read, and not recorded.

        Raises:
            UsageError: the text is empty. ContextOverflow: it is longer than the context.
        """
        before = self.tokenizer.encode(prompt, special=False) if given.text(prompt, "the prompt") else []
        ids = self.tokenizer.encode(text, special=False, begin=not before)
        if not ids:
            raise UsageError("there is no text to score", hint="pass some text")
        has_bos = self.tokenizer.bos_id is not None and ids[0] == self.tokenizer.bos_id
        predicted_from = 0 if before or (has_bos and len(ids) > 1) else 1
        return self._scored(before, ids, text, predicted_from, alternatives)

    def score_answer(self, answer: Generation, *, alternatives: int = 10) -> Trace:
        """Read an answer's tokens behind its prompt, as this model expects them; it may be another's, if both
        cut texts alike.

        Raises:
            UsageError: this model cuts the answer otherwise, or it is empty.
        """
        given.one_of(answer, Generation, "an answer", hint="pass what generate gave")
        ids = [token.id for token in answer.tokens]
        alike = answer.prompt_ids and answer.vocab_size == self.tokenizer.vocab_size and ids
        if not alike or self.tokenizer.decode(ids, skip_special=True) != answer.text:
            raise UsageError(
                f"{self.name} cannot read this answer token by token", hint="compare its text: answer.text"
            )
        return self._scored(answer.prompt_ids, ids, answer.text, 0, alternatives)

    def _scored(
        self, before: Sequence[int], ids: Sequence[int], text: str, predicted_from: int, alternatives: int
    ) -> Trace:
        alternatives = given.whole(
            alternatives, "alternatives", 0, MAX_ALTERNATIVES, hint="10 is a good number"
        )
        with progress.bar("reading", len(before) + len(ids) - 1, unit="token") as step:
            return score(
                self._runtime,
                [*before, *ids],
                text=text,
                predicted_from=predicted_from,
                alternatives=alternatives,
                model=self.info,
                prompt=len(before),
                step=step,
            )

    def _special_texts(self) -> dict[str, Any]:
        """What a template may ask for; the answer is always the assistant's turn."""
        bos, eos = self.tokenizer.bos_id, self.tokenizer.eos_id
        return {
            "bos_token": "" if bos is None else self.tokenizer.token_text(bos),
            "eos_token": "" if eos is None else self.tokenizer.token_text(eos),
        }


def _adapter_folder(name: str) -> Path:
    """Return the folder that a name means: one that is there, else the adapter that is kept under the name.

    Raises:
        UsageError: it is neither.
    """
    from ..sources import adapters

    folder = given.path(name, "an adapter")
    if folder.exists():
        return folder
    kept = adapters.find(name)
    if kept is None:
        raise adapters.missing(name)
    return kept.folder
