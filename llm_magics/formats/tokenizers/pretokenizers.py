"""What a byte-level tokenizer does before its merges, by the name that GGUF files have for it.

The expressions are those of each model's own tokenizer.json. They are told in
https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp, next to those that llama.cpp makes of
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_GPT2 = [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]
_DIGITS = [{"type": "Digits", "individual_digits": True}]


def _isolated(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _split(*patterns: str, then: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """Split by regular expressions of the model's own, one after the other, then bytes."""
    return [*map(_isolated, patterns), *then, {**_GPT2[0], "use_regex": False}]


_SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_LLAMA3 = _SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = _LLAMA3.replace("{1,3}", "")
_QWEN35 = _QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}", r"[^\s\p{L}\p{M}")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+SHORT|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*SHORT|"
_SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CHINESE = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
_DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+")
_NOT_HAN = r"&&[^\p{Han}]]"
_KIMI = (
    r"[\p{Han}]+|"
    + _CASED.replace(_UPPER, _UPPER[:-1] + _NOT_HAN).replace(_LOWER, _LOWER[:-1] + _NOT_HAN)
    + r"\p{N}{1,3}"
    + _SIGNS.replace("/", "")
).replace("SHORT", _SHORT + "?")
# The letters that have a case, as Unicode had them when DeepSeek LLM was made.
_CASED_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-"
    "\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-"
    "\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf"
    "\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-"
    "\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc"
    "\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115"
    "\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e"
    "\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-"
    "\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-"
    "\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
_MARKS = "!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002"
_DEEPSEEK_LLM = (
    r"[\r\n]",
    rf"\s?[{_CASED_LETTERS}]+",
    rf"\s?[{_MARKS}]+",
    r"\s+$",
    _DEEPSEEK_CODER[3],
)
_BAILING = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)
_SEED = _QWEN2.replace(r"\p{N}]+[\r\n]*", r"\p{N}\r\n]+")
_EXAONE_MOE = (
    _SHORT + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
)
_GPT4O = _CASED.replace("SHORT", _SHORT + "?") + r"\p{N}{1,3}" + _SIGNS

_LLAMA3_KINDS = (
    *("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    "jina-v5-nano",
)
_GLM_KINDS = ("glm4", "glm5", "chatglm-bpe")

# tokenizer.ggml.pre → the steps before the merges.
PRE_TOKENIZERS = {
    **dict.fromkeys(("gpt-2", "default", "phi-2", "mpt", "olmo", "exaone4", "gigachat", "a.x-4.0"), _GPT2),
    **dict.fromkeys(("mellum", "modern-bert", "jais", "trillion", "granite-docling"), _GPT2),
    **dict.fromkeys(("jina-es", "jina-de", "jina-v2-es", "jina-v2-de"), _GPT2),
    **dict.fromkeys(("jina-v1-en", "jina-v2-code", "roberta-bpe"), _GPT2),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), _DIGITS + _GPT2),
    **dict.fromkeys(("exaone", "minerva-7b", "mellum2"), _DIGITS + _GPT2),
    **dict.fromkeys((*_LLAMA3_KINDS, "dbrx", "smaug-bpe", *_GLM_KINDS), _split(_LLAMA3)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2", "kormo", "f2llmv2"), _split(_QWEN2)),
    **dict.fromkeys(("megrez", "hunyuan", "solar-open", "grok-2"), _split(_QWEN2)),
    "qwen35": _split(_QWEN35),
    "tekken": _split(_CASED.replace("SHORT", "") + r"\p{N}" + _SIGNS),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), _split(_GPT4O)),
    **dict.fromkeys(("tiny_aya", "cohere2moe"), _split(r"\d{1,3}(?=(?:\d{3})*\b)", _GPT4O)),
    "kimi-k2": _split(_KIMI),
    "falcon": [
        {"type": "Punctuation", "behavior": "Contiguous"},
        *_GPT2,
        {"type": "Digits", "individual_digits": False},
        _isolated("[0-9][0-9][0-9]"),
    ],
    "deepseek-llm": _split(*_DEEPSEEK_LLM, then=_DIGITS),
    "deepseek-coder": _split(*_DEEPSEEK_CODER, then=_DIGITS),
    **dict.fromkeys(
        ("deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"),
        _split(r"\p{N}{1,3}", _CHINESE, _DEEPSEEK3),
    ),
    **dict.fromkeys(("bailingmoe", "bailingmoe2", "llada-moe"), _split(_BAILING)),
    "seed-coder": _split(_SEED),
    "exaone-moe": _split(_EXAONE_MOE),
    "minicpm5": _split(r"\p{N}{1,3}", _LLAMA3.replace("{1,3}", "+")),
}

# Rows with a tokenizer.json that composes characters first (é of two code points becomes one). llama.cpp does
# not.
NORMALIZED = {"qwen2", "qwen35", "deepseek-r1-qwen", "f2llmv2", "olmo", "mpt", "command-r", "modern-bert"}
# llama.cpp's llama-vocab.cpp has the same rules: rows that begin texts with the BOS token where the file does
# not say, rows where a word that is in the vocabulary is taken as it is, and rows that have no BOS token,
# whatever a file calls so.
BEGINS = {*_LLAMA3_KINDS, "tekken"}
WHOLE_WORDS = BEGINS | {"glm4", "glm5", "minicpm5"}
NO_BOS = {*_GLM_KINDS}
