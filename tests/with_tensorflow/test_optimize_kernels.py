"""What constants fold to, bit for bit against TensorFlow's kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from migrator.formats.tensors import constant_tensor
from migrator.migration.passes.optimize.arithmetic import ROUNDED
from migrator.migration.passes.optimize.evaluate import EXACT, evaluate
from migrator.model.dtypes import DType, all_dtypes
from migrator.model.graph import Node
from migrator.ops.registry import op_facts

_DTYPES = {
    dtype.numpy(): dtype for dtype in all_dtypes() if dtype.kind in "fiubc" and dtype.itemsize
}
_FLOATS = ("float16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_MOST = 1 << 20

Arguments = list[Any]


def _dtype(array: Any) -> DType:
    return _DTYPES[array.dtype]


def _node(op: str, arguments: Arguments, attrs: dict[str, Any]) -> tuple[Node, list[Any]]:
    """The node that takes ``arguments`` (a list for an argument that is one), its flat inputs."""
    facts = op_facts(op)
    assert facts is not None
    found: dict[str, Any] = {}
    flat: list[Any] = []
    for argument, value in zip(facts.inputs, arguments, strict=True):
        arrays = value if isinstance(value, list) else [value]
        flat += arrays
        if argument.type_attr:
            found[argument.type_attr] = _dtype(arrays[0])
        if argument.number_attr:
            found[argument.number_attr] = len(arrays)
    return Node("n", op, ("x",) * len(flat), "", {**found, **attrs}), flat


def _theirs(op: str, arguments: Arguments, attrs: dict[str, Any]) -> Any:
    import tensorflow as tf

    facts = op_facts(op)
    assert facts is not None
    found = {item.name: value for item, value in zip(facts.inputs, arguments, strict=True)}
    for key, value in attrs.items():
        found[key] = tf.as_dtype(int(value)) if isinstance(value, DType) else value
    for old, new in (("reduction_indices", "axis"), ("squeeze_dims", "axis"), ("dim", "axis")):
        if old in found:  # raw ops take these under newer names
            found[new] = found.pop(old)
    return getattr(tf.raw_ops, op)(**found).numpy()


def _compare(op: str, arguments: Arguments, attrs: dict[str, Any], *, rounded: bool = False) -> Any:
    """Our answer, None where we give none; fails where TensorFlow's is another."""
    node, flat = _node(op, arguments, attrs)
    ours = evaluate(
        node, [constant_tensor(array, _dtype(array)) for array in flat], _MOST, rounded=rounded
    )
    if ours is None:
        return None
    theirs = np.asarray(_theirs(op, arguments, attrs))
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if rounded:
        assert np.all(np.abs(ours - theirs) <= 2 * np.spacing(np.abs(theirs)))
    else:
        assert ours.tobytes() == theirs.tobytes(), (ours, theirs)
    return ours


# -- every op answers at all -----------------------------------------------------------------

_X = np.array([[1.5, -2.25, 3.0], [0.5, 8.0, -0.125]], np.float32)
_P = np.abs(_X)
_I = np.array([[5, -7, 9], [2, 3, -4]], np.int32)
_D = np.array([[2, 2, -4], [3, -1, 3]], np.int32)
_B = np.array([[True, False, True], [False, False, True]])
_ONE = np.int32(1)


def _vector(*values: int) -> Any:
    return np.array(values, np.int32)


_PLAIN: dict[str, list[tuple[Arguments, dict[str, Any]]]] = {
    **{op: [([_X], {"out_type": DType(9)}), ([_X], {})] for op in ("Shape", "Size")},
    **{op: [([_X], {}), ([_I], {})] for op in ("Rank", "Identity", "StopGradient", "Snapshot")},
    **{op: [([_X], {})] for op in ("PreventGradient", "ZerosLike", "OnesLike")},
    "Reshape": [([_X, _vector(3, -1)], {}), ([_X[0, 0], _vector()], {})],
    "Transpose": [([_X, _vector(1, 0)], {})],
    "ExpandDims": [([_X, np.int32(-1)], {}), ([_X, _ONE], {})],
    "Squeeze": [([_X.reshape(1, 2, 1, 3)], {}), ([_X[:, None]], {"squeeze_dims": [1]})],
    "Pack": [([[_X, _X]], {"axis": -1}), ([[_X[0, 0]] * 3], {})],
    "Concat": [([_ONE, [_X, _X]], {})],
    "ConcatV2": [([[_X, _X, _X], np.int32(-1)], {})],
    "Fill": [([_vector(2, 2), np.float32(3)], {}), ([_vector(), np.int32(3)], {})],
    "Range": [([np.int32(7), np.int32(-1), np.int32(-3)], {}), ([_ONE, _ONE, _ONE], {})],
    "Slice": [([_X, _vector(0, 1), _vector(-1, 2)], {})],
    "StridedSlice": [([_I, _vector(0, -1), _vector(2, 0), _vector(1, -1)], {"end_mask": 2})],
    "Gather": [([_X, _vector(1, 0, 1)], {})],
    "GatherV2": [([_X, _vector(2, 0), np.int32(-1)], {})],
    "Tile": [([_X, _vector(2, 3)], {})],
    "BroadcastTo": [([_X, _vector(4, 2, 3)], {})],
    "Cast": [([_X], {"DstT": DType(3)}), ([_I], {"DstT": DType(1)}), ([_X], {"DstT": DType(10)})],
    **{op: [([_X, _X[0]], {}), ([_I, _D], {})] for op in ("Add", "AddV2", "Sub", "Mul")},
    **{op: [([_X, _P[0]], {}), ([_I, _D], {})] for op in ("Maximum", "Minimum")},
    "Div": [([_X, _P], {}), ([_I, _D], {})],
    "RealDiv": [([_X, _P], {})],
    **{op: [([_I, _D], {})] for op in ("FloorDiv", "FloorMod")},
    **{op: [([_X], {}), ([_I], {})] for op in ("Neg", "Abs", "Square")},
    **{op: [([_P], {})] for op in ("Sqrt", "Floor", "Ceil")},
    **{
        op: [([_X, _P], {}), ([_I, _D], {})]
        for op in ("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual")
    },
    "LogicalNot": [([_B], {})],
    **{op: [([_B, _B[0]], {})] for op in ("LogicalAnd", "LogicalOr")},
    **{
        op: [([_I, np.int32(0)], {}), ([_I, _vector(1, 0)], {"keep_dims": True})]
        for op in ("Prod", "Sum", "Max", "Min")
    },
    **{op: [([_B, _vector(1)], {}), ([_B, _vector(0)], {})] for op in ("All", "Any")},
}


@pytest.mark.parametrize("op", sorted(EXACT))
def test_every_exact_op_answers_as_its_kernel_does(op: str) -> None:
    for arguments, attrs in _PLAIN[op]:
        assert _compare(op, arguments, _full(op, attrs)) is not None


@pytest.mark.parametrize("op", sorted(ROUNDED))
def test_every_rounded_op_is_within_two_units_of_the_last_place(op: str) -> None:
    values = np.geomspace(1e-20, 1e20, 4096).astype(np.float32)
    assert _compare(op, [values], {}, rounded=True) is not None
    assert _compare(op, [values], {}) is None


def _full(op: str, attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes that the registry gives no default for, and those that raw ops name."""
    if op == "PreventGradient":
        return {"message": "", **attrs}
    return attrs


# -- over types and shapes -------------------------------------------------------------------

_BINARY = (
    "Add AddV2 Sub Mul Div RealDiv FloorDiv FloorMod Maximum Minimum "
    "Less LessEqual Greater GreaterEqual Equal NotEqual"
).split()
_UNARY = "Neg Abs Square Sqrt Floor Ceil".split()


def _kernel_types(op: str) -> tuple[str, ...]:
    if op in ("RealDiv", "Sqrt", "Floor", "Ceil"):
        return _FLOATS
    if op in ("Div", "Maximum", "Minimum", "FloorDiv", "FloorMod"):
        return (*_FLOATS, "int32", "int64", "uint8", "int16")
    if op in ("Add", "Sub", "Mul", "Neg", "Abs", "Square"):
        return (*_FLOATS, "int32", "int64")
    return (*_FLOATS, *_INTEGERS)


def _elements(dtype: str) -> st.SearchStrategy[Any]:
    """Everything, with a taste for what goes wrong: NaN, subnormals, both zeros, the ends."""
    everything = hnp.from_dtype(np.dtype(dtype))
    if dtype in _FLOATS:
        width = np.dtype(dtype).itemsize * 8
        plain = st.floats(-100, 100, width=width, allow_subnormal=False)
        return plain | plain | everything
    if dtype == "bool":
        return st.booleans()
    low, high = (-9, 9) if dtype.startswith("int") else (0, 9)
    return st.integers(low, high) | everything


@st.composite
def _broadcast(draw: st.DrawFn, op: str) -> Arguments:
    dtype = draw(st.sampled_from(_kernel_types(op)))
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    return [draw(hnp.arrays(dtype, shape, elements=_elements(dtype))) for shape in shapes[0]]


@pytest.mark.parametrize("op", _BINARY)
def test_binary_ops_over_types_and_broadcast_shapes(op: str) -> None:
    answers = []

    @settings(max_examples=60)
    @given(_broadcast(op))
    def check(arguments: Arguments) -> None:
        answers.append(_compare(op, arguments, {}))

    check()
    _some(answers)


@pytest.mark.parametrize("op", _UNARY)
def test_unary_ops_over_types(op: str) -> None:
    answers = []

    @settings(max_examples=60)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        dtype = data.draw(st.sampled_from(_kernel_types(op)))
        shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=9))
        answers.append(
            _compare(op, [data.draw(hnp.arrays(dtype, shape, elements=_elements(dtype)))], {})
        )

    check()
    _some(answers)


def test_casts_between_all_types() -> None:
    answers = []

    @settings(max_examples=400)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        types = (*_FLOATS, *_INTEGERS, "bool")
        source, target = (data.draw(st.sampled_from(types)) for _ in range(2))
        array = data.draw(hnp.arrays(source, (3,), elements=_elements(source)))
        answers.append(_compare("Cast", [array], {"DstT": _DTYPES[np.dtype(target)]}))

    check()
    _some(answers)


_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


def test_strided_slices_with_all_masks() -> None:
    answers = []

    @settings(max_examples=400)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
        count = data.draw(st.integers(0, len(shape) + 1))
        bound = st.lists(st.integers(-5, 5), min_size=count, max_size=count)
        begin, end = (np.array(data.draw(bound), np.int32) for _ in range(2))
        step = st.lists(st.sampled_from((1, 1, 2, -1, -2)), min_size=count, max_size=count)
        strides = np.array(data.draw(step), np.int32)
        masks = {f"{name}_mask": data.draw(st.integers(0, 15)) for name in _MASKS[:2]}
        masks |= {
            f"{name}_mask": data.draw(st.sampled_from((0, 0, 0, 1, 2, 4))) for name in _MASKS[2:]
        }
        value = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
        answers.append(_compare("StridedSlice", [value, begin, end, strides], masks))

    check()
    _some(answers)


def _shaped(draw: Callable[..., Any]) -> Any:
    dtype = draw(st.sampled_from(("float32", "int64", "bool", "complex64", "float16")))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    size = int(np.prod(shape))
    return np.arange(size).reshape(shape).astype(dtype)


def _moves(draw: Callable[..., Any]) -> tuple[str, Arguments, dict[str, Any]]:
    value = _shaped(draw)
    rank = value.ndim
    small = st.integers(-1, 3)
    vector = st.lists(small, min_size=rank, max_size=rank).map(lambda v: np.array(v, np.int32))
    axis = np.int32(draw(st.integers(-rank - 1, rank)))
    op = draw(
        st.sampled_from(
            "Reshape Transpose ExpandDims Squeeze Pack ConcatV2 Slice GatherV2 Tile "
            "BroadcastTo".split()
        )
    )
    if op == "Reshape":
        return op, [value, np.array(draw(st.lists(small, max_size=3)), np.int32)], {}
    if op == "Transpose":
        order = draw(st.permutations(range(rank)))
        return op, [value, np.array(order, np.int32)], {}
    if op == "Squeeze":
        return op, [value], {"squeeze_dims": draw(st.lists(small, max_size=2))}
    if op == "Pack":
        return op, [[value] * draw(st.integers(1, 3))], {"axis": int(axis)}
    if op == "ConcatV2":
        return op, [[value] * draw(st.integers(2, 3)), axis], {}
    if op == "Slice":
        return op, [value, draw(vector), draw(vector)], {}
    if op == "GatherV2":
        indices = draw(hnp.arrays("int64", (2,), elements=small))
        return op, [value, indices, axis], {}
    if op == "Tile":
        return op, [value, draw(vector)], {}
    if op == "BroadcastTo":
        shape = [*draw(st.lists(st.integers(0, 2), max_size=1)), *value.shape]
        return op, [value, np.array(shape, np.int32)], {}
    return op, [value, axis], {}


def test_ops_that_move_values_over_types_and_shapes() -> None:
    answers = []

    @settings(max_examples=500)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        op, arguments, attrs = _moves(data.draw)
        answers.append(_compare(op, arguments, attrs))

    check()
    _some(answers)


def _some(answers: list[Any]) -> None:
    given_answers = sum(answer is not None for answer in answers)
    assert given_answers * 5 >= len(answers), f"{given_answers} answers of {len(answers)}"
