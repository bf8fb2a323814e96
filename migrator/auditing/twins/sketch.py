"""A few hashes that tell a model: of its structure, its names, its weights and its file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from migrator.auditing.contents.stored import is_slot, stored
from migrator.auditing.contents.weight_scan import scan
from migrator.auditing.subject import Subject
from migrator.auditing.twins.structure import graph_hash, text_hash
from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor, Shape
from migrator.ops.state import VARIABLE_OPS
from migrator.places.source import ByteSource

NO_WEIGHTS = "none"
"""In the place of the hash of weights, of a model that has none."""
_WHOLE_FILE = 1 << 20
"""Bytes up to which a file is hashed without ``deep``."""
_PART = 4 << 20
_FEW_ELEMENTS = 16
"""Vectors shorter than this are settings more often than weights."""
_FEW_NODES = 4
_WEIGHTS = "fcq"
_COUNTER = re.compile(r"_\d+$")


def sketch(subject: Subject, *, deep: bool) -> dict[str, str]:
    """Hashes that tell near-duplicates of a model; a key that is not there is not known.

    ``graph``: the structure (see ``structure``). ``names``: the names of the top-level nodes and,
    without their counters, of functions. ``weights``: types, shapes and contents of all weights,
    whatever their names; ``none`` where there are none. A checkpoint's come from its index;
    those of constants are read with ``deep`` alone, and then all are. ``file``: SHA-256 of the
    model file, up to 1 MB or ``deep``. Linear; a graph of 100 nodes takes a millisecond.
    """
    found: dict[str, str] = {}
    metas = subject.meta_graphs
    if sum(len(meta.graph.nodes) + len(meta.graph.functions) for meta in metas) >= _FEW_NODES:
        found["graph"] = text_hash(sorted(graph_hash(meta.graph) for meta in metas))
        found["names"] = text_hash(sorted(set(_node_names(subject))))
    weights = _weights(subject, deep)
    if weights is not None:
        found["weights"] = weights
    if deep or subject.bytes <= _WHOLE_FILE:
        file = _file_hash(subject)
        if file is not None:
            found["file"] = file
    return found


def _node_names(subject: Subject) -> Iterator[str]:
    for meta in subject.meta_graphs:
        for node in meta.graph.nodes:
            yield node.name
        for name in meta.graph.functions:
            yield "()" + _COUNTER.sub("", name)


def _weights(subject: Subject, deep: bool) -> str | None:
    """The hash of all weights, None where it is not known."""
    if subject.model is None:
        return None
    constants = [
        value
        for place in subject.places(("Const",))
        if isinstance(value := place.node.attrs.get("value"), LazyTensor)
        and _is_weight(value.dtype, value.shape)
    ]
    checkpoint = stored(subject).checkpoint
    if checkpoint is None and next(subject.places(VARIABLE_OPS), None) is not None:
        return None  # its variables are elsewhere
    if not deep:
        if checkpoint is None:
            return None if constants else NO_WEIGHTS
        return _hashed(_indexed(checkpoint))
    if scan(subject).unread:
        return None
    return _hashed(
        f"{int(item.dtype)}{item.shape.dims}{item.digest}"
        for item in scan(subject).tensors
        if _is_weight(item.dtype, item.shape) and not (item.place is None and is_slot(item.name))
    )


def _indexed(checkpoint: Checkpoint) -> Iterator[str]:
    for key, value in checkpoint.variables.items():
        if _is_weight(value.dtype, value.shape) and not is_slot(key):
            try:
                yield f"{int(value.dtype)}{value.shape.dims}{checkpoint.checksums(key)}"
            except MigratorError:
                yield f"damaged {key}"


def _hashed(weights: Iterator[str]) -> str:
    found = sorted(weights)
    return text_hash(found) if found else NO_WEIGHTS


def _is_weight(dtype: DType, shape: Shape) -> bool:
    return dtype.kind in _WEIGHTS and bool(shape.rank) and (shape.elements or 0) >= _FEW_ELEMENTS


def _file_hash(subject: Subject) -> str | None:
    try:
        source = ByteSource.open(subject.file)
        digest = hashlib.sha256()
        for start in range(0, source.size, _PART):
            digest.update(source.read(start, min(_PART, source.size - start)))
    except MigratorError:
        return None
    return digest.hexdigest()
