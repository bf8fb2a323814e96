"""TFLite files against what the schema's own reader finds in them (fixtures/tflite_files)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import FormatError, MigratorError
from migrator.formats.load import load
from migrator.graph.build import to_networkx
from migrator.inspection.summary import summarize
from migrator.inspection.weight_list import list_weights
from migrator.inspection.weights import weights
from migrator.model.dtypes import dtype_named
from migrator.model.graph import FunctionRef, Node
from migrator.model.model import Model
from migrator.model.tensors import LazyTensor, TensorRef
from migrator.model.tflite import PSEUDO_OPS
from tests import flat
from tests.commands import run
from tests.corpus import FIXTURES
from tests.schemas import parsed

FOLDER = FIXTURES / "tflite_files"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_bytes())["files"]
NAMES = sorted(EXPECTED)
UNREAD = {"external": {"far"}}
"""Constants whose values cannot be had."""


F8 = {"float8_e4m3fn": 21, "float8_e5m2": 22}


def read(name: str) -> Model:
    return load(FOLDER / f"{name}.tflite")


def nodes_of(model: Model, subgraph: int) -> list[Node]:
    """The nodes of a subgraph: the first is the graph, the others are functions in their order."""
    if not subgraph:
        return list(model.graph.nodes)
    return list(list(model.graph.functions.values())[subgraph - 1].nodes)


def node(model: Model, name: str) -> Node:
    return model.graph.by_name[name]


@pytest.mark.parametrize("name", NAMES)
def test_operators_stand_in_their_order_and_constants_before_them(name: str) -> None:
    model = read(name)
    for number, expected in enumerate(EXPECTED[name]["subgraphs"]):
        nodes = nodes_of(model, number)
        ops = [item.op for item in nodes if item.op not in PSEUDO_OPS]
        assert ops == expected["operators"]
        held = sum(bool(item["bytes"]) for item in expected["tensors"])
        constants = [item for item in nodes if item.op == "Const"]
        assert len(constants) == held + (name == "external")
        assert len({item.name for item in nodes}) == len(nodes)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_have_the_type_the_shape_and_the_bytes_of_the_file(name: str) -> None:
    model = read(name)
    data = (FOLDER / f"{name}.tflite").read_bytes()
    assert model.tflite is not None
    for number, expected in enumerate(EXPECTED[name]["subgraphs"]):
        nodes = {item.name: item for item in nodes_of(model, number)}
        for tensor, theirs in zip(
            model.tflite.subgraphs[number].tensors, expected["tensors"], strict=True
        ):
            assert tensor.dtype.name == theirs["type"].lower()
            found = tensor.quantization
            assert (found.scales if found else 0) == theirs["scales"]
            if not theirs["bytes"]:
                continue
            value = nodes[TensorRef.parse(tensor.name).node].attrs["value"]
            assert isinstance(value, LazyTensor)
            assert value.shape.as_list() == theirs["shape"]
            assert value.stored_bytes == theirs["bytes"]
            span = value.place()
            if theirs["name"] in UNREAD.get(name, ()):
                assert span is None
                continue
            if span is not None:
                content = data[span.offset : span.offset + span.length]
                assert hashlib.sha256(content).hexdigest() == theirs["sha256"]
            array = value.numpy()
            assert list(array.shape) == theirs["shape"]
            if value.dtype.kind != "s" and span is not None:
                assert array.tobytes() == content


@pytest.mark.parametrize("name", NAMES)
def test_every_input_leads_to_a_node_of_the_graph(name: str) -> None:
    model = read(name)
    view = to_networkx(model)
    assert view.number_of_edges() == sum(len(item.inputs) for item in model.graph.nodes)
    for function in model.graph.functions.values():
        body = view.graph["functions"][function.name]
        inner = sum(len(item.inputs) for item in function.nodes)
        assert body.number_of_edges() == inner + len(function.outputs)


def test_several_elements_to_a_byte_are_taken_apart_lowest_bits_first() -> None:
    model = read("dtypes")
    values = {name: model.variables[name].numpy() for name in ("int4", "uint4", "int2")}
    # The bytes are 1f 80 07 and 11100100 01.
    assert values["int4"].astype(int).tolist() == [-1, 1, 0, -8, 7]
    assert values["uint4"].astype(int).tolist() == [15, 1, 0, 8, 7]
    assert values["int2"].astype(int).tolist() == [0, 1, -2, -1, 1]
    assert model.variables["int4"].dtype == dtype_named("int4")


def test_types_that_are_newer_than_tensorflows_schema_have_values(tmp_path: Path) -> None:
    # LiteRT's schema: 21 is float8_e4m3fn, 22 float8_e5m2. 0x3c is 1.5 in one, 1.0 in the other.
    content = flat.tflite(
        tensors=flat.tables([flat.tensor(name, (2,), kind, 1) for name, kind in F8.items()]),
        operators=flat.tables([flat.operator([0, 1], [])]),
        buffers=flat.tables([flat.table({}), flat.table({0: ("@", flat.raw(b"\x3c\xbc"))})]),
    )
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    model = load(path)
    assert model.warnings == ()
    values = {name: node(model, name).attrs["value"] for name in F8}
    assert values["float8_e4m3fn"].numpy().astype(float).tolist() == [1.5, -1.5]
    assert values["float8_e5m2"].numpy().astype(float).tolist() == [1.0, -1.0]


def test_strings_are_the_bytes_that_were_put_in() -> None:
    words = next(item for item in read("strings").variables.values() if item.dtype.kind == "s")
    assert words.numpy().tolist() == [b"one", b"", b"\xff\x00three", "vier \u00fc".encode()]


def test_values_that_are_not_read_give_an_error_and_no_guess() -> None:
    with pytest.raises(FormatError, match="another file") as caught:
        read("external").variables["far"].numpy()
    assert "external.tflite: subgraphs[0].tensors[0]" in caught.value.where


def test_values_of_a_sparse_constant_stand_in_its_dense_shape() -> None:
    found = read("sparse").variables["held"].numpy()
    assert found.tolist() == [[0, 0, 1.5], [-2.5, 0, 0]]


def test_weights_in_other_files_are_told_and_not_looked_for() -> None:
    assert read("external").warnings == (
        "1 tensors have their values in other files: '../weights.bin'",
    )


@pytest.mark.parametrize(("kind", "form"), [(2, b"blockwise"), (3, b"multi_axis")])
def test_a_tensor_with_a_scale_for_each_block_names_its_scales(
    kind: int, form: bytes, tmp_path: Path
) -> None:
    details = flat.table({0: ("i", 1), 2: ("i", 32)})
    held = flat.table(
        {
            0: ("@", flat.numbers("i", [2, 64])),
            1: ("b", 9),
            2: ("I", 1),
            3: ("@", flat.raw(b"weights")),
            4: ("@", flat.table({4: ("B", kind), 5: ("@", details)})),
        }
    )
    buffers = [{}, {0: ("@", flat.raw(bytes(128)))}, {0: ("@", flat.raw(bytes(16)))}]
    content = flat.tflite(
        tensors=flat.tables([held, flat.tensor("scales", (4,), buffer=2)]),
        operators=flat.tables([flat.operator([0], [])]),
        buffers=flat.tables([flat.table(item) for item in buffers]),
    )
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    attrs = node(load(path), "weights").attrs
    assert (attrs["_quantization"], attrs["_block_size"]) == (form, 32)
    assert attrs["_scales_in"] == b"scales"


def test_the_scales_of_integer_inputs_and_outputs_are_told() -> None:
    facts = summarize(read("integer")).tflite
    assert facts is not None
    image, scores = facts.quantization.ends
    assert (image.signature, image.side, image.name) == ("serving_default", "input", "image")
    assert (image.dtype.name, image.zero_point) == ("int8", -8)
    assert image.scale == pytest.approx(0.0235997, rel=1e-5)
    assert (scores.side, scores.name, scores.scale, scores.zero_point) == (
        "output",
        "scores",
        1 / 256,
        -128,
    )


def test_weights_that_are_only_float16_are_not_told_as_quantised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = run(capsys, "inspect", FOLDER / "float16.tflite").out
    assert "DEQUANTIZE" in text
    assert "trained to be quantised" not in text


def test_bodies_are_functions_that_their_operators_name() -> None:
    model = read("branches")
    loop = next(item for item in model.graph.nodes if item.op == "WHILE")
    choice = next(item for item in model.graph.nodes if item.op == "IF")
    named = {key: loop.attrs[key] for key in ("cond", "body")}
    named |= {key: choice.attrs[key] for key in ("then", "else")}
    assert all(isinstance(item, FunctionRef) for item in named.values())
    assert {item.name for item in named.values()} == set(model.graph.functions)
    assert sorted(loop.called) == sorted((named["cond"].name, named["body"].name))
    body = model.graph.functions[named["body"].name]
    assert [spec.shape.as_list() for spec in body.inputs] == [[2]]
    assert "ADD" in {item.op for item in body.nodes}
    assert summarize(model).meta_graphs[0].graph.control_flow == "functional"


def test_options_are_attributes_by_the_names_of_the_schema() -> None:
    model = read("plain")
    conv = next(item for item in model.graph.nodes if item.op == "CONV_2D")
    wanted = {
        "padding": b"SAME",
        "stride_w": 2,
        "stride_h": 2,
        "fused_activation_function": b"RELU",
        "dilation_w_factor": 1,
    }
    assert {key: conv.attrs[key] for key in wanted} == wanted
    pool = next(item for item in model.graph.nodes if item.op == "MAX_POOL_2D")
    assert (pool.attrs["padding"], pool.attrs["filter_height"]) == (b"VALID", 2)
    mean = next(item for item in model.graph.nodes if item.op == "MEAN")
    assert mean.attrs["keep_dims"] is False
    softmax = next(item for item in model.graph.nodes if item.op == "SOFTMAX")
    assert softmax.attrs["beta"] == 1.0


def test_options_of_custom_operators_are_decoded() -> None:
    for name in ("custom", "outside"):
        odd = next(item for item in read(name).graph.nodes if item.op == "MatrixDiagPartV3")
        assert odd.attrs["align"] == b"LEFT_LEFT"
        assert bytes(odd.attrs["custom_options"]).startswith(b"T\0")


def test_a_tensorflow_op_has_the_attributes_of_its_node() -> None:
    odd = next(item for item in read("flex").graph.nodes if item.op == "FlexMatrixDiagPartV3")
    assert (odd.attrs["T"], odd.attrs["align"]) == (dtype_named("float32"), b"LEFT_LEFT")


def test_what_lies_behind_the_flatbuffer_is_what_lay_in_it() -> None:
    """A file past 2 GB keeps its buffers behind; the same model in both forms."""
    one, other = read("custom"), read("outside")
    assert list(one.variables) == list(other.variables)
    for name, tensor in one.variables.items():
        assert (tensor.numpy() == other.variables[name].numpy()).all()


def test_names_that_could_be_taken_for_something_else_stay_apart() -> None:
    model = read("odd_names")
    first = next(item for item in model.graph.nodes if item.op == "ADD_N")
    producers = [ref.node for ref in first.refs]
    assert len(set(producers)) == len(producers) == 10
    assert all(
        name in model.graph.by_name and not ref.control
        for name, ref in zip(producers, first.refs, strict=True)
    )
    assert {"x", "x#1", "x#2", "tensor#3", "tensor#4", "x#2#9"} <= set(producers)
    declared = model.meta_graphs[0].declared
    assert declared is not None
    assert [spec.tensor for spec in declared.inputs.values()] == ["x:0"]
    assert [spec.tensor for spec in declared.outputs.values()] == ["y#12:0", "y_1:0"]
    for spec in declared.outputs.values():
        assert TensorRef.parse(spec.tensor).node in model.graph.by_name


def test_an_optional_input_that_is_left_out_is_no_edge() -> None:
    assert node(read("odd_names"), "y").inputs == ("y_1",)


def test_weights_that_signatures_share_count_once() -> None:
    model = read("signatures")
    assert list(model.meta_graphs[0].signatures) == ["forth", "twice"]
    assert sum(tensor.elements for tensor in model.variables.values()) == 16
    facts = summarize(model).tflite
    assert facts is not None
    assert (facts.parameters, facts.shared, facts.constants) == (16, 1, 2)
    assert dict(facts.file.signature_subgraphs) == {"forth": 0, "twice": 1}


def test_a_weight_is_found_by_each_name_of_its_buffer_and_counted_once(tmp_path: Path) -> None:
    content = np.arange(4, dtype="<f4").tobytes()
    data = flat.tflite(
        tensors=flat.tables(
            [
                flat.tensor("x", [4]),
                flat.tensor("one", [4], buffer=1),
                flat.tensor("two", [2, 2], buffer=1),
                flat.tensor("y", [4]),
            ]
        ),
        operators=flat.tables([flat.operator([0, 1, 2], [3])]),
        inputs=[0],
        outputs=[3],
        buffers=flat.tables([flat.table({}), flat.table({0: ("@", flat.raw(content))})]),
    )
    (tmp_path / "a.tflite").write_bytes(data)
    model = load(tmp_path / "a.tflite")
    found = weights(model)
    assert list(found) == list(model.variables) == ["one"]
    assert found["one"].numpy().tolist() == [0, 1, 2, 3]
    assert "two" not in found  # what is in a mapping is what it iterates over
    assert found.get("two") is None
    assert list(found.unlisted) == ["two"]
    assert found.unlisted["two"].numpy().tolist() == [[0, 1], [2, 3]]
    assert found.find("two") is found.unlisted["two"]
    assert found.find("one") is found["one"]
    assert found.find("three") is None
    assert [item.weight.name for item in list_weights(model)] == ["one"]
    assert [item.weight.name for item in list_weights(model, chosen=["two"])] == ["two"]
    facts = summarize(model).tflite
    assert facts is not None
    assert (facts.parameters, facts.shared) == (4, 1)
    with pytest.raises(KeyError):
        found["two"]


SCHEMES = {
    "plain": ("float", 0),
    "float16": ("float16", 0),
    "dynamic": ("dynamic_range", 1),
    "integer": ("full_integer", 9),
    "blockwise": ("dynamic_range", 1),
}


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_the_kind_of_quantisation_is_told(name: str) -> None:
    facts = summarize(read(name)).tflite
    assert facts is not None
    assert (facts.quantization.scheme, facts.quantization.tensors) == SCHEMES[name]


def test_scales_are_attributes_of_the_node() -> None:
    model = read("integer")
    weights = [item for item in model.graph.nodes if item.attrs.get("_quantized_dimension") == 0]
    assert sorted(len(item.attrs["_scale"]) for item in weights) == [4, 8, 8]
    softmax = next(item for item in model.graph.nodes if item.op == "SOFTMAX")
    assert (softmax.attrs["_scale"], softmax.attrs["_zero_point"]) == ([1 / 256], [-128])


def test_metadata_and_files_on_the_end_are_told() -> None:
    model = read("described")
    assert model.tflite is not None
    assert model.tflite.about == {
        "name": "digits",
        "description": "reads a digit",
        "version": "v7",
        "author": "somebody",
    }
    assert model.tflite.associated_files == {"labels.txt": 9}
    assert model.meta_graphs[0].tensorflow_version == "2.21.0"
    assert model.tflite.min_runtime_version == "1.6.0"
    assert read("dtypes").meta_graphs[0].tensorflow_version is None


@pytest.mark.parametrize("name", NAMES)
def test_the_command_tells_it_as_text_and_by_the_schema(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = FOLDER / f"{name}.tflite"
    done = run(capsys, "inspect", path)
    assert done.code == 0
    assert "TFLite model" in done.out and "Quantisation: " in done.out
    told = parsed(run(capsys, "inspect", "--format", "json", path).out)
    counts: Counter[str] = Counter()
    for graph in EXPECTED[name]["subgraphs"]:
        counts.update(graph["operators"])
    kinds = told["tflite"]["operators"]
    assert (
        Counter(kinds["builtin"])
        + Counter(kinds["custom"])
        + Counter({f"Flex{op}": count for op, count in kinds["select"].items()})
        == counts
    )
    assert list(told["meta_graphs"][0]["signatures"]) == EXPECTED[name]["signatures"]


def test_verbs_for_tensorflow_graphs_refuse_it_clearly(capsys: pytest.CaptureFixture[str]) -> None:
    path = FOLDER / "plain.tflite"
    for words in (("plan", path), ("freeze", path, "out.pb")):
        done = run(capsys, *words)
        assert (done.code, done.out) == (2, "")
        assert "plain.tflite: is a TFLite model" in done.err


def test_arrays_are_written_as_they_are_read() -> None:
    """The serialised form of a constant holds its values."""
    from migrator.formats.messages import message_class

    for tensor in read("dtypes").variables.values():
        message = message_class("TensorProto").FromString(tensor.read())
        assert message.dtype == tensor.dtype
        assert message.tensor_content == np.ascontiguousarray(tensor.numpy()).tobytes()


def test_a_file_without_a_subgraph_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x10\0\0\0TFL3" + bytes(4) + b"\4\0\4\0" + b"\4\0\0\0" + bytes(20))
    with pytest.raises(MigratorError, match="no graph"):
        load(path)
