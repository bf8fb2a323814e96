"""The JSON schemas that ship in the package, and results checked against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]

VERBS = (
    "inspect",
    "plan",
    "migrate",
    "verify",
    "run",
    "tflite",
    "freeze",
    "audit",
    "explain",
    "diff",
    "batch",
)
FILES = ("baseline", "batch-model", "manifest")
"""Schemas of what is in files, and no result of a verb."""


@cache
def schema(verb: str) -> dict[str, Any]:
    """The schema of one verb's result, as installed."""
    folder = resources.files("migrator.report").joinpath("schemas")
    found: dict[str, Any] = json.loads(folder.joinpath(f"{verb}.json").read_text("utf-8"))
    return found


def validate(result: Mapping[str, Any]) -> None:
    """Raise where ``result`` is not what the schema that it names asks for."""
    name = str(result["schema"])
    verb, _, version = name.removeprefix("migrator.").partition("/")
    assert version == "1", name
    validator = jsonschema.Draft202012Validator(schema(verb))
    errors = sorted(validator.iter_errors(result), key=lambda error: list(map(str, error.path)))
    if errors:
        worst = jsonschema.exceptions.best_match(errors)
        place = "/".join(map(str, worst.absolute_path))
        raise AssertionError(f"{name}: at {place or 'the top'}: {worst.message}")


def parsed(text: str) -> dict[str, Any]:
    """A result as printed, validated."""
    found: dict[str, Any] = json.loads(text, parse_constant=_refuse)
    validate(found)
    return found


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
