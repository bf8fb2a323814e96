"""What replaces a deprecated op computes what the old op computes, by the old op's own kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.migration.passes.deprecated import replace_deprecated
from migrator.migration.plan import Step
from migrator.model.dtypes import dtype_named
from migrator.model.graph import Graph, index_nodes
from tests import wire
from tests.corpus import FIXTURES
from tests.handmade import const, model, op, read_graph
from tests.with_tensorflow.replay import run, run_in_function

F64, C64 = wire.Type(wire.DOUBLE), wire.Type(8)
RNG = np.random.RandomState(5)


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return RNG.normal(size=shape).astype(dtype)


def rewritten(graph: Graph, *keep: str) -> tuple[Graph, tuple[Step, ...]]:
    return replace_deprecated(graph, {}, keep)


def both(
    kind: str,
    inputs: dict[str, Any],
    ports: int = 1,
    producer: int = 0,
    **attrs: Any,
) -> tuple[list[Any], list[Any]]:
    """The outputs of the old op and of its replacement on placeholders that are fed."""
    nodes = [
        op(name, "Placeholder", dtype=wire.Type(int(dtype_named(np.asarray(value).dtype.name))))
        for name, value in inputs.items()
    ]
    graph = model(*nodes, op("y", kind, *inputs, **attrs)).graph
    outputs = [f"y:{port}" for port in range(ports)]
    feeds = {f"{name}:0": value for name, value in inputs.items()}
    old = run(graph, outputs, feeds, producer=producer)
    found, steps = rewritten(graph, *outputs)
    assert [step.count for step in steps] == [1]
    assert not any(node.op == kind for node in found.nodes)
    new = run(found, outputs, feeds)
    inside = run_in_function(found, outputs, feeds)
    for one, other in zip(new, inside, strict=True):  # more threads there, and another order
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    return old, new


def positive(*shape: int, dtype: Any = np.float64) -> Any:
    """Positive definite matrices."""
    found = normal(*shape, dtype=dtype)
    return found @ np.swapaxes(found, -1, -2) + shape[-1] * np.eye(shape[-1], dtype=dtype)


BATCH_NORM = {
    "t": normal(2, 5, 4, 6),
    "m": normal(6),
    "v": np.abs(normal(6)),
    "beta": normal(6),
    "gamma": normal(6),
}
EXACT: dict[str, tuple[str, dict[str, Any], int, dict[str, Any]]] = {
    "batch norm": (
        "BatchNormWithGlobalNormalization",
        BATCH_NORM,
        1,
        {"T": wire.F, "variance_epsilon": 0.001, "scale_after_normalization": True},
    ),
    "batch norm without scale": (
        "BatchNormWithGlobalNormalization",
        BATCH_NORM,
        1,
        {"T": wire.F, "variance_epsilon": 0.25, "scale_after_normalization": False},
    ),
    "cholesky": ("BatchCholesky", {"x": positive(2, 3, 3)}, 1, {"T": F64}),
    "cholesky gradient": (
        "BatchCholeskyGrad",
        {"l": np.linalg.cholesky(positive(2, 3, 3)), "g": normal(2, 3, 3, dtype=np.float64)},
        1,
        {"T": F64},
    ),
    "band part": (
        "BatchMatrixBandPart",
        {"x": normal(2, 4, 4), "low": np.int64(1), "high": np.int64(0)},
        1,
        {"T": wire.F},
    ),
    "determinant": ("BatchMatrixDeterminant", {"x": normal(2, 3, 3)}, 1, {"T": wire.F}),
    "diag": ("BatchMatrixDiag", {"x": normal(2, 3)}, 1, {"T": wire.F}),
    "diag part": ("BatchMatrixDiagPart", {"x": normal(2, 3, 4)}, 1, {"T": wire.F}),
    "set diag": ("BatchMatrixSetDiag", {"x": normal(2, 3, 3), "d": normal(2, 3)}, 1, {"T": wire.F}),
    "inverse": ("BatchMatrixInverse", {"x": positive(2, 3, 3)}, 1, {"T": F64, "adjoint": True}),
    "solve": (
        "BatchMatrixSolve",
        {"x": positive(2, 3, 3), "r": normal(2, 3, 2, dtype=np.float64)},
        1,
        {"T": F64, "adjoint": False},
    ),
    "least squares": (
        "BatchMatrixSolveLs",
        {"x": normal(2, 5, 3), "r": normal(2, 5, 2), "l2": np.float64(0.5)},
        1,
        {"T": wire.F, "fast": True},
    ),
    "triangular solve": (
        "BatchMatrixTriangularSolve",
        {"x": positive(2, 3, 3), "r": normal(2, 3, 2, dtype=np.float64)},
        1,
        {"T": F64, "lower": True, "adjoint": False},
    ),
    "eigen v1": ("SelfAdjointEig", {"x": positive(3, 3)}, 1, {"T": F64}),
    "eigen batch": ("BatchSelfAdjointEig", {"x": positive(2, 3, 3)}, 1, {"T": F64}),
    "eigen batch v2": (
        "BatchSelfAdjointEigV2",
        {"x": positive(2, 3, 3)},
        2,
        {"T": F64, "compute_v": True},
    ),
    "svd": (
        "BatchSvd",
        {"x": normal(2, 4, 3)},
        3,
        {"T": wire.F, "compute_uv": True, "full_matrices": False},
    ),
    "adjust contrast, clipped": (
        "AdjustContrast",
        {
            "x": np.abs(normal(2, 4, 4, 3)),
            "f": np.float32(1.7),
            "low": np.float32(0.1),
            "high": np.float32(0.9),
        },
        1,
        {"T": wire.F},
    ),
    "quantize": (
        "QuantizeAndDequantize",
        {"x": normal(4, 5)},
        1,
        {"T": wire.F, "signed_input": True, "num_bits": 5, "range_given": False},
    ),
    "quantize in a range": (
        "QuantizeAndDequantize",
        {"x": normal(4, 5)},
        1,
        {
            "T": wire.F,
            "signed_input": False,
            "num_bits": 8,
            "range_given": True,
            "input_min": 0.0,
            "input_max": 1.5,
        },
    ),
    "3-D convolution's input": (
        "Conv3DBackpropInput",
        {"x": normal(1, 4, 4, 4, 2), "k": normal(2, 2, 2, 2, 3), "g": normal(1, 3, 3, 3, 3)},
        1,
        {"T": wire.F, "strides": [1, 1, 1, 1, 1], "padding": b"VALID"},
    ),
    "3-D convolution's filter": (
        "Conv3DBackpropFilter",
        {"x": normal(1, 4, 4, 4, 2), "k": normal(2, 2, 2, 2, 3), "g": normal(1, 3, 3, 3, 3)},
        1,
        {"T": wire.F, "strides": [1, 1, 1, 1, 1], "padding": b"VALID"},
    ),
    "audio summary": (
        "AudioSummary",
        {"tag": np.array(b"sound", dtype=object), "x": normal(2, 50)},
        1,
        {"sample_rate": 8000.0, "max_outputs": 1},
    ),
}
CLOSE = {
    "adjust contrast, clipped": 1e-6,
    "3-D convolution's input": 1e-5,
    "3-D convolution's filter": 1e-5,
}
"""Sums of many values, which the kernels take in any order."""


@pytest.mark.parametrize("name", EXACT)
def test_the_replacement_gives_the_old_kernels_numbers(name: str) -> None:
    kind, inputs, ports, attrs = EXACT[name]
    if name == "audio summary":
        nodes = [
            op("tag", "Placeholder", dtype=wire.S),
            op("x", "Placeholder", dtype=wire.F),
            op("y", kind, "tag", "x", **attrs),
        ]
        graph = model(*nodes).graph
        feeds = {"tag:0": b"sound", "x:0": inputs["x"]}
        old = run(graph, ["y:0"], feeds, producer=0)
        new = run(rewritten(graph, "y:0")[0], ["y:0"], feeds)
        assert old == new
        return
    old, new = both(kind, inputs, ports, **attrs)
    for one, other in zip(old, new, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        if name in CLOSE:
            np.testing.assert_allclose(one, other, rtol=CLOSE[name], atol=CLOSE[name])
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("scaled", [True, False])
def test_the_gradient_of_the_old_batch_norm(scaled: bool) -> None:
    inputs = {
        "t": normal(2, 3, 4, 5),
        "m": normal(5),
        "v": np.abs(normal(5)),
        "gamma": normal(5),
        "g": normal(2, 3, 4, 5),
    }
    attrs = {"T": wire.F, "variance_epsilon": 0.01, "scale_after_normalization": scaled}
    old, new = both("BatchNormWithGlobalNormalizationGrad", inputs, 5, **attrs)
    for one, other in zip(old, new, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_a_sum_of_many_is_that_of_the_session() -> None:
    inputs = {"a": normal(3, 2), "b": normal(3, 2), "c": normal(3, 2)}
    old, new = both("AccumulateNV2", inputs, 1, NEW_GRAPH, T=wire.F, N=3, shape=wire.Dims((3, 2)))
    np.testing.assert_allclose(old[0], new[0], rtol=1e-6, atol=1e-6)


NEW_GRAPH = 2474


@pytest.mark.parametrize("kind", ["FFT", "IFFT", "FFT2D", "IFFT2D", "FFT3D", "IFFT3D"])
def test_fourier_transforms_are_those_of_numpy(kind: str) -> None:
    """No CPU kernel of the batch forms ever was: numpy says what they mean."""
    x = (normal(2, 3, 4, 5) + 1j * normal(2, 3, 4, 5)).astype(np.complex64)
    graph = model(
        op("x", "Placeholder", dtype=C64), op("y", f"Batch{kind}", "x", Tcomplex=C64)
    ).graph
    (found,) = run(rewritten(graph, "y:0")[0], ["y:0"], {"x:0": x})
    name, axes = kind.lower().removesuffix("2d").removesuffix("3d"), kind[-2:-1]
    count = int(axes) if axes in ("2", "3") else 1
    wanted = getattr(np.fft, f"{name}n")(x, axes=tuple(range(-count, 0)))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(5, 6), (3, 2)])
def test_a_random_crop_is_a_window(size: tuple[int, int]) -> None:
    image = np.arange(5 * 6 * 2, dtype=np.float32).reshape(5, 6, 2)
    old, new = both(
        "RandomCrop", {"image": image, "size": np.array(size, np.int64)}, seed=3, seed2=4, T=wire.F
    )
    for found in (old[0], new[0]):
        assert found.shape == (*size, 2)
        row, column = divmod(int(found[0, 0, 0]) // 2, 6)
        np.testing.assert_array_equal(found, image[row : row + size[0], column : column + size[1]])


def test_random_poisson_draws_with_its_seeds() -> None:
    attrs = {"S": wire.I32, "dtype": wire.F, "seed": 3, "seed2": 7}
    inputs = {"shape": np.array([200], np.int32), "rate": np.float32([4.0])}
    old, new = both("RandomPoisson", inputs, **attrs)
    np.testing.assert_array_equal(old[0], new[0])


ARRAYS = {
    "first": dict.fromkeys(
        "Write Read Gather Scatter Concat Split Size Pack Unpack Close".split(), ""
    ),
    "second": dict.fromkeys("Write Read Gather Scatter Concat Split Size Close".split(), "V2"),
}


@pytest.mark.parametrize("era", ARRAYS)
def test_old_tensor_arrays_run_as_new_ones(era: str) -> None:
    """Written in a loop, through Enter and NextIteration, as dynamic_rnn does."""
    nodes = array_loop("" if era == "first" else "V2")
    graph = model(*nodes).graph
    feeds = {"x:0": normal(4, 3)}
    old = run(graph, ["stacked:0", "size:0", "joined:0", "back:0"], feeds, producer=10)
    found, steps = rewritten(graph, "stacked:0", "size:0", "joined:0", "back:0")
    assert {node.op for node in found.nodes if "TensorArray" in node.op} <= {
        f"TensorArray{kind}V3"
        for kind in ("", "Write", "Read", "Gather", "Scatter", "Concat", "Split", "Size")
    }
    assert steps
    new = run(found, ["stacked:0", "size:0", "joined:0", "back:0"], feeds)
    inside = run_in_function(found, ["stacked:0", "size:0", "joined:0", "back:0"], feeds)
    for one, other, third in zip(old, new, inside, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


def array_loop(era: str) -> list[bytes]:
    """tanh of each row of x, by two TensorArrays and a while loop."""
    make = f"TensorArray{era}"
    handle_enter = "Enter" if era else "RefEnter"
    rows = ["four"]
    scatter = (
        [op("in_flow", "TensorArrayUnpack", "in", "x", "no_flow", T=wire.F)]
        if not era
        else [op("in_flow", "TensorArrayScatterV2", "in", "order", "x", "no_flow", T=wire.F)]
    )
    stack = (
        [op("stacked", "TensorArrayPack", "out", "exit_flow", dtype=wire.F)]
        if not era
        else [op("stacked", "TensorArrayGatherV2", "out", "order", "exit_flow", dtype=wire.F)]
    )
    enter = {"frame_name": b"loop", "parallel_iterations": 1, "is_constant": True}
    moving = {**enter, "is_constant": False}
    return [
        op("x", "Placeholder", dtype=wire.F, shape=wire.Dims((4, 3))),
        const("four", 4, "int32"),
        const("order", [0, 1, 2, 3], "int32"),
        const("no_flow", 0.0),
        const("zero", 0, "int32"),
        op("in", make, *rows, dtype=wire.F),
        op("out", make, *rows, dtype=wire.F),
        *scatter,
        op("in/Enter", handle_enter, "in", T=wire.S, **enter),
        op("out/Enter", handle_enter, "out", T=wire.S, **enter),
        op("in_flow/Enter", "Enter", "in_flow", T=wire.F, **enter),
        op("four/Enter", "Enter", "four", T=wire.I32, **enter),
        op("i/Enter", "Enter", "zero", T=wire.I32, **moving),
        op("flow/Enter", "Enter", "no_flow", T=wire.F, **moving),
        op("i/Merge", "Merge", "i/Enter", "i/Next", T=wire.I32, N=2),
        op("flow/Merge", "Merge", "flow/Enter", "flow/Next", T=wire.F, N=2),
        op("less", "Less", "i/Merge", "four/Enter", T=wire.I32),
        op("going", "LoopCond", "less"),
        op("i/Switch", "Switch", "i/Merge", "going", T=wire.I32),
        op("flow/Switch", "Switch", "flow/Merge", "going", T=wire.F),
        op("i/Body", "Identity", "i/Switch:1", T=wire.I32),
        op("flow/Body", "Identity", "flow/Switch:1", T=wire.F),
        op("row", f"TensorArrayRead{era}", "in/Enter", "i/Body", "in_flow/Enter", dtype=wire.F),
        op("tanh", "Tanh", "row", T=wire.F),
        op("wrote", f"TensorArrayWrite{era}", "out/Enter", "i/Body", "tanh", "flow/Body",
           T=wire.F),
        const_after("one", 1, "i/Body"),
        op("i/Add", "Add", "i/Body", "one", T=wire.I32),
        op("i/Next", "NextIteration", "i/Add", T=wire.I32),
        op("flow/Next", "NextIteration", "wrote", T=wire.F),
        op("exit_flow", "Exit", "flow/Switch", T=wire.F),
        *stack,
        op("size", f"TensorArraySize{era}", "out", "exit_flow"),
        op("second", make, "two", dtype=wire.F),
        const("two", 2, "int32"),
        const("lengths", [3, 1], "int64"),
        op("split", f"TensorArraySplit{era}", "second", "stacked", "lengths", "no_flow", T=wire.F),
        op("joined", f"TensorArrayConcat{era}", "second", "split", dtype=wire.F),
        op("third", make, "four", dtype=wire.F, clear_after_read=False),
        op("third_flow", f"TensorArrayScatter{era}", "third", "order", "joined", "no_flow",
           T=wire.F),
        op("back", f"TensorArrayGather{era}", "third", "order", "third_flow", dtype=wire.F),
    ]  # fmt: skip


def const_after(name: str, value: int, before: str) -> bytes:
    return op(name, "Const", f"^{before}", dtype=wire.I32, value=np.asarray(value, dtype=np.int32))


def test_buckets_of_boosted_trees_are_those_of_the_last_kernel() -> None:
    """No TensorFlow 2 has its kernel: the numbers are what TensorFlow 1.15.5 gave."""
    first = [-1.0, 0.0, 0.5, 1.0, 3.0, 9.0, float("nan")]
    graph = model(
        op("a", "Placeholder", dtype=wire.F),
        op("b", "Placeholder", dtype=wire.F),
        const("edges", [0.0, 1.0, 3.0]),
        const("none", np.zeros(0)),
        op("y", "BoostedTreesBucketize", "a", "b", "edges", "none", num_features=2),
    ).graph
    found, steps = rewritten(graph, "y:0", "y:1")
    assert [step.count for step in steps] == [1]
    feeds = {"a:0": np.float32(first), "b:0": np.float32([1, 2, 1.5, 0, 0, 0, 7])}
    for outputs in (
        run(found, ["y:0", "y:1"], feeds),
        run_in_function(found, ["y:0", "y:1"], feeds),
    ):
        np.testing.assert_array_equal(outputs[0], [0, 0, 1, 1, 2, 2, 0])
        np.testing.assert_array_equal(outputs[1], [0] * 7)
        assert {value.dtype for value in outputs} == {np.dtype("int32")}


def test_old_tables_run_as_new_ones() -> None:
    keys = wire.Raw(wire.block(8, wire.string_tensor((2,), (b"a", b"b"))))
    asked = wire.Raw(wire.block(8, wire.string_tensor((3,), (b"b", b"?", b"a"))))
    graph = model(
        op("table", "HashTable", key_dtype=wire.S, value_dtype=wire.I64, shared_name=b"t"),
        op("keys", "Const", dtype=wire.S, value=keys),
        const("values", [7, 8], "int64"),
        op("init", "InitializeTable", "table", "keys", "values", Tkey=wire.S, Tval=wire.I64),
        op("asked", "Const", dtype=wire.S, value=asked),
        const("default", -1, "int64"),
        op("found", "LookupTableFind", "table", "asked", "default", Tin=wire.S, Tout=wire.I64),
        op("size", "LookupTableSize", "table"),
    ).graph
    old = run(graph, ["found:0", "size:0"], before=["init"], producer=10)
    new = run(rewritten(graph)[0], ["found:0", "size:0"], before=["init"])
    np.testing.assert_array_equal(old[0], [8, -1, 7])
    for one, other in zip(old, new, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_norm_in_a_loop_gets_its_constants_from_the_loop() -> None:
    enter = {"frame_name": b"loop", "parallel_iterations": 1}
    norm = {"T": wire.F, "variance_epsilon": 0.001, "scale_after_normalization": True}
    constants = {"m": [0.5, 1.0], "v": [1.0, 2.0], "b": [0.1, 0.2], "g": [1.5, 0.5]}
    graph = model(
        op("x", "Placeholder", dtype=wire.F),
        const("zero", 0, "int32"),
        const("three", 3, "int32"),
        *(const(name, value) for name, value in constants.items()),
        *(op(f"{n}/E", "Enter", n, T=wire.F, is_constant=True, **enter) for n in constants),
        op("three/E", "Enter", "three", T=wire.I32, is_constant=True, **enter),
        op("x/E", "Enter", "x", T=wire.F, **enter),
        op("i/E", "Enter", "zero", T=wire.I32, **enter),
        op("x/M", "Merge", "x/E", "x/N", T=wire.F, N=2),
        op("i/M", "Merge", "i/E", "i/N", T=wire.I32, N=2),
        op("less", "Less", "i/M", "three/E", T=wire.I32),
        op("going", "LoopCond", "less"),
        op("x/S", "Switch", "x/M", "going", T=wire.F),
        op("i/S", "Switch", "i/M", "going", T=wire.I32),
        op("y", "BatchNormWithGlobalNormalization", "x/S:1", "m/E", "v/E", "b/E", "g/E", **norm),
        op("i/B", "Identity", "i/S:1", T=wire.I32),
        const_after("one", 1, "i/B"),
        op("i/A", "Add", "i/B", "one", T=wire.I32),
        op("i/N", "NextIteration", "i/A", T=wire.I32),
        op("x/N", "NextIteration", "y", T=wire.F),
        op("out", "Exit", "x/S", T=wire.F),
    ).graph
    feeds = {"x:0": normal(1, 2, 2, 2)}
    old = run(graph, ["out:0"], feeds, producer=8)
    new = run(rewritten(graph, "out:0")[0], ["out:0"], feeds)
    np.testing.assert_array_equal(old[0], new[0])


def test_top_k_is_that_of_numpy() -> None:
    """Its kernel is registered for a later definition of the op and never runs."""
    x = normal(3, 9)
    graph = model(op("x", "Placeholder", dtype=wire.F), op("y", "TopK", "x", T=wire.F, k=4)).graph
    values, indices = run(rewritten(graph)[0], ["y:0", "y:1"], {"x:0": x})
    np.testing.assert_array_equal(indices, np.argsort(-x, axis=1)[:, :4])
    np.testing.assert_array_equal(values, np.take_along_axis(x, indices, 1))


@pytest.mark.parametrize("multiples", [(3, 2), (1, 4), (6, 1)])
def test_tile_gradient_undoes_what_tile_did(multiples: tuple[int, int]) -> None:
    x = normal(6, 4)
    graph = model(
        op("x", "Placeholder", dtype=wire.F),
        const("m", multiples, "int32"),
        op("y", "TileGrad", "x", "m", T=wire.F),
    ).graph
    (found,) = run(rewritten(graph)[0], ["y:0"], {"x:0": x})
    rows, columns = multiples
    wanted = x.reshape(rows, 6 // rows, columns, 4 // columns).sum((0, 2))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


SETS = sorted((FIXTURES / "removed_ops").glob("*.pb"))


def removed_ops() -> list[Any]:
    return [
        pytest.param(path, node.name, id=f"{path.stem}-{node.name}")
        for path in SETS
        for node in read_graph(path.read_bytes()).graph
        if node.op != "Const"
    ]


@pytest.mark.parametrize(("path", "name"), removed_ops())
def test_ops_without_a_kernel_give_what_their_release_computed(path: Path, name: str) -> None:
    graph = read_graph(path.read_bytes()).graph
    with np.load(path.with_suffix(".npz")) as file:
        wanted = {key: file[key] for key in file.files if key.split(":")[0] == name}
    inputs = {ref.node for ref in graph.by_name[name].data_refs}
    nodes = [node for node in graph if node.name == name or node.name in inputs]
    by_name, _ = index_nodes(nodes)
    graph = replace(graph, nodes=nodes, by_name=by_name)
    found, steps = rewritten(graph, *wanted)
    assert [step.count for step in steps] == [1]
    assert wanted
    for values in (run(found, list(wanted)), run_in_function(found, list(wanted), {})):
        for key, value in zip(wanted, values, strict=True):
            assert value.dtype == wanted[key].dtype
            if value.dtype.kind == "f":
                np.testing.assert_allclose(value, wanted[key], rtol=2e-6, atol=2e-6, err_msg=key)
            else:
                np.testing.assert_array_equal(value, wanted[key], err_msg=key)
