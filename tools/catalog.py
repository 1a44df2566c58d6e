"""Compare the catalog with the Hugging Face Hub: python tools/catalog.py [NAME …]. Needs a network.

For each row it prints the fields of catalog.toml that the Hub has otherwise, or that the row lacks, as lines
of TOML to paste: license, gated, languages, config, context, size_bytes, the sampling settings of the maker.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_magics.decoder.families import spec_of
from llm_magics.errors import LLMMagicsError
from llm_magics.formats.config import Config
from llm_magics.sources import catalog, hub

_SAMPLING = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
}


def main() -> None:
    names = sys.argv[1:] or list(catalog.entries())
    for name in names:
        entry = catalog.find(name)
        print(f'["{name}"]  # {entry.repository}')
        try:
            for field, value in differences(entry):
                print(f"{field} = {toml(value)}")
        except LLMMagicsError as error:
            print(f"# {error}")
        print()


def differences(entry: catalog.CatalogEntry) -> Iterator[tuple[str, Any]]:
    """Yield the fields that the Hub knows and the row does not have, or has otherwise."""
    path = f"models/{entry.repository}"
    info = hub.request(
        lambda: hub.get_json(path, {"blobs": "true"}, timeout=20.0, kind=dict), entry.repository, None
    )
    card = info.get("cardData") or {}
    known: dict[str, Any] = {"license": hub.license_of(card), "gated": bool(info.get("gated"))}
    languages = card.get("language")
    if isinstance(languages, list):
        known["languages"] = tuple(languages)
    if entry.package is None:
        source = hub.resolve(entry.repository, None)
        sizes = {item["rfilename"]: item.get("size", 0) for item in info.get("siblings", ())}
        known["size_bytes"] = sum(size for name, size in sizes.items() if name.endswith(".safetensors"))
        config = source.metadata() if source.metadata else None
        if config is not None:
            raw = json.loads(config.read_text("utf-8"))
            spec = spec_of(Config(raw))
            known["context"] = max(entry.context, spec.context)
            if entry.config is None or spec_of(Config(dict(entry.config))) != spec:
                known["config"] = raw
            known |= sampling(config.with_name("generation_config.json"))
    for field, value in known.items():
        if value and getattr(entry, field) != value:
            yield field, value


def sampling(path: Path) -> dict[str, Any]:
    """Return the sampling settings of a generation_config.json, if it is there."""
    if not path.is_file():
        return {}
    raw = json.loads(path.read_text("utf-8"))
    settings = {name: raw[field] for field, name in _SAMPLING.items() if raw.get(field) is not None}
    return {"sampling": settings} if settings else {}


def toml(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{name} = {toml(item)}" for name, item in value.items() if item is not None)
        return f"{{ {inner} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
