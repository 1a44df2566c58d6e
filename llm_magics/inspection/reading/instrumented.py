"""A decoder with outputs for its hidden states.

A second session over the same weights file, made when it is first asked for.

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
from ...engine.ort import OrtEngine
from ...engine.prefill import chunk_ends
from ...engine.sessions.session import open_session
from ...errors import UnsupportedModel

if TYPE_CHECKING:
    import onnx_ir as ir
    from onnxruntime import InferenceSession

Floats = NDArray[np.float32]
MOST_BYTES = 24 << 20  # of what one call gives out
CHUNK = 64  # tokens a call


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of the tokens from ``begin`` to ``end``; valid until the next one is asked for.

    ``logits`` (n, vocab), ``residuals`` (layers + 1, n, hidden), ``attention`` (layers, heads, n, end) and
    ``heads`` (layers, n, heads · head_dim) are empty where they were not asked for. Where head_dim differs
    between layers, the largest one counts, and what is behind the heads of a layer is zero.
    """

    begin: int
    end: int
    logits: Floats
    residuals: Floats
    attention: Floats
    heads: Floats


class InstrumentedDecoder:
    """The inside of one engine.

    Args:
        engine: of the model, with its adapter where it has one.
        spec: of its decoder.

    Raises:
        UnsupportedModel: the engine runs a graph that somebody else exported, or runs on a card.
    """

    def __init__(self, engine: Engine, spec: DecoderSpec | None) -> None:
        if not isinstance(engine, OrtEngine) or spec is None:
            raise UnsupportedModel(
                "inspection needs our own graph, and this model runs an exported ONNX graph",
                hint="Load the GGUF file or the checkpoint of the model instead.",
            )
        if engine.device.kind != "cpu":
            raise UnsupportedModel(
                f"inspection runs on the CPU, and this model runs on {engine.device}",
                hint='Load the model with device="cpu" (--device cpu).',
            )
        self.engine, self.spec = engine, spec
        self._sessions: tuple[bool, InferenceSession] | None = None

    def read(
        self,
        ids: Sequence[int],
        *,
        logits: bool = False,
        residuals: bool = False,
        attention: Sequence[int] = (),
        heads: bool = False,
    ) -> Iterator[Chunk]:
        """Read ``ids`` from the beginning, and give out what is asked for, a stretch of tokens at a time.

        Args:
            ids: token ids.
            logits: whether to read the logits.
            residuals: whether to read the residual stream.
            attention: the layers to read the weights of, from 0; they come in this order.
            heads: whether to read the heads' outputs.

        Raises:
            ContextOverflow: they do not fit.
        """
        spec, total = self.spec, len(ids)
        check_fits(total, self.engine.context_length, what="the text", hint="Read it in parts.")
        check_ids(ids, 0, vocab_size=spec.vocab, context_length=self.engine.context_length)
        kv = self.engine.buffer(
            rows=1,
            capacity=total,
            logits=CHUNK if logits else 1,
            session=self._session(bool(attention) or heads),
        )
        row = 4 * spec.heads * total * max(len(attention), 1)
        size = min(CHUNK, max(3, MOST_BYTES // row)) if attention else CHUNK
        begin = 0
        for end in chunk_ends(0, total, size):
            n = end - begin
            result = {
                "residual": np.empty((spec.layers + 1 if residuals else 0, 1, n, spec.hidden), np.float32),
                "attention": np.empty((len(attention), 1, spec.heads, n, end), np.float32),
            }
            taps = {
                f"{name}.{layer}": array[row]
                for name, array in result.items()
                for row, layer in enumerate(attention if name == "attention" else range(len(array)))
            }
            by_layer = {
                f"heads.{layer}": np.empty((1, n, _width(spec, layer)), np.float32)
                for layer in (spec.attention_layers if heads else ())
            }
            at = np.arange(n, dtype=np.int64) if logits else np.array([n - 1], np.int64)
            out = kv.run(np.array([ids[begin:end]], np.int64), [end], at, taps=taps | by_layer)
            widest = max(_width(spec, layer) for layer in spec.attention_layers)
            outputs = _padded([*by_layer.values()], n, widest)
            yield Chunk(begin, end, out, result["residual"][:, 0], result["attention"][:, 0], outputs)
            begin = end

    def logits_of(self, hidden: Floats) -> Floats:
        """Return what residuals (n, hidden) would say if the model ended there: final norm, head and caps.

        (n, vocab).

        This is the logit lens (nostalgebraist 2020); with the final norm, which some forget.
        """
        return self._run(self._logit_lens_session, hidden)

    def head_projections(self, vectors: Floats) -> Floats:
        """Return the head's product alone, with no norm and no cap: (n, hidden) → (n, vocab)."""
        return self._run(self._lm_head_session, vectors)

    def head_outputs(self, heads: Floats) -> Floats:
        """Return what each head alone writes, before a norm behind attention.

        (layers with attention, n, heads · head_dim) → (the same, n, hidden). A bias, which no head writes, is
        left out.
        """
        layers = self.spec.attention_layers
        feeds = {
            f"heads.{layer}": np.ascontiguousarray(item[None, :, : _width(self.spec, layer)])
            for layer, item in zip(layers, heads, strict=True)
        }
        nothing = {name: np.zeros_like(array[:, :1]) for name, array in feeds.items()}
        names = [f"out.{layer}" for layer in layers]
        with_bias, bias = (self._head_output_session.run(names, item) for item in (feeds, nothing))
        return np.stack([(item - none)[0] for item, none in zip(with_bias, bias, strict=True)])

    @staticmethod
    def _run(session: InferenceSession, hidden: Floats) -> Floats:
        out: list[Any] = session.run(None, {"hidden": np.ascontiguousarray(hidden, np.float32)[None]})
        result: Floats = out[0][0]
        return result

    @cached_property
    def weights(self) -> dict[str, Floats]:
        """Return the small constants of the graph by name: weights of norms, scales of layers."""
        return {
            name: np.asarray(item.const_value.numpy(), np.float32)
            for name, item in self._graph().graph.initializers.items()
            if item.const_value is not None and ("norm" in name or name.startswith("layer_scale"))
        }

    def _graph(self) -> ir.Model:
        from ...decoder.graph_reader import read_graph

        return read_graph(self.engine.graph, self.engine.folder)

    def _open_session(self, edit: Callable[[ir.Model, DecoderSpec], None]) -> InferenceSession:
        import onnx_ir as ir

        model = self._graph()
        edit(model, self.spec)
        return open_session(
            ir.to_proto(model).SerializeToString(),
            folder=self.engine.folder,
            threads=self.engine.threads,
            patterns=False,
            hint="Remove the converted model and load it again: it is then converted anew.",
        )

    def release(self) -> None:
        """Give back the memory of the graph with taps; it is opened again when it is next asked for."""
        self._sessions = None

    def _session(self, attention: bool) -> InferenceSession:
        """Return one of two, of which the newest is held.

        Where attention's weights are given out, another kernel computes it, and rounds otherwise.
        """
        from ...decoder.taps import with_residuals, with_taps

        if self._sessions is None or self._sessions[0] != attention:
            self._sessions = None  # first: two of them need not be in memory at once
            self._sessions = attention, self._open_session(with_taps if attention else with_residuals)
        return self._sessions[1]

    @cached_property
    def _logit_lens_session(self) -> InferenceSession:
        from ...decoder.taps import logit_lens_graph

        return self._open_session(logit_lens_graph)

    @cached_property
    def _lm_head_session(self) -> InferenceSession:
        from ...decoder.taps import lm_head_graph

        return self._open_session(lm_head_graph)

    @cached_property
    def _head_output_session(self) -> InferenceSession:
        from ...decoder.taps import head_output_graph

        return self._open_session(head_output_graph)


def _width(spec: DecoderSpec, layer: int) -> int:
    """Return the width of what the heads of a layer give."""
    return spec.heads * spec.head_dim_in(layer)


def _padded(parts: Sequence[Floats], n: int, width: int) -> Floats:
    """Return arrays (1, n, …) as one, (count, n, width)."""
    if all(part.shape[2] == width for part in parts):
        return np.concatenate(parts) if parts else np.empty((0, n, width), np.float32)
    out = np.zeros((len(parts), n, width), np.float32)
    for row, part in zip(out, parts, strict=True):
        row[:, : part.shape[2]] = part[0]
    return out
