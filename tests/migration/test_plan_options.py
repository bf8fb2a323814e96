"""What shapes, pictures and a spec make of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from migrator.errors import MigratorError, NeedsDecision, UsageError
from migrator.migration.options import Choice, with_spec
from migrator.migration.planning import plan
from migrator.migration.signatures import parse_shapes
from migrator.migration.spec import Spec, parse_spec
from migrator.model.tensors import Shape
from tests import wire
from tests.corpus import sample
from tests.handmade import (
    dense,
    model,
    op,
    placeholder,
)
from tests.migration.planned import of

# --- shapes


@pytest.mark.parametrize(
    ("text", "name", "dims"),
    [
        ("x=?,224,224,3", "x", (None, 224, 224, 3)),
        ("x=-1,4", "x", (None, 4)),
        ("x=[2, ?]", "x", (2, None)),
        ("x=", "x", ()),
        ("x=7", "x", (7,)),
        ("a=b=3", "a=b", (3,)),
    ],
)
def test_shapes_are_read(text: str, name: str, dims: tuple[int | None, ...]) -> None:
    assert parse_shapes([text]) == {name: Shape(dims)}


@pytest.mark.parametrize(
    "text", ["x", "x=a", "x=1,-2", "x=1.5", "x=1x3", "", "x=²", "x=٣", "x=1,,2", "x=" + "9" * 5000]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no shape") as raised:
        parse_shapes([text])
    assert raised.value.hint


def test_shapes_are_fixed_or_relaxed() -> None:
    found = of("tf1.15.5/sm_variables", signatures=["serving_default"], shapes=["x=8,5"])
    assert found.inputs[0].shape == Shape((8, 5))
    relaxed = of("tf1.15.5/sm_variables", signatures=["serving_default"], shapes=["x=?,?"])
    assert relaxed.inputs[0].shape == Shape((None, None))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (["x=8,5,1"], "3 dimensions.* has 2"),
        (["nothing=8,5"], "no input 'nothing'; the inputs are inputs, x"),
    ],
)
def test_shapes_that_do_not_fit(shapes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of("tf1.15.5/sm_variables", shapes=shapes)


# --- pictures


def test_pictures_are_planned_in_front_of_an_image_input() -> None:
    found = of("tf1.15.5/hub_image", signatures=["default"], decode_images=["images"])
    assert found.signatures[0].decode_images == {"images": "0..255"}
    scaled = of("tf1.15.5/hub_image", signatures=["default"], decode_images=["images=-1..1"])
    assert scaled.signatures[0].decode_images == {"images": "-1..1"}


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("tf1.15.5/hub_image", "nothing", "no input 'nothing'.*images"),
        ("tf1.15.5/hub_image", "images=0..2", "'0..2' is no range.*0..255, 0..1, -1..1"),
        ("tf1.15.5/sm_variables", "x", "'x' is float32 of shape .*no batch of pictures"),
        ("tf1.15.5/sm_table", "words", "'words' is string"),
    ],
)
def test_pictures_where_there_can_be_none(name: str, asked: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of(name, decode_images=[asked])


# --- a spec file


def two_ended() -> Any:
    """A frozen graph of two inputs, two outputs and a switch."""
    return model(
        placeholder("left"),
        placeholder("right"),
        op("keep", "Placeholder", dtype=wire.F, shape=wire.Dims(())),
        *dense("first", "left"),
        op("scaled", "Mul", "right", "keep", T=wire.F),
        *dense("second", "scaled"),
    )


def spec_choice(*rows: dict[str, Any], **top: Any) -> Choice:
    return with_spec(Choice(), parse_spec({**top, "signature": list(rows)}))


FIRST = {"name": "first", "inputs": {"a": "left"}, "outputs": {"y": "first"}}
SECOND = {
    "name": "second",
    "inputs": {"b": "right:0"},
    "outputs": {"y": "second:0"},
    "feeds": {"keep": 1.0},
    "shapes": {"b": [2, 4]},
}


def test_a_spec_makes_two_signatures_of_one_frozen_graph() -> None:
    found = plan(two_ended(), choice=spec_choice(FIRST, SECOND))
    first, second = found.signatures
    assert (first.key, second.key) == ("first", "second")
    assert [(e.name, e.tensor) for e in first.inputs] == [("a", "left:0")]
    assert [(e.name, e.tensor, e.shape) for e in second.inputs] == [("b", "right:0", Shape((2, 4)))]
    assert [feed.tensor for feed in second.feeds] == ["keep:0"]
    assert first.feeds == ()
    assert "second" not in {node.name for node in first.subgraph.nodes}
    assert found.blockers == ()


def test_a_spec_chooses_and_renames_signatures_of_a_saved_model() -> None:
    rows = [{"name": "serve", "from": "embed"}, {"name": "classify", "from": "classify"}]
    found = plan(sample("tf1.15.5/sm_variables").path, choice=spec_choice(*rows))
    assert [(item.key, item.source_key) for item in found.signatures] == [
        ("serve", "embed"),
        ("classify", "classify"),
    ]
    assert found.signatures[1].method_name.endswith("classify")


def test_the_line_stands_over_the_spec() -> None:
    spec = Spec(weights="variables", control_flow="v1", optimize=True)
    chosen = with_spec(Choice(weights="constants"), spec)
    assert (chosen.weights, chosen.control_flow, chosen.optimize) == ("constants", "v1", True)
    assert with_spec(Choice(optimize=True), Spec(optimize=False)).optimize


@pytest.mark.parametrize(
    "line", [{"inputs": ["left"]}, {"outputs": ["first"]}, {"signatures": ["first"]}]
)
def test_a_line_that_contradicts_the_spec_is_refused(line: dict[str, Sequence[str]]) -> None:
    choice = with_spec(Choice(**line), parse_spec({"signature": [FIRST]}))
    with pytest.raises(UsageError, match="names the signatures, so the line cannot"):
        plan(two_ended(), choice=choice)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**FIRST, "inputs": {"a": "lift"}}, "no node 'lift'"),
        ({**FIRST, "inputs": {"class": "left"}}, "'class' cannot be the name of an input"),
        ({**FIRST, "from": "serving_default"}, "has no signatures"),
        ({**SECOND, "shapes": {"b": [2]}}, "1 dimensions"),
        ({**SECOND, "feeds": {"keep": "much"}}, "much"),
        ({**FIRST, "decode_images": ["a"]}, "no batch of pictures"),
    ],
)
def test_what_a_spec_asks_for_in_vain_is_said(row: dict[str, Any], words: str) -> None:
    with pytest.raises(MigratorError, match=words):
        plan(two_ended(), choice=spec_choice(row))


def test_a_shape_in_a_spec_for_an_input_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no input 'c'"):
        plan(two_ended(), choice=spec_choice({**SECOND, "shapes": {"c": [2, 4]}}))


def test_a_switch_that_the_spec_forgets_is_asked_for() -> None:
    row = {key: value for key, value in SECOND.items() if key != "feeds"}
    with pytest.raises(NeedsDecision) as raised:
        plan(two_ended(), choice=spec_choice(row))
    assert any("keep:0" in option for option in raised.value.options)


@pytest.mark.parametrize(("word", "value"), [("weights", "numbers"), ("control_flow", "loops")])
def test_words_that_are_none_of_the_choices(word: str, value: str) -> None:
    with pytest.raises(UsageError, match=value):
        Choice(**{word: value})
