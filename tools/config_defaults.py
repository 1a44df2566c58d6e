"""Write formats/config_defaults.json: what the configuration classes of transformers take for missing fields.

Run it with two interpreters, one that has transformers 4.57 and one that has 5.x:

    PYTHONPATH=. .venv/bin/python tools/config_defaults.py .venvs/transformers5/bin/python

The file has, for every family of ``decoder/families.py``, the default of every field and the other names of
fields (``attribute_map``); the fields of PretrainedConfig, which no decoder reads; and the fields of the
classes that hold a text model next to a vision or audio tower.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "llm_magics" / "formats" / "config_defaults.json"
# Families of models that also see, and what their text model is.
TEXT_MODELS = {
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
    "gemma4_unified": "gemma4_unified_text",
    "mistral3": "mistral",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
}
# Fields of the wrapping class that are about the text model itself.
TEXT_FIELDS = {"tie_word_embeddings", "text_config"}


def defaults_of(cls: Any, base: set[str]) -> dict[str, Any]:
    """Field → default, without those of PretrainedConfig that the class does not set itself."""
    if dataclasses.is_dataclass(cls):  # transformers 5
        found = {}
        for field in dataclasses.fields(cls):
            if field.name in base and field.name not in inspect.get_annotations(cls):
                continue
            made = field.default_factory is not dataclasses.MISSING
            value = field.default_factory() if made else field.default
            found[field.name] = None if value is dataclasses.MISSING else value
        return found
    return {
        name: parameter.default
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if name not in ("self", "kwargs") and parameter.default is not inspect.Parameter.empty
    }


def dump() -> dict[str, Any]:
    """What the transformers of this interpreter says."""
    import transformers
    from transformers import CONFIG_MAPPING, PretrainedConfig

    from llm_magics.decoder.families import FAMILIES

    fields = dataclasses.is_dataclass(PretrainedConfig)
    base = (
        {f.name for f in dataclasses.fields(PretrainedConfig)} if fields else {*PretrainedConfig().to_dict()}
    )
    families = {}
    for family in sorted(FAMILIES):
        kind = TEXT_MODELS.get(family, family)
        if kind not in CONFIG_MAPPING:  # it is newer
            continue
        cls = CONFIG_MAPPING[kind]
        families[family] = {"defaults": defaults_of(cls, base), "aliases": dict(cls.attribute_map)}
    wrappers = {}
    for kind in CONFIG_MAPPING.keys():  # noqa: SIM118  # it is no dict
        cls = CONFIG_MAPPING[kind]
        inner = [getattr(cls, name, None) for name in ("sub_configs", "sub_configs_defaults")]
        if any(isinstance(part, dict) and "text_config" in part for part in inner):
            wrappers[kind] = sorted({*defaults_of(cls, base)} - TEXT_FIELDS)
    return {
        "transformers": [transformers.__version__],
        "base": sorted(base),
        "families": families,
        "wrappers": wrappers,
    }


def merged(old: Any, new: Any) -> Any:
    """Both tables in one; ``new`` where they differ, but a default that only one has stays."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: merged(old.get(key), new.get(key)) for key in sorted({*old, *new})}
    if isinstance(old, list) and isinstance(new, list):
        return sorted({*old, *new})
    return old if new is None else new


def main() -> None:
    if "--dump" in sys.argv:
        print(json.dumps(dump()))
        return
    tables = []
    for python in (sys.executable, *sys.argv[1:]):
        done = subprocess.run(  # noqa: S603  # the interpreters that were named
            [python, __file__, "--dump"], capture_output=True, text=True, check=True
        )
        tables.append(json.loads(done.stdout.splitlines()[-1]))
    tables.sort(key=lambda table: [int(part) for part in table["transformers"][0].split(".")])
    out = tables[0]
    for table in tables[1:]:
        out = merged(out, table)
    OUT.write_text(json.dumps(out, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
