"""The form of an answer as a user states it: a schema, a type, a pattern or a grammar → Grammar and value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.options import Grammar
from ..core.records import Generation
from ..errors import IncompleteAnswer, UsageError
from ..sanitize import single_line
from .python_types import Build, build, schema_of_type
from .schema_checks import bounded, misspelt, unsupported

_SHORT = re.compile(r"\s*([A-Za-z_][\w-]*)(?:\s+([a-z]+(?:\[\])?))?(?:\s*:\s*(.*))?\s*", re.DOTALL)
_SHORT_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form of an answer.

    Attributes:
        grammar: what the model may write.
        name: what the form is called.
        schema: the JSON Schema that a value is valid against; None for a pattern or a grammar.
        build: makes the object of a valid value.
        note: a remark on the schema for the user; empty for none.
    """

    grammar: Grammar
    name: str
    schema: Mapping[str, Any] | None
    build: Build
    note: str = ""


def answer_form(
    *, schema: Any = None, regex: str | None = None, grammar: str | None = None
) -> AnswerForm | None:
    """Return the form of an answer, or None where nothing is stated.

    Args:
        schema: a JSON Schema (a dict or JSON), a pydantic model or TypeAdapter, a dataclass, a TypedDict,
            another Python type, or the short form "name, age int".
        regex: the answer is a full match of it.
        grammar: in the form of Lark.

    Raises:
        UsageError: several are stated, or one cannot be used.
    """
    stated = [
        name
        for name, value in (("schema", schema), ("regex", regex), ("grammar", grammar))
        if value is not None
    ]
    if len(stated) > 1:
        raise UsageError(f"{' and '.join(stated)} cannot be combined", hint="Pass one of them.")
    if regex is not None:
        return AnswerForm(Grammar("regex", _text(regex, "regex")), "the pattern", None, _same)
    if grammar is not None:
        return AnswerForm(Grammar("lark", _text(grammar, "grammar")), "the grammar", None, _same)
    return None if schema is None else _form_of(schema)


def value_of(generation: Generation, form: AnswerForm) -> Any:
    """Return the object that an answer of this form is.

    Raises:
        IncompleteAnswer: the answer was cut off.
        UsageError: the answer is not valid, which a grammar allows for dates that do not exist and the like.
    """
    if generation.stop_reason != "stop":
        raise incomplete(generation)
    text = generation.text
    if form.schema is None:
        return text
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"the answer is no JSON: {single_line(str(error))}", hint="Run it with another seed."
        ) from None
    _validate(value, form)
    try:
        return form.build(value)
    except Exception as error:  # of pydantic or a class of the user's
        raise UsageError(
            f"{form.name} refuses the answer: {single_line(str(error), most=200)}",
            hint="Run it with another seed, or describe the values in the prompt.",
        ) from error


def incomplete(generation: Generation, needed: int | None = None) -> IncompleteAnswer:
    """Return the error of an answer that was cut off.

    Args:
        generation: the answer so far.
        needed: about how many tokens it would need to its end; None where that is not known.
    """
    count = len(generation.tokens)
    if generation.stop_reason == "interrupted":
        return IncompleteAnswer(
            f"the answer was interrupted after {count:,} tokens, inside a value",
            generation=generation,
            hint="Run it again.",
        )
    most = count + (needed or count)
    why = f"It needs about {needed:,} more tokens to its end." if needed else ""
    return IncompleteAnswer(
        f"the answer reached max_tokens ({generation.options.max_tokens:,}) inside a value",
        generation=generation,
        why=why,
        hint=f"Use -n {-(-most // 50) * 50}.",
    )


def _form_of(schema: Any) -> AnswerForm:
    name, make = "the schema", _same
    if isinstance(schema, str):
        schema = _parsed(schema)
    if isinstance(schema, Mapping):
        table = _plain(schema)
    elif schema is True or schema is False:
        raise UsageError("a schema must be an object", hint='Write for example {"type": "object"}.')
    elif hasattr(schema, "model_json_schema"):
        table, name, make = schema.model_json_schema(), schema.__name__, schema.model_validate
    elif hasattr(schema, "json_schema") and hasattr(schema, "validate_python"):
        table, make = schema.json_schema(), schema.validate_python
    else:
        kind = schema
        table, name = schema_of_type(kind), getattr(kind, "__name__", str(kind))

        def make(value: Any) -> Any:
            return build(kind, value)

    if places := list(unsupported(table)):
        raise UsageError(
            f"{single_line(name)} uses {', '.join(places[:5])}, which cannot be kept to while generating",
            hint="Remove it, and check the value afterwards.",
        )
    odd = list(misspelt(table))
    note = f"unknown keywords of the schema: {', '.join(odd[:5])}" if odd else ""
    source = json.dumps(bounded(table), ensure_ascii=False)
    return AnswerForm(Grammar("json", source), single_line(name, most=60), table, make, note)


def _parsed(text: str) -> Any:
    """Return a schema that was written as JSON or in the short form.

    Raises:
        UsageError: it is neither.
    """
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(
                f"the schema is not valid JSON: {error}", hint='Write {"type": "object", "properties": {…}}.'
            ) from None
    properties, lines = {}, text.strip().splitlines()
    for part in lines if len(lines) > 1 else text.split(","):
        match = _SHORT.fullmatch(part)
        kind = (match[2] or "str") if match else ""
        if not match or kind.removesuffix("[]") not in _SHORT_TYPES:
            raise UsageError(
                f"the short schema has the field {single_line(part.strip())!r:.60}",
                hint="Write names with types, such as: name, age int, tags str[].",
            )
        if match[1] in properties:
            raise UsageError(
                f"the short schema has the field {single_line(match[1])!r:.60} twice",
                hint="Omit one of them.",
            )
        item: dict[str, Any] = {"type": _SHORT_TYPES[kind.removesuffix("[]")]}
        item = {"type": "array", "items": item} if kind.endswith("[]") else item
        properties[match[1]] = {**item, **({"description": match[3].strip()} if match[3] else {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema as plain JSON.

    Raises:
        UsageError: it holds something that JSON has not.
    """
    try:
        table: dict[str, Any] = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the schema is not plain JSON: {single_line(str(error), most=80)}", hint="Pass a JSON Schema."
        ) from None
    return table


def _validate(value: Any, form: AnswerForm) -> None:
    """Check a value against the schema as it was stated: the bounds of the grammar are no part of it."""
    import jsonschema

    try:
        jsonschema.validate(value, form.schema or {})
    except jsonschema.ValidationError as error:
        place = "/".join(map(str, error.absolute_path)) or "the whole"
        raise UsageError(
            f"the answer is not valid against {form.name}: {place}: {single_line(error.message, most=120)}",
            hint="Run it with another seed.",
        ) from None


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"{name} must be a string that is not empty", hint=f"Write for example {name}='[0-9]+'."
        )
    return value


def _same(value: Any) -> Any:
    return value
