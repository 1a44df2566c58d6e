"""Whatever stands where a config.json has its values: a decoder that can be, or an error in words."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from llm_magics import LLMMagicsError
from llm_magics.decoder.families import spec_of
from llm_magics.decoder.mixers.rotary import tables
from llm_magics.formats.config import Config
from tests.support import families

WORDS = [None, True, "x", "", [], [1], {}, {"a": 1}, [None], ["x"] * 3, [[]] * 3, [10**400] * 3]
NUMBERS = [-1, 0, 1, 1.5, 2**63, 10**400, -(10**400), 1e308, 1e-320, float("nan"), float("inf")]


def places(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, (*above, name))


@pytest.mark.parametrize("case", families.CASES)
def test_odd_values(case: str) -> None:
    from transformers import AutoConfig

    kind, changes = families.CASES[case]
    right = json.loads(AutoConfig.for_model(kind, **changes).to_json_string(use_diff=False))
    spec_of(Config(right))
    for place in places(right):
        for odd in [*WORDS, *NUMBERS]:
            table = raw = copy.deepcopy(right)
            for name in place[:-1]:
                table = table[name]
            table[place[-1]] = odd
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)  # a table of NaNs is no answer
                try:
                    spec = spec_of(Config(raw))
                    if any("rope" in name or "rot" in name or "position" in name for name in place):
                        tables(spec)
                except LLMMagicsError as error:
                    assert len(str(error)) < 700, (place, odd)
                except Exception as error:
                    raise AssertionError(f"{place} = {odd!r:.40}: {error!r}") from error
