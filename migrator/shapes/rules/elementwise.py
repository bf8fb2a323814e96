"""Ops that work on each element: what they give is as large as what they take, or broadcast."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import SCALAR, Dims, Fact, broadcast, join, meet
from migrator.shapes.rules.reading import Op, Table, dtype, flag, named, shape


def same(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """As large as the first input."""
    return [Fact(facts[0].dims)]


def identity(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return facts


def first_identity(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return facts[:1]


def switched(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Switch: the tensor itself, on either side."""
    return [facts[0], facts[0]]


def broadcasting(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    if len(facts) == 2:
        return [Fact(broadcast(facts[0].dims, facts[1].dims))]
    dims: Dims | None = facts[0].dims
    for fact in facts[1:]:
        dims = broadcast(dims, fact.dims)
    return [Fact(dims)]


def equality(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Equal and NotEqual; those told to bear shapes that do not fit give one False then."""
    left, right = facts[0].dims, facts[1].dims
    dims = broadcast(left, right)
    if not flag(op, "incompatible_shape_error", True) and left and right:
        if None in left or None in right:
            return ()
        pairs = zip(reversed(left), reversed(right), strict=False)
        if any(a != b and a != 1 and b != 1 for a, b in pairs):
            return [SCALAR]
    return [Fact(dims)]


def merged(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """All inputs are of one shape, and so is the output."""
    dims = facts[0].dims
    for fact in facts[1:]:
        dims = meet(dims, fact.dims)
    return [Fact(dims)]


def added(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    (fact,) = merged(op, facts)
    return [Fact(meet(fact.dims, shape(op, "shape")))]


def select(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    chosen = _chosen(facts)
    return [Fact(meet(facts[1].dims, facts[2].dims), chosen)]


def select_broadcast(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    (fact,) = broadcasting(op, facts)
    return [Fact(fact.dims, _chosen(facts))]


def _chosen(facts: Sequence[Fact]) -> Dims | None:
    """Values of a choice between two tensors of one shape, as far as they are known."""
    which, one, two = facts[0], facts[1], facts[2]
    if one.dims is None or one.dims != two.dims or which.dims not in ((), one.dims):
        return None
    if one.values is None or two.values is None:
        return None
    if which.values is None:
        return join(Fact(one.dims, one.values), Fact(two.dims, two.values)).values
    picks = which.values * len(one.values) if which.dims == () else which.values
    rows = zip(picks, one.values, two.values, strict=True)
    return tuple([(a if pick else b) if pick is not None else None for pick, a, b in rows])


def ensured(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = meet(facts[0].dims, shape(op, "shape"))
    return [facts[0]._replace(dims=dims)]


def gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """The gradient of an op on each element: of the shape that both inputs have."""
    return [Fact(meet(facts[0].dims, facts[1].dims))]


def bitcast(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, old, new = facts[0].dims, dtype(op, "T").itemsize, dtype(op, "type").itemsize
    if dims is None or not old or not new:
        return ()
    if old == new:
        return [Fact(dims)]
    return [Fact(dims[:-1])] if old < new else [Fact((*dims, old // new))]


UNARY = (
    "Acos Acosh Asin Asinh Atan Atanh BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1"
    " BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1 BitwiseNot CheckNumerics"
    " CheckNumericsV2 ClipByValue ComplexAbs Angle Conj Real Imag Cos Cosh Cumprod Cumsum"
    " CumulativeLogsumexp Dawsn DeepCopy Digamma Elu Erf Erfc Erfinv Exp Expint Expm1"
    " FresnelCos FresnelSin InplaceAdd InplaceSub InplaceUpdate Inv Invert IsFinite IsInf IsNan"
    " LRN LeakyRelu Lgamma Log Log1p LogSoftmax LogicalNot MatrixBandPart MatrixSetDiag"
    " MatrixSetDiagV2 MatrixSetDiagV3 Ndtri PopulationCount Print"
    " RandomShuffle Reciprocal Relu Relu6 Reverse ReverseSequence ReverseV2 Roll Rsqrt Selu"
    " Sigmoid Sign Sin Sinh Snapshot Softmax Softplus Softsign Spence Sqrt Square Tan Tanh"
    " Bucketize Cholesky MatrixInverse MatrixExponential MatrixLogarithm MatrixSquareRoot"
    " FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel"
    " QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 Dequantize"
    " QuantizeAndDequantizeV4 FFT FFT2D FFT3D IFFT IFFT2D IFFT3D BatchFFT BatchIFFT"
    " AdjustContrastv2 AdjustHue AdjustSaturation RGBToHSV HSVToRGB DrawBoundingBoxes"
    " DrawBoundingBoxesV2 TensorScatterUpdate TensorScatterAdd TensorScatterSub"
    " TensorScatterMax TensorScatterMin TensorStridedSliceUpdate"
    " BatchNormWithGlobalNormalization _UnaryOpsComposition"
)
_STRINGS = (
    "AsString DecodeBase64 EncodeBase64 RegexFullMatch RegexReplace StaticRegexFullMatch"
    " StaticRegexReplace StringLength StringLower StringStrip StringToHashBucket"
    " StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper Substr"
    " UnicodeScript UnicodeTranscode DecodeCompressed"
)
_BINARY = (
    "DivNoNan MulNoNan Xdivy Xlogy Xlog1py Atan2 BitwiseAnd BitwiseOr BitwiseXor LeftShift"
    " RightShift Complex Igamma Igammac Zeta"
    " Betainc NextAfter Polygamma"
)
_GRADIENTS = (
    "EluGrad InvGrad LeakyReluGrad ReciprocalGrad Relu6Grad ReluGrad RsqrtGrad SeluGrad"
    " SigmoidGrad SoftplusGrad SoftsignGrad SqrtGrad TanhGrad"
)
_PASSING = (
    "Enter RefEnter Exit RefExit NextIteration RefNextIteration"
    " Identity RefIdentity StopGradient PreventGradient GuaranteeConst Copy CopyHost"
    " DebugIdentity"
    " DebugGradientIdentity DebugGradientRefIdentity _ScopedAllocatorSplit ReadIdentity"
)

RULES: Table = {
    **named(UNARY, same),
    **named(_STRINGS, same),
    **named(_BINARY, broadcasting),
    **named(_GRADIENTS, gradient),
    **named(_PASSING, first_identity),
    **named("Switch RefSwitch", switched),
    "LoopCond": lambda op, facts: [SCALAR],
    "IdentityN": identity,
    "ApproximateEqual": merged,
    "AddN": merged,
    "AccumulateNV2": added,
    "Select": select,
    "SelectV2": select_broadcast,
    "EnsureShape": ensured,
    "Bitcast": bitcast,
}
