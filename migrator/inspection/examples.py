"""Which features the tf.Examples must have that a model takes as strings.

A model that is served with tf.Examples has one string input; what is asked for stands in the op
that parses them: names and types of the features, and what stands in for one that is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.errors import MigratorError
from migrator.inspection.tracing import Tracer
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node
from migrator.model.tensors import UNKNOWN_SHAPE, LazyTensor, Shape, TensorRef
from migrator.ops.registry import input_slots

SEQUENCES = frozenset(
    ("ParseSequenceExample", "ParseSequenceExampleV2", "ParseSingleSequenceExample")
)
PARSERS = SEQUENCES | {"ParseExample", "ParseExampleV2", "ParseSingleExample"}
_PLACEHOLDERS = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))
_RESHAPES = frozenset(("Reshape", "ExpandDims", "Squeeze"))
_MOST_STEPS = 16
_MOST_PARSERS = 100
_MOST_FEATURES = 10_000
_EMPTY = "feature_list_dense_missing_assumed_empty"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feature:
    """One feature. ``shape`` is that of one example (of one step in a feature list)."""

    name: str
    """Empty where the graph works it out."""
    kind: str
    """``dense``, ``sparse`` or ``ragged``."""
    part: str
    """Of a SequenceExample ``context`` or ``steps`` (its feature lists); else empty."""
    dtype: DType | None
    shape: Shape
    required: bool
    """Whether an example without it is refused."""
    default: LazyTensor | None = None
    """What stands in for a dense one, or fills up one of variable length. None where there is
    nothing, or the graph works it out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExampleParser:
    """An op that parses examples. ``tensor`` is the placeholder that gives them, "" for others."""

    node: str
    function: str
    """Whose body it is in; empty for the graph itself."""
    op: str
    tensor: str
    features: tuple[Feature, ...]


def example_parsers(graph: Graph) -> tuple[ExampleParser, ...]:
    """The ops of a graph, bodies included, that parse examples; at most 100, or
    those with the first 10,000 features. Linear."""
    tracer = Tracer(graph)
    found: list[ExampleParser] = []
    left = _MOST_FEATURES
    for function, node in tracer.nodes(PARSERS):
        if len(found) == _MOST_PARSERS or left <= 0:
            break
        found.append(parser_of(tracer, function, node))
        left -= len(found[-1].features)
    return tuple(found)


def parser_of(tracer: Tracer, function: Function | None, node: Node) -> ExampleParser:
    """What one op of ``PARSERS`` parses."""
    reading = _Reading(tracer, function, node)
    parts = (("context_", "context"), ("feature_list_", "steps"))
    features: list[Feature] = []
    for prefix, part in parts if node.op in SEQUENCES else (("", ""),):
        for kind in ("dense", "sparse", "ragged"):
            features += reading.features(prefix, kind, part)
    return ExampleParser(
        node=node.name,
        function="" if function is None else function.name,
        op=node.op,
        tensor=_given(tracer, function, reading.refs("serialized")),
        features=tuple(features[:_MOST_FEATURES]),
    )


class _Reading:
    """What one parsing op is told, by its arguments or by its attributes."""

    def __init__(self, tracer: Tracer, function: Function | None, node: Node) -> None:
        self._tracer = tracer
        self._function = function
        self._node = node
        self._data = node.data_refs
        self._slots: Mapping[str, tuple[int, int]] = input_slots(node) or {}

    def refs(self, argument: str) -> Sequence[TensorRef]:
        start, count = self._slots.get(argument, (0, 0))
        return self._data[start : start + count]

    def features(self, prefix: str, kind: str, part: str) -> Iterator[Feature]:
        names = self._texts(f"{prefix}{kind}_keys")
        types = self._list(_types_key(prefix, kind))
        shapes = self._list(f"{prefix}dense_shapes")
        defaults = self.refs(f"{prefix}dense_defaults")
        spared = self._spared(names) if part == "steps" and kind == "dense" else frozenset()
        for at in range(min(len(names) or len(types), _MOST_FEATURES)):
            name = _name(names[at]) if at < len(names) else ""
            dtype = types[at] if at < len(types) else None
            shape = shapes[at] if kind == "dense" and at < len(shapes) else None
            shape = shape if isinstance(shape, Shape) else UNKNOWN_SHAPE
            required, default = False, None
            if kind == "dense" and part == "steps":
                required = at not in spared
            elif kind == "dense" and at < len(defaults):
                default = self._constant(defaults[at])
                required = default is not None and not (default.elements or is_open(shape))
            yield Feature(
                name=name,
                kind=kind,
                part=part,
                dtype=dtype if isinstance(dtype, DType) else None,
                shape=shape,
                required=required,
                default=default if default is not None and default.elements else None,
            )

    def _texts(self, key: str) -> Sequence[object]:
        """Names: a constant each, a constant of all of them, or an attribute."""
        said = self._node.attrs.get(key)
        if isinstance(said, list):
            return said
        refs = self.refs(key)
        if key not in self._slots:
            return ()
        try:
            if len(refs) == 1:
                return self._tracer.texts(self._function, refs)
            each = [self._tracer.texts(self._function, [ref]) for ref in refs[:_MOST_FEATURES]]
        except MigratorError:  # damaged: told as unknown
            return ()
        return [texts[0] if len(texts) == 1 else b"" for texts in each]

    def _list(self, key: str) -> Sequence[object]:
        value = self._node.attrs.get(key)
        return value if isinstance(value, list) else ()

    def _spared(self, names: Sequence[object]) -> frozenset[int]:
        """Feature lists that an example may lack: said by their names, or one bool for each."""
        told = self._texts(_EMPTY)
        if told and all(isinstance(item, bytes) for item in told):
            wanted = set(told)
            return frozenset(at for at, name in enumerate(names) if name in wanted)
        return frozenset(at for at, item in enumerate(told) if item and not isinstance(item, bytes))

    def _constant(self, ref: TensorRef) -> LazyTensor | None:
        """The constant that ``ref`` is, reshaped at most."""
        function: Function | None = self._function
        for _ in range(_MOST_STEPS):
            found = self._tracer.origin(function, ref)
            if found is None:
                return None
            if found.node.op not in _RESHAPES or not found.node.data_refs:
                value = found.node.attrs.get("value") if found.node.op == "Const" else None
                return value if isinstance(value, LazyTensor) else None
            function, ref = found.function, found.node.data_refs[0]
        return None


def is_open(shape: Shape) -> bool:
    """Whether a dense feature has as many rows as an example gives."""
    return shape.dims is not None and shape.dims[:1] == (None,)


def _types_key(prefix: str, kind: str) -> str:
    """The attribute with the types of such features."""
    if kind == "ragged":
        return f"{prefix}ragged_value_types"
    if kind == "dense" and prefix != "feature_list_":
        return f"T{prefix}dense"
    return f"{prefix}{kind}_types"


def _given(tracer: Tracer, function: Function | None, refs: Sequence[TensorRef]) -> str:
    """The placeholder that gives a tensor, reshaped at most; empty for anything else."""
    for _ in range(_MOST_STEPS):
        found = tracer.origin(function, refs[0]) if refs else None
        if found is None:
            return ""
        if found.node.op in _PLACEHOLDERS and found.function is None:
            return f"{found.node.name}:0"
        if found.node.op not in _RESHAPES:
            return ""
        function, refs = found.function, found.node.data_refs
    return ""


def _name(item: object) -> str:
    return item.decode("utf-8", "backslashreplace") if isinstance(item, bytes) else str(item)
