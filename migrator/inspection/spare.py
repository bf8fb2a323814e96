"""Nodes that look like weights beside those that they only prepare: not to be counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from migrator.errors import MigratorError
from migrator.formats.messages import message_class
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor, Shape, TensorRef
from migrator.ops.state import ASSIGN_OPS, VARIABLE_OPS

_HANDLE = "VarHandleOp"
_DATASET = re.compile(r"[A-Z]\w*Dataset(?:V\d+)?")
_CASTS = frozenset(("Cast", "ExpandDims", "Identity", "Reshape", "Squeeze", "Transpose"))
_BATCH_NORMS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_NEUTRAL = {1: 1.0, 2: 0.0}
"""Of a batch norm's inputs the scale and the offset -> what changes nothing."""
_SHORT = 64
_HALF_BITS, _HALF_ONE = 0x3C00, 1.0
_CARE = frozenset(("VarIsInitializedOp", "DisableCopyOnRead", "IsVariableInitialized"))
_NUMBERED = re.compile(r"_[0-9]+\Z")


def spare_constants(nodes: Sequence[Node], returns: Iterable[str] | None = None) -> set[str]:
    """The constants of a graph that hold numbers as weights do, and are none. Linear.

    Those that nothing but the first assignment of a variable takes, or a pipeline of training
    data, or that only stand where a batch norm has no scale or offset to learn. ``returns`` are
    the tensors that a body hands out, None for a top level.
    """
    ops = {node.op for node in nodes}  # most graphs have none of what is asked for
    found: set[str] = set()
    if returns is None and not ops.isdisjoint(ASSIGN_OPS):
        found |= _initial_values(nodes)
    if not ops.isdisjoint(_BATCH_NORMS):
        found |= _fixed_scales(nodes)
    pipeline = {op for op in ops if _DATASET.fullmatch(op)}
    if pipeline:
        found |= _training_data(nodes, pipeline, returns or ())
    return found


def _initial_values(nodes: Sequence[Node]) -> frozenset[str]:
    """What nothing but the first assignment of a variable takes."""
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


def _fixed_scales(nodes: Sequence[Node]) -> frozenset[str]:
    """What only stands where a batch norm has no scale or offset to learn.

    They are one number, 1 or 0, repeated, and stored as that one: weights are stored in full.
    """
    places: dict[str, int] = {}
    for node in nodes:
        if node.op in _BATCH_NORMS:
            for slot, text in enumerate(node.inputs[: max(_NEUTRAL) + 1]):
                if slot in _NEUTRAL:
                    places.setdefault(_node(text), slot)
    if not places:
        return frozenset()
    for node in nodes:
        for slot, text in enumerate(node.inputs):
            name = _node(text)
            if name in places and (node.op not in _BATCH_NORMS or places[name] != slot):
                del places[name]
    return frozenset(
        node.name
        for node in nodes
        if node.op == "Const"
        and node.name in places
        and is_repeated(node.attrs.get("value"), _NEUTRAL[places[node.name]])
    )


def is_repeated(value: object, number: float) -> bool:
    """Whether a constant of several floats is stored as ``number`` alone."""
    if not isinstance(value, LazyTensor) or value.elements < 2 or value.stored_bytes > _SHORT:
        return False
    from google.protobuf.message import DecodeError

    try:
        message = message_class("TensorProto").FromString(value.read())
    except (MigratorError, DecodeError):
        return False
    return not message.tensor_content and [number] in (
        list(message.float_val),
        list(message.double_val),
        [_HALF_ONE if item == _HALF_BITS else item for item in message.half_val],
    )


def _training_data(
    nodes: Sequence[Node], pipeline: Collection[str], returns: Iterable[str]
) -> frozenset[str]:
    """What nothing but the ops of ``pipeline`` takes. What takes ``returns`` is not known."""
    by_name = {node.name: node for node in nodes}
    taken: set[str] = set()
    waiting = [_node(text) for text in returns]
    for node in nodes:
        inputs = map(_node, node.inputs)
        if node.op in pipeline:
            taken.update(inputs)
        elif node.op not in _CASTS:
            waiting.extend(inputs)
    data = _behind(by_name, taken)
    used = _behind(by_name, waiting)
    return frozenset(name for name in data - used if by_name[name].op == "Const")


def _behind(by_name: Mapping[str, Node], names: Iterable[str]) -> set[str]:
    """The nodes of ``names``, and what those that only pass it on take."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        node = by_name.get(name)
        if node is None or name in found:
            continue
        found.add(name)
        if node.op in _CASTS:
            waiting.extend(map(_node, node.inputs))
    return found


def _node(text: str) -> str:
    """The node of an input; a control edge keeps its ``^`` and is none."""
    return text.partition(":")[0]


def spare_handles(meta: MetaGraph) -> Mapping[str, str]:
    """The nodes of variables that are none of a TensorFlow 2 SavedModel's own -> the node of the
    variable that each is a copy of, empty for what is no copy. Linear.

    Those that nothing assigns or takes, but for what another begins as: tracing leaves them
    behind. And copies: those that begin as another variable and are only saved and restored,
    where two objects have the name, type and shape of the other's, or where there are objects
    only for the others and none for them. Empty where no object graph lists the variables.
    """
    if meta.object_graph is None or not meta.object_graph.variables:
        return {}
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
    spare: dict[str, str] = {}
    copies: dict[str, str] = {}
    for name in handles:
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
            spare[name] = ""
        else:
            copies[name] = begins
    alike: dict[str, str] = {}
    for name, begins in copies.items():
        if spare.get(begins) == "" and _is_named_after(name, begins, handles, listed):
            del spare[begins]  # saved by way of its copy alone, but it goes by its own name
            spare[name] = begins
        elif _times(begins, handles[name], listed) > 1:
            spare[name] = begins
        else:
            alike[name] = begins
    left: Counter[object] = Counter()
    for name, handle in handles.items() if alike else ():
        copied = spare.get(name)
        # A copy of what is saved, too, has an object of its own.
        left[_form(handle)] += copied is None or any(
            filename and any(ref.node == filename for ref in node.data_refs)
            for node in users.get(copied, ())
        )
    for item in meta.object_graph.variables:
        left[item.spec.dtype, item.spec.shape] -= 1
    unlisted = {
        name: begins
        for name, begins in alike.items()
        if _is_named_after(name, begins, handles, listed)
    }
    wanted = Counter(_form(handles[name]) for name in unlisted)
    for name, begins in unlisted.items():
        # One that has an object may be called otherwise: only where none is left, there is none.
        if left[_form(handles[name])] >= wanted[_form(handles[name])]:
            spare[name] = begins
    return spare


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


def _is_named_after(
    name: str,
    begins: str,
    handles: Mapping[str, Node],
    listed: Counter[tuple[str, DType, Shape]],
) -> bool:
    """Whether an object is called as ``begins``, and none as ``name`` itself."""
    handle = handles[name]
    return _times(begins, handle, listed) > 0 and not listed[_called(name, handle)]


def _times(begins: str, handle: Node, listed: Counter[tuple[str, DType, Shape]]) -> int:
    """How many objects are called as the variable ``begins``, of the type of ``handle``."""
    return max(listed[_called(name, handle)] for name in {begins, _NUMBERED.sub("", begins)})


def _called(name: str, handle: Node) -> tuple[str, Any, Any]:
    return (name, *_form(handle))


def _form(handle: Node) -> tuple[Any, Any]:
    return handle.attrs.get("dtype"), handle.attrs.get("shape")
