"""A node without what does not matter: the canonical form, as numbers that can be compared.

Left out are names, devices, annotations (``_class``, ``_output_shapes``, ...), names of shared
resources, settings of the machine that wrote the graph, and attributes that have their default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from migrator.diffing.numbered.contents import Contents
from migrator.model.dtypes import DType
from migrator.model.graph import AttrPlaceholder, AttrValue, FunctionRef, Node
from migrator.model.tensors import LazyBytes, LazyTensor, Shape
from migrator.ops.defaults import is_default
from migrator.ops.state import VARIABLE_OPS

NAMING = frozenset(
    (
        "shared_name",
        "container",
        "frame_name",
        "tensor_array_name",
        "stack_name",
        "debug_name",
        "config",
        "config_proto",
        "executor_type",
        "allowed_devices",
    )
)
"""Attributes that hold names, and settings of the machine that wrote the graph."""
CONTROL_FLOW = frozenset(
    (
        *("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"),
        *("RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefNextIteration"),
    )
)
"""TensorFlow 1's: an identity beside them may hold a control edge in its branch or frame."""
SEEN_THROUGH = frozenset(("Identity", "StopGradient", "PreventGradient", "ReadVariableOp"))
"""Ops that hand on what they get."""
_FAMILIES = {
    "Add": "AddV2",
    "BatchMatMul": "BatchMatMulV2",
    "BatchMatMulV3": "BatchMatMulV2",
    "FusedBatchNorm": "FusedBatchNormV3",
    "FusedBatchNormV2": "FusedBatchNormV3",
    "PartitionedCall": "StatefulPartitionedCall",
    "StatelessIf": "If",
    "StatelessCase": "Case",
    "StatelessWhile": "While",
    "Select": "SelectV2",
    "GatherV2": "Gather",
    "TopK": "TopKV2",
    "StringSplit": "StringSplitV2",
    "BatchNormWithGlobalNormalization": "FusedBatchNormV3",
    "PlaceholderV2": "Placeholder",
    **dict.fromkeys(VARIABLE_OPS, "Const"),
    "AssignVariableOp": "Assign",
    "HashTable": "HashTableV2",
    "LookupTableFind": "LookupTableFindV2",
    "LookupTableImport": "LookupTableImportV2",
    "InitializeTable": "InitializeTableV2",
    "InitializeTableFromTextFile": "InitializeTableFromTextFileV2",
    "ReadVariableOp": "Identity",
}
"""Ops that stand for one another over the years."""


class Labels(NamedTuple):
    """What a node is by itself, at three distances. Functions that it calls are in none of them."""

    exact: int
    """Op, attributes and, of a constant, its content."""
    form: int
    """Without a weight's values: constants and variables of one type and shape are alike."""
    family: int
    """The op alone; ops that stand for one another over the years are alike."""


class Labeller:
    """Labels for the nodes of both sides; equal nodes share the work."""

    __slots__ = ("_contents", "_known")

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Labels] = {}
        self._contents = Contents()

    def labels(self, node: Node, value: LazyTensor | None = None) -> Labels:
        """``value`` is what a variable holds, where that is known."""
        op, attrs = node.op, node.attrs
        key: list[object] = [op]
        constant: LazyTensor | None = value
        for name in attrs:
            if name[:1] == "_" or name in NAMING:
                continue
            item = attrs[name]
            kind = type(item)
            if kind is LazyTensor:
                if op == "Const" and name == "value":
                    constant = item
                    continue
                item = self._contents.number(item)
            elif kind is not DType and kind is not bytes:
                item = _plain(item, self._contents)
            key += (name, kind, item)
        content = 0
        if constant is not None:
            content = self._contents.number(constant)
            key += (constant.dtype, constant.shape.dims, content)
        known_as = tuple(key)
        known = self._known.get(known_as)
        if known is None:
            known = self._known[known_as] = self._made(node, constant, content)
        return known

    def _made(self, node: Node, constant: LazyTensor | None, content: int) -> Labels:
        op = node.op
        said = [op, *(f"{name}={value}" for name, value in self._attributes(node))]
        family = number(_FAMILIES.get(op, op))
        exact = number("\0".join((*said, str(content))))
        if op in VARIABLE_OPS:
            shape = node.attrs.get("shape")
            dims = shape.dims if isinstance(shape, Shape) else None
            dtype = node.attrs.get("dtype")
            return Labels(exact, number(f"weight {_base(dtype)} {dims}"), family)
        if op == "Const" and constant is not None and is_weight(constant):
            form = number(f"weight {_base(constant.dtype)} {constant.shape.dims}")
            return Labels(exact, form, family)
        return Labels(exact, exact, family)

    def _attributes(self, node: Node) -> Iterator[tuple[str, object]]:
        for name in sorted(node.attrs):
            if name[:1] == "_" or name in NAMING or (name == "value" and node.op == "Const"):
                continue
            value = node.attrs[name]
            if not is_default(node.op, name, value):
                yield name, _plain(value, self._contents)


def is_weight(value: LazyTensor) -> bool:
    """Whether a constant is of the kind that training changes, and not a piece of structure."""
    if value.dtype.kind in "fcq":
        return bool(value.shape.rank) or value.shape.rank is None
    return value.dtype.kind not in "sb" and value.nbytes > 4096


def _base(dtype: AttrValue) -> int:
    return int(dtype.base) if isinstance(dtype, DType) else 0


def _plain(value: AttrValue, contents: Contents) -> object:
    """An attribute's value as something that can be hashed, without the names of functions."""
    kind = type(value)
    if kind is DType:
        return f"t{int(value)}"
    if kind is bool or kind is int or kind is float or kind is bytes:
        return value if kind is not float else repr(value)
    if isinstance(value, Shape):
        return value.dims, "s"
    if isinstance(value, list):
        return tuple([_plain(item, contents) for item in value])
    if isinstance(value, LazyTensor):
        return contents.number(value)
    if isinstance(value, FunctionRef):
        return "f"
    if isinstance(value, LazyBytes):
        return f"b{value.size}"
    if isinstance(value, AttrPlaceholder):
        return f"${value.name}"
    return repr(value)


def number(text: str) -> int:
    """62 bits that stand for ``text``."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little") >> 2
