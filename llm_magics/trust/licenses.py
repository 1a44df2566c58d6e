"""Licenses of model weights as conditions: what you may do, what you must do, and where the text says so.

A summary, not advice. What licenses.toml does not state is unknown, and is shown as unknown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..sanitize import single_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

UNKNOWN = "unknown"
ADVICE = "A summary, not advice; the text decides."


@dataclass(frozen=True, slots=True)
class Condition:
    """One question that a license answers, and the section of its text."""

    question: str
    answer: str
    section: str = ""


@dataclass(frozen=True, slots=True)
class License:
    """A license as conditions. Empty values mean that nothing is known.

    Attributes:
        id: as the Hub writes it.
        name, short: for people.
        url: of the text.
        source: where the text was read for this table; read: on which day, empty where it was not read.
        commercial: "yes", "on terms", "no" or "unknown".
        asks: what it asks for, in at most four words.
        may, must: sentences without a subject.
        use_policy: where the acceptable-use policy is.
        notice: a line that a file named NOTICE must have.
        built_with: words to show where users see them.
        name_prefix: how the name of a model that is made from this one must begin.
        changed: whether changed files must say that they were changed.
        conditions: the table of a card.
    """

    id: str
    name: str
    short: str
    url: str = ""
    source: str = ""
    read: str = ""
    commercial: str = UNKNOWN
    asks: str = UNKNOWN
    may: tuple[str, ...] = ()
    must: tuple[str, ...] = ()
    use_policy: str = ""
    notice: str = ""
    built_with: str = ""
    name_prefix: str = ""
    changed: bool = False
    conditions: tuple[Condition, ...] = ()

    @property
    def known(self) -> bool:
        """Return whether its conditions are known."""
        return bool(self.conditions)

    def derived_name(self, name: str) -> str:
        """Return the name of a model made from the weights: with the prefix that the license asks for."""
        prefix = self.name_prefix.replace(" ", "-")
        if not prefix or _key(name).startswith(_key(prefix)):
            return name
        return f"{prefix}-{name}"


@cache
def _table() -> dict[str, License]:
    """Return all licenses by each of their ids."""
    rows = tomllib.loads(files(__package__).joinpath("licenses.toml").read_text("utf-8"))
    result: dict[str, License] = {}
    for id, row in rows.items():
        names = row.pop("names", [])
        value = _license(id, row)
        for name in (id, row["short"], *names):
            result.setdefault(_key(name), value)
    return result


def _license(id: str, row: dict[str, Any]) -> License:
    lists = {name: tuple(row.get(name, ())) for name in ("may", "must")}
    conditions = tuple(Condition(*item) for item in row["conditions"])
    return License(id, **{**row, **lists, "conditions": conditions})


def find(id: str | None) -> License:
    """Return the license of an id, in any spelling of case and hyphens; one with nothing known for others."""
    text = single_line(id or "", most=80)
    known = _table().get(_key(text))
    if known is not None:
        return known
    name = text if text and _key(text) not in ("other", UNKNOWN) else UNKNOWN
    return License(text or UNKNOWN, name, name)


def entries() -> list[License]:
    """Return all licenses of the table."""
    return list(dict.fromkeys(_table().values()))


def join(licenses: Iterable[License]) -> tuple[list[License], list[str]]:
    """Return several licenses without repetition, and all that they ask for together."""
    distinct = list(dict.fromkeys(licenses))
    return distinct, list(dict.fromkeys(item for value in distinct for item in value.must))


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().lower()).removeprefix("license-")
