"""Model: what a user holds. Load, generate, stream, score."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..core import validation
from ..core.options import sampling_options
from ..core.records import Generation, ModelInfo, Trace
from ..engine.answer import Answer
from ..engine.base import Engine, Tokenizer
from ..engine.batch import ROWS
from ..engine.caches.cache_pool import Pool
from ..engine.generate import Stream
from ..engine.runtime import Runtime
from ..errors import NEED_GENERATION, UsageError
from ..sanitize import replace_surrogates, single_line
from ..sources import store
from ..trust.obligations import describe_model
from .branch import branch, extend
from .cluster.open_batch import batch_opener
from .draft import draft_for
from .fidelity import TOKENS, Fidelity, measure, read_fidelity, sample_text, write_fidelity
from .forms import THINKING, defaults_for, stream_value, take_form, thinking_off, with_value
from .inspection import Inspections
from .origin import Origin
from .prompts import Prompt, PromptEncoder
from .rows.batch_generate import BatchAnswers, map_prompts
from .rows.journal import open_journal
from .scoring import score_answer, score_text

if TYPE_CHECKING:
    from .adapters.lora import Adapter
    from .adapters.resolve import AdapterCache
    from .adapters.sessions import LoraSessions
    from .catalog.card import ModelCard
    from .cluster.model_spec import ModelSpec


@dataclass(frozen=True, slots=True)
class _Finished:
    """An answer that was generated before."""

    generation: Generation


class Model(Inspections):
    """A language model, ready to answer. Made by :func:`load`, or from parts.

    Args:
        engine: token ids in, logits out.
        tokenizer: text ↔ token ids.
        info: which weights these are.
        template: the chat template (Jinja); None when the model only continues text.
        sampling: the sampling settings that the model's maker recommends.
        weights_bytes, bytes_per_token: size of the weights, and what of it one decoded token reads, in bytes.
        origin: the files that it was opened from.
        lora_sessions: opens a session for each adapter; None where the model can take none.
        base: the model without its adapter, or None where it has none.

    Attributes:
        sampling_defaults: what options that a call does not state are: the settings of the model's maker. The
            others are those of SamplingOptions. An empty dict takes these for all.
        last: the newest finished or interrupted :class:`Generation`, or None.
        fidelity: what packing cost, where it was measured (see :meth:`measure_fidelity`), or None.
        folder: where the converted model lies, or None.
        last_tune: the newest run of :func:`tune` on it, or None.
        last_map: what the newest :meth:`map` has made so far, or None.
        spec: how another process opens the same model; None where it cannot.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        info: ModelInfo,
        *,
        template: str | None = None,
        sampling: Mapping[str, Any] | None = None,
        weights_bytes: int = 0,
        bytes_per_token: int = 0,
        origin: Origin | None = None,
        lora_sessions: LoraSessions | None = None,
        base: Model | None = None,
    ) -> None:
        self.engine, self.tokenizer, self.info = engine, tokenizer, info
        self.weights_bytes, self.bytes_per_token = weights_bytes, bytes_per_token
        self.origin, self.lora_sessions = origin or Origin(), lora_sessions
        self.base: Model | None = base
        self.fidelity = (
            None if self.folder is None else read_fidelity(self.folder, number_format=self._number_format)
        )
        self.sampling_defaults: dict[str, Any] = dict(sampling or {})
        self.last_map: BatchAnswers | None = None
        self.last_tune: Any = None
        self.spec: ModelSpec | None = None
        self._prompts = PromptEncoder(tokenizer, template)
        self._runtime = Runtime(engine, tokenizer, Pool(engine))
        self._last: Answer | _Finished | None = None
        self._tuned_models: WeakValueDictionary[str, Model] = WeakValueDictionary()
        self._adapters: AdapterCache | None = None

    def __reduce__(self) -> Any:
        raise UsageError(
            "a model cannot be pickled or copied: it has a session of ONNX Runtime",
            hint="Pass its name, and call lm.load(name) there.",
        )

    def __repr__(self) -> str:
        name, precision = single_line(self.name), self.info.precision
        return f"<Model {name} ({precision}), context {self.context_length:,} tokens>"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def template(self) -> str | None:
        """Return the chat template (Jinja); None where the model only continues text."""
        return self._prompts.template

    @property
    def folder(self) -> Path | None:
        """Return the folder of the converted model, or None."""
        return self.origin.folder

    @property
    def context_length(self) -> int:
        """Return tokens."""
        return self.engine.context_length

    @property
    def memory_bytes(self) -> int:
        """Return bytes of weights and KV caches held."""
        return self.weights_bytes + self.pool.nbytes

    @property
    def runtime(self) -> Runtime:
        """Return the engine, the tokenizer and the KV caches of this model's answers."""
        return self._runtime

    @property
    def pool(self) -> Pool:
        """Return the KV caches of this model's answers."""
        return self._runtime.pool

    def generate_again(self, answer: Generation) -> Generation:
        """Generate an answer again from its record: the same prompt ids, options and random numbers.

        Args:
            answer: of this model, by its fingerprint.

        Raises:
            UsageError: another model gave it, or its record has no prompt ids.
        """
        validation.require_instance(answer, Generation, "answer", hint=NEED_GENERATION)
        if answer.model.fingerprint != self.info.fingerprint or not answer.prompt_ids:
            raise UsageError(
                f"this answer was generated by {single_line(answer.model.name)} or by an older version",
                hint="Generate it again with this model.",
            )
        ids, options = list(answer.prompt_ids), answer.options
        return Stream(self._runtime, ids, options, prompt=answer.prompt, model=self.info).to_end()

    def set_last(self, generation: Generation) -> None:
        """Take an answer that was generated before as the last one."""
        self._last = _Finished(generation)

    @property
    def last(self) -> Generation | None:
        return self._last.generation if self._last else None

    def render(self, prompt: Prompt, *, system: str | None = None, raw: bool = False) -> str:
        """Return the exact text the model is given.

        A string is one user message; where the model has no chat template, or with ``raw``, it is continued
        as it is.
        """
        return self._prompts.render(prompt, system, raw)

    def encode(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False
    ) -> tuple[str, list[int]]:
        """Return the prompt's text and ids.

        A special token that a message spells out is read as plain characters.
        """
        return self._prompts.encode(prompt, system, raw)

    def count_tokens(self, text: str) -> int:
        """Return the tokens of a text as it is."""
        return len(self.tokenizer.encode(replace_surrogates(text), special=False))

    def count_prompt(self, prompt: Prompt, *, system: str | None = None, raw: bool = False) -> int:
        """Return the tokens of a whole prompt, with those of the chat template."""
        return len(self.encode(prompt, system=system, raw=raw)[1])

    def stream(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        raw: bool = False,
        speculate: bool = True,
        thinking: bool | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        draft: Model | None = None,
        **options: Any,
    ) -> Stream:
        """Answer token by token.

        Args:
            prompt: a text, or messages ``{"role": "user", "content": …}``.
            system: a system message to put first.
            raw: continue the text, with no chat template.
            speculate: check guesses from the text itself several at a time, where that pays; see
                :class:`Stream`.
            thinking: switch the reasoning of the model on or off, by the switch of its chat template.
            tools: schemas of functions that the model may call; the chat template describes them.
            draft: a smaller model of the same tokenizer that guesses tokens, which this one checks several
                at a time. The distribution of the answer stays as it is.
            **options: the fields of :class:`SamplingOptions`; and the form of the answer, whose value is then
                ``generation.value``: ``schema`` (a JSON Schema, a pydantic model, a dataclass, a TypedDict,
                another type, or "name, age int"), ``regex``, or ``grammar`` (Lark).

        Raises:
            UsageError: an option is unknown or out of its range, or the template has no such switch.
            ContextOverflow: the prompt is too long.
        """
        form, options = take_form(options)
        chosen = sampling_options({**defaults_for(self.sampling_defaults, options), **options})
        switches = None if thinking is None else self._thinking_switch(thinking, raw=raw)
        if form is not None and thinking is None:
            switches = thinking_off(self.template, raw=raw)
        if tools and (raw or "tools" not in (self.template or "")):
            raise UsageError(
                f"the chat template of {single_line(self.name)} describes no tools",
                hint="Choose a model that can call tools, such as qwen2.5-0.5b-instruct.",
            )
        if draft is not None:
            validation.require_instance(draft, Model, "draft", hint="Pass the result of load(…).")
        text, ids = self._prompts.encode(prompt, system, raw, switches, tools)
        stream = Stream(
            self._runtime,
            ids,
            chosen,
            prompt=text,
            model=self.info,
            speculate=speculate,
            draft=None if draft is None else draft_for(self, draft),
            build=None if form is None else partial(stream_value, form=form),
        )
        self._last = stream.answer  # not the stream, which has a cache to itself as long as it lives
        return stream

    def _thinking_switch(self, thinking: bool, *, raw: bool) -> dict[str, bool]:
        """Return the variable by which the chat template switches reasoning.

        Raises:
            UsageError: it has none.
        """
        names = [name for name in THINKING if name in (self.template or "")]
        if raw or not names:
            raise UsageError(
                f"the chat template of {single_line(self.name)} has no switch for reasoning",
                hint="Use --think N to bound it, or omit the option.",
            )
        return dict.fromkeys(names, thinking)

    def generate(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        raw: bool = False,
        speculate: bool = True,
        **options: Any,
    ) -> Generation:
        """Answer a prompt; the arguments are those of :meth:`stream`.

        A KeyboardInterrupt goes through; what was made until then is in :attr:`last`.
        """
        return self.stream(prompt, system=system, raw=raw, speculate=speculate, **options).to_end()

    def stream_branch(
        self, generation: Generation, at: int, token: str | int, *, speculate: bool = True, **options: Any
    ) -> Stream:
        """Generate from another token: the first ``at`` tokens, ``token``, and a new continuation.

        The tokens that are new are given out as they come; ``generation`` of the stream has all of them. They
        are those of the same text asked afresh, and what a KV cache holds of it is not computed again.

        Args:
            generation: an answer of this model.
            at: the place of the token that is replaced, from 0; the number of tokens goes on at the end.
            token: its text, or its id. A text may be several tokens.
            speculate: whether to verify several proposed tokens per call.
            **options: replace those of the answer.

        Raises:
            UsageError: the place or the token does not exist, or another model gave the answer.
        """
        validation.require_instance(generation, Generation, "generation", hint=NEED_GENERATION)
        chosen = sampling_options({**generation.options.as_dict(), **options})
        stream = branch(self._runtime, self.info, generation, at, token, chosen, speculate=speculate)
        self._last = stream.answer
        return stream

    def branch(self, generation: Generation, at: int, token: str | int, **options: Any) -> Generation:
        """Generate as :meth:`stream_branch` does, to the end."""
        return self.stream_branch(generation, at, token, **options).to_end()

    def stream_more(
        self, generation: Generation, tokens: int | None = None, *, speculate: bool = True
    ) -> Stream:
        """Go on with an answer that was cut off or interrupted, as if it had not been.

        The tokens that are new are given out as they come; ``generation`` of the stream has all of them.

        Args:
            generation: an answer of this model.
            tokens: how many more it may have; None is 256.
            speculate: whether to verify several proposed tokens per call.

        Raises:
            UsageError: the answer is complete, or another model gave it.
        """
        validation.require_instance(generation, Generation, "generation", hint=NEED_GENERATION)
        stream = extend(self._runtime, self.info, generation, tokens, speculate=speculate)
        self._last = stream.answer
        return stream

    def extend(self, generation: Generation, tokens: int | None = None) -> Generation:
        """Generate as :meth:`stream_more` does, to the end."""
        return self.stream_more(generation, tokens).to_end()

    def with_adapter(
        self, adapter: Adapter | str | Path, strength: float | None = None, *, name: str = ""
    ) -> Model:
        """Return this model with a LoRA adapter.

        A second graph over the same weights file, with nothing exported.

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
        if self.base is not None:
            return self.base.with_adapter(adapter, strength, name=name)
        if self.lora_sessions is None:
            raise UsageError(
                f"{self.name} does not support adapters",
                hint="Load a GGUF file or a checkpoint instead of an export.",
            )
        if self._adapters is None:
            from .adapters.resolve import AdapterCache

            self._adapters = AdapterCache(self.origin.ignore_config)
        spec = self._adapter_spec(adapter, strength)
        adapter, strength, name = self._adapters.resolve(adapter, strength, name)
        print_of = hashlib.sha256(f"{self.info.fingerprint}{adapter.digest}{strength}".encode()).hexdigest()
        model = self._tuned_models.get(print_of)
        if model is None:
            label = f"{self.name} + {name}" + (f":{strength:g}" if strength != 1 else "")
            model = Model(
                self.lora_sessions.engine(adapter, strength),
                self.tokenizer,
                replace(self.info, name=label, fingerprint=print_of),
                template=self.template,
                sampling=self.sampling_defaults,
                weights_bytes=self.weights_bytes,
                bytes_per_token=self.bytes_per_token + adapter.nbytes,
                base=self,
            )
            model.spec = None if spec is None else replace(spec, info=model.info)
            model.pool.budget = self.pool.budget
            self._tuned_models[print_of] = model
        return model

    def _adapter_spec(self, adapter: Adapter | str | Path, strength: float | None) -> ModelSpec | None:
        """Return how another process opens this model with an adapter; None where it cannot."""
        if self.spec is None or not isinstance(adapter, (str, Path)):
            return None
        from .adapters.lora import with_strength

        name, own_strength = with_strength(str(adapter))
        place = str(Path(name).resolve()) if Path(name).exists() else name
        return replace(self.spec, adapter=place, strength=own_strength if strength is None else strength)

    def variant(self, fingerprint: str) -> Model | None:
        """Return this model, or one with an adapter that is alive, by the fingerprint of its answers."""
        return self if fingerprint == self.info.fingerprint else self._tuned_models.get(fingerprint)

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
        answers: BatchAnswers | None = None,
        keep: bool | str | Path | None = None,
        fresh: bool = False,
        seen: Callable[[int, Any], None] | None = None,
        on: Any = None,
        **options: Any,
    ) -> BatchAnswers:
        """Answer many prompts, several at a time.

        The prompts are a list or a pandas column; the answers are a list in the same order.

        A row that cannot be answered has its error in its place. A KeyboardInterrupt goes through; what was
        made until then is in ``answers``, if one was passed, and in :attr:`last_map`.

        Args:
            prompts: texts, or lists of messages.
            system: the system message; None uses the model's own, '' removes it.
            raw: whether to continue the text without a chat template.
            rows: at most so many at a time.
            progress: show a bar.
            answers: filled in place.
            keep: write each finished row to a journal on the disk, and take rows from it that were finished
                before: True is the one of the cache folder, otherwise the path of a file. None is True with
                ``on``, and False without.
            fresh: answer rows that were finished before again.
            seen: called with the number of each row that is finished, and its answer or error.
            on: answer on the workers of a Dask cluster: the address of its scheduler, a
                ``distributed.Client`` or a cluster. Each worker loads the model once, by its name.
            **options: the fields of :class:`SamplingOptions`, the same for each row; and the form of the
                answers, as in :meth:`stream`.

        Raises:
            UsageError: ``prompts`` is a single text or a table, or an option is out of its range.
            ClusterError: the workers are gone, or they cannot run the model. What they finished is kept.
        """
        form, options = take_form(options)
        chosen = sampling_options({**defaults_for(self.sampling_defaults, options), **options})
        self.last_map = BatchAnswers() if answers is None else answers
        switches = None if form is None else thinking_off(self.template, raw=raw)
        with open_journal(keep, on, fresh=fresh) as journal:
            return map_prompts(
                batch_opener(self._runtime, self.info, chosen, self.spec, on),
                lambda prompt: self._prompts.encode(prompt, system, raw, switches),
                prompts,
                chosen,
                info=self.info,
                rows=rows,
                progress=progress,
                answers=self.last_map,
                finish=None if form is None else partial(with_value, form=form),
                journal=journal,
                seen=seen,
            )

    def card(self) -> ModelCard:
        """Return what the license of the weights asks, and what the model costs to run."""
        from .catalog.card import card_of

        return card_of(self.info, self.folder, self.fidelity)

    @property
    def _number_format(self) -> str:
        """Return the number format of the KV cache: "float32", "float16" (on a card) or "int8"."""
        shape = getattr(self.engine, "shape", None)
        return "float32" if shape is None else shape.number_format

    def measure_fidelity(self) -> Fidelity:
        """Compare this model with its own source in fp32 over some prose; kept next to the converted model.

        The source is converted to fp32 for it, and takes four bytes a weight of disk and memory meanwhile;
        what was not there before is removed afterwards.

        Raises:
            UsageError: this model was not converted from a source that is still known.
        """
        if self.origin.reference is None or self.folder is None:
            raise UsageError(
                f"the source of {self.name} is unknown",
                hint="Load the model from its source.",
            )
        ids = self.tokenizer.encode(sample_text(), special=False)[: min(TOKENS, self.context_length)]
        with self.origin.reference() as reference:
            self.fidelity = measure(self.engine.cache(), reference.cache(), ids)
        write_fidelity(self.folder, self.fidelity, number_format=self._number_format)
        return self.fidelity

    def save(self, folder: str | Path) -> Path:
        """Write the converted model into a new folder, which :func:`load` takes; gives its path.

        With it go the license texts of the source, the notice that its license asks for, and a model card.

        Raises:
            UsageError: the folder exists, or this model was not converted. StoreError: it cannot be written.
        """
        if self.folder is None:
            raise UsageError(f"{self.name} was not converted by this package", hint="Copy its source files.")
        path = validation.require_path(folder, "the folder")

        from ..engine.sessions.packed_weights import drop_packed
        from .loading.convert import ConvertedModel

        def describe(making: Path) -> None:
            # Of the weights alone: the KV cache and the device are chosen when a model is loaded.
            info = replace(self.info, precision=ConvertedModel.read(making).precision)
            changes = f"converted to ONNX Runtime's format, {info.precision}"
            describe_model(info, making, path.name, changes=changes)

        def drop(making: Path) -> bool:
            return drop_packed(making, ConvertedModel.read(making).weights_bytes)

        return store.export(self.folder, path, describe, drop=drop)

    def score(self, text: str, *, prompt: str = "", alternatives: int = 10) -> Trace:
        """Compute logprob, rank, entropy and alternatives of every token of ``text``.

        Args:
            text: the text to score.
            prompt: what stands before it, as it is; it is read, and not recorded.
            alternatives: number of alternatives to record per token.

        Raises:
            UsageError: the text is empty. ContextOverflow: it is longer than the context.
        """
        return score_text(self._runtime, self.info, text, prompt, alternatives)

    def score_answer(self, answer: Generation, *, alternatives: int = 10) -> Trace:
        """Read an answer's tokens behind its prompt, as this model expects them.

        It may be another's, if both cut texts alike.

        Raises:
            UsageError: this model cuts the answer otherwise, or it is empty.
        """
        return score_answer(self._runtime, self.info, answer, alternatives)
