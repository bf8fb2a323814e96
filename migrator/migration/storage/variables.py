"""The variables of a source: their values from its checkpoint, their place in the result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint
from migrator.formats.messages import message_class
from migrator.formats.tensors import constant_tensor
from migrator.inspection.joined import key_for
from migrator.inspection.restores import Restored
from migrator.inspection.tracing import Tracer
from migrator.migration.plan import Blocker, Weight
from migrator.migration.storage.initial import Initial
from migrator.migration.storage.weights import Taken
from migrator.migration.subgraph import with_nodes
from migrator.model.dtypes import INT32, DType
from migrator.model.graph import Graph, Node
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor, Shape, TensorRef


class VariableStore:
    """The variables of one meta graph, by the node that holds each."""

    def __init__(
        self,
        meta: MetaGraph,
        tracer: Tracer,
        restored: Restored,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._meta = meta
        self._initial = Initial(meta, tracer)
        self._restored = restored
        self._checkpoint = checkpoint
        self.keys: set[str] = set()
        """Keys of the checkpoint whose values were taken."""

    def weight(self, node: Node) -> Weight | Blocker:
        """The variable that ``node`` holds, or why it cannot be had."""
        shared = _text(node.attrs.get("shared_name"))
        dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
        source = self._source(node)
        name = source if shared in ("", node.name) else shared
        trainable = self._is_trainable(source, name)
        found = self._value(node, source, shared)
        if isinstance(found, Blocker):
            return found
        if isinstance(found, str):
            if not isinstance(dtype, DType):
                return _missing(node, "its type is not given")
            return Weight(
                name=name,
                node=node.name,
                dtype=dtype.base,
                shape=shape if isinstance(shape, Shape) else Shape(None),
                trainable=trainable and dtype.is_floating,
                computed=found,
                variable=source,
            )
        wanted = shape if isinstance(shape, Shape) else Shape(None)
        if (isinstance(dtype, DType) and found.dtype.base != dtype.base) or not _fits(
            found.shape, wanted
        ):
            return Blocker(
                code="variable_differs",
                text=f"the variable {node.name!r} is {dtype} of shape {wanted}, its value in the "
                f"checkpoint {found.dtype} of shape {found.shape}",
                node=node.name,
                fix="the checkpoint belongs to another graph",
            )
        return Weight(
            name=name,
            node=node.name,
            dtype=found.dtype.base,
            shape=found.shape,
            trainable=trainable and found.dtype.is_floating,
            value=found,
            variable=source,
        )

    def _source(self, node: Node) -> str:
        """The source's node that ``node`` stands for: a handle makes room where the value of a
        reference is asked for under the variable's own name (``drop_references``)."""
        known = self._meta.graph.by_name
        before = node.name.rpartition("/VarHandleOp")[0]
        return before if node.name not in known and before in known else node.name

    def _value(self, node: Node, source: str, shared: str) -> LazyTensor | str | Blocker:
        """The value, or the tensor that computes it at load, or why there is none."""
        try:
            at_load = self._initial.at_load(source)
        except MigratorError as error:
            return _missing(node, error.what)
        if at_load is not None:
            return at_load
        checkpoint = self._checkpoint
        reason = "no checkpoint lies beside the graph, and none is named (--checkpoint)"
        entry = self._restored.variables.get(source)
        if checkpoint is not None:
            key = key_for(checkpoint, entry, (shared, source))
            if key is not None:
                self.keys.add(key)
                try:
                    return checkpoint.slice(key, entry.part if entry is not None else "")
                except MigratorError as error:
                    return _missing(node, str(error))
            wanted = shared or source if entry is None else entry.key
            reason = f"the checkpoint does not hold {wanted!r}"
        initial = self._initial.ever(source)
        if checkpoint is None and initial is not None:
            reason += "; what its initializer assigns is what training began with"
        # Loading runs no initializer but those of ``at_load``; a value that the checkpoint should
        # hold is another one.
        if checkpoint is None or entry is not None or initial is None:
            return _missing(node, reason)
        return initial

    def _is_trainable(self, source: str, name: str) -> bool:
        """As the object of TensorFlow 2 says, found by its key: several may have one name."""
        entry = self._restored.variables.get(source)
        found = None if entry is None else self._saved_object(entry.key)
        if found is not None and found.WhichOneof("kind") == "variable":
            return bool(found.variable.trainable)
        return bool({source, name} & self._trainable)

    def _saved_object(self, key: str) -> Any:
        """The object that a checkpoint's key leads to, from the root on; None where none does."""
        graph = self._meta.object_graph
        path, marker, _ = key.partition("/.ATTRIBUTES/")
        if graph is None or not marker:
            return None
        number = 0
        for part in path.split("/"):
            child = self._children.get((number, re.sub(r"\.([.S])", _unescaped, part)))
            if child is None or not 0 <= child < len(graph.message.nodes):
                return None
            number = child
        return graph.message.nodes[number]

    @cached_property
    def _children(self) -> Mapping[tuple[int, str], int]:
        graph = self._meta.object_graph
        return {
            (number, child.local_name): child.node_id
            for number, node in enumerate(graph.message.nodes if graph is not None else ())
            for child in node.children
        }

    @cached_property
    def _trainable(self) -> frozenset[str]:
        from google.protobuf.message import DecodeError

        if self._meta.object_graph is not None:
            return frozenset(
                item.name for item in self._meta.object_graph.variables if item.trainable
            )
        names = set()
        for item in self._meta.collections.get("trainable_variables", ()):
            if isinstance(item, bytes):
                try:
                    message = message_class("VariableDef").FromString(item)
                except DecodeError:
                    continue  # says nothing then
                names.add(TensorRef.parse(message.variable_name).node)
        return frozenset(names)


def _unescaped(found: re.Match[str]) -> str:
    return "/" if found[1] == "S" else "."


def _missing(node: Node, reason: str) -> Blocker:
    return Blocker(
        code="variable_missing",
        text=f"the variable {node.name!r} has no value: {reason}",
        node=node.name,
        fix="get the checkpoint that belongs to this graph, or name an --output that does not "
        "need it",
    )


def variable_nodes(graph: Graph) -> list[Node]:
    """The nodes that hold a resource variable."""
    return [node for node in graph.nodes if node.op == "VarHandleOp"]


def take_handles(graph: Graph, weights: Iterable[Weight]) -> Taken:
    """Take the variables' nodes out; their handles come from outside then."""
    names = {weight.node: weight.name for weight in weights}
    nodes = tuple(node for node in graph.nodes if node.name not in names)
    handles = {f"{node}:0": name for node, name in names.items()}
    return Taken(graph=with_nodes(graph, nodes), values={}, handles=handles)


def inline_values(graph: Graph, weights: Sequence[Weight]) -> tuple[Graph, list[Weight]]:
    """Put constants in the place of variables; gives also those that must stay variables.

    A handle that goes into a function stays one: what happens to it there is the function's.
    """
    by_node = {weight.node: weight for weight in weights if weight.value is not None}
    readers: dict[str, list[Node]] = {name: [] for name in by_node}
    for node in graph.nodes:
        for ref in node.data_refs:
            if ref.node in readers:
                readers[ref.node].append(node)
    plain = {
        name
        for name, found in readers.items()
        if all(
            node.op in _CONSTANT_READERS and _CONSTANT_READERS[node.op] <= node.attrs.keys()
            for node in found
        )
    }
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name in plain:
            weight = by_node[node.name]
            attrs = {"dtype": weight.dtype, "value": weight.value}
            controls = tuple(text for text in node.inputs if text.startswith("^"))
            nodes.append(Node(node.name, "Const", controls, "", attrs))
        elif node.op in _CONSTANT_READERS and node.data_refs[0].node in plain:
            nodes += _reading_constant(node)
        else:
            nodes.append(node)
    return with_nodes(graph, tuple(nodes)), [w for w in weights if w.node not in plain]


_CONSTANT_READERS = {
    "ReadVariableOp": {"dtype"},
    "ResourceGather": {"dtype", "Tindices"},
    "VariableShape": set[str](),
}
"""What a constant can serve, and the attributes that takes."""


def _reading_constant(node: Node) -> list[Node]:
    attrs = node.attrs
    if node.op == "ReadVariableOp":
        return [replace(node, op="Identity", attrs={"T": attrs["dtype"]})]
    if node.op == "VariableShape":
        out = attrs.get("out_type", INT32)
        # The element type is the constant's, which Shape takes from its input's attribute.
        return [replace(node, op="Shape", attrs={"T": attrs.get("dtype"), "out_type": out})]
    axis = f"{node.name}/axis"
    data = [text for text in node.inputs if not text.startswith("^")]
    controls = [text for text in node.inputs if text.startswith("^")]
    gather = {
        "Tparams": attrs["dtype"],
        "Tindices": attrs["Tindices"],
        "Taxis": INT32,
        "batch_dims": attrs.get("batch_dims", 0),
    }
    constant = {"dtype": INT32, "value": constant_tensor(0, INT32)}
    return [
        Node(axis, "Const", (), "", constant),
        Node(node.name, "GatherV2", (*data, axis, *controls), "", gather),
    ]


def _fits(shape: Shape, wanted: Shape) -> bool:
    if wanted.dims is None or shape.dims is None:
        return True
    return len(shape.dims) == len(wanted.dims) and all(
        want is None or want == size for size, want in zip(shape.dims, wanted.dims, strict=True)
    )


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
