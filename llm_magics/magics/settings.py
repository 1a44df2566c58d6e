"""Settings of the magics: what a cell that states no option uses, and where each value comes from.

A later source goes before an earlier one: the defaults; ``ipython_config.py``; the table
``[tool.llm-magics]`` of the nearest ``pyproject.toml``; environment variables ``LLM_MAGICS_NAME``; ``%config
LLMMagics.name = …``. An option of a cell goes before all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from traitlets import Bool, Enum, Float, Int, TraitError, TraitType, Unicode
from traitlets.config import Config, Configurable

from ..errors import UsageError
from ..sanitize import single_line
from .parsing.cell_request import CellRequest
from .parsing.options import OPTIONS

_PREFIX = "LLM_MAGICS_"
_OTHERS = {
    "LLM_MAGICS_API_KEY",  # of servers: never a setting, which could be saved or shown
    "LLM_MAGICS_HOME",
    "LLM_MAGICS_INDEX_URL",
    "LLM_MAGICS_WHEELS",
}  # variables of this package that are no settings
_TABLE = "llm-magics"
_HELP = {option.name: option.help for option in OPTIONS}
_LOADING = ("model", "precision", "kv_cache", "device", "threads", "cache_mb")
_SAMPLING = (
    "max_tokens",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "no_repeat_ngram_size",
    "seed",
)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _trait(kind: type[TraitType[Any, Any]], name: str) -> Any:
    """Return a trait that is None where it is not set."""
    return kind(None, allow_none=True, help=_HELP[name]).tag(config=True)


class Settings(Configurable):
    """The settings of the magics, as traits. One that is None is not set here."""

    model = _trait(Unicode, "model")
    precision = _trait(Unicode, "precision")
    kv_cache = _trait(Unicode, "kv_cache")
    device = _trait(Unicode, "device")
    threads = _trait(Int, "threads")
    cache_mb = _trait(Int, "cache_mb")
    system = _trait(Unicode, "system")
    max_tokens = _trait(Int, "max_tokens")
    temperature = _trait(Float, "temperature")
    top_k = _trait(Int, "top_k")
    top_p = _trait(Float, "top_p")
    min_p = _trait(Float, "min_p")
    repetition_penalty = _trait(Float, "repetition_penalty")
    presence_penalty = _trait(Float, "presence_penalty")
    frequency_penalty = _trait(Float, "frequency_penalty")
    no_repeat_ngram_size = _trait(Int, "no_repeat_ngram_size")
    seed = _trait(Int, "seed")
    tokens = Bool(None, allow_none=True, help="show every answer as its tokens").tag(config=True)
    keep_answers = Bool(
        None, allow_none=True, help="give the kept answer of a request that was made before (true)"
    ).tag(config=True)
    history = Bool(None, allow_none=True, help="log model, options, tokens and time of every answer").tag(
        config=True
    )
    history_prompts = Bool(None, allow_none=True, help="log prompts too").tag(config=True)
    sampling = Enum(
        ("model", "package"),
        None,
        allow_none=True,
        help="whose sampling settings are used where none is stated: the model's maker's, or this package's",
    ).tag(config=True)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._at_runtime: set[str] = set()
        self.observe(lambda change: self._at_runtime.add(str(change["name"])), names=list(names()))

    def _load_config(self, cfg: Config, section_names: Any = None, traits: Any = None) -> None:
        """Refuse a name that there is not, where traitlets would warn."""
        for name in cfg.get("LLMMagics", {}):
            if name not in names() and not name[0].isupper():
                raise _unknown(name, "LLMMagics")
        super()._load_config(cfg, section_names, traits)


def names() -> list[str]:
    """List the settings."""
    return [name for name, trait in Settings.class_traits(config=True).items() if name not in ("parent",)]


def resolve(settings: Settings) -> dict[str, tuple[Any, str]]:
    """Return the value of every setting that has one, and where it comes from, by name.

    Raises:
        UsageError: a file or a variable has an unknown name, or a value that does not fit.
    """
    result: dict[str, tuple[Any, str]] = {}
    runtime: set[str] = getattr(settings, "_at_runtime", set())
    for name in names():
        value = getattr(settings, name)
        if value is not None and name not in runtime:
            result[name] = value, "ipython_config.py"
    path, table = project_table(Path.cwd())
    for name, value in table.items():
        result[_known(name, f"[tool.{_TABLE}] of {path}")] = _checked(name, value, str(path)), str(path)
    for variable, text in os.environ.items():
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and variable not in _OTHERS:
            known = _known(name, "the environment")
            result[known] = _from_text(known, text, variable), variable
    for name in runtime:
        value = getattr(settings, name)
        if value is not None:
            result[name] = value, "%config"
        else:  # %config LLMMagics.name = None takes the default again
            result.pop(name, None)
    return result


def project_table(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the nearest pyproject.toml from ``folder`` upwards, and its table; empty where there is none.

    Raises:
        UsageError: the file cannot be read.
    """
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if path.is_file():
            if sys.version_info >= (3, 11):
                import tomllib
            else:
                import tomli as tomllib
            try:
                data = tomllib.loads(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise UsageError(f"{path} cannot be read: {error}", hint="Correct the file.") from None
            table = data.get("tool", {}).get(_TABLE, {})
            if not isinstance(table, dict):
                raise UsageError(f"tool.{_TABLE} of {path} is no table", hint=f"Write [tool.{_TABLE}].")
            return path, table
    return folder, {}


def apply(request: CellRequest, values: Mapping[str, tuple[Any, str]]) -> CellRequest:
    """Add what a cell does not state, but for the model: that is used until a cell names another."""
    stated = {name: value for name, (value, _) in values.items()}
    system = stated.get("system") if request.system is None and request.conversation is None else None
    return replace(
        request,
        options={**sampling(values), **request.options},
        system=request.system if system is None or request.raw else system,
        tokens=request.tokens or bool(stated.get("tokens")),
        keep=bool(stated.get("keep_answers", True)),
        logs=("prompts" if stated.get("history_prompts") else "answers") if stated.get("history") else "",
    )


def sampling(values: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    """Return the settings that say how tokens are drawn."""
    defaults: dict[str, Any] = {}
    if values.get("sampling", ("",))[0] == "package":
        from ..core.options import SamplingOptions

        defaults = {name: getattr(SamplingOptions(), name) for name in _SAMPLING}
    return {**defaults, **{name: values[name][0] for name in _SAMPLING if name in values}}


def loading(values: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    """Return the settings that say which model is loaded, and how."""
    return {name: values[name][0] for name in _LOADING if name in values}


def table(settings: Settings) -> str:
    """Return every setting with its value and where it comes from, a line each."""
    values, rows = resolve(settings), []
    for name in names():
        value, source = values.get(name, ("–", "default"))
        rows.append((name, single_line(str(value), most=40), single_line(source), _help_of(settings, name)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    end = f"Set one with %config LLMMagics.temperature = 0, or in [tool.{_TABLE}] of pyproject.toml."
    return "\n".join([*(line.rstrip() for line in lines), end])


def _help_of(settings: Settings, name: str) -> str:
    return str(settings.traits()[name].help)


def _known(name: str, where: str) -> str:
    if name not in names():
        raise _unknown(name, where)
    return name


def _unknown(name: str, where: str) -> UsageError:
    near = get_close_matches(name, names(), 1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return UsageError(
        f"{single_line(where)} has the unknown setting {single_line(name)!r:.60}",
        hint=f"{meant}Run %llm config to list them.",
    )


def _from_text(name: str, text: str, where: str) -> Any:
    """Convert the text of an environment variable."""
    trait = Settings.class_traits()[name]
    value: Any = text
    try:
        if isinstance(trait, Bool):
            value = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[text.lower()]
        elif isinstance(trait, Int):
            value = int(text)
        elif isinstance(trait, Float):
            value = float(text)
    except (KeyError, ValueError):
        raise _wrong(name, text, where) from None
    return _checked(name, value, where)


def _checked(name: str, value: Any, where: str) -> Any:
    """Check a value by the trait of that name."""
    if name not in names():
        return value  # refused by its name
    try:
        if isinstance(value, bool) is not isinstance(Settings.class_traits()[name], Bool):
            raise TraitError
        setattr(Settings(), name, value)
    except TraitError:
        raise _wrong(name, value, where) from None
    return value


def _wrong(name: str, value: Any, where: str) -> UsageError:
    trait = Settings.class_traits()[name]
    kinds = {Bool: "true or false", Int: "a whole number", Float: "a number", Unicode: "a text"}
    values = getattr(trait, "values", None)
    kind = " or ".join(map(repr, values)) if values else kinds[type(trait)]
    return UsageError(
        f"the setting {name} of {single_line(where)} must be {kind}, got {value!r:.60}",
        hint="Correct the value.",
    )
