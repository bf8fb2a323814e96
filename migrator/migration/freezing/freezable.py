"""What keeps a signature from being frozen, told before anything runs and again afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from migrator.graph.wiring import Wiring
from migrator.migration.plan import Blocker
from migrator.model.dtypes import RESOURCE, DType
from migrator.model.graph import Graph, Node
from migrator.model.model import Signature
from migrator.model.tensors import LazyTensor, Shape
from migrator.ops.older import attributes_in
from migrator.ops.registry import output_dtypes
from migrator.ops.state import VARIABLE_OPS

MOST_BYTES = (1 << 31) - 1
"""Protobuf reads no larger message, so no GraphDef can be larger."""
_TABLES = ("HashTable", "MutableHashTable", "MutableDenseHashTable", "LookupTable")
_STATE = "the signature changes or keeps a state, which a frozen graph has nowhere to hold"
_PYTHON = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))


def freeze_blockers(graph: Graph, signature: Signature) -> tuple[Blocker, ...]:
    """What stands in the way of freezing one signature of a SavedModel's graph."""
    nodes = _reached(graph, signature)
    found = list(_ops_that_stay(nodes))
    size = frozen_bytes(nodes)
    if size > MOST_BYTES:
        found.append(
            Blocker(
                code="too_large",
                text=f"the weights take {size:,} bytes, and no GraphDef can hold more than "
                f"{MOST_BYTES:,}",
                node="",
                fix="keep the SavedModel, whose weights lie beside its graph",
            )
        )
    return tuple(found)


def leftovers(graph: Graph) -> tuple[Blocker, ...]:
    """What a frozen graph still holds that no frozen graph can serve."""
    found = list(_ops_that_stay(list(graph.all_nodes())))
    if found:
        return tuple(found)
    for node in graph.all_nodes():
        types = output_dtypes(node) or ()
        if RESOURCE in types or node.op in VARIABLE_OPS:
            text = (
                "the signature changes or keeps a state, which a frozen graph has nowhere to hold"
            )
            return (Blocker(code="state", text=f"{text} ({node.op})", node=node.name),)
    return ()


def frozen_bytes(nodes: Iterable[Node]) -> int:
    """Bytes of the constants that variables and constants among ``nodes`` come to, at least."""
    total = 0
    seen: set[object] = set()
    for node in nodes:
        if node.op == "Const":
            value = node.attrs.get("value")
            total += value.stored_bytes if isinstance(value, LazyTensor) else 0
        elif node.op in VARIABLE_OPS:
            dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
            shared = node.attrs.get("shared_name") or node.name
            if isinstance(dtype, DType) and isinstance(shape, Shape) and _first(shared, seen):
                total += (shape.elements or 0) * dtype.itemsize
    return total


def _first(name: object, seen: set[object]) -> bool:
    if not isinstance(name, (bytes, str)) or name in seen:
        return False
    seen.add(name)
    return True


def missing_in(release: str, graph: Graph) -> Mapping[str, str]:
    """What TensorFlow ``release`` would refuse: op -> why, the first attribute that it lacks."""
    found: dict[str, str] = {}
    for node in graph.all_nodes():
        if node.op in found or node.op in graph.functions:
            continue
        known = attributes_in(release, node.op)
        if known is None:
            found[node.op] = "has no such op"
            continue
        unknown = [key for key in node.attrs if key not in known and not key.startswith("_")]
        if unknown:
            found[node.op] = f"knows no attribute {unknown[0]!r} of it"
    return found


def _ops_that_stay(nodes: Iterable[Node]) -> Iterable[Blocker]:
    told: set[str] = set()
    for node in nodes:
        code = _kind(node.op)
        if code and code not in told:
            told.add(code)
            text, fix = _WHY[code]
            yield Blocker(code=code, text=f"{text} ({node.op})", node=node.name, fix=fix)


_WRITES = re.compile(
    r"Assign(Add|Sub)?(VariableOp)?$|AssignVariableXla|Resource(Scatter|Apply|Sparse|Strided|Count)"
    r"|Scatter(Nd)?(Update|Add|Sub|Mul|Div|Min|Max)$|Rng(ReadAnd)?Skip"
    r"|Stateful(Uniform|StandardNormal|TruncatedNormal|RandomBinomial)"
)


def _kind(op: str) -> str:
    if op.startswith(_TABLES) or op.startswith("AnonymousHashTable"):
        return "table"
    if op in _PYTHON:
        return "python"
    if _WRITES.match(op):
        return "state"
    if "Iterator" in op:
        return "iterator"
    return "queue" if op.startswith(("QueueDequeue", "QueueEnqueue", "ReaderRead")) else ""


_WHY = {
    "table": (
        "a lookup table has to be filled before it serves, and a frozen graph has nothing that "
        "does so",
        "keep the SavedModel, which fills its tables as it is loaded, or export a signature that "
        "takes the ids",
    ),
    "python": (
        "a Python function runs in the process that made it alone",
        "export the model without tf.py_function",
    ),
    "state": (_STATE, "export a signature that only reads its variables"),
    "iterator": ("a dataset's iterator is not part of a graph", "export a signature without it"),
    "queue": ("a queue waits for somebody to fill it", "export a signature that takes its results"),
}


def _reached(graph: Graph, signature: Signature) -> list[Node]:
    """The nodes that the signature's outputs need, those of called functions too."""
    outputs = [spec.tensor for spec in signature.outputs.values()]
    inputs = [spec.tensor for spec in signature.inputs.values()]
    cone = Wiring(graph).needed_for(outputs, inputs)
    nodes = [graph.nodes[number] for number in sorted(cone)]
    seen: set[str] = set()
    stack = [name for node in nodes for name in (*node.called, node.op)]
    while stack:
        name = stack.pop()
        function = graph.functions.get(name)
        if function is None or name in seen:
            continue
        seen.add(name)
        nodes.extend(function.nodes)
        stack += [called for node in function.nodes for called in (*node.called, node.op)]
    return nodes
