"""What shape an op gives, for the ops that loops and branches are made of.

A rule may know less than is true, never something else. Unknown ops give unknown shapes. Small
integer vectors (sizes, axes) are followed by value, so that a Reshape or a Fill is understood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from migrator.migration.passes.functional import shape_moves as moves
from migrator.migration.passes.functional.items import Item
from migrator.model.tensors import LazyTensor, Shape
from migrator.shapes.facts import (
    MOST_VALUES,
    UNKNOWN,
    Dims,
    Fact,
    broadcast,
    meet,
    sizes,
)

_LARGEST = 1 << 40


Rule = Callable[[Item, Sequence[Fact]], Sequence[Fact]]


def infer(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Facts of an item's outputs; those missing are unknown."""
    rule = _RULES.get(item.op)
    if rule is None:
        return ()
    try:
        return rule(item, facts)
    except (IndexError, TypeError, ValueError):  # fewer inputs, or others, than the op takes
        return ()


def _same(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims)]


def _identity(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return facts


def _broadcast(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims: Dims | None = ()
    for fact in facts:
        dims = broadcast(dims, fact.dims)
    return [Fact(dims)]


_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b,
    "AddV2": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Maximum": max,
    "Minimum": min,
    "FloorDiv": lambda a, b: a // b if b else 0,
}


def _arithmetic(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    (shape,) = _broadcast(item, facts)
    left, right = facts[0].values, facts[1].values
    if left is None or right is None or shape.dims is None or len(shape.dims) > 1:
        return [shape]
    count = max(len(left), len(right))
    if len(left) not in (1, count) or len(right) not in (1, count):
        return [shape]
    left, right = (side * count if len(side) == 1 else side for side in (left, right))
    work = _ARITHMETIC[item.op]
    if item.op == "FloorDiv" and 0 in right:
        return [shape]
    found = [
        None if a is None or b is None else work(a, b) for a, b in zip(left, right, strict=True)
    ]
    if any(value is not None and abs(value) > _LARGEST for value in found):
        return [shape]
    return [Fact(shape.dims, tuple(found))]


def _const(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    tensor = item.attrs.get("value")
    if not isinstance(tensor, LazyTensor):
        return ()
    dims = tensor.shape.dims
    small = dims is not None and len(dims) <= 1 and tensor.elements <= MOST_VALUES
    if not small or tensor.dtype.kind != "i":
        return [Fact(dims)]
    return [Fact(dims, tuple(int(value) for value in tensor.numpy().ravel()))]


def _declared(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    shape = item.attrs.get("shape")
    return [Fact(shape.dims)] if isinstance(shape, Shape) and shape.dims else ()


def _scalar(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(())]


def _matmul(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    left, right = facts[0].dims, facts[1].dims
    batched = item.op != "MatMul"
    first, second = ("adj_x", "adj_y") if batched else ("transpose_a", "transpose_b")
    if left is None or right is None:
        return [UNKNOWN] if batched else [Fact((None, None))]
    rows = left[-1] if item.attrs.get(first) else left[-2]
    columns = right[-2] if item.attrs.get(second) else right[-1]
    front = broadcast(left[:-2], right[:-2])
    return [UNKNOWN] if front is None else [Fact((*front, rows, columns))]


def _reduce(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, axes = facts[0].dims, facts[1].values
    if dims is None or axes is None or None in axes:
        return ()
    gone = {axis % len(dims) for axis in axes if axis is not None} if dims else set()
    if item.attrs.get("keep_dims"):
        return [Fact(tuple(1 if k in gone else size for k, size in enumerate(dims)))]
    left = tuple(size for k, size in enumerate(dims) if k not in gone)
    values = facts[0].values
    if item.op == "Prod" and left == () and values is not None and None not in values:
        product = 1
        for value in values:
            product = min(product * (value or 0), _LARGEST)
        return [Fact((), (product,))]
    return [Fact(left)]


def _arg(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(one.dims) for one in _reduce(item, facts)]


def _select(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(meet(facts[1].dims, facts[2].dims))]


def _bias(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims)]


def _element(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(sizes(facts[2]))]


def _stacked(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    element, gathers = sizes(facts[-1]), item.op == "TensorListGather"
    count = facts[1].dims[0] if gathers and facts[1].dims else None
    return () if element is None else [Fact((count, *element))]


_LISTS = "Reserve FromTensor SetItem ScatterIntoExistingList Split Length"
_UNARY = (
    "Abs Neg Sign Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Inv Sin Cos Tan Asin Acos Atan"
    " Sinh Cosh Tanh Sigmoid Softplus Softsign Relu Relu6 LeakyRelu Elu Selu Softmax LogSoftmax Erf"
    " Floor Ceil Round Rint LogicalNot IsNan IsInf IsFinite ZerosLike OnesLike Reverse ReverseV2"
    " ReverseSequence Print CheckNumerics Cumsum Cumprod ClipByValue Invert BitwiseNot"
)
_BINARY = (
    "RealDiv Div DivNoNan TruncateDiv Mod FloorMod TruncateMod Pow SquaredDifference Less LessEqual"
    " Greater GreaterEqual Equal NotEqual LogicalAnd LogicalOr Atan2 SelectV2 BitwiseAnd BitwiseOr"
    " BitwiseXor TanhGrad SigmoidGrad"
)
_PASSING = (
    "Identity RefIdentity IdentityN StopGradient PreventGradient Snapshot Cast EnsureShape"
    " PlaceholderWithDefault"
)
_REDUCING = "Sum Mean Max Min Prod All Any"

_RULES: dict[str, Rule] = {
    **dict.fromkeys(_UNARY.split(), _same),
    **dict.fromkeys(_BINARY.split(), _broadcast),
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
    **dict.fromkeys(_PASSING.split(), _identity),
    **dict.fromkeys(_REDUCING.split(), _reduce),
    "Const": _const,
    "Placeholder": _declared,
    "Shape": moves.shape,
    "Size": _scalar,
    "Rank": _scalar,
    "Range": moves.range_,
    "Fill": moves.fill,
    "RandomUniform": moves.fill,
    "RandomStandardNormal": moves.fill,
    "TruncatedNormal": moves.fill,
    "BroadcastTo": lambda item, facts: [Fact(sizes(facts[1]))],
    "Reshape": moves.reshape,
    "ExpandDims": moves.expand,
    "Squeeze": moves.squeeze,
    "ConcatV2": moves.concat,
    "Concat": moves.concat,
    "Pack": moves.pack,
    "Unpack": moves.unpack,
    "Split": moves.split,
    "SplitV": moves.split_sizes,
    "Transpose": moves.transpose,
    "StridedSlice": moves.strided_slice,
    "Slice": moves.slice_,
    "Gather": moves.gather,
    "GatherV2": moves.gather,
    "ResourceGather": moves.embedding,
    "MatMul": _matmul,
    "BatchMatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BiasAdd": _bias,
    "BiasAddV1": _bias,
    "ArgMax": _arg,
    "ArgMin": _arg,
    "Select": _select,
    **{f"TensorList{kind}": _scalar for kind in _LISTS.split()},
    "TensorListGetItem": _element,
    "TensorListStack": _stacked,
    "TensorListGather": _stacked,
    "AddN": lambda item, facts: [Fact(_met(facts))],
    "Tile": moves.tile,
}


def _met(facts: Sequence[Fact]) -> Dims | None:
    dims: Dims | None = None
    for fact in facts:
        dims = meet(dims, fact.dims)
    return dims
