"""Propagated shapes against TensorFlow's own inference, and against what running gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.inspection.cost import estimate
from migrator.model.model import MetaGraph
from migrator.model.tensors import Shape
from migrator.shapes.propagate import Shapes, propagate
from tests.handmade import read_graph

from .conftest import FIXTURES

_ENOUGH = 0.95
_QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def _stripped(data: bytes) -> Any:
    """A GraphDef that says no shapes of outputs."""
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(data)
    for node in graph_def.node:
        node.attr.pop("_output_shapes", None)
    return graph_def


def _fits(ours: Shape, theirs: tuple[int | None, ...] | None) -> bool:
    """Whether two things known of one shape can both be true."""
    if ours.dims is None or theirs is None:
        return True
    if len(ours.dims) != len(theirs):
        return False
    pairs = zip(ours.dims, theirs, strict=True)
    return all(a is None or b is None or a == b for a, b in pairs)


def _covers(ours: Shape, theirs: tuple[int | None, ...]) -> bool:
    """Whether we know all that they do."""
    if ours.dims is None:
        return False
    return all(a is not None or b is None for a, b in zip(ours.dims, theirs, strict=True))


def _dims(tensor: Any) -> tuple[int | None, ...] | None:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())


def _compared(graph_def: Any) -> tuple[int, int]:
    """Tensors that TensorFlow knows, and those of them that we know as well."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    shapes = propagate(read_graph(graph_def.SerializeToString()).graph)
    known = ours = 0
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            theirs, found = _dims(tensor), shapes.shape(tensor.name)
            assert _fits(found, theirs), (operation.type, tensor.name, found, theirs)
            dtype = shapes.dtype(tensor.name)
            assert dtype is None or dtype == tensor.dtype.as_datatype_enum, tensor.name
            if theirs is not None:
                known += 1
                ours += _covers(found, theirs)
    return known, ours


_FROZEN = sorted(FIXTURES.glob("tf*/*/model.pb"))
# Kernels that TensorFlow 2 does not have, or reference variables that it takes in no function.
_REFUSED = {"refused_op", "is_training_residue", "is_training_residue_resource"}


def test_frozen_graphs_have_the_shapes_that_tensorflow_infers() -> None:
    known = ours = 0
    for path in _FROZEN:
        if path.parent.name in _REFUSED:
            continue
        found = _compared(_stripped(path.read_bytes()))
        known, ours = known + found[0], ours + found[1]
    assert known > 1000
    assert ours / known > _ENOUGH


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("tf*/*/saved_model/saved_model.pb")), ids=str)
def test_saved_models_contradict_tensorflow_nowhere(path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph_def = _stripped(saved.meta_graphs[0].graph_def.SerializeToString())
    known, ours = _compared(graph_def)
    assert ours >= 0.8 * known


# --- single ops, of drawn shapes and attributes


def _one(build: Callable[[Any], Any], feeds: dict[str, np.ndarray[Any, Any]]) -> None:
    """``build`` makes tensors of a graph; its shapes against inference and against running."""
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        try:
            build(v1)
        except ValueError:
            return  # no such op of such shapes
    graph_def = _stripped(graph.as_graph_def().SerializeToString())
    _compared(graph_def)
    ours = read_graph(graph_def.SerializeToString()).graph
    given = {name: Shape(tuple(value.shape)) for name, value in feeds.items()}
    for shapes in (propagate(ours), propagate(ours, given)):
        _run(graph, shapes, feeds)


def _run(graph: Any, shapes: Shapes, feeds: dict[str, np.ndarray[Any, Any]]) -> None:
    import tensorflow as tf

    fetched = [
        tensor
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if graph.is_fetchable(tensor) and tensor.dtype.as_datatype_enum < 20
    ]
    with tf.compat.v1.Session(graph=graph) as session:
        try:
            values = session.run(fetched, {f"{name}:0": value for name, value in feeds.items()})
        except tf.errors.OpError:
            return  # it does not run, whatever its shape
    for tensor, value in zip(fetched, values, strict=True):
        found = shapes.shape(tensor.name)
        assert _fits(found, np.shape(value)), (tensor.op.type, tensor.name, found, np.shape(value))
        fact = shapes.fact(tensor.name)
        for told in (fact.values, fact.reals):
            if told is not None:
                flat = np.ravel(value).tolist()
                assert all(a is None or a == b for a, b in zip(told, flat, strict=True)), (
                    tensor.op.type,
                    told,
                    flat,
                )


_small = st.integers(1, 7)
_hide = st.lists(st.booleans(), min_size=6, max_size=6)


def _open(v1: Any, name: str, value: np.ndarray[Any, Any], hide: list[bool]) -> Any:
    """A placeholder for ``value`` that hides some of its sizes."""
    import tensorflow as tf

    dims = [None if hidden else size for size, hidden in zip(value.shape, hide, strict=False)]
    return v1.placeholder(tf.as_dtype(value.dtype), dims, name=name)


@_QUICK
@given(
    image=st.tuples(_small, st.integers(1, 12), st.integers(1, 12), _small),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4), _small),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.sampled_from(["SAME", "VALID", "EXPLICIT"]),
    hide=_hide,
)
def test_convolutions_and_pooling(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: int,
    dilation: int,
    padding: str,
    hide: list[bool],
) -> None:
    value = np.zeros(image, np.float32)

    def build(v1: Any) -> None:
        import tensorflow as tf

        x = _open(v1, "x", value, hide)
        weights = tf.zeros((kernel[0], kernel[1], image[3], kernel[2]))
        pads: Any = [[0, 0], [1, 2], [0, 1], [0, 0]] if padding == "EXPLICIT" else padding
        step = stride if dilation == 1 else 1
        tf.nn.conv2d(x, weights, step, pads, dilations=dilation)
        if padding != "EXPLICIT":
            tf.nn.depthwise_conv2d(x, weights, [1, step, step, 1], padding)
            tf.nn.max_pool2d(x, kernel[:2], stride, padding)
            tf.nn.avg_pool2d(x, kernel[:2], stride, padding)
            large = tf.shape(x) * [1, stride, stride, 1]
            bigger = tf.concat([large[:3], [kernel[2]]], 0)
            turned = tf.zeros((kernel[0], kernel[1], kernel[2], image[3]))
            tf.nn.conv2d_transpose(x, turned, bigger, stride, "SAME")
            tf.image.extract_patches(
                x, [1, *kernel[:2], 1], [1, stride, stride, 1], [1, 1, 1, 1], padding
            )
        scale = tf.ones((image[3],))
        v1.nn.fused_batch_norm(x, scale, scale, scale, scale, is_training=False)
        tf.image.resize(x, [stride + 3, 5])
        tf.nn.space_to_depth(x, stride + 1) if stride < 3 else None

    _one(build, {"x": value})


@_QUICK
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    ranges=st.lists(
        st.one_of(
            st.integers(-4, 4),
            st.just(Ellipsis),
            st.none(),
            st.builds(
                slice,
                st.one_of(st.none(), st.integers(-6, 6)),
                st.one_of(st.none(), st.integers(-6, 6)),
                st.sampled_from([None, 1, 2, -1, -2]),
            ),
        ),
        max_size=4,
    ),
    hide=_hide,
)
def test_ranges(shape: list[int], ranges: list[Any], hide: list[bool]) -> None:
    value = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)

    def build(v1: Any) -> None:
        import tensorflow as tf

        x = _open(v1, "x", value, hide)
        x[tuple(ranges)]
        tf.constant(value)[tuple(ranges)]
        tf.shape(x)[ranges[0] if ranges and ranges[0] is not None else 0 :] if not any(
            item is Ellipsis or isinstance(item, slice) for item in ranges[:1]
        ) else tf.shape(x)[tuple(ranges[:1])]

    if sum(item is Ellipsis for item in ranges) <= 1:
        _one(build, {"x": value})


@_QUICK
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    axis=st.integers(-4, 3),
    other=st.integers(1, 3),
    keep=st.booleans(),
    hide=_hide,
)
def test_moves_and_reductions(
    shape: list[int], axis: int, other: int, keep: bool, hide: list[bool]
) -> None:
    value = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)

    def build(v1: Any) -> None:
        import tensorflow as tf

        x = _open(v1, "x", value, hide)
        for make in (
            lambda: tf.reduce_sum(x, axis, keepdims=keep),
            lambda: tf.reduce_max(tf.shape(x), keepdims=keep),
            lambda: tf.argmax(x, axis),
            lambda: tf.expand_dims(x, axis),
            lambda: tf.squeeze(tf.expand_dims(x, axis)),
            lambda: tf.concat([x, x, tf.zeros_like(x)], axis),
            lambda: tf.stack([x, x], axis),
            lambda: tf.unstack(x, axis=axis),
            lambda: tf.split(x, other, axis),
            lambda: tf.split(x, [1, -1], axis),
            lambda: tf.tile(x, [other] * len(shape)),
            lambda: tf.pad(x, [[other, 1]] * len(shape)),
            lambda: tf.gather(x, [0, 0], axis=axis),
            lambda: tf.gather_nd(x, [[0] * min(other, len(shape))]),
            lambda: tf.transpose(x),
            lambda: tf.transpose(x, np.roll(np.arange(len(shape)), other)),
            lambda: tf.reshape(x, [-1]),
            lambda: tf.reshape(x, tf.stack([tf.shape(x)[0], -1])),
            lambda: tf.reshape(x, tf.concat([tf.shape(x), [1]], 0)),
            lambda: tf.one_hot(x, other, axis=-1),
            lambda: tf.math.top_k(x, 1),
            lambda: tf.where(x > 1),
            lambda: tf.range(tf.size(x)),
            lambda: tf.fill(tf.shape(x), 3),
            lambda: tf.broadcast_to(x, [other, *shape]),
            lambda: tf.slice(x, [0] * len(shape), [-1] * len(shape)),
            lambda: tf.cast(tf.cast(tf.shape(x), tf.float32) * 1.7, tf.int32),
            lambda: tf.shape(x)[0] // other * 3 - 2 % tf.rank(x),
            lambda: tf.reverse(x, [0]),
            lambda: tf.cumsum(x, axis),
            lambda: x[..., None] + x[..., None, :],
        ):
            try:
                make()
            except (ValueError, IndexError):
                continue  # no such axis

    _one(build, {"x": value})


@_QUICK
@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    rows=_small,
    inner=_small,
    columns=_small,
    turns=st.tuples(st.booleans(), st.booleans()),
    hide=_hide,
)
def test_products(
    batch: list[int],
    rows: int,
    inner: int,
    columns: int,
    turns: tuple[bool, bool],
    hide: list[bool],
) -> None:
    left = np.zeros((*batch, *((inner, rows) if turns[0] else (rows, inner))), np.float32)
    right = np.zeros((*batch, *((columns, inner) if turns[1] else (inner, columns))), np.float32)

    def build(v1: Any) -> None:
        import tensorflow as tf

        a, b = _open(v1, "a", left, hide), _open(v1, "b", right, hide[3:] + hide[:3])
        product = tf.matmul(a, b, transpose_a=turns[0], transpose_b=turns[1])
        tf.nn.bias_add(product, tf.zeros((columns,)))
        first = "...ki" if turns[0] else "...ik"
        tf.einsum(f"{first},{'...jk' if turns[1] else '...kj'}->...ij", a, b)
        tf.linalg.diag_part(product)

    _one(build, {"a": left, "b": right})


# --- loops, branches and calls, as they run


@pytest.mark.parametrize("lowered", [True, False], ids=["v1", "functional"])
def test_loops_and_branches_are_followed_as_they_run(lowered: bool) -> None:
    value = np.ones((2, 3), np.float32)

    def build(v1: Any) -> None:
        import tensorflow as tf

        (v1.disable_control_flow_v2 if lowered else v1.enable_control_flow_v2)()
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        v1.while_loop(lambda i, *_: i < 3, lambda i, a: (i + 1, a * 2.0), [0, x], name="kept")
        grown = tf.TensorShape([None, None])
        v1.while_loop(
            lambda i, *_: i < 3,
            lambda i, a: (i + 1, tf.concat([a, a], 0)),
            [0, x],
            [tf.TensorShape([]), grown],
            name="grows",
        )
        v1.cond(tf.reduce_sum(x) > 1, lambda: x[:, :2], lambda: x[:, :1], name="either")
        v1.cond(tf.reduce_sum(x) > 1, lambda: x[:1], lambda: x[:1] + 1.0, name="alike")
        array = tf.TensorArray(tf.float32, 3).unstack(tf.ones((3, 2, 5)))
        tf.identity(array.read(1), "read")
        tf.identity(array.write(0, tf.zeros((2, 5))).stack(), "stack")

    import tensorflow as tf

    try:
        _one(build, {"x": value})
    finally:
        tf.compat.v1.enable_control_flow_v2()


# --- cost


def test_multiply_adds_are_half_of_the_operations_that_tensorflow_counts() -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [2, 17, 23, 3], name="x")
        a = tf.nn.conv2d(x, tf.ones((3, 5, 3, 8)), 2, "SAME", name="conv")
        b = tf.nn.depthwise_conv2d(a, tf.ones((3, 3, 8, 2)), [1, 1, 1, 1], "VALID", name="deep")
        c = tf.matmul(tf.reshape(b, [2, -1]), tf.ones((7 * 10 * 16, 6)), name="dense")
        tf.nn.softmax(c, name="out")
    builder = v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    counted = {
        operation: v1.profiler.profile(
            graph,
            cmd="graph",
            options=builder(options).with_node_names(show_name_regexes=[operation]).build(),
        ).total_float_ops
        for operation in ("conv$", "deep/?.*", "dense$")
    }
    ours = estimate(
        MetaGraph(
            graph=read_graph(
                _stripped(graph.as_graph_def().SerializeToString()).SerializeToString()
            ).graph
        )
    )
    by_op = ours.by_op
    assert 2 * by_op["Conv2D"] == counted["conv$"]
    assert 2 * by_op["DepthwiseConv2dNative"] == counted["deep/?.*"]
    assert 2 * by_op["MatMul"] == counted["dense$"]
    assert ours.uncounted == {}
