"""SentencePiece models trained on the spot, and strings to try them on. The package ``sentencepiece`` is the
oracle.
"""

from __future__ import annotations

import io
import random
from typing import Any

import sentencepiece

PIECES = [
    *(
        "Hello",
        " world",
        "don't",
        "WE'LL",
        " naïve",
        "Straße",
        "Ελληνικά",
        "русский",
        "日本語",
        "한국어",
        "العربية",
        "עברית",
    ),
    *(
        "हिन्दी",
        "ไทย",
        "🦊",
        "👩‍👩‍👧‍👦",
        "🇫🇷",
        "e\u0301",
        "\u200b",
        "\ufeff",
        "\u00a0",
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\r\n",
        "\n\n\n",
    ),
    *(
        "0",
        "7",
        "42",
        "2024",
        "3.14",
        "½",
        "٣",
        "def f(x):\n    return x**2",
        "<html>&amp;",
        "{'a': [1, 2]}",
        "<0x41>",
    ),
    *(
        "https://example.org/a?b=c#d",
        "C:\\dir\\file",
        "…",
        "—",
        "''",
        '"',
        "``",
        "!!!",
        "a" * 50,
        "ﬁ",
        "İ",
        "ß",
        "_snake_case",
    ),
    *(
        "camelCase",
        "$%^&*()",
        "x²",
        "∑∫√",
        "ｆｕｌｌ",
        "㎏",
        "①",
        "\u2581",
        "the the",
        " of the",
        "ing",
        "tokens",
        "is a",
    ),
]


def strings(count: int) -> list[str]:
    """Varied texts: each piece, pieces put together, and characters by chance."""
    rng = random.Random(0)
    texts = [*PIECES, "", " ", "  a ", " a", "a  "]
    texts += ["".join(rng.choices(PIECES, k=rng.randint(2, 12))) for _ in range(count // 2)]
    blocks = [
        (0x20, 0x7E),
        (0xA0, 0x17F),
        (0x370, 0x5EA),
        (0x4E00, 0x9FA5),
        (0xAC00, 0xD7A3),
        (0x1F300, 0x1F64F),
    ]
    texts += [
        "".join(chr(rng.randint(*rng.choice(blocks))) for _ in range(rng.randint(1, 40)))
        for _ in range(count // 2)
    ]
    return texts


def corpus() -> list[str]:
    rng = random.Random(1)
    words = [
        *(
            "the",
            "of",
            "a",
            "is",
            "to",
            "and",
            "in",
            "that",
            "model",
            "token",
            "runs",
            "reads",
            "writes",
            "world",
            "return",
        )
    ]
    words += ["Hello", "naïve", "Straße", "2024", "42", "7", "café", "русский"]
    words += [
        left + right
        for left in ("un", "re", "over", "token", "def")
        for right in ("do", "ing", "able", "izer", "er")
    ]
    lines = [" ".join(rng.choices([*words, *PIECES[:20]], k=rng.randint(3, 14))) for _ in range(1500)]
    return [line for text in lines for line in text.split("\n") if line.strip()]


def train(**options: Any) -> bytes:
    """A tokenizer.model as Llama 2's was trained, but for the options; 700 pieces at most."""
    out = io.BytesIO()
    defaults = {
        "model_type": "bpe",
        "vocab_size": 700,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "character_coverage": 0.99,
        "hard_vocab_limit": False,
        "num_threads": 1,
        "minloglevel": 3,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=out, **{**defaults, **options}
    )
    return out.getvalue()
