"""Names made to harm whoever shows them, in every place that a file can name something."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import MigratorError, NeedsDecision
from migrator.inspection.summary import summarize
from migrator.migration.planning import plan
from migrator.report import json_v1
from migrator.report.escape import shown, size
from migrator.report.json_record import plan_result
from migrator.report.text import inspect_text
from migrator.report.text_record import plan_text
from tests import wire
from tests.fuzz.survive import assert_harmless, use
from tests.handmade import model, op, placeholder, read_graph, read_saved_model
from tests.schemas import parsed

NAMES = [
    "nul\0inside",
    "two\nlines",
    "carriage\rreturn",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;//example.com\x07link\x1b]8;;\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "\u2066isolate\u2069",
    "line\u2028separator",
    "\ufeffbom",
    "\u200bzero width",
    "<script>alert(1)</script>",
    "| table | cell |",
    "```\n# heading",
    "x" * 100_000,
    "\N{COMBINING ACUTE ACCENT}" * 50,
    "\U000e0041tag",
    "\ue000private",
]


def everywhere(name: str) -> bytes:
    """A SavedModel that uses ``name`` wherever it can."""
    info = wire.block(1, f"{name}:0") + wire.number(2, 1) + wire.block(3, wire.shape([-1]))
    tensors = wire.block(1, name) + wire.block(2, info)
    sparse = wire.block(1, "s") + wire.block(
        2, wire.block(4, wire.block(1, name) + wire.block(2, name) + wire.block(3, name))
    )
    signature = wire.block(1, tensors) + wire.block(1, sparse) + wire.block(2, tensors)
    signature += wire.block(3, name)
    more = wire.block(5, wire.block(1, name) + wire.block(2, signature))
    more += wire.block(6, wire.block(1, wire.block(1, name)) + wire.block(2, name))
    more += wire.block(4, wire.block(1, name) + wire.block(2, wire.block(1, wire.block(1, name))))
    body = wire.function(
        name,
        {name: 1},
        {name: 1},
        [wire.node(name, name, [name], {name: 1}, device=name)],
        {name: name},
    )
    nodes = [
        wire.node(name, "Placeholder", [], {"dtype": wire.F, "shape": wire.Dims((-1,))}),
        wire.node(
            f"{name}2", name, [name, f"^{name}", name + ":1"], {name: wire.Call(name)}, device=name
        ),
        wire.node(
            f"{name}3",
            "VarHandleOp",
            [],
            {"dtype": wire.F, "shape": wire.Dims((3,)), "shared_name": name.encode()},
        ),
    ]
    return wire.saved_model(wire.meta_graph(wire.graph(nodes, [body]), [name], name, more))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_text_never_holds_what_a_terminal_would_act_on(name: str) -> None:
    found = read_saved_model(everywhere(name))
    use(found)
    text = inspect_text(summarize(found))
    assert_harmless(text)
    assert all(len(line) < 2000 for line in text.splitlines())


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_json_keeps_names_as_they_are(name: str) -> None:
    text = json_v1.dumps(json_v1.inspect_result([summarize(read_saved_model(everywhere(name)))]))
    assert text.isascii()
    (meta,) = parsed(text)["meta_graphs"]
    assert meta["tags"] == [name]
    assert name in meta["signatures"]
    assert name in meta["graph"]["ops"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_plans_of_such_graphs_are_harmless(name: str) -> None:
    found = model(
        placeholder(name),
        op(f"{name}/y", name, name, device=name),
        op("z", "Relu", f"{name}/y", T=wire.F),
    )
    planned = plan(found, inputs=[name], outputs=["z"])
    text = plan_text(planned)
    assert_harmless(text)
    parsed(json_v1.dumps(plan_result(planned)))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_errors_about_such_names_are_harmless_when_shown(name: str) -> None:
    found = model(placeholder(name), op("y", "Relu", name, T=wire.F))
    choices: tuple[dict[str, Any], ...] = (
        {"outputs": ["gone"]},
        {"outputs": ["y:7"]},
        {"feeds": [f"{name}:0=what"]},
    )
    for choice in choices:
        with pytest.raises((MigratorError, NeedsDecision)) as caught:
            plan(found, **choice)
        assert shown(str(caught.value), 2000).isprintable()


@given(st.text(), st.integers(60, 300))
def test_shown_is_printable_and_bounded(name: str, most: int) -> None:
    text = shown(name, most)
    assert text.isprintable()
    assert len(text) <= most


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=200))
def test_shown_leaves_plain_names_alone(name: str) -> None:
    assert shown(name) == name


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=5))
def test_random_names_are_harmless(names: list[str]) -> None:
    nodes = [wire.node(name, "Op", names, {name: wire.F}, device=name) for name in names]
    use(read_graph(wire.graph(nodes)))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (58_624_212, "58.6 MB"),
        (3 * 10**12, "3000.0 GB"),
    ],
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    "sizes", [[2**62], [2**62] * 17, [2**62] * 1000, [0] * 300, [-5, 3], [2**63 - 1, 0]]
)
def test_impossible_shapes_are_summarised(sizes: list[int]) -> None:
    value = wire.Raw(wire.block(8, wire.tensor(wire.FLOAT, sizes)))
    dims: Any = wire.Dims(tuple(sizes))
    nodes = [
        wire.node("c", "Const", [], {"value": value, "dtype": wire.F}),
        wire.node("v", "VariableV2", [], {"dtype": wire.F, "shape": dims}),
        wire.node("p", "Placeholder", [], {"dtype": wire.F, "shape": dims}),
        wire.node("y", "AddN", ["c", "v", "p"], {"_output_shapes": [dims]}),
    ]
    use(read_graph(wire.graph(nodes)))
