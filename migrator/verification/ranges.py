"""What values suit an input, read off the ops that consume it."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.graph.wiring import Wiring
from migrator.inspection.vocabulary import words
from migrator.model.dtypes import DType
from migrator.model.graph import Node, declared_shape
from migrator.model.tensors import SCALAR, UNKNOWN_SHAPE, LazyTensor, Shape
from migrator.ops.state import VARIABLE_OPS
from migrator.verification.examples import PARSERS, Feature, features_of

_STEPS = 24
"""How far from an input its consumers are followed."""
_WIDTH = 400
"""How many nodes at most."""

_SAME_VALUES = frozenset(
    (
        "Identity Reshape ExpandDims Squeeze Cast Transpose Switch RefSwitch Enter Merge "
        "StopGradient PlaceholderWithDefault Pack StridedSlice Slice Reverse ReverseV2 "
        "ReverseSequence Tile Split SplitV Unpack ConcatV2 GatherNd TensorArrayScatterV3 "
        "TensorArrayReadV3 Minimum Maximum"
    ).split()
)
"""Ops behind which values are still the input's own."""
_SAME_SHAPE = frozenset(
    (
        "Identity Cast Sub Mul Div RealDiv Add AddV2 Relu Relu6 Sigmoid Tanh StopGradient "
        "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 BiasAdd Switch Enter Merge "
        "PlaceholderWithDefault Square Sqrt Log Exp Abs Neg Maximum Minimum Softmax"
    ).split()
)
"""Ops behind which the shape is still the input's own."""
_LOOKUPS = {"Gather": 1, "GatherV2": 1, "ResourceGather": 1, "EmbeddingLookup": 1}
"""Op -> slot of its indices; slot 0 is the table."""
_LENGTHS = {"ReverseSequence": 1, "SequenceMask": 0}
_POSITIVE = frozenset(("Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal", "Pow"))
_MOST_DIMENSIONS = 32
_PIXEL_SCALE = 50.0
"""Dividing by (or subtracting) this much and more means pixels from 0 to 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """``limit``: integers stay below it. ``is_length``: at most the other inputs' length.

    ``low``, ``high``: the range of floats. ``decoder``: op that reads a string input,
    ``features``: what it parses from it.
    ``shape``: what consumers say of unknown dimensions.
    """

    limit: int | None = None
    is_length: bool = False
    low: float = -1.0
    high: float = 1.0
    normal: bool = True
    decoder: str = ""
    features: tuple[Feature, ...] = ()
    is_image: bool = False
    shape: Shape = UNKNOWN_SHAPE


def find_hints(wiring: Wiring, number: int, dtype: DType, shape: Shape) -> Hints:
    """Read the hints for the input at node ``number``."""
    name = wiring.nodes[number].name
    refined = refine_shape(wiring, number, shape)
    if dtype.kind == "s":
        return Hints(
            decoder=_decoder(wiring, number), features=_features(wiring, number), shape=refined
        )
    if dtype.is_integer:
        return Hints(
            limit=_limit(wiring, number),
            is_length=_is_length(wiring, number, name),
            is_image=_is_image(refined),
            shape=refined,
        )
    limit = _limit(wiring, number)
    if limit is not None:  # Keras feeds its embeddings floats
        return Hints(limit=limit, shape=refined)
    image = _is_image(refined)
    low, high, normal = (0.0, 1.0, False) if image else (-1.0, 1.0, True)
    if _takes_pixels(wiring, number):
        low, high, normal = 0.0, 255.0, False
    elif _wants_positive(wiring, number):
        low, high, normal = 0.05, 1.0, False
    return Hints(low=low, high=high, normal=normal, is_image=image, shape=refined)


def _follow(wiring: Wiring, start: int, through: frozenset[str]) -> list[tuple[int, int, int]]:
    """(node, slot, producer) for each consumer of ``start`` or of what passes it on."""
    found = []
    seen = {start}
    layer = [start]
    for _ in range(_STEPS):
        following = []
        for number in layer:
            for consumer in dict.fromkeys(wiring.consumers[number]):
                op = wiring.nodes[consumer].op
                slots = [
                    slot
                    for slot, (producer, _) in enumerate(wiring.inputs[consumer])
                    if producer == number
                ]
                found += [(consumer, slot, number) for slot in slots]
                steers = op in ("Switch", "RefSwitch") and 0 not in slots  # its predicate
                if op in through and consumer not in seen and not steers:
                    seen.add(consumer)
                    following.append(consumer)
        if not following or len(seen) > _WIDTH:
            break
        layer = following
    return found


def _limit(wiring: Wiring, number: int) -> int | None:
    """Rows of the smallest table that the input indexes."""
    limits = []
    for consumer, slot, _ in _follow(wiring, number, _SAME_VALUES):
        node = wiring.nodes[consumer]
        if _LOOKUPS.get(node.op) == slot:
            rows = _rows(wiring, consumer, node)
            if rows:
                limits.append(rows)
        elif node.op == "OneHot" and slot == 0 and len(wiring.inputs[consumer]) > 1:
            depth = _constant(wiring, wiring.inputs[consumer][1][0])
            if depth is not None and depth.shape.rank == 0:
                limits.append(int(depth.numpy()))
        elif "CrossEntropy" in node.op and slot == 1:
            limits.append(2)
    return min(limits, default=None)


def _rows(wiring: Wiring, consumer: int, node: Node) -> int | None:
    table = _constant(wiring, wiring.inputs[consumer][0][0])
    shape = table.shape if table is not None else _variable(wiring, wiring.inputs[consumer][0][0])
    if shape is None or not shape.dims:
        return None
    axis = 0
    if node.op == "GatherV2" and len(wiring.inputs[consumer]) > 2:
        found = _constant(wiring, wiring.inputs[consumer][2][0])
        axis = int(found.numpy()) if found is not None and found.shape.rank == 0 else 0
    dims = shape.dims
    return dims[axis] if -len(dims) <= axis < len(dims) else None


def _variable(wiring: Wiring, number: int) -> Shape | None:
    """The shape of the variable that a node is or reads."""
    for _ in range(_STEPS):
        node = wiring.nodes[number]
        if node.op in VARIABLE_OPS:
            shape = node.attrs.get("shape")
            return shape if isinstance(shape, Shape) else None
        reads = ("ReadVariableOp", "Identity", "Enter", "Switch", "RefEnter", "RefIdentity")
        if node.op not in reads or not wiring.inputs[number]:
            return None
        number = wiring.inputs[number][0][0]
    return None


def _constant(wiring: Wiring, number: int) -> LazyTensor | None:
    """The constant that a node is, seen through Identity, Enter and Switch."""
    for _ in range(_STEPS):
        node = wiring.nodes[number]
        if node.op == "Const":
            value = node.attrs.get("value")
            return value if isinstance(value, LazyTensor) else None
        if node.op not in ("Identity", "Enter", "Switch", "Cast") or not wiring.inputs[number]:
            return None
        number = wiring.inputs[number][0][0]
    return None


def _is_length(wiring: Wiring, number: int, name: str) -> bool:
    if any(word.startswith(("len", "seqlen")) for word in words(name)):
        return True
    return any(
        _LENGTHS.get(wiring.nodes[consumer].op) == slot
        for consumer, slot, _ in _follow(wiring, number, _SAME_VALUES)
    )


def _decoder(wiring: Wiring, number: int) -> str:
    for consumer, slot, _ in _follow(wiring, number, _SAME_VALUES):
        op = wiring.nodes[consumer].op
        if slot == 0 and op.startswith(("Decode", "StringTo", "Parse")):
            return op
    return ""


def _features(wiring: Wiring, number: int) -> tuple[Feature, ...]:
    for consumer, slot, _ in _follow(wiring, number, _SAME_VALUES):
        if slot == 0 and wiring.nodes[consumer].op in PARSERS:
            return features_of(wiring, consumer)
    return ()


def _is_image(shape: Shape) -> bool:
    """Channels last. [?, ?, 3] is as likely a sequence, so three dimensions must be known."""
    dims = shape.dims
    if dims is None or len(dims) not in (3, 4) or dims[-1] not in (1, 3, 4):
        return False
    return len(dims) == 4 or None not in dims


def _takes_pixels(wiring: Wiring, number: int) -> bool:
    """True where the graph itself brings 0..255 down to its range."""
    for consumer, slot, _ in _follow(wiring, number, frozenset(("Identity", "Cast", "Reshape"))):
        node = wiring.nodes[consumer]
        if node.op not in ("RealDiv", "Div", "Sub", "Mul") or len(wiring.inputs[consumer]) != 2:
            continue
        other = _constant(wiring, wiring.inputs[consumer][1 - slot][0])
        if other is None or other.elements > 4 or not other.dtype.is_floating:
            continue
        value = float(abs(other.numpy()).max(initial=0))
        if (node.op == "Mul" and 0 < value < 1 / _PIXEL_SCALE) or (
            node.op != "Mul" and value >= _PIXEL_SCALE
        ):
            return True
    return False


def _wants_positive(wiring: Wiring, number: int) -> bool:
    near = _follow(wiring, number, frozenset(("Identity", "Cast", "Reshape")))
    return any(wiring.nodes[consumer].op in _POSITIVE for consumer, _, _ in near)


def refine_shape(wiring: Wiring, number: int, shape: Shape) -> Shape:
    """``shape`` with unknown parts filled in from matrix products, convolutions, reshapes."""
    if shape.dims is not None and None not in shape.dims[1:]:
        return shape
    for consumer, slot, _ in _follow(wiring, number, _SAME_SHAPE):
        wanted = _wanted(wiring, consumer, slot)
        if wanted is None:
            continue
        if shape.dims is None:
            return Shape(wanted)
        if len(wanted) == len(shape.dims):
            pairs = zip(shape.dims, wanted, strict=True)
            return Shape(tuple(want if dim is None else dim for dim, want in pairs))
    if shape.dims is None and declared_shape(wiring.nodes[number]) == SCALAR:
        return SCALAR  # old graphs write "unknown" so, but mostly it is meant
    return shape


def _wanted(wiring: Wiring, consumer: int, slot: int) -> tuple[int | None, ...] | None:
    """The shape that an op asks of what it gets in ``slot``."""
    node = wiring.nodes[consumer]
    if slot == 0 and node.op.startswith("Decode"):
        return ()
    if len(wiring.inputs[consumer]) < 2 or slot != 0:
        return None
    other = _constant(wiring, wiring.inputs[consumer][1][0])
    dims = other.shape.dims if other is not None else None
    if node.op == "MatMul" and dims is not None and len(dims) == 2:
        return (None, dims[1] if node.attrs.get("transpose_b") else dims[0])
    if node.op in ("Conv2D", "DepthwiseConv2dNative") and dims is not None and len(dims) == 4:
        if node.attrs.get("data_format", b"NHWC") == b"NCHW":
            return (None, dims[2], None, None)
        return (None, None, None, dims[2])
    if node.op == "Reshape" and other is not None and dims is not None and len(dims) == 1:
        if other.elements > _MOST_DIMENSIONS:  # a few bytes can claim millions
            return None
        target = [int(size) for size in other.numpy()]
        if len(target) == 2 and target[1] > 0:
            return (None, target[1])
        if len(target) == 4 and all(size > 0 for size in target[1:]):
            return (None, target[1] * target[2] * target[3])
    return None
