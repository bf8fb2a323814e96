"""What a model asks of its own checkpoint: the keys that its restore ops read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrator.auditing.callgraph.reach import RESTORE
from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.subject import Subject
from migrator.errors import MigratorError
from migrator.model.dtypes import DType
from migrator.model.graph import Node, index_nodes
from migrator.model.tensors import LazyTensor, Shape, TensorRef
from migrator.ops.state import ASSIGN_OPS

_RESTORES = ("RestoreV2", "Restore", "RestoreSlice")
_COPIES = ("Identity",)
_MOST_STEPS = 4
_MOST_NAMES = 64 << 20
"""Bytes of keys in one constant that are read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted:
    """One entry that a restore op reads from the checkpoint."""

    place: Place
    """The restore op."""
    key: str
    part: str
    """The slice, as RestoreV2 writes it; empty for the whole tensor."""
    dtype: DType | None
    shape: Shape | None
    """Of the variable that it fills, where that is plain to see."""


def wanted_entries(subject: Subject) -> Iterator[Wanted]:
    """Every entry that loading the model reads. Linear; a table of keys that is no constant, or
    cannot be read, is passed over."""
    known: dict[int, tuple[dict[str, Node], Mapping[tuple[str, int], Shape]]] = {}
    for place in subject.places(_RESTORES):
        if RESTORE not in subject.reached(place):
            continue
        body = place.body
        if id(body) not in known:
            nodes = index_nodes(body.nodes)[0]
            known[id(body)] = (nodes, _filled(body, nodes))
        nodes, filled = known[id(body)]
        refs = place.node.data_refs
        keys = _texts(nodes.get(refs[1].node)) if len(refs) > 1 else ()
        parts = _texts(nodes.get(refs[2].node)) if len(refs) > 2 else ()
        types = place.node.attrs.get("dtypes", place.node.attrs.get("dt"))
        kinds = types if isinstance(types, list) else [types] * len(keys)
        for at, key in enumerate(keys):
            kind = kinds[at] if at < len(kinds) else None
            yield Wanted(
                place=place,
                key=key,
                part=parts[at] if at < len(parts) else "",
                dtype=kind if isinstance(kind, DType) else None,
                shape=filled.get((place.node.name, at)),
            )


def _texts(node: Node | None) -> tuple[str, ...]:
    value = node.attrs.get("value") if node is not None and node.op == "Const" else None
    if not isinstance(value, LazyTensor) or value.dtype.kind != "s":
        return ()
    if value.stored_bytes > _MOST_NAMES:
        return ()
    try:
        return tuple(item.decode("utf-8", "surrogateescape") for item in value.numpy().ravel())
    except MigratorError:
        return ()


def _filled(body: Body, nodes: Mapping[str, Node]) -> dict[tuple[str, int], Shape]:
    """(restore op, port) -> shape of the variable that it is assigned to."""
    found: dict[tuple[str, int], Shape] = {}
    for node in body.nodes:
        if node.op not in ASSIGN_OPS or node.attrs.get("validate_shape") is False:
            continue
        refs = node.data_refs
        target = nodes.get(refs[0].node) if len(refs) > 1 else None
        shape = target.attrs.get("shape") if target is not None else None
        source = _origin(refs[1], nodes) if len(refs) > 1 else None
        if source is not None and isinstance(shape, Shape):
            found[source.node, source.port] = shape
    return found


def _origin(ref: TensorRef, nodes: Mapping[str, Node]) -> TensorRef | None:
    for _ in range(_MOST_STEPS):
        node = nodes.get(ref.node)
        if node is None:
            return None
        if node.op in _RESTORES:
            return ref
        if node.op not in _COPIES or not node.data_refs:
            return None
        ref = node.data_refs[0]
    return None
