"""Handles that were strings and became resources: TensorArrays and lookup tables.

The ops that make and take handles are renamed; a handle's way through loops and branches
(``Enter``, ``Switch``, ``Identity`` and the like) is retyped here.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from migrator.migration.passes.draft import Draft, Unfit, data_of, dtype_of
from migrator.model.dtypes import INT32, RESOURCE
from migrator.model.graph import Node
from migrator.model.tensors import TensorRef

PASSING = {
    "Identity": "Identity",
    "RefIdentity": "Identity",
    "Enter": "Enter",
    "RefEnter": "Enter",
    "Exit": "Exit",
    "RefExit": "Exit",
    "Switch": "Switch",
    "RefSwitch": "Switch",
    "Merge": "Merge",
    "RefMerge": "Merge",
    "NextIteration": "NextIteration",
    "RefNextIteration": "NextIteration",
}
"""Ops that hand their data on, by their names for plain tensors."""
MERGES = frozenset(("Merge", "RefMerge"))


def passes_on(node: Node, ref: TensorRef, *, slot: int) -> bool:
    """True where ``node`` hands on what ``ref`` brings to ``slot``."""
    if node.op not in PASSING or ref.control:
        return False
    return slot == 0 or node.op in MERGES


def carries(node: Node, ref: TensorRef) -> bool:
    """True where ``ref``, an output of a passing node, is its data."""
    return not (node.op in MERGES and (ref.port == 1 or ref.arg == "value_index"))


def carriers(nodes: Sequence[Node], sources: Set[str]) -> set[str]:
    """Names of the nodes that hand on what the nodes ``sources`` give. Linear."""
    if not sources:
        return set()
    readers: dict[str, list[tuple[Node, int, TensorRef]]] = {}
    for node in nodes:
        if node.op in PASSING:
            for slot, ref in enumerate(node.refs):
                readers.setdefault(ref.node, []).append((node, slot, ref))
    by_name = {node.name: node for node in nodes}
    found: set[str] = set()
    stack = list(sources)
    while stack:
        name = stack.pop()
        for node, slot, ref in readers.get(name, ()):
            if node.name in found or not passes_on(node, ref, slot=slot):
                continue
            if name in sources and name not in found and ref.port:
                continue  # another output of the maker, not the handle
            if name in found and not carries(by_name[name], ref):
                continue
            found.add(node.name)
            stack.append(node.name)
    return found


def retyped(nodes: Sequence[Node], sources: Set[str]) -> tuple[Node, ...]:
    """The nodes with the way of the handles that ``sources`` make typed as resources."""
    found = carriers(nodes, sources)
    return tuple(
        replace(node, op=PASSING[node.op], attrs={**node.attrs, "T": RESOURCE})
        if node.name in found
        else node
        for node in nodes
    )


def pack(node: Node, draft: Draft) -> None:
    """TensorArrayPack(handle, flow): all elements in order."""
    handle, flow = _inputs(node, 2)
    size = draft.op("TensorArraySizeV3", handle, flow, label="size")
    attrs = {"dtype": dtype_of(node, "dtype")}
    if "element_shape" in node.attrs:
        attrs["element_shape"] = node.attrs["element_shape"]
    draft.finish("TensorArrayGatherV3", handle, _up_to(draft, size), flow, **attrs)


def unpack(node: Node, draft: Draft) -> None:
    """TensorArrayUnpack(handle, value, flow): one element for each row of the value."""
    handle, value, flow = _inputs(node, 3)
    dtype = dtype_of(node)
    rows = draft.op("Shape", value, label="shape", T=dtype, out_type=INT32)
    first = draft.const([0], INT32, "first")
    second = draft.const([1], INT32, "second")
    size = draft.op(
        "StridedSlice", rows, first, second, second, label="size", T=INT32, Index=INT32,
        begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=1,
    )  # fmt: skip
    draft.finish("TensorArrayScatterV3", handle, _up_to(draft, size), value, flow, T=dtype)


def _up_to(draft: Draft, size: str) -> str:
    start, step = draft.const(0, INT32, "start"), draft.const(1, INT32, "step")
    return draft.op("Range", start, size, step, label="indices", Tidx=INT32)


def _inputs(node: Node, count: int) -> tuple[str, ...]:
    found = data_of(node)
    if len(found) != count:
        raise Unfit(node.name)
    return found
