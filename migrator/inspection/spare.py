"""Nodes that look like weights beside those that they only prepare: not to be counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node
from migrator.model.model import MetaGraph
from migrator.model.tensors import Shape, TensorRef
from migrator.ops.state import ASSIGN_OPS, VARIABLE_OPS

_HANDLE = "VarHandleOp"
_CARE = frozenset(("VarIsInitializedOp", "DisableCopyOnRead", "IsVariableInitialized"))
_NUMBERED = re.compile(r"_[0-9]+\Z")


def initial_values(nodes: Sequence[Node]) -> frozenset[str]:
    """The constants that nothing but the first assignment of a variable takes. Linear."""
    ops: dict[str, str] = {}
    assigns: list[tuple[str, str]] = []
    for node in nodes:
        ops[node.name] = node.op
        if node.op in ASSIGN_OPS and len(node.inputs) > 1:
            assigns.append((_node(node.inputs[0]), _node(node.inputs[1])))
    taken = Counter(
        value
        for target, value in assigns
        if ops.get(value) == "Const" and ops.get(target) in VARIABLE_OPS
    )
    if not taken:
        return frozenset()
    for node in nodes:
        for text in node.inputs:
            name = _node(text)
            if name in taken:
                taken[name] -= 1
    # Whatever else takes one has taken it below zero.
    return frozenset(name for name, left in taken.items() if left == 0)


def _node(text: str) -> str:
    """The node of an input; a control edge keeps its ``^`` and is none."""
    return text.partition(":")[0]


def spare_handles(meta: MetaGraph) -> frozenset[str]:
    """The nodes of variables that are none of a TensorFlow 2 SavedModel's own. Linear.

    Those that nothing assigns or takes, but for what another begins as: tracing leaves them
    behind. And copies: those that begin as another variable, are only saved and restored, and
    whose object has the name, type and shape of the other's. Empty where no object graph lists
    the variables.
    """
    if meta.object_graph is None or not meta.object_graph.variables:
        return frozenset()
    graph = meta.graph
    handles = {node.name: node for node in graph.nodes if node.op == _HANDLE}
    users = _users(graph, handles)
    told = {
        TensorRef.parse(spec.tensor).node
        for signature in meta.signatures.values()
        for spec in (*signature.inputs.values(), *signature.outputs.values())
        if spec.tensor
    }
    filename = TensorRef.parse(meta.saver.filename_tensor).node if meta.saver is not None else ""
    listed = Counter(
        (item.name, item.spec.dtype, item.spec.shape) for item in meta.object_graph.variables
    )
    spare = set()
    for name, handle in handles.items():
        needed = name in told
        begins: str | None = None
        for node in () if needed else users.get(name, ()):
            refs = node.data_refs
            if node.op in ASSIGN_OPS and begins is None and len(refs) > 1 and refs[0].node == name:
                begins = _read_from(graph, refs[1], handles)
                needed = not begins or begins == name
            elif node.op == "ReadVariableOp":
                needed = node.name in told or any(
                    user.op not in ASSIGN_OPS for user in users.get(node.name, ())
                )
            elif node.op not in _CARE:
                needed = not filename or all(ref.node != filename for ref in refs)
            if needed:
                break
        if needed:
            continue
        if begins is None:
            if any(node.op not in (*_CARE, "ReadVariableOp") for node in users.get(name, ())):
                continue  # saved and restored, and nobody's copy: an optimizer's
            spare.add(name)
        elif _twice(begins, handle, listed):
            spare.add(name)
    return frozenset(spare)


def _users(graph: Graph, handles: dict[str, Node]) -> dict[str, list[Node]]:
    """Who takes a handle; and, by name alone, which reads of a variable are taken."""
    reads = {node.name for node in graph.nodes if node.op == "ReadVariableOp"}
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in {ref.node for ref in node.data_refs}:
            if name in handles or name in reads:
                found.setdefault(name, []).append(node)
    return found


def _read_from(graph: Graph, ref: TensorRef, handles: dict[str, Node]) -> str:
    """The handle of the variable whose value this is, empty where it is no variable's."""
    node = graph.by_name.get(ref.node)
    for _ in range(4):
        if node is None or not (refs := node.data_refs):
            return ""
        if node.op == "ReadVariableOp":
            return refs[0].node if refs[0].node in handles else ""
        if node.op != "Identity":
            return ""
        node = graph.by_name.get(refs[0].node)
    return ""


def _twice(begins: str, handle: Node, listed: Counter[tuple[str, DType, Shape]]) -> bool:
    """Whether two objects are called as the variable ``begins``, of the type of ``handle``."""
    dtype, shape = handle.attrs.get("dtype"), handle.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape):
        return False
    return any(listed[name, dtype, shape] > 1 for name in {begins, _NUMBERED.sub("", begins)})
