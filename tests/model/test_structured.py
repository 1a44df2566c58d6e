"""Answers of a given form by real vocabularies."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Literal

import jsonschema
import pytest

import llm_magics as lm
from llm_magics import UsageError
from llm_magics.core.options import Grammar
from llm_magics.engine.constraint import TokenConstraint
from llm_magics.engine.tokenizer import TextTokenizer
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from tests.support import real
from tests.unit.test_structured import schema_for


@dataclass
class Person:
    name: str
    born: int
    field: Literal["mathematics", "physics", "other"]


TEXT = "Ada Lovelace was an English mathematician. She was born in London in 1815."
ASK = f"Extract the person as JSON with the keys name, born and field.\n\n{TEXT}"


def test_a_person_comes_out_of_a_text(exact: lm.Model) -> None:
    for options in ({"temperature": 0}, {"temperature": 0.8, "seed": 5}):
        made = exact.generate(ASK, schema=Person, **options)
        assert isinstance(made.value, Person) and "Ada" in made.value.name
        plain = exact.generate(ASK, schema=Person, speculate=False, **options)
        assert plain.text == made.text
        (row,) = exact.map([ASK], schema=Person, progress=False, **options)
        assert isinstance(row, lm.Generation) and row.text == made.text and row.value == made.value
    assert sum(token.allowed == 1 for token in made.tokens) > 8


@pytest.mark.parametrize("part", range(3))
def test_random_schemas_end_in_valid_values(exact: lm.Model, part: int) -> None:
    ended = 0
    for number in range(20 * part, 20 * part + 20):
        schema = schema_for(random.Random(1000 + number))
        try:
            made = exact.generate(
                f"Write an example of {json.dumps(schema)}", schema=schema, max_tokens=900, temperature=0
            )
        except UsageError as error:
            assert "is not valid against" in str(error)
            continue
        except lm.ContextOverflow:
            continue
        ended += 1
        jsonschema.validate(made.value, schema)
    assert ended >= 18


@pytest.mark.parametrize("name", ["llama-spm", "gpt-2", "llama-bpe", "qwen2", "gemma-4", "command-r"])
def test_the_vocabularies_of_real_models(name: str) -> None:
    """Random allowed tokens of each kind of tokenizer make valid values; 20 schemas a vocabulary."""
    spec = tokenizer_spec(real.metadata(name))
    tokenizer = TextTokenizer.from_text(spec.json, bos_id=None, eos_ids=spec.eos_ids)
    for number in range(20):
        rng = random.Random(number)
        schema: dict[str, Any] = schema_for(rng)
        constraint = TokenConstraint(Grammar("json", json.dumps(schema)), tokenizer, tokenizer.vocab_size)
        ids: list[int] = []
        while constraint.ended_at < 0 and len(ids) < 3000:
            if constraint.forced:
                id = constraint.forced[0]
            else:
                mask = constraint.allowed().mask
                choices = mask.nonzero()[0].tolist()
                id = next((id for id in choices if id in tokenizer.eos_ids), rng.choice(choices))
            constraint.take(id)
            ids.append(id)
        data = b"".join(tokenizer.token_bytes(id) for id in ids if id not in tokenizer.eos_ids)
        try:
            jsonschema.validate(json.loads(data), schema)
        except jsonschema.ValidationError as error:
            raise AssertionError((name, schema, data)) from error
