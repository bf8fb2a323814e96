"""The schema of manifests for editors: sound, of the same keys as the reader, of the same mind."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.faults import Faults, FileFaults, ManifestError
from migrator.batching.manifest.fields import KEYS, TFLITE_KEYS, canonical
from migrator.batching.manifest.jsonl_tables import read_jsonl
from migrator.batching.manifest.settle import drafts_in
from migrator.batching.manifest.tables import plain
from migrator.batching.manifest.toml_tables import read_toml
from migrator.batching.manifest.writing import write_entries
from tests.batch.test_manifest_laws import entries, named
from tests.schemas import schema

SCHEMA = schema("manifest")
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
GOOD: list[Any] = [
    {"models": ["m.pb", {"source": "m.pb"}]},
    {"manifest": 1, "defaults": {"rtol": 0, "op-library": "a.so"}, "model": [{"source": "m.pb"}]},
    {"models": [{"source": "m.pb", "feeds": {"x": [[1, True], ["a"]]}, "tflite": True}]},
    {"models": [{"source": "m.pb", "shapes": {"x": [None, -1, "?", 3], "y": "?,2"}}]},
    {"models": [{"source": "m.pb", "memory_limit": "8 GiB", "steps": ["plan"], "rtol": None}]},
    {"models": [{"source": "m.pb", "tag_set": "", "tflite": {"quantize": "dynamic"}}]},
    {"$schema": "manifest.json", "models": None},
]
BAD: list[Any] = [
    {"models": [{"name": "a"}]},
    {"models": [{"source": "m.pb", "inptus": ["x"]}]},
    {"models": [{"source": "m.pb", "rtol": -1}]},
    {"models": [{"source": "m.pb", "rtol": "1e-5"}]},
    {"models": [{"source": "m.pb", "inputs": [1]}]},
    {"models": [{"source": "m.pb", "feeds": {"x": {}}}]},
    {"models": [{"source": "m.pb", "weights": "variable"}]},
    {"models": [{"source": "m.pb", "steps": ["verfy"]}]},
    {"models": [{"source": "m.pb", "steps": []}]},
    {"models": [{"source": "m.pb", "tflite": {"quantise": "int8"}}]},
    {"models": [{"source": "m.pb", "memory_limit": "8XB"}]},
    {"models": [{"source": "m.pb", "timeout": 0}]},
    {"models": [{"source": ""}]},
    {"models": {}},
    {"models": [5]},
    {"manifest": 2, "models": ["m.pb"]},
    {"models": ["m.pb"], "defaults": {"source": "m.pb"}},
    {"models": ["m.pb"], "default": {}},
]


def is_read(document: Any) -> bool:
    faults = Faults()
    own = FileFaults(faults, "m.jsonl")
    tables = read_jsonl(json.dumps(document), own)
    drafts_in(tables, "", own, lambda key, path: "")
    try:
        faults.check()
    except ManifestError:
        return False
    return True


def test_the_schema_is_sound() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_has_the_keys_that_are_read_and_no_others() -> None:
    found = SCHEMA["$defs"]["settings"]["properties"]
    assert {*found, "name", "source"} >= set(KEYS)
    assert all(canonical(key) for key in found)
    aliases = {alias for key in KEYS.values() for alias in key.aliases}
    assert aliases | {key.replace("_", "-") for key in KEYS} <= {*found, "name", "source"}
    tflite = found["tflite"]["anyOf"][1]["properties"]
    assert set(tflite) == set(TFLITE_KEYS.values())


@pytest.mark.parametrize("document", GOOD)
def test_what_is_read_is_valid(document: Any) -> None:
    VALIDATOR.validate(document)
    assert is_read(document)


@pytest.mark.parametrize("document", BAD)
def test_what_is_refused_is_not_valid(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    assert not is_read(document)


@settings(max_examples=30)
@given(st.lists(entries(), min_size=1, max_size=2).map(named))
def test_what_is_written_is_valid(items: list[Entry]) -> None:
    own = FileFaults(Faults(), "m.toml")
    VALIDATOR.validate(plain(read_toml(write_entries(items, "toml"), own)))
