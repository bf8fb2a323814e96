"""What counts as a weight in each format, and a model's weights by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.formats.load import as_model
from migrator.inspection.spare import spare_constants, spare_handles
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node
from migrator.model.model import OTHER_GRAPHS, MetaGraph, Model
from migrator.model.tensors import LazyTensor, Shape
from migrator.ops.state import VARIABLE_OPS, variable_name
from migrator.places.resolve import PathLike

VARIABLE = "variable"
"""Stands for the op of a weight that belongs to no node."""
_WEIGHT_KINDS = frozenset("fcq")
_KERAS = frozenset(("keras_h5", "keras_zip"))
_GENERATOR = re.compile(
    r"(?:^|[/_])(?:seed_generator|random_generator|seed_generator_state|StateVar)(?:_\d+)?(?:/|:|\Z)"
)
"""What a layer that draws random numbers keeps: how far its generator got."""
_NUMBER_OF_LAYER = re.compile(r"(?!_?optimizer/|optimizer_weights/)[^/]+/")
"""What a number without a dimension is called that a layer keeps; others are steps and rates."""
_LARGE_TABLE = 1024
"""Bytes from which on an integer constant counts as a weight (a table) and not as a shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A constant or a variable that holds parameters. ``bytes`` is its decoded size."""

    name: str
    """Of its node, in a function's body behind ``function/``; what is shared has its own."""
    op: str
    dtype: DType
    shape: Shape
    elements: int
    bytes: int
    function: str = ""
    """Whose body it is in, if any."""
    is_optimizer: bool = False
    """Whether it is a variable that an optimizer keeps for its steps."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightTotal:
    """What the weights of one type come to. ``parameters`` counts elements."""

    tensors: int
    parameters: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedWeights:
    """Both largest first; the optimizer's weights come after the model's own."""

    weights: tuple[Weight, ...]
    constants: tuple[Weight, ...] = ()
    """Constants of function bodies that are no weights, as variables beside them are."""
    metrics: tuple[Weight, ...] = ()
    """Variables that are no weights: see ``metric_variables``."""


def meta_weights(meta: MetaGraph) -> tuple[Weight, ...]:
    """``find_weights`` of its graph, without the handles that ``spare_handles`` tells."""
    return counted_weights(meta).weights


def counted_weights(meta: MetaGraph) -> CountedWeights:
    """The weights of a meta graph, and what only looks like some. Linear."""
    spare = spare_handles(meta)
    if not any(node.op in VARIABLE_OPS for node in meta.graph.nodes):  # frozen, as most are
        return _counted(meta.graph, spare)
    from migrator.inspection.evaluation import metric_thresholds, metric_variables
    from migrator.inspection.optimizer import optimizer_variables

    kept = optimizer_variables(meta, spare)
    metrics = metric_variables(meta, kept)
    return _counted(meta.graph, {*spare, *metric_thresholds(meta, metrics)}, kept, metrics)


def find_weights(graph: Graph, spare: Collection[str] = ()) -> tuple[Weight, ...]:
    """Constants and variables that hold parameters, largest first.

    A constant counts when it is floating, complex or quantised and has a rank of at least one,
    or when it is an integer table of 1 KB and more; scalars, shapes and axes do not. A variable
    counts when it is of such a type and its node is not in ``spare``. What initialises a variable
    is not counted beside it. A constant in a function's body counts only where no variable does:
    where there are variables, nothing was frozen into the bodies, and what they hold is what the
    code computes with (zeros to begin from, masks, scales), once for each body that repeats it.
    """
    return _counted(graph, spare).weights


def _counted(
    graph: Graph,
    spare: Collection[str],
    kept: Collection[str] = (),
    metrics: Collection[str] = (),
) -> CountedWeights:
    found: dict[str, Weight] = {}
    of_metrics: list[Weight] = []
    for function, node in _nodes(graph, spare):
        weight = None
        if node.op == "Const":
            value = constant_weight(node)
            if value is not None:
                name = full_name(function, node)
                weight = tensor_weight(name, value, node.op, function)
        elif node.op in VARIABLE_OPS:
            weight = _variable(function, node)
            if weight is not None and not function and node.name in metrics:
                of_metrics.append(weight)
                continue
            if weight is not None and variable_name(node) in kept:
                weight = replace(weight, is_optimizer=True)
        if weight is not None:
            found.setdefault(weight.name, weight)
    ordered = largest_first(found.values())
    others = largest_first(of_metrics)
    if all(weight.op == "Const" for weight in ordered):
        return CountedWeights(weights=ordered, metrics=others)
    return CountedWeights(
        weights=tuple(item for item in ordered if not _is_body_constant(item)),
        constants=tuple(item for item in ordered if _is_body_constant(item)),
        metrics=others,
    )


def _is_body_constant(weight: Weight) -> bool:
    return weight.op == "Const" and bool(weight.function)


def largest_first(weights: Iterable[Weight]) -> tuple[Weight, ...]:
    """The model's own first, then the optimizer's."""
    return tuple(
        sorted(weights, key=lambda weight: (weight.is_optimizer, -weight.bytes, weight.name))
    )


def is_carried_weight(tensor: LazyTensor, form: str, name: str) -> bool:
    """Whether a tensor of ``Model.variables`` holds parameters: steps and shapes do not.

    Of a checkpoint what is floating, complex or quantised, int8 among that, of rank one and up.
    Keras and TFLite keep quantised weights as plain integers: of TFLite all narrow ones count, too.
    Of a Keras file every variable counts that is no state of a generator of random numbers,
    whatever its type, a layer's numbers without a dimension among them, as
    ``Model.count_params`` has it.
    """
    if not tensor.elements:
        return False
    if form in _KERAS:
        kinds = _WEIGHT_KINDS | {"i", "u", "b"}
        counts = bool(tensor.shape.rank) or _NUMBER_OF_LAYER.match(name) is not None
        return counts and tensor.dtype.base.kind in kinds and not _GENERATOR.search(name)
    if not tensor.shape.rank:
        return False
    if _may_be_learnt(tensor.dtype):
        return True
    if form not in OTHER_GRAPHS or tensor.dtype.kind not in "iu":
        return False
    narrow = form == "tflite" and tensor.dtype.itemsize == 1
    return narrow or tensor.nbytes >= _LARGE_TABLE


def _may_be_learnt(dtype: DType) -> bool:
    """Whether variables of this type are weights: of integers the narrow signed ones, which are
    what was quantised; bytes without a sign are rather images, wider ones counters."""
    base = dtype.base
    return base.kind in _WEIGHT_KINDS or (base.kind == "i" and base.itemsize == 1)


def total(weights: Collection[Weight]) -> WeightTotal:
    return WeightTotal(
        tensors=len(weights),
        parameters=sum(weight.elements for weight in weights),
        bytes=sum(weight.bytes for weight in weights),
    )


def totals_by_dtype(weights: Iterable[Weight]) -> dict[str, WeightTotal]:
    """TensorFlow's name of each type -> what its weights come to, most bytes first."""
    sums: dict[str, list[int]] = {}
    for weight in weights:
        total = sums.setdefault(weight.dtype.base.name, [0, 0, 0])
        total[0] += 1
        total[1] += weight.elements
        total[2] += weight.bytes
    ordered = sorted(sums.items(), key=lambda item: (-item[1][2], item[0]))
    return {
        name: WeightTotal(tensors=tensors, parameters=parameters, bytes=count)
        for name, (tensors, parameters, count) in ordered
    }


class Weights(dict[str, LazyTensor]):
    """Name -> weight, each once; ``unlisted`` are those that are no weights of their own.

    Those are constants of a TFLite file that share the buffer of a listed one, and of bodies
    beside variables (see ``find_weights``).
    """

    __slots__ = ("unlisted",)

    def __init__(
        self, listed: Mapping[str, LazyTensor], unlisted: Mapping[str, LazyTensor] | None = None
    ) -> None:
        super().__init__(listed)
        self.unlisted: Mapping[str, LazyTensor] = unlisted or {}

    def find(self, name: str) -> LazyTensor | None:
        """What has that name, listed or not."""
        found = self.get(name)
        return self.unlisted.get(name) if found is None else found


def weights(
    source: PathLike | Model,
    *,
    meta_graph: int | str | Sequence[str] = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> Weights:
    """The weights of one meta graph by name, each left in its file until it is asked for.

    ``meta_graph`` is its number, or its tags. ``limits`` are for a path; a model keeps its own.

    Those are its constants that hold parameters (a body's as ``function/node``), its variables
    with their values from the checkpoint beside it, and what a checkpoint, a Keras file or a
    TFLite file holds, strings and counters included. A variable whose value is nowhere is left
    out. What is stored once under several names counts once (see ``Weights``).

    Raises MigratorError where the checkpoint cannot be read, UsageError where there is no such
    meta graph, and what ``load`` raises for a path.
    """
    model = as_model(source, limits)
    if model.tflite is not None and model.tflite.shared:
        return Weights(model.variables, model.tflite.shared)
    if model.variables or not model.meta_graphs:
        return Weights(model.variables)
    meta = model.meta_graph(meta_graph)
    found: dict[str, LazyTensor] = {}
    of_bodies: dict[str, LazyTensor] = {}
    variables: dict[str, None] = {}
    has_weights = False
    from migrator.inspection.evaluation import metric_thresholds, metric_variables

    spare = {*spare_handles(meta), *metric_thresholds(meta, metric_variables(meta))}
    for function, node in _nodes(meta.graph, spare):
        if node.op == "Const":
            value = constant_weight(node)
            if value is not None:
                constants = of_bodies if function else found
                constants.setdefault(full_name(function, node), value)
        elif node.op in VARIABLE_OPS:
            variables[variable_name(node)] = None
            has_weights = has_weights or _variable(function, node) is not None
    if not has_weights:
        found |= {name: value for name, value in of_bodies.items() if name not in found}
    if variables:
        from migrator.inspection.joined import variable_values

        values = variable_values(model)
        found.update((name, values[name]) for name in variables if name in values)
    return Weights(found, of_bodies if has_weights else {})


def constant_weight(node: Node) -> LazyTensor | None:
    """The value of a Const that holds parameters; None for other constants."""
    value = node.attrs.get("value")
    if not isinstance(value, LazyTensor) or not value.shape.dims or "/Initializer/" in node.name:
        return None
    if 0 in value.shape.dims:
        return None
    kind = value.dtype.kind
    if kind in _WEIGHT_KINDS or (kind in "iu" and value.nbytes >= _LARGE_TABLE):
        return value
    return None


def full_name(function: str, node: Node) -> str:
    """``node``, and ``function/node`` for one of a body."""
    return f"{function}/{node.name}" if function else node.name


def tensor_weight(name: str, value: LazyTensor, op: str = VARIABLE, function: str = "") -> Weight:
    elements, itemsize = value.elements, value.dtype.itemsize
    return Weight(
        name=name,
        op=op,
        dtype=value.dtype,
        shape=value.shape,
        elements=elements,
        bytes=elements * itemsize if itemsize else value.stored_bytes,
        function=function,
    )


def _nodes(graph: Graph, spare: Collection[str]) -> Iterator[tuple[str, Node]]:
    """Every node that may count, with the name of the function that it is in the body of."""
    left_out = spare_constants(graph.nodes).union(spare)
    for node in graph.nodes:
        if node.name not in left_out:
            yield "", node
    for function in graph.functions.values():
        left_out = spare_constants(function.nodes, function.returns.values())
        for node in function.nodes:
            if node.name not in left_out:
                yield function.name, node


def _variable(function: str, node: Node) -> Weight | None:
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape):
        return None
    if not _may_be_learnt(dtype) or not shape.rank or shape.elements == 0:
        return None
    elements = shape.elements or 0
    shared = bool(node.attrs.get("shared_name"))
    return Weight(
        name=variable_name(node) if shared else full_name(function, node),
        op=node.op,
        dtype=dtype,
        shape=shape,
        elements=elements,
        bytes=elements * dtype.itemsize,
        function="" if shared else function,
    )
