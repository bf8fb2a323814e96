"""Models that differ in one small thing that counts: not identical, not the same computation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.diffing.result import Diff
from migrator.model.dtypes import DType
from migrator.model.model import Asset, Model, Signature
from migrator.model.tensors import Shape, TensorSpec
from tests import handmade as h
from tests import wire
from tests.tables import Writer


def signature(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Signature:
    def specs(tensors: Mapping[str, str]) -> dict[str, TensorSpec]:
        return {
            name: TensorSpec(tensor=f"{tensor}:0", dtype=DType(1), shape=Shape(None))
            for name, tensor in tensors.items()
        }

    return Signature(method_name="predict", inputs=specs(inputs), outputs=specs(outputs))


def saved(
    folder: Path,
    nodes: Iterable[bytes],
    *,
    variables: Mapping[str, float] | None = None,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    main_op: str = "",
    assets: Mapping[str, tuple[str, bytes]] | None = None,
) -> Model:
    """A SavedModel in ``folder``; ``assets`` are file name -> (node, content)."""
    (folder / "variables").mkdir(parents=True)
    graph = wire.saved_model(wire.meta_graph(wire.graph(nodes)))
    (folder / "saved_model.pb").write_bytes(graph)
    writer = Writer()
    for name, number in (variables or {}).items():
        writer.add(name, np.array(number, np.float32))
    if variables:
        writer.write(folder / "variables" / "variables")
    (folder / "assets").mkdir()
    for name, (_, content) in (assets or {}).items():
        (folder / "assets" / name).write_bytes(content)
    model = migrator.load(folder)
    (meta,) = model.meta_graphs
    meta = replace(
        meta,
        signatures={"serve": signature(inputs or {"x": "x"}, outputs or {"y": "y"})},
        collections={"saved_model_main_op": (main_op,)} if main_op else {},
        assets=tuple(
            Asset(tensor=f"{node}:0", filename=n) for n, (node, _) in (assets or {}).items()
        ),
    )
    return replace(model, meta_graphs=(meta,))


def different(left: Model, right: Model) -> Diff:
    """The comparison of two models of which neither is to be taken for the other."""
    for one in (left, right):
        itself = migrator.diff(one, one)
        assert itself.identical and itself.same_computation
    found, back = migrator.diff(left, right), migrator.diff(right, left)
    for item in (found, back):
        assert not item.identical
        assert not item.same_computation
    return found


def variable(name: str) -> bytes:
    return h.op(name, "VarHandleOp", dtype=wire.F, shape=wire.Dims(()), shared_name=name.encode())


def read(name: str, held: str, *waits: str) -> bytes:
    return h.op(name, "ReadVariableOp", held, *waits, dtype=wire.F)


def write(name: str, kind: str, held: str, value: str, *waits: str) -> bytes:
    return h.op(name, kind, held, value, *waits, dtype=wire.F)


def counted(held: str) -> list[bytes]:
    return [
        h.placeholder("x"),
        variable("one"),
        variable("two"),
        h.const("step", 1.0),
        write("add", "AssignAddVariableOp", "one", "step"),
        read("read", held, "^add"),
        h.op("y", "Mul", "x", "read", T=wire.F),
    ]


def test_read_of_another_variable_of_equal_value_is_told(tmp_path: Path) -> None:
    values = {"one": 2.0, "two": 2.0}
    found = different(
        saved(tmp_path / "a", counted("one"), variables=values),
        saved(tmp_path / "b", counted("two"), variables=values),
    )
    assert [(item.kind, item.left) for item in found.nodes] == [("rewired", "read")]


@pytest.mark.parametrize("waits", [("^add", "", ""), ("", "^read", "^add")])
def test_read_before_or_after_a_write(tmp_path: Path, waits: tuple[str, str, str]) -> None:
    def nodes(on_read: str, on_add: str, on_y: str) -> list[bytes]:
        return [
            h.placeholder("x"),
            variable("v"),
            h.const("step", 1.0),
            write("add", "AssignAddVariableOp", "v", "step", *filter(None, [on_add])),
            read("read", "v", *filter(None, [on_read])),
            h.op("y", "Mul", "x", "read", *filter(None, [on_y]), T=wire.F),
        ]

    turned = ("", "^read", "^add") if waits[0] else ("^add", "", "")
    found = different(
        saved(tmp_path / "a", nodes(*waits), variables={"v": 2.0}),
        saved(tmp_path / "b", nodes(*turned), variables={"v": 2.0}),
    )
    assert {item.kind for item in found.nodes} == {"rewired"}


def test_two_writes_in_another_order(tmp_path: Path) -> None:
    def nodes(first: str, second: str) -> list[bytes]:
        kinds = {"add": "AssignAddVariableOp", "take": "AssignSubVariableOp"}
        return [
            h.placeholder("x"),
            variable("v"),
            h.const("step", 1.0),
            write(first, kinds[first], "v", "step"),
            write(second, kinds[second], "v", "step", f"^{first}"),
            read("read", "v", f"^{second}"),
            h.op("y", "Mul", "x", "read", T=wire.F),
        ]

    different(
        saved(tmp_path / "a", nodes("add", "take"), variables={"v": 2.0}),
        saved(tmp_path / "b", nodes("take", "add"), variables={"v": 2.0}),
    )


def two_ends() -> list[bytes]:
    return [
        h.placeholder("a"),
        h.placeholder("b"),
        h.op("d", "Sub", "a", "b", T=wire.F),
        h.unary("p", "Tanh", "d"),
        h.unary("q", "Exp", "d"),
    ]


@pytest.mark.parametrize("turned", ["inputs", "outputs"])
def test_ends_of_a_signature_that_are_exchanged(tmp_path: Path, turned: str) -> None:
    ends = {"inputs": {"a": "a", "b": "b"}, "outputs": {"p": "p", "q": "q"}}
    left = saved(tmp_path / "a", two_ends(), **ends)
    names = list(ends[turned])
    ends[turned] = dict(zip(names, names[::-1], strict=True))
    found = different(left, saved(tmp_path / "b", two_ends(), **ends))
    text = f"signature serve: {turned[:-1]} {', '.join(names)} of another tensor"
    assert text in found.headline


def plain(a: str = "a", b: str = "b", p: str = "p", q: str = "q") -> Model:
    return h.model(
        h.placeholder(a),
        h.placeholder(b),
        h.op("d", "Sub", a, b, T=wire.F),
        h.unary(p, "Tanh", "d"),
        h.unary(q, "Exp", "d"),
    )


def test_inputs_and_outputs_of_a_graph_that_are_exchanged() -> None:
    found = different(plain(), plain(a="b", b="a"))
    assert "inputs a and b are exchanged" in found.headline
    found = different(plain(), plain(p="q", q="p"))
    assert "outputs p and q are exchanged" in found.headline


def test_one_input_or_output_under_a_new_name_is_a_rename() -> None:
    for other in (plain(a="z"), plain(q="z")):
        found = migrator.diff(plain(), other)
        assert found.same_computation
        assert found.headline[0] == "same network; only names differ"


def test_assertion_that_one_output_no_longer_waits_for() -> None:
    def asserted(*waits: str) -> Model:
        return h.model(
            h.placeholder("x"),
            h.const("limit", 1.0),
            h.const("axes", [0], "int32"),
            h.op("ok", "Less", "x", "limit", T=wire.F),
            h.op("all", "All", "ok", "axes", Tidx=wire.I32),
            h.op("check", "Assert", "all", "x", T=[wire.F], summarize=3),
            h.op("passed", "Identity", "all", "^check", T=wire.Type(wire.BOOL)),
            h.op("double", "AddV2", "x", "x", T=wire.F),
            h.op("y", "Identity", "double", *waits, T=wire.F),
        )

    found = different(asserted("^check"), asserted())
    assert [(item.kind, item.left) for item in found.nodes] == [("rewired", "y")]


@pytest.mark.parametrize("values", [(None, 7.0), (7.0, 8.0)])
def test_variable_that_is_written_when_the_model_is_loaded(
    tmp_path: Path, values: tuple[float | None, float]
) -> None:
    def model(folder: str, value: float | None) -> Model:
        nodes = [
            h.placeholder("x"),
            variable("v"),
            h.const("first", value or 7.0),
            write("assign", "AssignVariableOp", "v", "first"),
            h.op("load", "NoOp", *(["^assign"] if value else [])),
            read("read", "v"),
            h.op("y", "Mul", "x", "read", T=wire.F),
        ]
        return saved(tmp_path / folder, nodes, variables={"v": 2.0}, main_op="load")

    found = different(model("a", values[0]), model("b", values[1]))
    assert "what runs when the model is loaded changed" in found.headline
    assert all(not item.why for item in found.nodes)


def test_another_op_that_runs_when_the_model_is_loaded(tmp_path: Path) -> None:
    nodes = [
        h.placeholder("x"),
        variable("v"),
        h.const("first", 7.0),
        write("assign", "AssignVariableOp", "v", "first"),
        h.op("nothing", "NoOp"),
        read("read", "v"),
        h.op("y", "Mul", "x", "read", T=wire.F),
    ]
    found = different(
        saved(tmp_path / "a", nodes, variables={"v": 2.0}, main_op="nothing"),
        saved(tmp_path / "b", nodes, variables={"v": 2.0}, main_op="assign"),
    )
    assert [item.field for item in found.others] == ["runs at load"]


@pytest.mark.parametrize("detour", [False, True])
def test_default_of_an_input(tmp_path: Path, detour: bool) -> None:
    def model(folder: str, value: float, scale: str) -> Model:
        nodes = [
            h.placeholder("x"),
            h.const("usual", value),
            h.op("k", "PlaceholderWithDefault", "usual", dtype=wire.F, shape=wire.Dims(())),
            *([h.op("pass", "Identity", "k", T=wire.F)] if scale == "pass" else []),
            h.op("y", "Mul", "x", scale, T=wire.F),
        ]
        return saved(tmp_path / folder, nodes, inputs={"x": "x", "k": "k"})

    found = different(model("a", 1.0, "k"), model("b", 2.0, "pass" if detour else "k"))
    assert ("changed", "usual") in [(item.kind, item.left) for item in found.nodes]


def test_zero_and_its_negative_are_two() -> None:
    def model(zero: float) -> Model:
        return h.model(
            h.placeholder("x"), h.const("w", [1.0, zero]), h.op("y", "Div", "x", "w", T=wire.F)
        )

    found = different(model(0.0), model(-0.0))
    (change,) = found.weights
    assert (change.kind, change.max_abs, change.share) == ("values", 0.0, 0.5)
    assert migrator.diff(model(float("nan")), model(float("nan"))).identical


def looked_up(folder: Path, content: bytes) -> Model:
    return saved(
        folder,
        [
            h.placeholder("x", wire.S, (-1,)),
            h.text_const("path", b"vocab.txt"),
            h.op("y", "ReadFile", "path", "^x"),
        ],
        assets={"vocab.txt": ("path", content)},
    )


def test_asset_of_one_name_with_other_content(tmp_path: Path) -> None:
    found = different(looked_up(tmp_path / "a", b"a\nb\n"), looked_up(tmp_path / "b", b"a\nc\nd\n"))
    changes: dict[str, Any] = {item.field: (item.left, item.right) for item in found.others}
    assert changes["asset vocab.txt"][0].startswith("4 bytes, sha256 ")
    assert "other content: vocab.txt" in found.headline
    assert changes["asset vocab.txt lines that differ"] == ("2 of 2", "2 of 3")


def test_asset_of_the_same_content_is_the_same(tmp_path: Path) -> None:
    found = migrator.diff(looked_up(tmp_path / "a", b"a\n"), looked_up(tmp_path / "b", b"a\n"))
    assert found.identical and found.same_computation


def test_results_of_a_body_that_are_exchanged() -> None:
    def model(first: str, second: str) -> Model:
        body = wire.function(
            "two",
            {"v": wire.FLOAT},
            {"f": wire.FLOAT, "g": wire.FLOAT},
            [h.unary("n", "Neg", "v"), h.unary("t", "Tanh", "v")],
            {"f": f"{first}:y:0", "g": f"{second}:y:0"},
        )
        call = h.op(
            "call", "PartitionedCall", "x", f=wire.Call("two"), Tin=[wire.F], Tout=[wire.F, wire.F]
        )
        return h.model(
            h.placeholder("x"), call, h.op("y", "Sub", "call", "call:1", T=wire.F), functions=[body]
        )

    different(model("n", "t"), model("t", "n"))
