"""Which ops' shapes are followed while loops and branches become functions.

The rules are those of ``migrator.shapes``. What a migration writes of shapes rests on these ops
alone, so that a rule more there changes no result here.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.migration.passes.functional.items import Item
from migrator.shapes import rules
from migrator.shapes.facts import Fact


def infer(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Facts of an item's outputs; those missing are unknown."""
    if item.op not in _FOLLOWED:
        return ()
    if item.op == "PlaceholderWithDefault":  # nobody feeds it any more
        return facts
    return rules.infer(item, facts)


_FOLLOWED = frozenset(
    (
        "Abs Acos Add AddN AddV2 All Any ArgMax ArgMin Asin Atan Atan2 BatchMatMul BatchMatMulV2 "
        "BiasAdd BiasAddV1 BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BroadcastTo Cast Ceil "
        "CheckNumerics ClipByValue Concat ConcatV2 Const Cos Cosh Cumprod Cumsum Div DivNoNan Elu "
        "EnsureShape Equal Erf Exp ExpandDims Expm1 Fill Floor FloorDiv FloorMod Gather GatherV2 "
        "Greater GreaterEqual Identity IdentityN Inv Invert IsFinite IsInf IsNan LeakyRelu Less "
        "LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean "
        "Min Minimum Mod Mul Neg NotEqual OnesLike Pack Placeholder PlaceholderWithDefault Pow "
        "PreventGradient Print Prod RandomStandardNormal RandomUniform Range Rank RealDiv "
        "Reciprocal RefIdentity Relu Relu6 Reshape ResourceGather Reverse ReverseSequence "
        "ReverseV2 Rint Round Rsqrt Select SelectV2 Selu Shape Sigmoid SigmoidGrad Sign Sin Sinh "
        "Size Slice Snapshot Softmax Softplus Softsign Split SplitV Sqrt Square SquaredDifference "
        "Squeeze StopGradient StridedSlice Sub Sum Tan Tanh TanhGrad TensorListFromTensor "
        "TensorListGather TensorListGetItem TensorListLength TensorListReserve "
        "TensorListScatterIntoExistingList TensorListSetItem TensorListSplit TensorListStack Tile "
        "Transpose TruncateDiv TruncateMod TruncatedNormal Unpack ZerosLike"
    ).split()
)
