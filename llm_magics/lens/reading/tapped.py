"""A decoder whose inside can be read: a second session over the same weights file, made when it is first
asked for.

One class of arrays comes out of it a stretch of tokens at a time, so that no text is ever held whole:
residuals (layers + 1, n, hidden), attention (layers, heads, n, total) and heads (layers, n, heads ·
head_dim), all float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...decoder.spec import DecoderSpec
from ...engine.base import Engine, check_fits, check_ids
from ...engine.buffer import KV
from ...engine.ort import OrtEngine, open_session
from ...engine.prefix import cuts
from ...errors import UnsupportedModel

if TYPE_CHECKING:
    import onnx_ir as ir
    from onnxruntime import InferenceSession

Floats = NDArray[np.float32]
MOST_BYTES = 24 << 20  # of what one call gives out
CHUNK = 64  # tokens a call


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was read of the tokens from ``begin`` to ``end``; valid until the next one is asked for.

    ``logits`` (n, vocab), ``residuals`` (layers + 1, n, hidden), ``attention`` (layers, heads, n, end) and
    ``heads`` (layers, n, heads · head_dim) are empty where they were not asked for.
    """

    begin: int
    end: int
    logits: Floats
    residuals: Floats
    attention: Floats
    heads: Floats


class Tapped:
    """The inside of one engine.

    Args:
        engine: of the model, with its adapter where it has one.
        spec: of its decoder.

    Raises:
        UnsupportedModel: the engine runs a graph that somebody else exported.
    """

    def __init__(self, engine: Engine, spec: DecoderSpec | None) -> None:
        if not isinstance(engine, OrtEngine) or spec is None:
            raise UnsupportedModel(
                "the layers of an exported graph cannot be read",
                hint="load a GGUF file or a checkpoint of a family that %llm runs itself",
            )
        self.engine, self.spec = engine, spec
        self._held: tuple[bool, InferenceSession] | None = None

    def read(
        self,
        ids: Sequence[int],
        *,
        logits: bool = False,
        residuals: bool = False,
        attention: Sequence[int] = (),
        heads: bool = False,
    ) -> Iterator[Stretch]:
        """Read ``ids`` from the beginning, and give out what is asked for, a stretch of tokens at a time.

        Args:
            attention: the layers whose weights are wanted, from 0; they come in this order.

        Raises:
            ContextOverflow: they do not fit.
        """
        spec, total = self.spec, len(ids)
        check_fits(total, self.engine.context_length, what="the text", hint="read it in parts")
        check_ids(ids, 0, vocab_size=spec.vocab, context_length=self.engine.context_length)
        kv = KV(
            self._session(bool(attention) or heads),
            self.engine.shape,
            vocab_size=spec.vocab,
            context_length=self.engine.context_length,
            rows=1,
            capacity=total,
            logits=CHUNK if logits else 1,
            inputs=self.engine.inputs,
        )
        row = 4 * spec.heads * total * max(len(attention), 1)
        size = min(CHUNK, max(3, MOST_BYTES // row)) if attention else CHUNK
        begin = 0
        for end in cuts(0, total, size):
            n = end - begin
            found = {
                "residual": np.empty((spec.layers + 1 if residuals else 0, 1, n, spec.hidden), np.float32),
                "attention": np.empty((len(attention), 1, spec.heads, n, end), np.float32),
                "heads": np.empty(
                    (spec.layers if heads else 0, 1, n, spec.heads * spec.head_dim), np.float32
                ),
            }
            layers = {"attention": attention}
            taps = {
                f"{name}.{layer}": array[row]
                for name, array in found.items()
                for row, layer in enumerate(layers.get(name, range(len(array))))
            }
            at = np.arange(n, dtype=np.int64) if logits else np.array([n - 1], np.int64)
            out = kv.run(np.array([ids[begin:end]], np.int64), [end], at, taps=taps)
            yield Stretch(begin, end, out, *(array[:, 0] for array in found.values()))
            begin = end

    def logits_of(self, hidden: Floats) -> Floats:
        """What residuals (n, hidden) would say if the model ended there: final norm, head and caps; (n,
        vocab).

        This is the logit lens (nostalgebraist 2020); with the final norm, which some forget.
        """
        return self._run(self._readout, hidden)

    def products_of(self, vectors: Floats) -> Floats:
        """The head's product alone, with no norm and no cap: (n, hidden) → (n, vocab)."""
        return self._run(self._head, vectors)

    def outputs_of(self, heads: Floats) -> Floats:
        """What each head alone writes, before a norm behind attention: (layers, n, heads · head_dim) →
        (layers, n, hidden). What is written whatever the heads say (a bias) is left out.
        """
        feeds = {f"heads.{layer}": each[None] for layer, each in enumerate(heads)}
        nothing = {name: np.zeros_like(array[:, :1]) for name, array in feeds.items()}
        names = [f"out.{layer}" for layer in range(len(heads))]
        with_bias, bias = (self._mixer.run(names, each) for each in (feeds, nothing))
        return np.stack([(each - none)[0] for each, none in zip(with_bias, bias, strict=True)])

    @staticmethod
    def _run(session: InferenceSession, hidden: Floats) -> Floats:
        out: list[Any] = session.run(None, {"hidden": np.ascontiguousarray(hidden, np.float32)[None]})
        result: Floats = out[0][0]
        return result

    @cached_property
    def weights(self) -> dict[str, Floats]:
        """The small constants of the graph by name, such as the norms' weights."""
        return {
            name: np.asarray(each.const_value.numpy(), np.float32)
            for name, each in self._graph().graph.initializers.items()
            if each.const_value is not None and "norm" in name
        }

    def _graph(self) -> ir.Model:
        import onnx_ir as ir

        graph = self.engine.graph
        if isinstance(graph, bytes):
            import onnx

            made = ir.from_proto(onnx.load_model_from_string(graph))
            for each in made.graph.initializers.values():
                if isinstance(each.const_value, ir.ExternalTensor):
                    each.const_value.base_dir = self.engine.folder
            return made
        return ir.load(graph)

    def _open(self, edit: Callable[[ir.Model, DecoderSpec], None]) -> InferenceSession:
        import onnx_ir as ir

        model = self._graph()
        edit(model, self.spec)
        return open_session(
            ir.to_proto(model).SerializeToString(),
            folder=self.engine.folder,
            threads=self.engine.threads,
            patterns=False,
            hint="remove the converted model and load it again: it is then converted anew",
        )

    def release(self) -> None:
        """Give back the memory of the graph with taps; it is opened again when it is next asked for."""
        self._held = None

    def _session(self, attention: bool) -> InferenceSession:
        """One of two, of which the newest is held: where attention's weights are given out, another kernel
        computes it, and rounds otherwise.
        """
        from ...decoder.taps import with_residuals, with_taps

        if self._held is None or self._held[0] != attention:
            self._held = None  # first: two of them need not be in memory at once
            self._held = attention, self._open(with_taps if attention else with_residuals)
        return self._held[1]

    @cached_property
    def _readout(self) -> InferenceSession:
        from ...decoder.taps import readout

        return self._open(readout)

    @cached_property
    def _head(self) -> InferenceSession:
        from ...decoder.taps import head_alone

        return self._open(head_alone)

    @cached_property
    def _mixer(self) -> InferenceSession:
        from ...decoder.taps import outputs_of_heads

        return self._open(outputs_of_heads)
