"""Spec files: what is written is read back, and each mistake is named by its key."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.migration.spec import SignatureSpec, Spec, parse_spec, read_spec, spec_text

HAS_TOML = any(importlib.util.find_spec(name) for name in ("tomllib", "tomli"))
needs_toml = pytest.mark.skipif(not HAS_TOML, reason="needs Python 3.11 or tomli")

NAMES = st.text(min_size=1, max_size=12)
SCALARS = st.booleans() | st.integers(-(1 << 62), 1 << 62) | st.floats(allow_nan=False) | st.text()
SIGNATURES = st.builds(
    SignatureSpec,
    name=NAMES,
    source=st.text(max_size=8),
    inputs=st.dictionaries(NAMES, NAMES, max_size=3),
    outputs=st.dictionaries(NAMES, NAMES, max_size=3),
    shapes=st.dictionaries(
        NAMES, st.lists(st.none() | st.integers(0, 1 << 40), max_size=4).map(tuple), max_size=3
    ),
    decode_images=st.lists(NAMES, max_size=2).map(tuple),
    feeds=st.dictionaries(NAMES, SCALARS | st.lists(st.integers(0, 9), max_size=3), max_size=3),
)
TOLERANCE = st.none() | st.floats(0, 1e9)
SPECS = st.builds(
    Spec,
    weights=st.sampled_from([None, "auto", "variables", "constants"]),
    control_flow=st.sampled_from([None, "auto", "functional", "v1"]),
    optimize=st.none() | st.booleans(),
    rtol=TOLERANCE,
    atol=TOLERANCE,
    signatures=st.lists(SIGNATURES, max_size=3, unique_by=lambda item: item.name).map(tuple),
)
COMMENTS = st.dictionaries(
    st.sampled_from(["", "inputs", "outputs", "feeds"]), st.lists(st.text(), max_size=2)
)


def read(tmp_path: Path, text: str, name: str = "spec.toml") -> Spec:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8", newline="")
    return read_spec(file)


@needs_toml
@given(spec=SPECS, comments=COMMENTS)
def test_what_is_written_reads_back_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, spec: Spec, comments: dict[str, list[str]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert read(folder, spec_text(spec, comments=comments)) == spec


@needs_toml
def test_a_spec_as_a_user_writes_it(tmp_path: Path) -> None:
    text = """
weights = "variables"
rtol = 1e-4

[[signature]]
name = "tag"
inputs = { words = "char_inputs:0", lengths = "lengths:0" }
outputs = { logits = "project/logits:0" }
shapes = { words = [-1, 50] }

[signature.feeds]
"dropout:0" = 1.0

[[signature]]
from = "classify"
decode_images = ["x"]
"""
    found = read(tmp_path, text)
    assert found.weights == "variables"
    assert (found.rtol, found.atol, found.control_flow) == (1e-4, None, None)
    first, second = found.signatures
    assert first.inputs == {"words": "char_inputs:0", "lengths": "lengths:0"}
    assert first.shapes == {"words": (None, 50)}
    assert first.feeds == {"dropout:0": 1.0}
    assert (second.name, second.source) == ("serving_default", "classify")
    assert second.decode_images == ("x",)


def test_candidates_stand_as_comments() -> None:
    spec = Spec(signatures=(SignatureSpec(inputs={"x": "x:0"}),))
    text = spec_text(spec, comments={"": ["m.pb"], "outputs": ["y:0 = float32\nx [?]"]})
    assert text.startswith("# m.pb\n")
    assert "[signature.outputs]\n# y:0 = float32?x [?]\n" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"weigths": "auto"}, "there is no key 'weigths'; did you mean 'weights'?"),
        ({"qqq": 1}, "there is no key 'qqq'; keys: weights"),
        ({"weights": "float"}, "weights: 'float'; expected one of auto, variables, constants"),
        ({"weights": ["auto"]}, "weights: ['auto']; expected one of"),
        ({"optimize": 1}, "optimize: 1; expected true or false"),
        ({"rtol": -1}, "rtol: -1; expected a number, zero or more"),
        ({"rtol": True}, "rtol: True; expected a number"),
        ({"atol": float("nan")}, "atol: nan; expected"),
        ({"signature": {"name": "a"}}, "write [[signature]]"),
        ({"signature": [{"input": {}}]}, "signature[0]: there is no key 'input'; did you mean"),
        ({"signature": [{}, {}]}, "signature[1]: there are two called 'serving_default'"),
        ({"signature": [{"name": ""}]}, "signature[0].name: ''; expected a text"),
        ({"signature": [{"name": 3}]}, "signature[0].name: 3; expected a text"),
        ({"signature": [{"inputs": ["x"]}]}, "signature[0].inputs: ['x']; expected a table"),
        ({"signature": [{"inputs": {"x": 1}}]}, "signature[0].inputs.x: 1; expected a tensor"),
        ({"signature": [{"inputs": {1: "x"}}]}, "expected text for a key"),
        ({"signature": [{"shapes": {"x": 3}}]}, "signature[0].shapes.x: 3; expected a list"),
        ({"signature": [{"shapes": {"x": [-2]}}]}, "signature[0].shapes.x: -2; expected a size"),
        ({"signature": [{"shapes": {"x": [True]}}]}, "expected a size"),
        ({"signature": [{"shapes": {"x": ["?"]}}]}, "expected a size"),
        ({"signature": [{"decode_images": "x"}]}, "expected a list of input names"),
        ({"signature": [{"feeds": {"x": {}}}]}, "signature[0].feeds.x: {}; expected true, false"),
        ({"signature": [{"feeds": {"x": [1, None]}}]}, "signature[0].feeds.x: None; expected"),
        ([], "[]; expected a table"),
    ],
)
def test_mistakes_are_named_by_their_key(value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec(value)
    assert words in str(caught.value)


def test_values_that_grow_or_nest_without_end_are_refused() -> None:
    nested: Any = 1
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(UsageError, match="nested more than"):
        parse_spec({"signature": [{"feeds": {"x": nested}}]})
    shared: Any = [1] * 10  # as YAML's anchors make it: 10 ** 20 values in 200 words
    for _ in range(19):
        shared = [shared] * 10
    with pytest.raises(UsageError, match="more than 1,048,576 values"):
        parse_spec({"signature": [{"feeds": {"x": shared}}]})
    for value in ({"weights": shared}, {"rtol": nested}, {"signature": {"x": shared}}):
        with pytest.raises(UsageError, match="expected"):
            parse_spec(value)


@needs_toml
@pytest.mark.parametrize("text", ["weights", "a = [", "a = " + "[" * 5000, "x = 1\nx = 2"])
def test_what_is_no_toml_is_said_with_the_file(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"spec\.toml: is not TOML"):
        read(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_spec(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_spec(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(UsageError, match="so it is no spec"):
        read_spec(tmp_path / "large.toml")


def test_yaml_is_told_by_the_suffix(tmp_path: Path) -> None:
    value = {"weights": "constants", "signature": [{"name": "a", "shapes": {"x": [None, 3]}}]}
    text = json.dumps(value)  # which is YAML too
    found = read(tmp_path, text, "spec.yaml")
    assert found == parse_spec(value)
    with pytest.raises(UsageError, match="is not YAML"):
        read(tmp_path, "a: [", "spec.yml")
