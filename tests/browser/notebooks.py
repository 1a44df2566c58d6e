"""Notebooks with saved outputs."""

from __future__ import annotations

from typing import Any

from llm_magics import Alternative, Generation, ModelInfo, Token
from llm_magics.views import tuning
from llm_magics.views.bundle import tokens_bundle
from llm_magics.views.mime import INSPECTION_MIME
from tests.browser.server import notebook
from tests.support import pictures
from tests.support.run_records import record as a_run

LOAD = "%load_ext llm_magics"


def everything() -> tuple[dict[str, Any], list[str]]:
    """A notebook with an output of every kind, none of them made by a kernel."""
    kinds = list(pictures.KINDS)
    content = saved(kinds)
    more = {"tuning": tuning.tuning_bundle(a_run(rising=True)), "answer": answer()}
    for name, bundle in more.items():
        cell = notebook(name)["cells"][0] | {"id": name}
        cell["outputs"] = [{"output_type": "display_data", "data": bundle, "metadata": {}}]
        content["cells"].append(cell)
    assert all(INSPECTION_MIME in cell["outputs"][0]["data"] for cell in content["cells"][1 : len(kinds) + 1])
    return content, [*kinds, *more]


def saved(kinds: list[str], text: str = "") -> dict[str, Any]:
    content = notebook(LOAD, *(f"%llm {kind} …" for kind in kinds))
    for n, kind in enumerate(kinds, 1):
        data = pictures.KINDS[kind](text).mime_bundle()
        content["cells"][n]["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
    return content


def answer() -> dict[str, Any]:
    words = ["once", "upon", "a", "time", "a", "fox", "went", "into", "the", "very", "old", "wood"]
    tokens = tuple(
        Token(
            n, f"{word} ", -0.2 * (n % 9), 1.0, 0, (Alternative(n, word, -0.2), Alternative(99, " an", -2.0))
        )
        for n, word in enumerate(words * 4)
    )
    text = "".join(token.text for token in tokens)
    return tokens_bundle(Generation(text, tokens, "length", "Tell a story.", model=ModelInfo("tiny")))
