"""Every family, as a Hub checkpoint and as GGUF, against transformers in fp32: our graph has to say the
same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.weights import Weights
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.gguf_config import config_from_gguf
from tests.support import families, family_gguf
from tests.support.decoders import checkpoint, engine, greedy, log_softmax, pieces

TOKENS = 100  # past every sliding window here
# Mean KL per token of the quantised graph: random weights are harder to keep than trained ones, and where a
# token has two experts that are nearly as good, rounding may send it to the other one. A norm of the small
# outputs of random linear attention makes its rounding large.
LIMIT, LIMIT_EXPERTS, LIMIT_BOTH = 0.01, 0.08, 0.3


@pytest.fixture(params=families.CASES, scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import torch

    folder = tmp_path_factory.mktemp("family")
    oracle = families.make(request.param, folder / "hub")
    ids = np.random.default_rng(0).integers(3, 290, TOKENS).tolist()
    with torch.no_grad():
        oracle(torch.tensor([ids]))  # the first call of a process may be off: families._warm_up
        expected = oracle(torch.tensor([ids])).logits[0].numpy()
    return request.param, folder, oracle, ids, expected


def bound(expected: np.ndarray) -> float:
    """The largest error in fp32: 1e-4 of the largest logit."""
    return 1e-4 * max(1.0, float(np.abs(expected).max()))


def test_fp32(case: Any) -> None:
    import torch

    name, folder, oracle, ids, expected = case
    made, most = engine(checkpoint(folder / "hub"), folder / "fp32", "fp32"), bound(expected)
    assert np.abs(made.cache().extend(ids, all_logits=True) - expected).max() < most
    assert np.abs(pieces(made, ids) - expected).max() < most
    if (
        "rw" in name
    ):  # transformers 4.57 refuses to go on from a cache with ALiBi in sdpa; it is read whole each time
        theirs = list(ids[:30])
        for _ in range(64):
            with torch.no_grad():
                theirs.append(int(oracle(torch.tensor([theirs]), use_cache=False).logits[0, -1].argmax()))
    else:
        with torch.no_grad():
            theirs = oracle.generate(
                torch.tensor([ids[:30]]),
                max_new_tokens=64,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )[0].tolist()
    assert greedy(made, ids[:30], 64) == theirs


def test_quantised(case: Any) -> None:
    name, folder, _, ids, expected = case
    made = engine(checkpoint(folder / "hub"), folder / "auto", "auto")
    theirs = log_softmax(expected)
    for ours in (log_softmax(made.cache().extend(ids, all_logits=True)), log_softmax(pieces(made, ids))):
        hard = "moe" in name or name in ("mixtral", "gpt-oss") or name.startswith("qwen3.5")
        limit = LIMIT_BOTH if name == "qwen3.5-moe" else LIMIT_EXPERTS if hard else LIMIT
        assert 0 < (np.exp(theirs) * (theirs - ours)).sum(-1).mean() < limit


@pytest.mark.parametrize("case", family_gguf.CASES, indirect=True)
def test_gguf(case: Any) -> None:
    """The same weights as llama.cpp's converter writes them."""
    _, folder, oracle, ids, expected = case
    path = folder / "model.gguf"
    family_gguf.write(path, oracle, folder / "hub")
    file = GgufFile(path)
    spec = spec_of(config_from_gguf(file.metadata, oracle.config.vocab_size, file.tensors))
    made = engine(Weights(spec, FAMILIES[spec.family].gguf, file.tensors), folder / "gguf", "fp32")
    assert np.abs(made.cache().extend(ids, all_logits=True) - expected).max() < bound(expected)
