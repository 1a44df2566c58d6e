"""What of a JSON Schema cannot be used, with its place; and bounds where a schema has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

MOST_LETTERS, MOST_ITEMS, MOST_NUMBER = 500, 20, 10**15
# Keywords that llguidance cannot keep to while an answer is generated.
UNSUPPORTED = {
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$dynamicAnchor",
}
FORMATS = {
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
    "uri",
    "unknown",
}
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "additionalItems")
_KNOWN = {
    *UNSUPPORTED,
    *_MAPS,
    *_LISTS,
    *_SINGLE,
    "$schema",
    "$id",
    "$ref",
    "$anchor",
    "$comment",
    "$vocabulary",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "format",
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
    "required",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "discriminator",
}


def unsupported(schema: Any, at: str = "#") -> Iterator[str]:
    """Yield the places of keywords that cannot be kept to."""
    if not isinstance(schema, Mapping):
        return
    for name, value in schema.items():
        if name in UNSUPPORTED and value is not False:
            yield f"{at}/{name}"
        elif name == "format" and isinstance(value, str) and value not in FORMATS:
            yield f"{at}/format ({value})"
        elif name == "$ref" and isinstance(value, str) and not value.startswith("#"):
            yield f"{at}/$ref ({value})"
    for inner, place in _children(schema, at):
        yield from unsupported(inner, place)


def misspelt(schema: Any, at: str = "#") -> Iterator[str]:
    """Yield the places of keywords that no schema has, with the word that may have been meant."""
    if not isinstance(schema, Mapping):
        return
    for name in schema:
        near = get_close_matches(str(name), _KNOWN, 1, 0.75)
        if name not in _KNOWN and near:
            yield f"{at}/{name} (did you mean {near[0]}?)"
    for inner, place in _children(schema, at):
        yield from misspelt(inner, place)


def bounded(schema: Any) -> Any:
    """Return a schema with bounds where it has none: what it allows, the schema allows too.

    Without them a model may write a string, a list or a number without end.
    """
    if isinstance(schema, list):
        return [bounded(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    result: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _MAPS and isinstance(value, Mapping):
            result[name] = {key: bounded(item) for key, item in value.items()}
        elif name in (*_LISTS, *_SINGLE):
            result[name] = bounded(value)
        else:
            result[name] = value
    kinds = result.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "enum" in result or "const" in result:
        return result
    if "string" in kinds and not {"maxLength", "pattern", "format"} & set(result):
        result["maxLength"] = max(MOST_LETTERS, _count(result.get("minLength")))
    if "array" in kinds and "maxItems" not in result:
        result["maxItems"] = max(MOST_ITEMS, _count(result.get("minItems")))
    if "integer" in kinds and "number" not in kinds:
        low, high = result.get("minimum", 0), result.get("maximum", 0)
        if not {"maximum", "exclusiveMaximum"} & set(result) and _number(low) < MOST_NUMBER:
            result["maximum"] = MOST_NUMBER
        if not {"minimum", "exclusiveMinimum"} & set(result) and _number(high) > -MOST_NUMBER:
            result["minimum"] = -MOST_NUMBER
    return result


def _children(schema: Mapping[str, Any], at: str) -> Iterator[tuple[Any, str]]:
    """Yield the schemas in a schema, with their places."""
    for name, value in schema.items():
        if name in _MAPS and isinstance(value, Mapping):
            yield from ((item, f"{at}/{name}/{key}") for key, item in value.items())
        elif name in _LISTS and isinstance(value, list):
            yield from ((item, f"{at}/{name}/{n}") for n, item in enumerate(value))
        elif name in _SINGLE:
            yield value, f"{at}/{name}"


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
