"""Near-duplicates: what keeps the hash of a graph, what changes it, and who is told of whom."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.auditing.finding import AuditedModel, Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.twins.kin import find_twins
from migrator.auditing.twins.sketch import NO_WEIGHTS, sketch
from migrator.auditing.twins.structure import RESTORES, SAVES, graph_hash
from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import DType, dtype_named
from migrator.model.graph import Function, FunctionRef, Graph, Node, index_nodes
from migrator.model.tensors import LazyTensor, TensorRef
from tests import corpus, handmade, wire
from tests.audit.notation import read_model
from tests.tables import Writer

GRAPHS = [sample for sample in corpus.PROTOBUF if len(sample.model().graph.nodes) > 8]
SEEDS = st.integers(0, 2**32)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large])


def _renamed_attr(value: Any, functions: Mapping[str, str]) -> Any:
    if isinstance(value, FunctionRef):
        return FunctionRef(name=functions.get(value.name, value.name), attrs=value.attrs)
    if isinstance(value, list):
        return [_renamed_attr(item, functions) for item in value]
    return value


def _renamed_tensor(text: str, names: Mapping[str, str]) -> str:
    ref = TensorRef.parse(text)
    if ref.node not in names:
        return text
    return text.replace(ref.node, names[ref.node], 1)


def _disguised(
    nodes: Sequence[Node],
    names: Mapping[str, str],
    functions: Mapping[str, str],
    rng: random.Random,
) -> tuple[Node, ...]:
    """The nodes under new names, on other devices, in another order."""
    found = [
        Node(
            names[node.name],
            node.op,
            tuple(_renamed_tensor(text, names) for text in node.inputs),
            "/cpu:0",
            {
                **{key: _renamed_attr(node.attrs[key], functions) for key in node.attrs},
                "_class": [b"loc:@elsewhere"],
            },
        )
        for node in nodes
    ]
    rng.shuffle(found)
    return tuple(found)


def _names(nodes: Sequence[Node], rng: random.Random) -> dict[str, str]:
    unique = list(dict.fromkeys(node.name for node in nodes))
    numbers = rng.sample(range(10 * len(unique) + 10), len(unique))
    return {name: f"n{number}" for name, number in zip(unique, numbers, strict=True)}


def _disguise(graph: Graph, seed: int) -> Graph:
    rng = random.Random(seed)
    functions = {name: f"g_{number}" for number, name in enumerate(graph.functions)}
    nodes = _disguised(graph.nodes, _names(graph.nodes, rng), functions, rng)
    made: list[Function] = []
    for name, item in graph.functions.items():
        inner = _names(item.nodes, rng)
        arguments = {spec.tensor: f"a{slot}" for slot, spec in enumerate(item.inputs)}
        both = {**arguments, **inner}
        made.append(
            replace(
                item,
                name=functions[name],
                nodes=tuple(
                    replace(
                        node,
                        inputs=tuple(
                            _renamed_tensor(text, arguments)
                            if TensorRef.parse(text).node not in inner.values()
                            else text
                            for text in node.inputs
                        ),
                    )
                    for node in _disguised(item.nodes, inner, functions, rng)
                ),
                inputs=tuple(replace(spec, tensor=arguments[spec.tensor]) for spec in item.inputs),
                returns={key: _renamed_tensor(text, both) for key, text in item.returns.items()},
                control_returns={
                    key: inner.get(text, text) for key, text in item.control_returns.items()
                },
            )
        )
    rng.shuffle(made)
    by_name, duplicates = index_nodes(nodes)
    return replace(
        graph,
        nodes=nodes,
        by_name=by_name,
        duplicates=duplicates,
        functions={item.name: item for item in made},
    )


def _with(graph: Graph, number: int, **changes: Any) -> Graph:
    nodes = list(graph.nodes)
    nodes[number] = replace(nodes[number], **changes)
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=tuple(nodes), by_name=by_name, duplicates=duplicates)


@QUICK
@given(sample=st.sampled_from(GRAPHS), seed=SEEDS)
def test_names_devices_and_order_do_not_change_the_hash(sample: corpus.Sample, seed: int) -> None:
    graph = sample.model().graph
    if not graph.duplicates:
        assert graph_hash(_disguise(graph, seed)) == graph_hash(graph)


@QUICK
@given(sample=st.sampled_from(GRAPHS), data=st.data())
def test_another_op_changes_the_hash(sample: corpus.Sample, data: st.DataObject) -> None:
    graph = sample.model().graph
    number = data.draw(st.integers(0, len(graph.nodes) - 1))
    assert graph_hash(_with(graph, number, op="Other")) != graph_hash(graph)


@QUICK
@given(sample=st.sampled_from(GRAPHS), data=st.data())
def test_another_attribute_changes_the_hash(sample: corpus.Sample, data: st.DataObject) -> None:
    graph = sample.model().graph
    number = data.draw(st.integers(0, len(graph.nodes) - 1))
    attrs = {**graph.nodes[number].attrs, "more": 1}
    assert graph_hash(_with(graph, number, attrs=attrs)) != graph_hash(graph)


@QUICK
@given(sample=st.sampled_from(GRAPHS), data=st.data())
def test_another_type_changes_the_hash(sample: corpus.Sample, data: st.DataObject) -> None:
    graph = sample.model().graph
    typed = [
        (number, key)
        for number, node in enumerate(graph.nodes)
        for key in node.attrs
        if isinstance(node.attrs[key], DType)
    ]
    number, key = data.draw(st.sampled_from(typed))
    attrs = {**graph.nodes[number].attrs, key: dtype_named("uint64")}
    assert graph_hash(_with(graph, number, attrs=attrs)) != graph_hash(graph)


@QUICK
@given(sample=st.sampled_from(GRAPHS), data=st.data())
def test_another_edge_changes_the_hash(sample: corpus.Sample, data: st.DataObject) -> None:
    graph = sample.model().graph
    # Savers take and give their tensors in the order of the variables' names: that is left out.
    savers = {node.name for node in graph.nodes if node.op in SAVES | RESTORES}
    wired = [
        number
        for number, node in enumerate(graph.nodes)
        if node.inputs and not savers & {node.name, *(ref.node for ref in node.refs)}
    ]
    number = data.draw(st.sampled_from(wired))
    inputs = list(graph.nodes[number].inputs)
    slot = data.draw(st.integers(0, len(inputs) - 1))
    ref = TensorRef.parse(inputs[slot])
    inputs[slot] = f"^{ref.node}" if not ref.control else f"{ref.node}:0"
    assert graph_hash(_with(graph, number, inputs=tuple(inputs))) != graph_hash(graph)
    inputs[slot] = f"{ref.node}:{ref.port + 1}"
    assert graph_hash(_with(graph, number, inputs=tuple(inputs))) != graph_hash(graph)


def test_a_change_deep_in_a_function_changes_the_hash() -> None:
    graph = corpus.sample("tf2.21.0/sm_functions").model().graph
    before = graph_hash(graph)
    changed = 0
    for name, item in graph.functions.items():
        nodes = (replace(item.nodes[0], op="Other"), *item.nodes[1:])
        other = {**graph.functions, name: replace(item, nodes=nodes)}
        changed += graph_hash(replace(graph, functions=other)) != before
    assert changed >= 2  # what no node calls does not count


def _diamond(*shared: str) -> Graph:
    """Two readers of one constant, or of one each: alike node by node."""
    nodes = [handmade.const("a", np.ones(4)), handmade.const("b", np.ones(4))]
    nodes += [handmade.unary(f"r{number}", "Neg", source) for number, source in enumerate(shared)]
    return handmade.model(*nodes).graph


def test_who_shares_an_input_counts() -> None:
    assert graph_hash(_diamond("a", "a")) != graph_hash(_diamond("a", "b"))
    assert graph_hash(_diamond("a", "a")) == graph_hash(_diamond("b", "b"))


def test_weights_do_not_count_and_settings_do() -> None:
    def of(weights: Any, axis: int, epsilon: float) -> str:
        nodes = (
            handmade.const("w", weights),
            handmade.const("axis", [axis], "int32"),
            handmade.const("epsilon", epsilon),
        )
        return graph_hash(handmade.model(*nodes).graph)

    base = of([1, 2, 3], 1, 0.1)
    assert of([4, 5, 6], 1, 0.1) == base
    assert of([1, 2], 1, 0.1) != base
    assert of([1, 2, 3], 2, 0.1) != base
    assert of([1, 2, 3], 1, 0.2) != base


def test_two_arguments_of_a_function_are_told_apart() -> None:
    def of(*inputs: str) -> str:
        body = [wire.node("n", "Sub", inputs, {"T": wire.F})]
        function = wire.function("f", {"a": 1, "b": 1}, {"r": 1}, body, {"r": "n:z:0"})
        call = handmade.op("y", "PartitionedCall", "x", "x", f=wire.Call("f"))
        graph = handmade.model(handmade.placeholder("x"), call, functions=[function]).graph
        return graph_hash(graph)

    assert of("a", "b") != of("b", "a")


def test_a_saver_lists_variables_by_name_and_that_order_does_not_count() -> None:
    def of(first: str, second: str) -> str:
        shapes = {first: "[2]", second: "[3]"}
        names = sorted(shapes)
        text = f"""
{first} = VariableV2 | dtype=:float shape=:[2]
{second} = VariableV2 | dtype=:float shape=:[3]
file = Const "model"
keys = Const "{names[0]}" "{names[1]}"
slices = Const "" ""
save = SaveV2 file keys slices {names[0]} {names[1]} | dtypes=[:float,:float]
restore = RestoreV2 file keys slices | dtypes=[:float,:float]
one = Assign {names[0]} restore | T=:float
two = Assign {names[1]} restore:1 | T=:float
"""
        return graph_hash(read_model(text).graph)

    assert of("a", "b") == of("z", "y")


def test_cycles_and_recursion_end() -> None:
    body = [handmade.op("c", "PartitionedCall", "a", f=wire.Call("f"))]
    function = wire.function("f", {"a": 1}, {"r": 1}, body, {"r": "c:output:0"})
    ring = [handmade.unary(f"n{i}", "Neg", f"n{(i + 1) % 500}") for i in range(500)]
    tail = [handmade.op("y", "PartitionedCall", "n0", f=wire.Call("f"))]
    graph = handmade.model(*ring, *tail, functions=[function]).graph
    assert graph_hash(graph) == graph_hash(_disguise(graph, 1))


def _model(source: str, **held: str) -> AuditedModel:
    return AuditedModel(source=source, format="graph_def", bytes=1, nodes=9, sketch=held)


def _told(*models: AuditedModel) -> dict[str, list[tuple[str, list[str]]]]:
    return {
        source: [(item.code, item.detail["models"]) for item in findings]
        for source, findings in find_twins(models).items()
    }


def test_each_kinship_has_its_code() -> None:
    one = _model("one", file="f1", graph="g", weights="w", names="n")
    copy = _model("copy", file="f1", graph="g", weights="w", names="n")
    renamed = _model("renamed", file="f2", graph="g", weights="w", names="m")
    retrained = _model("retrained", file="f3", graph="g", weights="v", names="n")
    other = _model("other", file="f4", graph="h", weights="w", names="n")
    alone = _model("alone", file="f5", graph="i", weights=NO_WEIGHTS)
    lone = _model("lone", file="f6", graph="j", weights=NO_WEIGHTS)
    found = _told(one, copy, renamed, retrained, other, alone, lone)
    assert found["one"] == [
        ("H401", ["copy"]),
        ("H402", ["renamed"]),
        ("H403", ["retrained"]),
        ("H404", ["other"]),
    ]
    assert found["retrained"] == [("H403", ["one", "copy", "renamed"])]
    assert found["other"] == [("H404", ["one", "copy", "renamed"])]
    assert set(found) == {"one", "copy", "renamed", "retrained", "other"}


def test_the_same_graph_file_with_other_variables_is_no_copy() -> None:
    one = _model("one", file="f", graph="g", weights="w")
    other = _model("other", file="f", graph="g", weights="v")
    assert _told(one, other) == {"one": [("H403", ["other"])], "other": [("H403", ["one"])]}


def test_weights_that_were_not_compared_are_not_called_others() -> None:
    (first, *_), _second = find_twins([_model("a", graph="g"), _model("b", graph="g")]).values()
    assert first.code == "H403"
    assert "with other weights" not in first.message
    assert "--deep" in first.message


def test_many_copies_make_one_finding_each() -> None:
    models = [_model(f"m{number}", file="f", graph="g", weights="w") for number in range(2000)]
    found = find_twins(models)
    assert len(found) == 2000
    assert all(len(findings) == 1 for findings in found.values())
    (finding,) = found["m7"]
    assert finding.detail["count"] == 1999
    assert len(finding.detail["models"]) == 10


def test_no_model_is_its_own_twin_among_a_thousand_trainings() -> None:
    models = [_model(f"m{number}", graph="g", weights=f"w{number}") for number in range(1000)]
    for source, (finding,) in find_twins(models).items():
        assert finding.code == "H403"
        assert finding.detail["count"] == 999
        assert source not in finding.detail["models"]


def _sketched(path: Path, deep: bool = False) -> AuditedModel:
    subject = open_subject(path)
    return AuditedModel(
        source=str(path.name),
        format=subject.format,
        bytes=subject.bytes,
        nodes=9,
        sketch=sketch(subject, deep=deep),
    )


def _frozen(folder: Path, name: str, weights: np.ndarray[Any, Any], *, scope: str = "") -> Path:
    nodes = [
        handmade.placeholder(f"{scope}x"),
        handmade.const(f"{scope}w", weights),
        handmade.op(f"{scope}m", "MatMul", f"{scope}x", f"{scope}w", T=wire.F),
        handmade.unary(f"{scope}y", "Relu", f"{scope}m"),
    ]
    path = folder / name
    path.write_bytes(wire.graph(nodes))
    return path


def _codes(findings: Mapping[str, list[Finding]]) -> dict[str, list[str]]:
    return {source: [item.code for item in items] for source, items in findings.items()}


def test_frozen_graphs_are_compared_with_their_weights_when_deep(tmp_path: Path) -> None:
    weights = np.arange(20, dtype=np.float32).reshape(4, 5)
    paths = [
        _frozen(tmp_path, "a.pb", weights),
        _frozen(tmp_path, "b.pb", weights, scope="new/"),
        _frozen(tmp_path, "c.pb", weights + 1),
    ]
    shutil.copy(paths[0], tmp_path / "copy.pb")
    paths.append(tmp_path / "copy.pb")
    shallow = find_twins([_sketched(path) for path in paths])
    assert _codes(shallow)["a.pb"] == ["H401", "H403"]
    deep = find_twins([_sketched(path, deep=True) for path in paths])
    assert _codes(deep)["a.pb"] == ["H401", "H402", "H403"]
    assert _codes(deep)["c.pb"] == ["H403"]
    assert "under other names" in deep["b.pb"][0].message


def test_a_frozen_graph_and_the_checkpoint_that_it_came_from_are_brought_together(
    tmp_path: Path,
) -> None:
    weights = np.arange(20, dtype=np.float32).reshape(4, 5)
    writer = Writer()
    writer.add("w", weights)
    writer.add("w/Adam", weights * 0)
    writer.add("global_step", np.array(7, np.int64))
    writer.write(tmp_path / "model.ckpt")
    models = [
        _sketched(_frozen(tmp_path, "a.pb", weights), deep=True),
        _sketched(tmp_path / "model.ckpt.index", deep=True),
    ]
    assert _codes(find_twins(models)) == {"a.pb": ["H404"], "model.ckpt.index": ["H404"]}


def test_a_checkpoints_weights_are_told_by_its_index_alone(tmp_path: Path) -> None:
    found = []
    for name, step in (("a", 0), ("b", 0), ("c", 1)):
        writer = Writer()
        writer.add(f"{name}/w", np.arange(64, dtype=np.float32) + step)
        writer.write(tmp_path / name)
        (tmp_path / f"{name}.data-00000-of-00001").unlink()
        found.append(sketch(open_subject(tmp_path / f"{name}.index"), deep=False)["weights"])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("name", ["tf2.21.0/keras_h5", "tf2.21.0/keras_zip"])
def test_keras_files_are_compared_as_files(name: str, tmp_path: Path) -> None:
    path = corpus.sample(name).path
    shutil.copy(path, tmp_path / "copy")
    found = find_twins([_sketched(path), _sketched(tmp_path / "copy")])
    assert _codes(found) == {path.name: ["H401"], "copy": ["H401"]}


def test_a_constants_values_count_however_they_are_written() -> None:
    def of(tensor: LazyTensor) -> str:
        node = Node("c", "Const", (), "", {"dtype": tensor.dtype, "value": tensor})
        graph = handmade.model(handmade.placeholder("x")).graph
        return graph_hash(_with(graph, 0, op="Const", inputs=(), attrs=node.attrs))

    listed = wire.tensor(wire.INT32, (3,), b"".join(wire.number(7, value) for value in (5, 6, 6)))
    read = handmade.model(
        handmade.op("c", "Const", dtype=wire.I32, value=wire.Raw(wire.block(8, listed)))
    )
    value = read.graph.nodes[0].attrs["value"]
    assert of(value) == of(constant_tensor([5, 6, 6], dtype_named("int32")))
    assert of(value) != of(constant_tensor([5, 6, 7], dtype_named("int32")))
