"""Which variables are no weights: what an evaluation counts in, and local sums of that kind.

``tf.metrics`` keeps totals, counts by threshold and confusion matrices in local variables, Keras 2
in objects of its metrics. They begin as zeros, are only added to, and no saver of TensorFlow 1
keeps them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from migrator.errors import MigratorError
from migrator.formats.messages import message_class
from migrator.model.graph import Node
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import LazyTensor, TensorRef
from migrator.ops.state import ASSIGN_OPS, VARIABLE_OPS, variable_name

_METRICS = "metric_variables"
_LOCAL = "local_variables"
_SAVED = ("variables", "trainable_variables", "model_variables", "moving_average_variables")
"""Collections of what a saver keeps, or a model is made of."""
_ADDS = frozenset(
    """
    AssignAdd AssignAddVariableOp ScatterAdd ResourceScatterAdd ScatterNdAdd ResourceScatterNdAdd
    """.split()
)
_ASKS = frozenset(
    "Identity IsVariableInitialized ReadVariableOp Shape VarIsInitializedOp VariableShape".split()
)
"""What takes a variable and leaves it as it is."""
_PASSING = frozenset(("Identity", "Enter", "StopGradient"))
_SPREADS = frozenset("ExpandDims Identity Pack Reshape Tile Transpose".split())
_COMPARES = frozenset("Greater GreaterEqual Less LessEqual".split())
_COUNTS = frozenset("Cast Identity LogicalAnd LogicalNot LogicalOr Mul Sum ToFloat".split())
_MOST_COUNTING = 300
"""Edges between a metric's thresholds and its sums; tf.metrics has some dozens."""
_RESTORES = frozenset(("RestoreV2", "Restore", "RestoreSlice"))
_ZEROS_READ = 1 << 16
"""Bytes of a constant up to which it is read to see whether it is zero."""
_NEAR = 6
_MOST_NEAR = 100
"""Steps, and nodes, that a moving average's own value is within of what is added to it."""
_KERAS_METRIC = "_tf_keras_metric"
_KERAS_KEY = re.compile(r"(?:.*/)?keras_api/metrics/\d+/")


def metric_variables(meta: MetaGraph, kept: Collection[str] = ()) -> frozenset[str]:
    """Names of the nodes of a meta graph's metric and local variables. Linear; reads no weights.

    ``kept`` are names of variables that an optimizer keeps. Listed as metrics' they count unless
    a checkpoint fills them; listed as local only where they begin as zeros and are only added
    to. Where nothing lists a variable, as in a bare GraphDef, it is local if it is such a sum, is
    none of those that the graph's saver keeps, and what is added does not come from its own
    value, as a moving average's does. Without a saver nothing is known then.
    """
    nodes = [
        node
        for node in meta.graph.nodes
        if node.op in VARIABLE_OPS and variable_name(node) not in kept
    ]
    if not nodes:
        return frozenset()
    if meta.object_graph is not None and meta.object_graph.variables:
        return _of_keras(meta, nodes)
    names = Counter(map(variable_name, nodes))  # two handles of one: who knows what changes it
    listed = {key: _listed(meta, key) for key in (_METRICS, _LOCAL, *_SAVED)}
    saved = frozenset().union(*(listed[key] for key in _SAVED))
    open_ = {
        node.name: node
        for node in nodes
        if node.name not in saved and names[variable_name(node)] == 1
    }
    # Before all else what can be one at all: most graphs have none of them.
    added = {
        ref.node for node in meta.graph.nodes if node.op in _ADDS for ref in node.data_refs[:1]
    }
    open_ = {name: open_[name] for name in open_ if name in added or name in listed[_METRICS]}
    told = listed[_METRICS] | listed[_LOCAL]
    has_saver = any(node.op in _RESTORES for node in meta.graph.nodes)
    if not open_ or not (has_saver or not told.isdisjoint(open_)):
        return frozenset()
    sums = _Sums(meta.graph.by_name, open_)
    found = {
        name
        for name in open_
        if name in listed[_METRICS]
        or (sums.is_sum(name) and (name in told or (has_saver and not sums.feeds_itself(name))))
    }
    if not found or not has_saver:
        return frozenset(found)
    from migrator.inspection.joined import restored_by

    try:
        restored = restored_by(meta).variables
    except MigratorError:  # a table of keys that cannot be read
        return frozenset(found & told)
    if not restored:  # savers of nothing that is a variable here
        found &= told
    return frozenset(found - restored.keys() - sums.saved)


def metric_thresholds(meta: MetaGraph, metrics: Collection[str]) -> frozenset[str]:
    """The constants that only say from which score on ``metrics`` (names of nodes) count. Linear.

    Such a one is compared with, and what comes of that is counted and added to metrics alone.
    """
    if not metrics:
        return frozenset()
    users: dict[str, list[Node]] = {}
    for node in meta.graph.nodes:
        for ref in node.data_refs:
            users.setdefault(ref.node, []).append(node)
    return frozenset(
        node.name
        for node in meta.graph.nodes
        if node.op == "Const" and _is_threshold(node.name, users, metrics)
    )


def _is_threshold(name: str, users: Mapping[str, list[Node]], metrics: Collection[str]) -> bool:
    waiting = [(name, False)]
    seen = set(waiting)
    is_added = False
    edges = 0
    while waiting:
        name, compared = waiting.pop()
        for user in users.get(name, ()):
            edges += 1  # others may lead to the same nodes, and each walks for itself
            if edges > _MOST_COUNTING:
                return False
            if compared and user.op in _ADDS and user.data_refs[0].node in metrics:
                is_added = True
                continue
            if user.op not in (_COUNTS if compared else _SPREADS | _COMPARES):
                return False
            found = (user.name, compared or user.op in _COMPARES)
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return is_added


def stored_by_metrics(model: Model) -> frozenset[str]:
    """The names of those of ``Model.variables`` that metrics of Keras 2 keep, by their keys."""
    if model.source.kind != "checkpoint":
        return frozenset()
    return frozenset(filter(_KERAS_KEY.match, model.variables))


def _listed(meta: MetaGraph, key: str) -> frozenset[str]:
    items = [item for item in meta.collections.get(key, ()) if isinstance(item, bytes)]
    if not items:
        return frozenset()
    from google.protobuf.message import DecodeError

    kind = message_class("VariableDef")
    found = set()
    for item in items:
        try:
            found.add(TensorRef.parse(kind.FromString(item).variable_name).node)
        except DecodeError:
            continue  # says nothing then
    return frozenset(found)


class _Sums:
    """What the nodes around some variables do with them."""

    def __init__(self, by_name: Mapping[str, Node], names: Collection[str]) -> None:
        self._by_name = by_name
        self._adds: dict[str, list[Node]] = {}
        self._others: set[str] = set()
        self._zeros: set[str] = set()
        reads: dict[str, str] = {}
        savers: list[Node] = []
        for node in by_name.values():
            if node.op.startswith("Save"):
                savers.append(node)
            if not any(text.partition(":")[0] in names for text in node.inputs):
                continue
            refs = node.data_refs
            for slot, ref in enumerate(refs):
                if ref.node in names:
                    self._note(node, slot, refs, ref.node)
                    if node.op in ("Identity", "ReadVariableOp"):
                        reads[node.name] = ref.node
        taken = {ref.node for node in savers for ref in node.data_refs}
        self.saved = {reads.get(name, name) for name in taken}

    def _note(self, node: Node, slot: int, refs: tuple[TensorRef, ...], name: str) -> None:
        if node.op in _ADDS and slot == 0:
            self._adds.setdefault(name, []).append(node)
        elif node.op in ASSIGN_OPS and slot == 0 and len(refs) > 1 and self._is_zero(refs[1].node):
            self._zeros.add(name)
        elif node.op.startswith("Save") or (
            node.op in _ASKS and not (node.op == "Identity" and self._is_handle(name))
        ):
            return
        else:
            self._others.add(name)

    def _is_handle(self, name: str) -> bool:
        return self._by_name[name].op == "VarHandleOp"

    def is_sum(self, name: str) -> bool:
        """Whether it begins as zeros, is added to, and is changed in no other way."""
        return name in self._zeros and name in self._adds and name not in self._others

    def feeds_itself(self, name: str) -> bool:
        """Whether what is added comes, in few steps, from its own value."""
        waiting = {ref.node for node in self._adds[name] for ref in node.data_refs[1:]}
        seen: set[str] = set()
        for _ in range(_NEAR):
            if name in waiting or len(seen) > _MOST_NEAR:
                break
            seen |= waiting
            waiting = {
                ref.node
                for other in waiting
                if (node := self._by_name.get(other)) is not None
                for ref in node.data_refs
            } - seen
        return name in waiting

    def _is_zero(self, name: str) -> bool:
        for _ in range(_NEAR):
            node = self._by_name.get(name)
            if node is None:
                return False
            refs = node.data_refs
            if node.op == "Const":
                return _is_zero(node.attrs.get("value"))
            if node.op == "ZerosLike":
                return True
            if node.op == "Fill" and len(refs) > 1:
                name = refs[1].node
            elif node.op in _PASSING and refs:
                name = refs[0].node
            else:
                return False
        return False


def _is_zero(value: object) -> bool:
    if not isinstance(value, LazyTensor) or value.stored_bytes > _ZEROS_READ:
        return False
    from google.protobuf.message import DecodeError

    try:
        message = message_class("TensorProto").FromString(value.read())
    except (MigratorError, DecodeError):
        return False
    if message.tensor_content.strip(b"\0"):
        return False
    return not any(_numbers(message))


def _numbers(message: object) -> Iterator[object]:
    for kind in ("float", "double", "int", "int64", "half", "uint32", "uint64", "scomplex"):
        values: Iterable[object] = getattr(message, f"{kind}_val")
        yield from values


def _of_keras(meta: MetaGraph, nodes: Iterable[Node]) -> frozenset[str]:
    """Those whose keys in the checkpoint lead to a metric of Keras 2."""
    objects = meta.object_graph
    assert objects is not None
    if not any(
        item.WhichOneof("kind") == "user_object" and item.user_object.identifier == _KERAS_METRIC
        for item in objects.message.nodes
    ):
        return frozenset()
    from migrator.inspection.joined import restored_by

    try:
        restored = restored_by(meta).variables
    except MigratorError:  # a table of keys that cannot be read
        return frozenset()
    return frozenset(
        node.name
        for node in nodes
        if (entry := restored.get(node.name)) is not None and _KERAS_KEY.match(entry.key)
    )
