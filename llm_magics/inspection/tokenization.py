"""How tokenizers cut a text, side by side, and what a language costs in each. Needs no weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..core.records import ModelInfo
from ..engine.answer import token_texts
from ..engine.base import Tokenizer
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from .reading.tokenized_text import visible_token

MOST = 20_000  # letters
# The first sentence of the Universal Declaration of Human Rights, in the United Nations' translations.
LANGUAGES = {
    "English": "All human beings are born free and equal in dignity and rights.",
    "Spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Finnish": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
}


class Tokenization(InspectionRecord):
    """One text in several tokenizers. Made by :func:`tokenizers` and :meth:`Model.tokenize`.

    ``head["columns"]``: of each tokenizer its ``name``, the size of its ``vocab``, the ``ids``, what each
    adds to the text (``texts``) and its ``bytes`` (hex). ``head["languages"]``: of each its ``name``, its
    ``bytes``, and how many tokens the same sentence takes in every tokenizer (``counts``).
    """

    kind = "tokenizers"
    storage: ClassVar[Stored] = {}

    @property
    def counts(self) -> dict[str, int]:
        """Return tokens of the text, by tokenizer."""
        return {item["name"]: len(item["ids"]) for item in self.head["columns"]}

    @property
    def ids(self) -> list[int]:
        """Return the ids of the first tokenizer."""
        return list(self.head["columns"][0]["ids"])

    @property
    def texts(self) -> list[str]:
        """Return what each token of the first tokenizer adds to the text; empty for a part of a character."""
        return list(self.head["columns"][0]["texts"])

    def to_text(self) -> str:
        """Return the pieces, and what a language costs."""
        columns, text = self.head["columns"], self.head["text"]
        size = len(text.encode("utf-8", "replace"))
        lines = [f"{size:,} bytes, {len(text):,} letters"]
        for item in columns:
            many = len(item["ids"])
            lines.append(f"{item['name']}: {many:,} tokens, {size / max(many, 1):.2f} bytes a token")
            lines.append(
                "  " + "│".join(map(visible_token, item["texts"][:200])) + ("…" if many > 200 else "")
            )
            lines.append("  " + " ".join(map(str, item["ids"][:30])) + (" …" if many > 30 else ""))
        lines.append("the same sentence in tokens (times English):")
        english = self.head["languages"][0]["counts"]
        for row in self.head["languages"]:
            cells = [f"{n:4} ×{n / one:.1f}" for n, one in zip(row["counts"], english, strict=True)]
            lines.append(f"  {row['name']:<9} {row['bytes']:4} bytes  {'   '.join(cells)}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a token of each tokenizer."""
        rows = [
            (item["name"], place, id, text, data)
            for item in self.head["columns"]
            for place, (id, text, data) in enumerate(
                zip(item["ids"], item["texts"], item["bytes"], strict=True)
            )
        ]
        names = ("tokenizer", "place", "id", "text", "bytes")
        return table({name: [row[n] for row in rows] for n, name in enumerate(names)})


def tokenize(text: str, tokenizers: Mapping[str, Tokenizer], info: ModelInfo) -> Tokenization:
    """Cut a text with each tokenizer.

    Raises:
        UsageError: the text is empty or too long.
    """
    if not isinstance(text, str) or not text:
        raise UsageError("there is no text to tokenize", hint="Pass a text.")
    if len(text) > MOST:
        raise UsageError(f"{len(text):,} characters are too many for a view", hint=f"Use at most {MOST:,}.")
    columns = []
    for name, tokenizer in tokenizers.items():
        ids = tokenizer.encode(text, special=False, begin=False)  # the text's own tokens are compared
        columns.append(
            {
                "name": name,
                "vocab": tokenizer.vocab_size,
                "ids": ids,
                "texts": list(token_texts(tokenizer, ids)),
                "bytes": [tokenizer.token_bytes(id).hex() for id in ids],
            }
        )
    languages = [
        {
            "name": name,
            "bytes": len(sentence.encode()),
            "counts": [
                max(len(item.encode(sentence, special=False, begin=False)), 1) for item in tokenizers.values()
            ],
        }
        for name, sentence in LANGUAGES.items()
    ]
    return Tokenization(info, {"text": text, "columns": columns, "languages": languages})
