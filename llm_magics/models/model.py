"""Model: what a user holds. Load, generate, stream, score."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.options import MAX_ALTERNATIVES, SamplingOptions
from ..core.prompt import render, segments
from ..core.records import Generation, ModelInfo, Trace
from ..engine.base import Engine, Tokenizer
from ..engine.generate import Reader, Stream, score
from ..errors import ModelNotFound, UsageError
from . import catalog, fetch, store
from .convert import FORMAT, Converted, convert
from .recipe import check_precision

if TYPE_CHECKING:
    from .catalog import CatalogEntry

Prompt = str | Sequence[Mapping[str, str]]


class Model:
    """A language model, ready to answer. Made by :func:`load`, or from parts.

    Args:
        engine: token ids in, logits out.
        tokenizer: text ↔ token ids.
        info: which weights these are.
        template: the chat template (Jinja); None when the model only continues text.
        weights_bytes, bytes_per_token: size of the weights, and what of it one decoded token reads, in bytes.

    Attributes:
        last: the newest finished or interrupted :class:`Generation`, or None.
    """

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, info: ModelInfo, *, template: str | None = None, weights_bytes: int = 0,
        bytes_per_token: int = 0,
    ) -> None:  # fmt: skip
        self.engine, self.tokenizer, self.info, self.template = engine, tokenizer, info, template
        self.weights_bytes, self.bytes_per_token = weights_bytes, bytes_per_token
        self._reader = Reader(engine, tokenizer, threading.RLock())
        self._last: Stream | None = None

    def __repr__(self) -> str:
        return f"<Model {self.name} ({self.info.precision}), context {self.context_length:,} tokens>"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def context_length(self) -> int:
        """Tokens."""
        return self.engine.context_length

    @property
    def memory_bytes(self) -> int:
        """Bytes of weights and KV cache held."""
        return self.weights_bytes + int(getattr(self.engine, "cache_bytes", 0))

    @property
    def last(self) -> Generation | None:
        return self._last.generation if self._last else None

    def render(self, prompt: Prompt, *, system: str | None = None, raw: bool = False) -> str:
        """The exact text the model is given.

        A string is one user message; where the model has no chat template, or with ``raw``, it is continued as it is.
        """
        messages = self._messages(prompt, system, raw)
        if isinstance(messages, str):
            return messages
        return render(messages, self.template or "", **self._special_texts())

    def _messages(self, prompt: Prompt, system: str | None, raw: bool) -> str | list[Mapping[str, str]]:
        if isinstance(prompt, str) and (raw or self.template is None):
            if system:
                raise UsageError("a system message needs a chat template", hint="leave out raw, or the system message")
            return prompt
        if raw or self.template is None:
            raise UsageError("a list of messages needs a chat template", hint="pass the text itself as one string")
        if isinstance(prompt, str):
            prompt = [{"role": "user", "content": prompt}]
        return [{"role": "system", "content": system}, *prompt] if system else list(prompt)

    def _encode(self, prompt: Prompt, system: str | None, raw: bool) -> tuple[str, list[int]]:
        """The prompt's text and ids. A special token that a message spells out is read as plain characters."""
        messages = self._messages(prompt, system, raw)
        text = self.render(prompt, system=system, raw=raw)
        if isinstance(messages, str) or not any(self.tokenizer.has_special(message["content"]) for message in messages):
            return text, self.tokenizer.encode(text)
        parts = segments(messages, self.template or "", **self._special_texts())
        ids = [self.tokenizer.encode(part.text, special=part.trusted, begin=not index) for index, part in enumerate(parts)]
        return text, [id for some in ids for id in some]

    def stream(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Stream:
        """Answer token by token.

        Args:
            prompt: a text, or messages ``{"role": "user", "content": …}``.
            system: a system message to put first.
            raw: continue the text, with no chat template.
            **options: the fields of :class:`SamplingOptions`.

        Raises:
            UsageError: an option is unknown or out of its range. ContextOverflow: the prompt is too long.
        """
        chosen = sampling_options(options)
        text, ids = self._encode(prompt, system, raw)
        self._last = Stream(self._reader, ids, chosen, prompt=text, model=self.info)
        return self._last

    def generate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Generation:
        """Answer; the arguments are those of :meth:`stream`.

        A KeyboardInterrupt goes through; what was made until then is in :attr:`last`.
        """
        stream = self.stream(prompt, system=system, raw=raw, **options)
        for _ in stream:
            pass
        return stream.generation

    async def agenerate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Generation:
        """Answer in a thread while the event loop goes on. Cancelling stops within one token."""
        stream = self.stream(prompt, system=system, raw=raw, **options)
        stop = threading.Event()

        def work() -> Generation:
            for _ in stream:
                if stop.is_set():
                    stream.close()
            return stream.generation

        try:
            return await asyncio.to_thread(work)
        finally:
            stop.set()

    def score(self, text: str, *, alternatives: int = 10) -> Trace:
        """Read ``text`` and record each token's logprob, rank, entropy and alternatives as the model expected them.

        Raises:
            UsageError: the text is empty. ContextOverflow: it is longer than the context.
        """
        if not 0 <= alternatives <= MAX_ALTERNATIVES:
            raise UsageError(
                f"alternatives must be from 0 to {MAX_ALTERNATIVES}, got {alternatives}", hint="10 is a good number"
            )
        ids = self.tokenizer.encode(text, special=False)
        if not ids:
            raise UsageError("there is no text to score", hint="pass some text")
        has_bos = self.tokenizer.bos_id is not None and ids[0] == self.tokenizer.bos_id
        return score(
            self._reader, ids, text=text, predicted_from=0 if has_bos and len(ids) > 1 else 1, alternatives=alternatives,
            model=self.info,
        )  # fmt: skip

    def _special_texts(self) -> dict[str, Any]:
        """What a template may ask for; the answer is always the assistant's turn."""
        bos, eos = self.tokenizer.bos_id, self.tokenizer.eos_id
        return {
            "bos_token": "" if bos is None else self.tokenizer.token_text(bos),
            "eos_token": "" if eos is None else self.tokenizer.token_text(eos),
        }


def sampling_options(given: Mapping[str, Any]) -> SamplingOptions:
    """Check option names, with a near match for a wrong one."""
    from difflib import get_close_matches

    known = SamplingOptions.__dataclass_fields__
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"there is no option {name!r}",
                hint=f"did you mean {near[0]}?" if near else "one of " + ", ".join(known),
            )
    return SamplingOptions(**given)


_loaded: weakref.WeakValueDictionary[tuple[str, str, int], Model] = weakref.WeakValueDictionary()
_loading = threading.Lock()


def load(name: str | None = None, *, precision: str = "auto", threads: int | None = None) -> Model:
    """Load a model: from the cache, or fetch and convert it first, with progress on stderr.

    Args:
        name: a name from :func:`models`, or the path of a ``.gguf`` file; None is the default model.
        precision: "auto" keeps the bits of the source as quantize.py describes; "fp32" is exact and larger.
        threads: of the engine; None takes one a physical core.

    Returns:
        The same object as long as an earlier one with the same arguments is alive.

    Raises:
        ModelNotFound, FetchError, StoreError, ModelFileError, UnsupportedModel, UsageError.
    """
    check_precision(precision)
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise UsageError(f"threads must be a whole number of at least 1, got {threads!r}", hint="leave it out")
    key = (name or catalog.DEFAULT, precision, threads or 0)
    with _loading:
        model = _loaded.get(key)
        if model is None:
            model = _loaded[key] = _load(*key)
        return model


def models() -> list[CatalogEntry]:
    """The models that :func:`load` knows by name."""
    return list(catalog.entries().values())


def _load(name: str, precision: str, threads: int) -> Model:
    from ..engine.ort import OrtEngine
    from ..engine.tokenizer import TextTokenizer

    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelNotFound(f"there is no file {name}", hint="check the path")
        info = ModelInfo(path.stem, str(path.name), store.sha256(path))
    else:
        entry = catalog.find(name)
        info, path = ModelInfo(entry.name, entry.revision, entry.sha256), None

    def build(folder: Path) -> None:
        source = path or fetch.downloaded(entry)
        began = time.perf_counter()
        print(f"converting {info.name} ({precision}) …", file=sys.stderr, flush=True)
        convert(source, folder, precision=precision)
        print(f"converted in {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)

    folder = store.entry(f"{info.name}/{precision}-{FORMAT}-{info.sha256[:12]}", build)
    converted = Converted.read(folder)
    spec = converted.spec
    engine = OrtEngine(
        folder / "decoder.onnx", vocab_size=spec.vocab, context_length=spec.context, threads=threads,
        cache_shape=(spec.layers, spec.kv_heads, spec.cache_dim),
    )  # fmt: skip
    tokenizer = TextTokenizer.from_file(
        folder / "tokenizer.json",
        bos_id=converted.bos_id,
        eos_id=converted.eos_id,
        eos_ids=frozenset(converted.eos_ids),
        add_bos=converted.add_bos,
    )
    return Model(
        engine, tokenizer, ModelInfo(info.name, info.revision, info.sha256, converted.precision, converted.licence),
        template=converted.template, weights_bytes=converted.weights_bytes, bytes_per_token=converted.bytes_per_token,
    )  # fmt: skip
