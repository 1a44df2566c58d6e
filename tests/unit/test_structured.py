"""Answers of a given form: types as schemas, schemas as grammars, and what comes of an answer."""

from __future__ import annotations

import enum
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import jsonschema
import numpy as np
import pytest

import llm_magics as lm
from llm_magics import IncompleteAnswer, Model, ModelInfo, SamplingOptions, UsageError
from llm_magics.core.options import Grammar
from llm_magics.core.records import Generation
from llm_magics.engine.base import Logits
from llm_magics.engine.constraint import TokenConstraint
from llm_magics.engine.scripted import (
    END,
    ScriptedCache,
    ScriptedEngine,
    ScriptedTokenizer,
)
from llm_magics.structured.form import answer_form
from llm_magics.structured.python_types import build, schema_of_type
from llm_magics.structured.schema_checks import bounded, misspelt, unsupported
from llm_magics.views.record_codec import decode_record, encode_record


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Pet:
    name: str
    legs: int = 4


@dataclass
class Person:
    name: str
    born: int | None
    color: Color
    size: float
    pets: list[Pet] = field(default_factory=list)
    mood: Literal["glad", "sad"] = "glad"


class Row(TypedDict, total=False):
    label: str
    scores: tuple[int, float]


class Noise(ScriptedEngine):
    """Random logits that depend on the tokens so far alone."""

    def __init__(self, seed: int = 0, favourites: str = "") -> None:
        super().__init__(["unused"])
        self.seed, self.favourites, self.calls = seed, favourites.encode(), 0

    def cache(self) -> ScriptedCache:
        return NoiseCache(self)

    def row(self, ids: Sequence[int]) -> Logits:
        rng = np.random.default_rng([self.seed, *ids[-6:], len(ids)])
        logits = rng.standard_normal(257).astype(np.float32) * 2
        logits[list(self.favourites)] += 4
        return logits


class NoiseCache(ScriptedCache):
    _engine: Noise

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        self._engine.calls += 1
        before = len(self.cached)
        super().extend(ids, all_logits=all_logits)
        ends = range(before + 1, len(self.cached) + 1) if all_logits else [len(self.cached)]
        return np.stack([self._engine.row(self.cached[:end]) for end in ends])


def noise(seed: int = 0, favourites: str = "") -> Model:
    return Model(Noise(seed, favourites), ScriptedTokenizer(), ModelInfo("noise", fingerprint="n"))


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[bool], {"type": "array", "items": {"type": "boolean"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Literal["a", 3], {"enum": ["a", 3]}),
        (Annotated[int, "years"], {"type": "integer"}),
        (Color, {"enum": ["red", "blue"]}),
        (Any, {}),
    ],
)
def test_types_have_schemas(kind: Any, schema: dict[str, Any]) -> None:
    assert schema_of_type(kind) == schema


def test_a_dataclass_and_a_typed_dict() -> None:
    schema = schema_of_type(Person)
    assert schema["required"] == ["name", "born", "color", "size"] and schema["additionalProperties"] is False
    assert schema["properties"]["pets"]["items"]["required"] == ["name"]
    assert schema_of_type(Row)["required"] == []
    value = {"name": "Ada", "born": None, "color": "red", "size": 2, "pets": [{"name": "Rex"}]}
    jsonschema.validate(value, schema)
    assert build(Person, value) == Person("Ada", None, Color.RED, 2.0, [Pet("Rex")])
    assert build(Row, {"scores": [1, 2]}) == {"scores": (1, 2.0)}
    assert build(set[int], [1, 1]) == {1} and build(int | list[Pet], [{"name": "x"}]) == [Pet("x")]


@pytest.mark.parametrize("kind", [object, dict[int, str], complex, list[object]])
def test_types_without_a_schema_are_refused(kind: Any) -> None:
    with pytest.raises(UsageError):
        schema_of_type(kind)


def test_the_short_form() -> None:
    form = answer_form(schema="name, age int, tags str[], ok bool: whether it holds")
    assert form and form.schema
    properties = form.schema["properties"]
    assert list(properties) == ["name", "age", "tags", "ok"] == form.schema["required"]
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}}
    assert properties["ok"]["description"] == "whether it holds"
    for wrong in ("name, age integer32", "a b c d", "1x int", "{nope"):
        with pytest.raises(UsageError):
            answer_form(schema=wrong)


def test_keywords_that_cannot_be_kept_to_are_named_with_their_place() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "array", "items": {"not": {"type": "null"}}}}}
    assert list(unsupported(schema)) == ["#/properties/x/items/not"]
    with pytest.raises(UsageError, match="#/properties/x/items/not"):
        answer_form(schema=schema)
    assert list(misspelt({"tipe": "object", "propertys": {}, "x-mine": 1})) == [
        "#/tipe (did you mean type?)",
        "#/propertys (did you mean properties?)",
    ]
    with pytest.raises(UsageError, match="cannot be combined"):
        answer_form(schema={"type": "string"}, regex="a")
    for wrong in ({"type": {1}}, {"x": float("nan")}, True):
        with pytest.raises(UsageError):
            answer_form(schema=wrong)
    with pytest.raises(UsageError, match="cannot be used"):
        noise().generate("x", raw=True, schema={"type": "array", "minItems": 3, "maxItems": 2})
    with pytest.raises(UsageError, match="cannot be used"):
        noise().generate("x", raw=True, regex="(")


def test_bounds_are_added_where_there_are_none() -> None:
    result = bounded({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}})
    one, other = result["items"]["anyOf"]
    assert result["maxItems"] and one["maxLength"] and other["maximum"] == -other["minimum"]
    kept = {"type": "string", "pattern": "a+"}
    assert bounded(kept) == kept and bounded({"enum": ["x"], "type": "string"}) == {
        "enum": ["x"],
        "type": "string",
    }
    assert bounded({"type": "array", "minItems": 90})["maxItems"] == 90


def schema_for(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """A random schema of the kinds that occur in JSON-Schema-Test-Suite and JSONSchemaBench."""
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format"]
    kind = rng.choice(kinds + ["object", "array", "anyOf", "tuple", "map"] * (2 if depth < 2 else 0))
    if kind == "object" or depth == 0:
        names = rng.sample(["a", "b c", "größe", "id", '"', "x" * 20], rng.randint(1, 4))
        required = rng.sample(names, rng.randint(0, len(names)))
        properties = {name: schema_for(rng, depth + 1) for name in names}
        closed = {"required": required, "additionalProperties": False}
        return {"type": "object", "properties": properties, **closed}
    pattern = rng.choice(["^[a-c]{1,4}$", r"^\d{3}-\d{2}$", "^(ab|cd)$"])
    low, high = rng.randint(-50, 0), rng.randint(1, 5000)
    words = [1, "one", None, [1, 2], {"k": True}][: rng.randint(1, 5)]
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "string": lambda: {"type": "string", "maxLength": rng.randint(1, 8)},
        "integer": lambda: {"type": "integer", "minimum": low, "maximum": high},
        "number": lambda: {"type": "number", "minimum": -3, "maximum": 3, "multipleOf": 0.25},
        "boolean": lambda: {"type": "boolean"},
        "null": lambda: {"type": "null"},
        "enum": lambda: {"enum": words},
        "const": lambda: {"const": words[-1]},
        "pattern": lambda: {"type": "string", "pattern": pattern},
        "format": lambda: {"type": "string", "format": rng.choice(["date", "uuid", "ipv4"])},
        "array": lambda: {"type": "array", "items": schema_for(rng, depth + 1), "maxItems": low % 4},
        "tuple": lambda: {
            "type": "array",
            "prefixItems": [schema_for(rng, depth + 1) for _ in range(2)],
            "items": False,
            "minItems": 2,
        },
        "anyOf": lambda: {"anyOf": [schema_for(rng, depth + 1) for _ in range(2)]},
        "map": lambda: {"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 2},
    }
    return makers[kind]()


@pytest.mark.parametrize("part", range(6))
def test_random_schemas_end_in_valid_values(part: int) -> None:
    """300 schemas with a tokenizer of bytes; tests/model/test_structured.py has real vocabularies."""
    ended = 0
    for number in range(50 * part, 50 * part + 50):
        schema = schema_for(random.Random(number))
        model = noise(number, favourites='"}]0123456789abcdef-')
        try:
            answer = model.generate(
                "x", raw=True, schema=schema, max_tokens=3000, temperature=1.0, seed=number
            )
        except UsageError as error:  # a date such as 2021-02-29: refused behind the answer, with its reason
            assert "is not valid against" in str(error), error
            continue
        ended += 1
        assert answer.stop_reason == "stop"
        jsonschema.validate(answer.value, schema)
        assert json.loads(answer.text) == answer.value
    assert ended >= 48


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 5}, "ok": {"type": "boolean"}},
    "required": ["name", "ok"],
    "additionalProperties": False,
}


def test_what_is_forced_is_recorded_and_read_in_one_call() -> None:
    model = noise(3, favourites='"')
    answer = model.generate("x", raw=True, schema=SCHEMA, temperature=1.0, max_tokens=200)
    assert set(answer.value) == {"name", "ok"}
    forced = [token for token in answer.tokens if token.allowed == 1]
    chosen = [token for token in answer.tokens if token.allowed != 1]
    assert len(forced) > 10 and all(token.u is None for token in forced)
    assert all(token.u is not None and token.log_allowed is not None for token in chosen)
    for token in answer.tokens:
        assert token.log_allowed is not None and token.logprob <= token.log_allowed + 1e-5
        assert next((other.banned for other in token.alternatives if other.id == token.id), False) is False
    assert any(other.banned for token in answer.tokens for other in token.alternatives)
    engine = model.engine
    assert isinstance(engine, Noise) and engine.calls < len(answer.tokens) - len(forced) / 2
    again = decode_record(encode_record(answer))
    assert isinstance(again, Generation) and again.options == answer.options and again.value == answer.value
    assert [(t.allowed, [o.banned for o in t.alternatives]) for t in again.tokens] == [
        (t.allowed, [o.banned for o in t.alternatives]) for t in answer.tokens
    ]
    assert Generation.from_dict(json.loads(json.dumps(answer.to_dict()))).tokens == answer.tokens


def test_the_probability_among_the_allowed_is_that_of_the_mask() -> None:
    model = noise(5)
    answer = model.generate("x", raw=True, regex="[abc]{4}", temperature=1.0, max_tokens=9)
    ids = [*b"x"]
    assert isinstance(model.engine, Noise)
    for token in answer.tokens:
        row = model.engine.row(ids).astype(np.float64)
        p = np.exp(row - np.logaddexp.reduce(row))
        mass = p[[*b"abc"]].sum() if token.allowed != 1 else p[token.id]
        assert token.log_allowed == pytest.approx(np.log(mass), abs=1e-5)
        ids.append(token.id)
    assert answer.value == answer.text and len(answer.text) == 4


def test_sampling_is_that_of_the_allowed_tokens() -> None:
    """Chi-square of 2,000 draws of one token, against the shares of what the grammar allows."""
    model = noise(8)
    assert isinstance(model.engine, Noise)
    row = model.engine.row([*b"x"]).astype(np.float64)[[*b"abcd"]]
    shares = np.exp(row - np.logaddexp.reduce(row))
    counts = np.zeros(4)
    for seed in range(2000):
        made = model.generate(
            "x", raw=True, regex="[abcd]", temperature=1.0, seed=seed, top_k=0, top_p=1.0, min_p=0.0
        )
        counts[b"abcd".index(made.tokens[0].id)] += 1
    assert ((counts - 2000 * shares) ** 2 / (2000 * shares)).sum() < 21.1  # 99.99 % of 3 degrees


@pytest.mark.parametrize("seed", range(4))
def test_guesses_batches_and_calls_change_nothing(seed: int) -> None:
    options: dict[str, Any] = {"schema": SCHEMA, "temperature": 0.9, "seed": seed, "max_tokens": 200}
    alone = noise(seed, '"ab').generate("x", raw=True, speculate=False, **options)
    assert noise(seed, '"ab').generate("x", raw=True, **options).tokens[3].id == alone.tokens[3].id
    (row,) = noise(seed, '"ab').map(["x"], raw=True, progress=False, **options)
    assert isinstance(row, Generation)
    for made in (noise(seed, '"ab').generate("x", raw=True, **options), row):
        assert [t.id for t in made.tokens] == [t.id for t in alone.tokens] and made.value == alone.value


def test_a_branch_keeps_the_form() -> None:
    model = noise(3, favourites='"')
    answer = model.generate("x", raw=True, schema=SCHEMA, temperature=1.0, max_tokens=200)
    at = next(n for n, token in enumerate(answer.tokens) if (token.allowed or 0) > 50)
    other = model.branch(answer, at, "Q")
    assert json.loads(other.text)["name"].startswith("Q") and other.value["name"].startswith("Q")
    with pytest.raises(UsageError, match="cannot be used"):
        model.branch(answer, 0, "Q")


def test_an_answer_that_is_cut_off_is_an_error_that_keeps_the_text() -> None:
    model = noise(1)
    long = {"type": "array", "items": {"type": "integer"}, "minItems": 15}
    with pytest.raises(IncompleteAnswer, match=r"reached max_tokens \(12\)") as error:
        model.generate("x", raw=True, schema=long, max_tokens=12)
    assert error.value.generation.text.startswith("[") and "more tokens to its end" in error.value.why
    assert error.value.hint.startswith("Use -n")
    stream = model.stream("x", raw=True, schema=long, max_tokens=12)
    for _ in stream:
        pass
    with pytest.raises(IncompleteAnswer):
        _ = stream.value
    with pytest.raises(IncompleteAnswer):
        _ = stream.generation.value
    stopped = model.stream("x", raw=True, schema=long, max_tokens=500)
    next(stopped)
    stopped.close()
    with pytest.raises(IncompleteAnswer, match="interrupted"):
        _ = stopped.value


def test_rows_have_values_and_errors_of_their_own() -> None:
    answers = noise(2, '"').map(["a", "b", 3], raw=True, progress=False, schema=SCHEMA, temperature=1.0)
    assert [isinstance(value, dict) for value in answers.values] == [True, True, False]
    assert list(answers.errors) == [2]
    short = noise(2).map(["a"], raw=True, progress=False, schema=SCHEMA, max_tokens=5)
    assert isinstance(short.errors[0], IncompleteAnswer) and short.values == [None]


def test_what_would_break_a_value_is_refused() -> None:
    for more in ({"stop": "}"}, {"repetition_penalty": 1.2}, {"presence_penalty": 0.5}):
        with pytest.raises(UsageError, match="cannot be combined"):
            noise().generate("x", raw=True, schema=SCHEMA, **more)
    # The maker's penalties are left out.
    model = Model(Noise(1, '"'), ScriptedTokenizer(), ModelInfo("m"), sampling={"repetition_penalty": 1.05})
    assert model.generate("x", raw=True, schema=SCHEMA, max_tokens=300).options.repetition_penalty == 1
    with pytest.raises(UsageError, match="a grammar needs a kind"):
        SamplingOptions(grammar={"kind": "yaml", "source": "x"})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="asked for in no form"):
        _ = noise().generate("x", raw=True, max_tokens=2).value


def test_lark_and_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")
    made = noise(4).generate("x", raw=True, grammar='start: ("ab" | "cd")+ "!"', max_tokens=400)
    assert set(made.text[:-1].replace("ab", "").replace("cd", "")) == set() and made.text.endswith("!")

    class Point(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        x: int = pydantic.Field(ge=0, le=9)
        y: bool

    point = noise(4).generate("x", raw=True, schema=Point, max_tokens=100).value
    assert isinstance(point, Point) and 0 <= point.x <= 9


def test_hostile_grammars_end_in_an_error_or_in_an_answer() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(60):
        deep = {"type": "array", "items": deep, "maxItems": 1}
    for options in (
        {"schema": deep},
        {"schema": {"enum": [f"word {n}" for n in range(5000)]}},
        {"schema": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}},
        {"schema": {"type": "object", "properties": {"\ud800": {"type": "null"}}}},
        {"regex": "(a{1,50}){1,50}b"},
        {"regex": "(?=a)b"},
        {"grammar": "start: start"},
        {"grammar": "nonsense"},
    ):
        try:
            noise(1).generate("x", raw=True, max_tokens=60, **options)  # type: ignore[arg-type]
        except lm.LLMMagicsError as error:
            assert str(error)


def test_a_constraint_counts_the_tokens_to_its_end() -> None:
    constraint = TokenConstraint(Grammar("json", json.dumps(SCHEMA)), ScriptedTokenizer(), 257)
    needed = constraint.tokens_to_end()
    assert needed in (len('{"name": "", "ok": true}'), len('{"name": "", "ok": false}'))
    for byte in b'{"name": "ab':
        constraint.take(byte)
    assert constraint.tokens_to_end() in (len('", "ok": true}'), len('", "ok": false}'))
    assert not constraint.is_whole
    with pytest.raises(UsageError):
        constraint.take(END)


def test_reasoning_is_switched_off_where_a_form_or_a_label_is_asked_for() -> None:
    template = (
        "{{ messages[-1].content }}|"
        "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"
    )
    model = Model(Noise(3, '"'), ScriptedTokenizer(), ModelInfo("m", fingerprint="f"), template=template)
    options: dict[str, Any] = {"schema": SCHEMA, "temperature": 1.0, "max_tokens": 200}
    alone = model.generate("x", **options)
    (row,) = model.map(["x"], progress=False, **options)
    assert isinstance(row, Generation) and row.prompt == alone.prompt == "x|<think></think>"
    assert row.text == alone.text and model.generate("x", max_tokens=2).prompt == "x|"
    choice = model.choose("x", ["a", "b"])
    bare = Model(Noise(3, '"'), ScriptedTokenizer(), ModelInfo("m", fingerprint="f"))
    assert choice.probabilities == bare.choose("x|<think></think>", ["a", "b"], raw=True).probabilities


def test_options_of_a_record_make_the_same_answer() -> None:
    """The history and conversations keep options as JSON."""
    answer = noise(3, '"').generate("x", raw=True, schema=SCHEMA, temperature=1.0, max_tokens=200)
    again = noise(3, '"').generate("x", raw=True, **answer.options.to_dict())
    assert again.text == answer.text and again.value == answer.value
    with pytest.raises(UsageError, match="of a given form"):
        noise(3, '"').replay(answer)
