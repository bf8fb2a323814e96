"""What a model may do outside of itself: files, other machines, code. Told; the audit judges it.

By the kinds of ops alone, but for what every model with variables has: the ops that save and
restore its own checkpoint, whose path a caller gives, or is the bare name that savers write.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from migrator.model.graph import Function, Node
from migrator.model.tensors import LazyTensor, TensorRef
from migrator.ops.dangerous import (
    DATASET,
    NETWORK,
    PROCESS,
    PYTHON,
    READ,
    WRITE,
    DangerousOp,
    dangerous_ops,
)

if TYPE_CHECKING:
    from migrator.inspection.tracing import Tracer
    from migrator.model.keras import LoadingRisk
    from migrator.model.model import MetaGraph

_GIVEN = "given"
JUDGE = "`migrator audit` judges it"
_CLAUSES = {
    PYTHON: "calls Python code that is not in the file",
    WRITE: "may write files",
    NETWORK: "may reach other machines",
    PROCESS: "may end the process or change how it works",
    READ: "may read files",
    _GIVEN: "may run a graph that it is given as a string",
}
"""Group of ops -> what a model with one of them does, the gravest first."""
_GROUPS = {DATASET: READ}
_OP_GROUPS = {"DatasetFromGraph": _GIVEN}
_BY_DEFAULT = frozenset(
    """
    InitializeTableFromTextFile InitializeTableFromTextFileV2 InitializeTableFromDataset
    ShardedFilename ShardedFilespec
    """.split()
)
"""They are in many models, and by themselves do nothing but fill a table or make up a name."""
_PATHS: Mapping[str, int] = {
    "MergeV2Checkpoints": 1,
    "Restore": 0,
    "RestoreSlice": 0,
    "RestoreV2": 0,
    "Save": 0,
    "SaveSlices": 0,
    "SaveV2": 0,
    "ShardedFilename": 0,
}
"""Ops of savers -> the operand with the path."""
_FLEX = "Flex"
_SLOT_OF_NAME = {"CacheDataset": 1, "CacheDatasetV2": 1}
_PLAIN = r"[A-Za-z0-9_-][A-Za-z0-9_. -]*"
_MOST_STEPS = 64
_MOST_SAVERS = 10_000
_MOST_NAMED = 5
_KERAS = (
    (("code", "lambda"), "carries Python code that loading it may run"),
    (("module", "function"), "names Python modules or functions that loading it goes for"),
    (("op",), "runs ops that reach outside of it"),
    (("file", "link"), "names other files that loading it opens"),
    (("class",), "has layers of its maker's own classes"),
)
"""Kinds of ``KerasDanger``, and what they come to."""


def reaching_ops(meta: MetaGraph, ops: Collection[str], form: str = "") -> str:
    """What the ops of a graph may do outside of it, one clause for each kind; empty for nothing.

    ``ops`` are all that the graph has; linear in the nodes where one of them is of the table,
    else in ``ops``. ``form``: in TFLite, TensorFlow's ops are called ``Flex...``.
    """
    table = dangerous_ops()
    if form == "tflite":
        bare = (op.removeprefix(_FLEX) for op in ops if op.startswith(_FLEX))
        present = [op for op in bare if op in table and not table[op].optional]
    else:
        present = [op for op in ops if op in table]
    present = [op for op in present if op not in _BY_DEFAULT]
    if present and form != "tflite":
        asked = frozenset(op for op in present if op in _PATHS or table[op].optional)
        meant = _meant(meta, asked) if asked else set()
        present = [op for op in present if op not in asked or op in meant]
    found: dict[str, list[str]] = {}
    for op in sorted(present):
        group = _OP_GROUPS.get(op, table[op].group)
        found.setdefault(_GROUPS.get(group, group), []).append(op)
    return ", ".join(
        f"{clause} ({_some(found[group])})" for group, clause in _CLAUSES.items() if group in found
    )


def risks_in_words(risks: Sequence[LoadingRisk]) -> str:
    """What loading a Keras file would do besides making layers; empty for nothing."""
    clauses = []
    for kinds, clause in _KERAS:
        named = [_of_risk(item, kinds) for item in risks if item.kind in kinds]
        if named:
            clauses.append(f"{clause} ({_some(list(dict.fromkeys(named)))})")
    return ", ".join(clauses)


def _of_risk(item: LoadingRisk, kinds: tuple[str, ...]) -> str:
    what = "" if "code" in kinds else item.argument
    return f"{item.layer}: {what}" if what else item.layer


def _meant(meta: MetaGraph, ops: frozenset[str]) -> set[str]:
    """Those of ``ops`` of which some node does what its kind can do."""
    from migrator.inspection.tracing import Tracer

    tracer = Tracer(meta.graph)
    assets = {TensorRef.parse(item.tensor).node for item in meta.assets}
    table = dangerous_ops()
    left = _MOST_SAVERS
    found: set[str] = set()
    for function, node in tracer.nodes(ops):
        if node.op in found:
            continue
        left -= 1
        if node.op in _PATHS:
            is_meant = left < 0 or not _is_own(tracer, function, node, assets)
        else:
            is_meant = _is_set(tracer, function, node, table[node.op])
        if is_meant:
            found.add(node.op)
    return found


def _is_own(tracer: Tracer, function: Function | None, node: Node, assets: Collection[str]) -> bool:
    """Whether a saver's op has its path from a caller, of an asset, or the name of all savers."""
    refs = node.data_refs
    slot = _PATHS[node.op]
    stack = [(function, ref) for ref in refs[slot : slot + 1]]
    seen: set[tuple[str, str]] = set()
    while stack:
        scope, ref = stack.pop()
        found = tracer.origin(scope, ref)
        if found is None:
            continue  # an argument: the loader gives it
        at, made = found.function, found.node
        key = ("" if at is None else at.name, made.name)
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > _MOST_STEPS:
            return False
        given = made.data_refs
        if at is None and made.name in assets:
            continue
        if made.op == "Const":
            if not all(map(_is_plain, _strings(made))):
                return False
        elif made.op in ("StringJoin", "ShardedFilename", "PlaceholderWithDefault"):
            stack += [(at, item) for item in given[:1]]  # its head says where it lies
        elif made.op in ("Select", "SelectV2"):
            stack += [(at, item) for item in given[1:3]]
        elif made.op not in ("Placeholder", "PlaceholderV2"):
            stack += [(at, item) for item in given]
            if not given:
                return False
    return True


def _is_set(tracer: Tracer, function: Function | None, node: Node, op: DangerousOp) -> bool:
    """Whether an op that is harmless without its argument has one."""
    if op.attrs:
        value = node.attrs.get(op.attrs[0])
        texts = value if isinstance(value, list) else [value]
        if node.op == "PrintV2":
            return any(isinstance(item, bytes) and item.startswith(b"file://") for item in texts)
        return any(texts)
    slot = _SLOT_OF_NAME.get(node.op, 0)
    refs: list[TensorRef] = list(node.data_refs[slot : slot + 1])
    found = tracer.origin(function, refs[0]) if refs else None
    if found is None or found.node.op != "Const":
        return True
    return any(_strings(found.node)) or not _is_text(found.node)


def _is_text(node: Node) -> bool:
    value = node.attrs.get("value")
    return isinstance(value, LazyTensor) and value.dtype.kind == "s"


def _strings(node: Node) -> Iterator[bytes]:
    """The strings of a constant; none of one that holds others, or cannot be read."""
    from migrator.errors import MigratorError
    from migrator.formats.tensors import string_values
    from migrator.limits import DEFAULT_LIMITS

    value = node.attrs.get("value")
    if not isinstance(value, LazyTensor) or value.dtype.kind != "s":
        return
    try:
        yield from string_values(value, DEFAULT_LIMITS, where="a path")
    except MigratorError:
        yield b"/"  # not to be told from a path


def _is_plain(name: bytes) -> bool:
    return not name or re.fullmatch(_PLAIN, name.decode("utf-8", "replace")) is not None


def _some(names: Sequence[str]) -> str:
    shown = [ascii(name)[1:-1][:80] for name in names[:_MOST_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
