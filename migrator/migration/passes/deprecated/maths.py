"""Deprecated arithmetic in today's ops, in the order in which the old kernels computed.

The formulas are those of TensorFlow's documentation of each op; that the results agree was tried
with the old kernels themselves.
"""

from __future__ import annotations

from migrator.migration.passes.draft import Draft, Unfit, attr_of, data_of, dtype_of
from migrator.model.dtypes import BOOL, FLOAT32, INT32, INT64, UINT8, DType
from migrator.model.graph import Node

_PHILOX = 1
"""The number of the only algorithm that the unversioned StatefulStandardNormal knew."""


def inputs_of(node: Node, count: int) -> tuple[str, ...]:
    """Exactly ``count`` data inputs. Raises Unfit."""
    found = data_of(node)
    if len(found) != count:
        raise Unfit(node.name)
    return found


def batch_norm(node: Node, draft: Draft) -> None:
    """(t - m) * (1 / sqrt(v + epsilon) [* gamma]) + beta"""
    values, mean, variance, beta, gamma = inputs_of(node, 5)
    dtype = dtype_of(node)
    scale = _inverse_deviation(node, draft, variance, dtype)
    if attr_of(node, "scale_after_normalization", bool):
        scale = draft.op("Mul", scale, gamma, label="scale", T=dtype)
    centred = draft.op("Sub", values, mean, label="centred", T=dtype)
    product = draft.op("Mul", centred, scale, label="scaled", T=dtype)
    draft.finish("AddV2", product, beta, T=dtype)


def _inverse_deviation(node: Node, draft: Draft, variance: str, dtype: DType) -> str:
    epsilon = draft.const(attr_of(node, "variance_epsilon", float), dtype, "epsilon")
    shifted = draft.op("AddV2", variance, epsilon, label="shifted", T=dtype)
    return draft.op("Rsqrt", shifted, label="rsqrt", T=dtype)


def batch_norm_grad(node: Node, draft: Draft) -> None:
    """Gradients by t, m, v, beta and gamma, all sums over every axis but the last."""
    values, mean, variance, gamma, upstream = inputs_of(node, 5)
    dtype = dtype_of(node)
    scaled = attr_of(node, "scale_after_normalization", bool)
    rsqrt = _inverse_deviation(node, draft, variance, dtype)
    axes = draft.const([0, 1, 2], INT32, "axes")

    def mul(left: str, right: str) -> str:
        return draft.op("Mul", left, right, T=dtype)

    def total(value: str) -> str:
        return draft.op("Sum", value, axes, T=dtype, Tidx=INT32, keep_dims=False)

    centred = draft.op("Sub", values, mean, T=dtype)
    by_beta = total(upstream)
    weight = mul(rsqrt, gamma) if scaled else rsqrt
    by_values = mul(upstream, weight)
    by_mean = draft.op("Neg", mul(by_beta, weight), T=dtype)
    products = total(mul(upstream, centred))
    cube = mul(mul(rsqrt, rsqrt), rsqrt)
    half = draft.const(-0.5, dtype, "half")
    by_variance = mul(mul(products, half), cube)
    if scaled:
        by_variance = mul(by_variance, gamma)
        by_gamma = mul(products, rsqrt)
    else:
        by_gamma = draft.op("ZerosLike", gamma, T=dtype)
    found = (by_values, by_mean, by_variance, by_beta, by_gamma)
    draft.finish("IdentityN", *found, T=[dtype] * 5)


def top_k(node: Node, draft: Draft) -> None:
    """TopK had k as an attribute."""
    (values,) = inputs_of(node, 1)
    count = attr_of(node, "k", int)
    if not 0 <= count < 1 << 31:
        raise Unfit(node.name)
    k = draft.const(count, INT32, "k")
    draft.finish("TopKV2", values, k, T=dtype_of(node), sorted=attr_of(node, "sorted", bool, True))


def packed_eigen(node: Node, draft: Draft) -> None:
    """[..., M, M] -> [..., M + 1, M]: the eigenvalues in the first row, then the vectors."""
    (matrix,) = inputs_of(node, 1)
    dtype = dtype_of(node)
    e, v = draft.ops("SelfAdjointEigV2", matrix, ports=2, label="eigen", T=dtype, compute_v=True)
    axis = draft.const(-2, INT32, "axis")
    row = draft.op("ExpandDims", e, axis, label="values", T=dtype, Tdim=INT32)
    draft.finish("ConcatV2", row, v, axis, N=2, T=dtype, Tidx=INT32)


def accumulate(node: Node, draft: Draft) -> None:
    """AccumulateNV2 ran in a session but in no function."""
    inputs = data_of(node)
    draft.finish("AddN", *inputs, N=len(inputs), T=dtype_of(node))


def quantize_and_dequantize(node: Node, draft: Draft) -> None:
    """The range was two attributes."""
    (values,) = inputs_of(node, 1)
    dtype = dtype_of(node)
    low = draft.const(attr_of(node, "input_min", float, 0.0), dtype, "input_min")
    high = draft.const(attr_of(node, "input_max", float, 0.0), dtype, "input_max")
    draft.finish(
        "QuantizeAndDequantizeV2",
        values,
        low,
        high,
        T=dtype,
        signed_input=attr_of(node, "signed_input", bool, True),
        num_bits=attr_of(node, "num_bits", int, 8),
        range_given=attr_of(node, "range_given", bool, False),
    )


def convolution_3d_grad(node: Node, draft: Draft) -> None:
    """The forward operand served for its shape only; now the shape is asked for."""
    data, kernel, upstream = inputs_of(node, 3)
    dtype = dtype_of(node)
    attrs = {
        key: node.attrs[key] for key in ("strides", "padding", "dilations") if key in node.attrs
    }
    if node.op == "Conv3DBackpropInput":
        sizes = draft.op("Shape", data, label="sizes", T=dtype, out_type=INT32)
        draft.finish(
            "Conv3DBackpropInputV2", sizes, kernel, upstream, T=dtype, Tshape=INT32, **attrs
        )
    else:
        sizes = draft.op("Shape", kernel, label="sizes", T=dtype, out_type=INT32)
        draft.finish("Conv3DBackpropFilterV2", data, sizes, upstream, T=dtype, **attrs)


def tile_grad(node: Node, draft: Draft) -> None:
    """Sum over the tiles: [m * n] -> [m, n] for each axis, then the sum over m."""
    values, multiples = inputs_of(node, 2)
    dtype = dtype_of(node)
    shape = draft.op("Shape", values, label="shape", T=dtype, out_type=INT32)
    part = draft.op("FloorDiv", shape, multiples, label="part", T=INT32)
    pairs = draft.op("Pack", multiples, part, label="pairs", N=2, T=INT32, axis=1)
    flat = draft.const([-1], INT32, "flat")
    split = draft.op("Reshape", pairs, flat, label="split", T=INT32, Tshape=INT32)
    zero, two = draft.const(0, INT32, "start"), draft.const(2, INT32, "step")
    rank = draft.op("Size", split, label="rank", T=INT32, out_type=INT32)
    axes = draft.op("Range", zero, rank, two, label="axes", Tidx=INT32)
    tiles = draft.op("Reshape", values, split, label="tiles", T=dtype, Tshape=INT32)
    draft.finish("Sum", tiles, axes, T=dtype, Tidx=INT32, keep_dims=False)


def random_poisson(node: Node, draft: Draft) -> None:
    """RandomPoissonV2 tells the type of the rate from that of the result."""
    shape, rate = inputs_of(node, 2)
    dtype = dtype_of(node, "dtype")
    draft.finish(
        "RandomPoissonV2", shape, rate, S=dtype_of(node, "S"), R=dtype, dtype=dtype, **seeds(node)
    )


def seeds(node: Node) -> dict[str, int]:
    """Both seeds of a random op."""
    return {key: attr_of(node, key, int, 0) for key in ("seed", "seed2")}


def standard_normal(node: Node, draft: Draft) -> None:
    """StatefulStandardNormalV2 is told its algorithm."""
    resource, shape = inputs_of(node, 2)
    algorithm = draft.const(_PHILOX, INT64, "algorithm")
    draft.finish(
        "StatefulStandardNormalV2",
        resource,
        algorithm,
        shape,
        dtype=dtype_of(node, "dtype", FLOAT32),
        shape_dtype=dtype_of(node, "shape_dtype", INT64),
    )


def audio_summary(node: Node, draft: Draft) -> None:
    """The rate was an attribute."""
    tag, tensor = inputs_of(node, 2)
    rate = draft.const(attr_of(node, "sample_rate", float), FLOAT32, "sample_rate")
    most = attr_of(node, "max_outputs", int, 3)
    draft.finish("AudioSummaryV2", tag, tensor, rate, max_outputs=most)


def compare_and_bitpack(node: Node, draft: Draft) -> None:
    """Eight comparisons (value > threshold) to a byte, the first in the highest bit."""
    values, threshold = inputs_of(node, 2)
    dtype = dtype_of(node)
    if dtype == BOOL:  # the threshold is ignored
        bits = draft.op("Cast", values, label="bits", SrcT=dtype, DstT=INT32)
    else:
        above = draft.op("Greater", values, threshold, label="above", T=dtype)
        bits = draft.op("Cast", above, label="bits", SrcT=BOOL, DstT=INT32)
    shape = draft.op("Shape", bits, label="shape", T=INT32, out_type=INT32)
    begin, end = draft.const([0], INT32, "begin"), draft.const([-1], INT32, "end")
    step = draft.const([1], INT32, "step")
    outer = draft.op(
        "StridedSlice", shape, begin, end, step, label="outer", T=INT32, Index=INT32,
        begin_mask=1, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    )  # fmt: skip
    tail, axis = draft.const([-1, 8], INT32, "tail"), draft.const(0, INT32, "axis")
    wanted = draft.op("ConcatV2", outer, tail, axis, label="wanted", N=2, T=INT32, Tidx=INT32)
    groups = draft.op("Reshape", bits, wanted, label="groups", T=INT32, Tshape=INT32)
    powers = draft.const([128, 64, 32, 16, 8, 4, 2, 1], INT32, "powers")
    weighed = draft.op("Mul", groups, powers, label="weighed", T=INT32)
    last = draft.const(-1, INT32, "last")
    total = draft.op("Sum", weighed, last, label="total", T=INT32, Tidx=INT32, keep_dims=False)
    draft.finish("Cast", total, SrcT=INT32, DstT=UINT8)


def bucketize(node: Node, draft: Draft) -> None:
    """The number of boundaries that are not above each value."""
    values, boundaries = inputs_of(node, 2)
    dtype = dtype_of(node)
    shape = draft.op("Shape", values, label="shape", T=dtype, out_type=INT32)
    if dtype != FLOAT32:
        values = draft.op("Cast", values, label="float", SrcT=dtype, DstT=FLOAT32)
    row = draft.const([1, -1], INT32, "row")
    flat = draft.op("Reshape", values, row, label="flat", T=FLOAT32, Tshape=INT32)
    edges = draft.op("Reshape", boundaries, row, label="edges", T=FLOAT32, Tshape=INT32)
    found = draft.op("UpperBound", edges, flat, label="found", T=FLOAT32, out_type=INT32)
    draft.finish("Reshape", found, shape, T=INT32, Tshape=INT32)


def boosted_trees_bucketize(node: Node, draft: Draft) -> None:
    """The first boundary that is not below each value, the last one for what lies above all.

    Of as many features at once as there are pairs of values and boundaries. Source: what
    TensorFlow 1.15's kernel (a lower bound, kept inside of the boundaries) gives.
    """
    count = attr_of(node, "num_features", int)
    if not 0 < count <= _MOST_FEATURES:
        raise Unfit(node.name)
    given = inputs_of(node, 2 * count)
    row = draft.const([1, -1], INT32, "row")
    one, zero = draft.const(1, INT32, "one"), draft.const(0, INT32, "zero")
    buckets = []
    for values, boundaries in zip(given[:count], given[count:], strict=True):
        shape = draft.op("Shape", values, label="shape", T=FLOAT32, out_type=INT32)
        flat = draft.op("Reshape", values, row, label="flat", T=FLOAT32, Tshape=INT32)
        edges = draft.op("Reshape", boundaries, row, label="edges", T=FLOAT32, Tshape=INT32)
        found = draft.op("LowerBound", edges, flat, label="found", T=FLOAT32, out_type=INT32)
        size = draft.op("Size", boundaries, label="size", T=FLOAT32, out_type=INT32)
        last = draft.op("Sub", size, one, label="last", T=INT32)
        inside = draft.op("Minimum", found, last, label="inside", T=INT32)
        bucket = draft.op("Maximum", inside, zero, label="bucket", T=INT32)
        buckets.append(draft.op("Reshape", bucket, shape, label="shaped", T=INT32, Tshape=INT32))
    draft.finish("IdentityN", *buckets, T=[INT32] * count)


_MOST_FEATURES = 1000
