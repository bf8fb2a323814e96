"""Saved results: whether a JSON value is what the schema of its verb asks for.

The schemas that ship in the package are read, as far as drawing depends on them: types, required
keys, items, and the words of an enumeration. What they say beyond that is for tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from migrator.report.escape import shown

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_NOUNS = {"object": "an object", "array": "a list", "integer": "a whole number", "null": "null"}


def flaw(result: Any, verb: str) -> str:
    """The first place where ``result`` is not as ``migrator VERB`` makes it, and what is wrong
    there; empty for a whole result. Linear in the result; as deep as the schema, not the value."""
    whole = _schema(verb)
    stack: list[tuple[str, Any, Mapping[str, Any]]] = [("", result, whole)]
    while stack:
        path, value, schema = stack.pop()
        schema = _applying(value, schema, whole)
        wrong = _wrong(value, schema)
        if wrong:
            return f"{shown(path) or 'the result'} {wrong}"
        stack.extend(reversed(list(_inner(path, value, schema))))
    return ""


@cache
def _schema(verb: str) -> Mapping[str, Any]:
    folder = resources.files("migrator.report").joinpath("schemas")
    found: dict[str, Any] = json.loads(folder.joinpath(f"{verb}.json").read_text("utf-8"))
    return found


def _applying(value: Any, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """What ``schema`` refers to; of alternatives the first that fits at the first look."""
    while "$ref" in schema:
        found: Any = whole
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        schema = found
    alternatives = schema.get("oneOf") or schema.get("anyOf")
    if not alternatives or "type" in schema:
        return schema
    choices = [_applying(value, item, whole) for item in alternatives]
    return next((item for item in choices if not _wrong(value, item)), choices[0])


def _wrong(value: Any, schema: Mapping[str, Any]) -> str:
    names = schema.get("type")
    kinds = [names] if isinstance(names, str) else list(names or ())
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"is not {' or '.join(_NOUNS.get(kind, f'a {kind}') for kind in kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"is none of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, dict):
        missing = [key for key in schema.get("required", ()) if key not in value]
        return f"lacks {missing[0]!r}" if missing else ""
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        return "is empty"
    return ""


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _inner(
    path: str, value: Any, schema: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for number, item in enumerate(value):
            yield f"{path}[{number}]", item, schema["items"]
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for key, item in value.items():
            inner = known.get(key, others)
            if isinstance(inner, dict):
                yield f"{path}.{key}" if path else key, item, inner
