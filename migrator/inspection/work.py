"""What one node has to compute: multiply-adds of products, operations on elements.

Source of the counts: a convolution or a matrix product multiplies and adds once for each element
of its output and each number that goes into that element (He and Sun, "Convolutional Neural
Networks at Constrained Time Cost", 2014; the tables of the MobileNet papers count the same way).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from migrator.model.graph import Node
from migrator.shapes.facts import Dims, Fact, count
from migrator.shapes.rules.reading import flag, text

_MOST = 1 << 63
"""Nothing that runs computes more. A hostile shape can claim it."""


def multiply_adds(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """Multiply-adds of a product, None where shapes do not allow to count them.

    Raises KeyError for an op that is no product.
    """
    rule = _PRODUCTS[node.op]
    try:
        found = rule(node, given, made)
    except (IndexError, TypeError, ValueError):
        return None
    return found if found is not None and found < _MOST else None


def is_product(op: str) -> bool:
    return op in _PRODUCTS


def element_operations(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """One operation an element: of the output, or of the input where that is what is worked on.

    0 for ops that only move values; None where shapes do not allow to count.
    """
    if node.op in _BY_OUTPUT:
        return count(made[0].dims) if made else None
    if node.op in _BY_INPUT:
        return count(given[0].dims) if given else None
    return 0


def _product(*factors: int | None) -> int | None:
    return count(factors)


def _convolution(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    return _each(made[0].dims, given[1].dims)


def _each(image: Dims | None, kernel: Dims | None) -> int | None:
    """Of every element of ``image``: all of the kernel that makes one channel."""
    if image is None or kernel is None:
        return None
    return _product(*image, *kernel[:-1])


def _depthwise(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    image, kernel = made[0].dims, given[1].dims
    return None if image is None or kernel is None else _product(*image, *kernel[:2])


def _transposed(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """Each element of the smaller image goes into as many of the larger one."""
    image, kernel = given[2].dims, given[1].dims
    if image is None or kernel is None:
        return None
    if node.op.startswith("Depthwise"):
        return _product(*image, *kernel[:2])
    return _product(*image, *kernel[:-1])


def _to_kernel(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    image, kernel = given[2].dims, made[0].dims
    if image is None or kernel is None:
        return None
    if node.op.startswith("Depthwise"):
        return _product(*image, *kernel[:2])
    return _product(*image, *kernel[:-1])


def _matmul(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    result, left, right = made[0].dims, given[0].dims, given[1].dims
    if result is None:
        return None
    turned = "adj_x" if node.op.startswith("Batch") else "transpose_a"
    other = "adj_y" if node.op.startswith("Batch") else "transpose_b"
    inner = None
    if left is not None:
        inner = left[-2] if flag(node, turned) else left[-1]
    if inner is None and right is not None:
        inner = right[-1] if flag(node, other) else right[-2]
    return _product(*result, inner)


def _sparse_matmul(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """Each value that is there, with a row of the dense matrix."""
    values, result = given[1].dims, made[0].dims
    return None if values is None or result is None else _product(*values, result[1])


def _einsum(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """As one loop over all labels, as no kernel does it with three factors and more."""
    left, _, right = text(node, "equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != 2 or len(given) != 2:
        return None
    result = made[0].dims
    if result is None:
        return None
    factors: list[int | None] = list(result)
    told: dict[str, int | None] = {}
    for term, fact in zip(terms, given, strict=True):
        before, dots, after = term.partition("...")
        dims = fact.dims
        if dims is None:
            return None
        middle = len(dims) - len(before) - len(after)
        labels = [*before, *([""] * middle if dots else []), *after]
        for label, size in zip(labels, dims, strict=True):
            if label and label not in right:
                told[label] = size if told.get(label) is None else told[label]
    return _product(*factors, *told.values())


def _block_lstm(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """Each frame: inputs and state through the weights of four gates."""
    result, weights = made[-1].dims, given[4].dims
    return None if result is None or weights is None else _product(*result[:2], *weights)


def _lstm_cell(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    result, weights = made[-1].dims, given[3].dims
    return None if result is None or weights is None else _product(result[0], *weights)


def _gru_cell(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    """The weights of reset and update gate, and those of the cell."""
    result, gates, cell = made[-1].dims, given[2].dims, given[3].dims
    if result is None or gates is None or cell is None:
        return None
    one, two = _product(result[0], *gates), _product(result[0], *cell)
    return None if one is None or two is None else one + two


def _unknown(node: Node, given: Sequence[Fact], made: Sequence[Fact]) -> int | None:
    return None


_Rule = Callable[[Node, Sequence[Fact], Sequence[Fact]], int | None]
_PRODUCTS: Mapping[str, _Rule] = {
    **dict.fromkeys(("Conv2D", "Conv3D", "_FusedConv2D", "QuantizedConv2D"), _convolution),
    **dict.fromkeys(("DepthwiseConv2dNative", "_FusedDepthwiseConv2dNative"), _depthwise),
    **dict.fromkeys(
        (
            "Conv2DBackpropInput",
            "Conv3DBackpropInputV2",
            "DepthwiseConv2dNativeBackpropInput",
        ),
        _transposed,
    ),
    **dict.fromkeys(
        (
            "Conv2DBackpropFilter",
            "Conv3DBackpropFilterV2",
            "DepthwiseConv2dNativeBackpropFilter",
        ),
        _to_kernel,
    ),
    **dict.fromkeys(
        (
            "MatMul",
            "_FusedMatMul",
            "SparseMatMul",
            "QuantizedMatMul",
            "BatchMatMul",
            "BatchMatMulV2",
            "BatchMatMulV3",
        ),
        _matmul,
    ),
    "SparseTensorDenseMatMul": _sparse_matmul,
    "Einsum": _einsum,
    **dict.fromkeys(("BlockLSTM", "BlockLSTMV2"), _block_lstm),
    "LSTMBlockCell": _lstm_cell,
    "GRUBlockCell": _gru_cell,
    # Of these no formula: said to be not counted.
    **dict.fromkeys(
        "CudnnRNN CudnnRNNV2 CudnnRNNV3 FFT FFT2D FFT3D IFFT IFFT2D IFFT3D RFFT RFFT2D RFFT3D"
        " IRFFT IRFFT2D IRFFT3D Svd Qr Cholesky MatrixInverse MatrixSolve MatrixTriangularSolve"
        " SelfAdjointEigV2 AudioSpectrogram Mfcc".split(),
        _unknown,
    ),
}
_BY_OUTPUT = frozenset(
    (
        "Add AddV2 AddN Sub Mul Div RealDiv FloorDiv DivNoNan Maximum Minimum Pow FloorMod Mod"
        " SquaredDifference BiasAdd BiasAddV1 Neg Abs Exp Expm1 Log Log1p Sqrt Rsqrt Square"
        " Reciprocal Inv Sin Cos Tan Tanh Sigmoid Softplus Softsign Relu Relu6 LeakyRelu Elu Selu"
        " Softmax LogSoftmax Erf Erfc Floor Ceil Round Rint Sign FusedBatchNorm FusedBatchNormV2"
        " FusedBatchNormV3 _FusedBatchNormEx BatchNormWithGlobalNormalization LRN L2Loss"
        " ClipByValue Less LessEqual Greater GreaterEqual Equal NotEqual LogicalAnd LogicalOr"
        " LogicalNot Select SelectV2 Cumsum Cumprod ResizeBilinear ResizeBicubic"
        " ResizeNearestNeighbor ResizeArea CropAndResize Dilation2D"
    ).split()
)
_BY_INPUT = frozenset(
    (
        "Sum Mean Max Min Prod All Any ArgMax ArgMin MaxPool MaxPoolV2 AvgPool MaxPool3D"
        " AvgPool3D MaxPoolWithArgmax"
    ).split()
)
