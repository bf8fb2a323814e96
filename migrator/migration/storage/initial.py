"""Values that no checkpoint holds: what a model computes when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migrator.errors import MigratorError
from migrator.graph.wiring import Wiring
from migrator.inspection.tracing import Tracer
from migrator.model.graph import Function, Graph
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor, TensorRef
from migrator.ops.state import ASSIGN_OPS

_CHANGES = frozenset(
    ("AssignAdd", "AssignSub", "AssignAddVariableOp", "AssignSubVariableOp", "ScatterUpdate")
)
_RESTORES = frozenset(("RestoreV2", "Restore", "RestoreSlice"))
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "saved_model_legacy_init_op")
_INIT_SIGNATURE = "__saved_model_init_op"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assigned:
    """An assignment: where it stands, what it assigns, and whether it does no more than that."""

    function: Function | None
    value: TensorRef
    plain: bool


class Initial:
    """What assigns a first value to which variable, told apart by when it runs.

    A model server runs the model's init op *after* it has restored the checkpoint, so what that
    op assigns stands whatever the checkpoint says.
    """

    def __init__(self, meta: MetaGraph, tracer: Tracer) -> None:
        self._tracer = tracer
        at_load = _cone(meta.graph, init_ops(meta))
        functions = _called(meta.graph, at_load)
        self._at_load: dict[str, list[_Assigned]] = {}
        self._ever: dict[str, list[_Assigned]] = {}
        for function, node in tracer.nodes(ASSIGN_OPS | _CHANGES):
            refs = node.data_refs
            target = tracer.origin(function, refs[0]) if len(refs) > 1 else None
            value = tracer.origin(function, refs[1]) if len(refs) > 1 else None
            if target is None or (value is not None and value.node.op in _RESTORES):
                continue
            found = _Assigned(function=function, value=refs[1], plain=node.op in ASSIGN_OPS)
            if found.plain:
                self._ever.setdefault(target.node.name, []).append(found)
            runs = node.name in at_load if function is None else function.name in functions
            if runs:
                self._at_load.setdefault(target.node.name, []).append(found)

    def at_load(self, variable: str) -> LazyTensor | str | None:
        """What loading assigns to the variable: a constant, or the tensor that is computed.

        Raises MigratorError where that cannot be told: several assignments, or one in a function.
        """
        found = self._at_load.get(variable, [])
        if not found:
            return None
        value = self._value(found[0])
        if len(found) > 1 or not found[0].plain or value is None:
            raise MigratorError("loading the model changes it in more than one plain step")
        return value

    def ever(self, variable: str) -> LazyTensor | str | None:
        """What the variable's initializer assigns: the first plain assignment there is."""
        found = self._ever.get(variable, [])
        return self._value(found[0]) if found else None

    def _value(self, found: _Assigned) -> LazyTensor | str | None:
        constant = self._tracer.constant(found.function, found.value)
        if constant is not None:
            return constant
        return None if found.function is not None else str(found.value)


def _called(graph: Graph, names: Iterable[str]) -> set[str]:
    """The functions that these nodes call, directly or not."""
    nodes = [graph.by_name[name] for name in names]
    found: set[str] = set()
    stack = [name for node in nodes for name in (*node.called, node.op)]
    while stack:
        name = stack.pop()
        function = graph.functions.get(name)
        if function is None or name in found:
            continue
        found.add(name)
        stack += [called for node in function.nodes for called in (*node.called, node.op)]
    return found


def init_ops(meta: MetaGraph) -> Sequence[str]:
    """The nodes that are run when a model is loaded."""
    names = []
    for key in _INIT_COLLECTIONS:
        for item in meta.collections.get(key, ()):
            names.append(item.decode() if isinstance(item, bytes) else str(item))
    signature = meta.signatures.get(_INIT_SIGNATURE)
    if signature is not None:
        names += [spec.tensor for spec in signature.outputs.values()]
    return [TensorRef.parse(name).node for name in names]


def _cone(graph: Graph, names: Iterable[str]) -> set[str]:
    wanted = [name for name in names if name in graph.by_name]
    if not wanted:
        return set()
    wiring = Wiring(graph)
    found = wiring.backward([wiring.index[name] for name in wanted])
    return {graph.nodes[number].name for number in found}
