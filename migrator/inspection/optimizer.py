"""Which variables an optimizer keeps for its steps, beside the model's own weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from migrator.errors import MigratorError
from migrator.inspection.tracing import Tracer
from migrator.model.graph import Graph, Node
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import Shape
from migrator.ops.state import VARIABLE_OPS, variable_name

_STEP = re.compile(r"(?:Resource)?(?:Sparse)?Apply[A-Z]\w*")
_KIND = (
    r"(?:Adam|AdamW|AdamWeightDecay|LazyAdam|Nadam|Adamax|AdaMax|Adagrad|AdagradDA|Adadelta"
    r"|AdaFactor|Adafactor|AddSign|PowerSign|Ftrl|GGT|LAMB|LARS|LARSOptimizer|Momentum|MomentumW"
    r"|NovoGrad|ProximalAdagrad|RAdam|RMSProp|RMSprop|SGD|Yogi)"
)
_SLOT = re.compile(rf"{_KIND}(?:_\d+)?|(?:adam|lamb|nadam)_[mv]")
_KERAS_SLOT = re.compile(
    r"(?:accum_grad|accum_var|accumulator|linear|m|mg|momentum|rms|v|vhat)(?:_\d+)?"
)
"""How Keras calls slots, in its optimizer's scope: ``Adam/dense/kernel/m``."""
_FACTORED = re.compile(r"(.+)_slot_(?:m|v|vr|vc|k)")
"""Mesh TensorFlow's slots: of a matrix rows and columns, so that their shapes are others."""
_TRAINED = re.compile(rf"training(?:_\d+)?/{_KIND}(?:_\d+)?/")
_IN_SCOPE = re.compile(rf"(?:[^/]+/)?{_KIND}(?:_\d+)?/")
_POWER = re.compile(r"(?:.*/)?beta[12]_power(?:_\d+)?")
_SCOPES = ("optimizer/", "_optimizer/", "optimizer_weights/")
_SLOT_PART = "/.OPTIMIZER_SLOT/"
_MARK = "/.ATTRIBUTES/"
_EDGES = frozenset(("optimizer", "_optimizer"))
_IDENTIFIERS = frozenset(("optimizer", "tf_deprecated_optimizer"))
_KEPT = frozenset(("_learning_rate", "_variables"))
"""What every optimizer of Keras 3 and of Keras 2.11 on tracks, whatever it is called."""
_TRAINS = "_trainable_variables"
"""Where such an optimizer tracks the variables that it trains: none of its own."""
_SCOPES_ABOVE = 16
"""Scopes that a step may be made in: its slots are named below them."""


def optimizer_variables(
    meta: MetaGraph, copies: Mapping[str, str] = MappingProxyType({})
) -> frozenset[str]:
    """``variable_name`` of the variables that an optimizer keeps: slots, powers, steps. Linear.

    By the objects where TensorFlow 2 lists them; by what the ops that train take beside the
    variable; by the name where a variable of the same shape is what it is a slot of. ``copies``
    are as of ``spare_handles``: what is restored into a copy only is known by that.
    """
    nodes = [node for node in meta.graph.nodes if node.op in VARIABLE_OPS]
    by_variable = {variable_name(node): node for node in nodes}
    if not nodes:
        return frozenset()
    found, trained = _by_steps(meta.graph)
    if meta.object_graph is not None and meta.object_graph.variables:
        return found | _by_objects(meta, nodes, copies)
    shapes = _Shapes(by_variable, lambda name: by_variable[name].attrs.get("shape"))
    # What a sparse step takes is not told by an op of its own, but called as the other slots.
    called = {
        last
        for base, _, last in (name.rpartition("/") for name in found)
        if last and _is_slot_of(base, f"{base}/{last}", shapes)
    }
    return found | (by_name(shapes, called) - trained)


def stored_by_optimizer(model: Model) -> frozenset[str]:
    """The names of those of ``Model.variables`` that an optimizer keeps. Linear."""
    if model.tflite is not None or not model.variables:
        return frozenset()
    try:
        objects = getattr(model.variables, "objects", None)
    except MigratorError:  # it lies in a shard that is not there: names are left
        objects = None
    if objects is not None:
        return _keys_of_objects(objects.message)
    variables = model.variables
    return by_name(_Shapes(variables, lambda name: variables[name].shape))


class _Shapes(Mapping[str, object]):
    """Shapes by name, each read when it is asked for: of most variables it never is."""

    def __init__(self, names: Collection[str], read: Callable[[str], object]) -> None:
        self._names = names
        self._read = read

    def __getitem__(self, name: str) -> object:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def by_name(shapes: Mapping[str, object], called: Collection[str] = ()) -> frozenset[str]:
    """Variables that are called as an optimizer's, given the shapes of all by name.

    A slot is called as the variable that it is of, with the optimizer's name behind: it counts
    as one where such a variable is there, and has its shape. ``called`` are further such names.
    """
    powers = {
        name
        for name in shapes
        if _POWER.fullmatch(name) and isinstance(shape := shapes[name], Shape) and shape.rank == 0
    }
    known = {*called, *(_own_names(shapes) if powers else ())}
    found = {name for name in shapes if _is_called_slot(name, shapes, known)}
    return frozenset(found | powers if found else ())


def _own_names(shapes: Mapping[str, object]) -> Iterator[str]:
    """What an Adam is called that was given a name of its own: all that it trains has two slots."""
    for name in shapes:
        base, _, last = name.rpartition("/")
        again = f"{name}_1"
        if (
            base
            and again in shapes
            and shapes[again] == shapes[name]
            and _is_slot_of(base, name, shapes)
        ):
            yield last
            yield f"{last}_1"


def _is_called_slot(name: str, shapes: Mapping[str, object], called: Collection[str]) -> bool:
    key = name.partition(_MARK)[0]
    if _SLOT_PART in name or _TRAINED.match(key):
        return True
    if key.startswith(_SCOPES):
        # Keras 3 lists the model's own variables there, too.
        return f"/{_TRAINS}/" not in key
    factored = _FACTORED.fullmatch(key)
    if factored is not None and factored[1] in shapes:
        return True
    base, _, last = key.rpartition("/")
    if _KERAS_SLOT.fullmatch(last) and _IN_SCOPE.match(key):
        base = base.partition("/")[2]
    elif last not in called and not _SLOT.fullmatch(last):
        return False
    return _is_slot_of(base, name, shapes)


def _is_slot_of(base: str, name: str, shapes: Mapping[str, object]) -> bool:
    """Whether ``base``, without some of the scopes that it begins with, has ``name``'s shape."""
    for _ in range(_SCOPES_ABOVE):
        if not base:
            break
        if base in shapes and (shape := shapes[name]) is not None and shapes[base] == shape:
            return True
        base = base.partition("/")[2]
    return False


def _keys_of_objects(message: Any) -> frozenset[str]:
    theirs = optimizer_objects(message)
    found: set[str] = set()
    others: set[str] = set()
    for number, item in enumerate(message.nodes):
        keys = found if number in theirs else others
        keys.update(attribute.checkpoint_key for attribute in item.attributes)
    return frozenset(found - others)


def _by_steps(graph: Graph) -> tuple[frozenset[str], frozenset[str]]:
    """What ops that train take, and never change as the variable that they train; and those."""
    ops = {op for op in {node.op for node in graph.all_nodes()} if _STEP.fullmatch(op)}
    if not ops:
        return frozenset(), frozenset()
    tracer = Tracer(graph)
    trained: set[str] = set()
    kept: set[str] = set()
    for function, node in tracer.nodes(ops):
        for number, ref in enumerate(node.data_refs):
            origin = tracer.origin(function, ref)
            if origin is not None and origin.node.op == "ReadVariableOp" and origin.node.data_refs:
                origin = tracer.origin(origin.function, origin.node.data_refs[0])
            if origin is not None and origin.node.op in VARIABLE_OPS:
                (kept if number else trained).add(variable_name(origin.node))
    return frozenset(kept - trained), frozenset(trained)


def _by_objects(
    meta: MetaGraph, nodes: Sequence[Node], copies: Mapping[str, str]
) -> frozenset[str]:
    objects = meta.object_graph
    assert objects is not None
    message = objects.message
    theirs = optimizer_objects(message)
    if not theirs:
        return frozenset()
    names: set[str] = set()
    others: set[str] = set()
    for number, item in enumerate(message.nodes):
        if item.WhichOneof("kind") == "variable":
            (names if number in theirs else others).add(item.variable.name)
    found = {name for name in map(variable_name, nodes) if name in names and name not in others}
    # Keras names the nodes of some otherwise than their objects; the keys are what is left then.
    unclear = [
        node
        for node in nodes
        if (name := variable_name(node)) not in found and (name in names or name not in others)
    ]
    return frozenset(found | set(_by_keys(meta, unclear, theirs, copies)))


def _by_keys(
    meta: MetaGraph, nodes: Sequence[Node], theirs: frozenset[int], copies: Mapping[str, str]
) -> Iterator[str]:
    """Those whose keys in the checkpoint lead to an optimizer's objects."""
    from migrator.inspection.joined import restored_by

    objects = meta.object_graph
    if not nodes or objects is None:
        return
    try:
        restored = restored_by(meta).variables
    except MigratorError:  # a table of keys that cannot be read
        return
    children = {
        (number, child.local_name): child.node_id
        for number, item in enumerate(objects.message.nodes)
        for child in item.children
    }
    by_copy = {begins: restored.get(name) for name, begins in copies.items()}
    for node in nodes:
        entry = restored.get(node.name) or by_copy.get(node.name)
        if entry is None:
            continue
        if _SLOT_PART in entry.key or _leads_to(entry.key, children) in theirs:
            yield variable_name(node)


def _leads_to(key: str, children: Mapping[tuple[int, str], int]) -> int | None:
    path, marker, _ = key.partition(_MARK)
    number: int | None = 0 if marker else None
    for part in path.split("/"):
        if number is None:
            return None
        number = children.get((number, re.sub(r"\.([.S])", _unescaped, part)))
    return number


def _unescaped(found: re.Match[str]) -> str:
    return "/" if found[1] == "S" else "."


def optimizer_objects(message: Any) -> frozenset[int]:
    """The objects of a SavedObjectGraph or TrackableObjectGraph that only optimizers hold.

    What the model holds, too, such as the variables that are trained, is the model's. Linear.
    """
    nodes = message.nodes
    heads: set[int] = set()
    slots: set[int] = set()
    for number, item in enumerate(nodes):
        names = {child.local_name for child in item.children}
        if item.slot_variables or names >= _KEPT or _identifier(item) in _IDENTIFIERS:
            heads.add(number)
        heads.update(child.node_id for child in item.children if child.local_name in _EDGES)
        slots.update(slot.slot_variable_node_id for slot in item.slot_variables)
    heads.discard(0)  # a checkpoint of an optimizer alone is no model's
    if not heads and not slots:
        return frozenset()
    trained = {
        child.node_id
        for number in heads
        if 0 <= number < len(nodes)
        for child in nodes[number].children
        if child.local_name == _TRAINS
    }
    own = _reached(nodes, (0, *trained), heads)
    return (_reached(nodes, heads, set()) - own) | slots


def _identifier(item: Any) -> str:
    try:
        return str(item.user_object.identifier)
    except AttributeError:  # of a checkpoint's
        return ""


def _reached(nodes: Any, starts: Iterable[int], closed: set[int]) -> frozenset[int]:
    found: set[int] = set()
    waiting = list(starts)
    while waiting:
        number = waiting.pop()
        if number in found or number in closed or not 0 <= number < len(nodes):
            continue
        found.add(number)
        waiting.extend(child.node_id for child in nodes[number].children)
    return frozenset(found)
