"""Which tensors are handles and flows of which TensorArray, through While and If."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.migration.passes.functional.items import (
    DATAFLOW_CONTROL,
    PASSING,
    Item,
    Tensor,
    Unconvertible,
    in_order,
)
from migrator.migration.passes.functional.link import Linked
from migrator.migration.passes.functional.shapes import IF, WHILE
from migrator.model.dtypes import DType
from migrator.model.graph import FunctionRef
from migrator.model.tensors import Shape
from migrator.shapes.facts import Dims

ARRAY = frozenset(("TensorArrayV3",))
READ = frozenset(("TensorArrayReadV3",))
WRITE = frozenset(("TensorArrayWriteV3",))
GATHER = frozenset(("TensorArrayGatherV3",))
SCATTER = frozenset(("TensorArrayScatterV3",))
SIZE = frozenset(("TensorArraySizeV3",))
CONCAT = frozenset(("TensorArrayConcatV3",))
SPLIT = frozenset(("TensorArraySplitV3",))
CLOSE = frozenset(("TensorArrayCloseV3",))
_KINDS = (
    "",
    "Read",
    "Write",
    "Gather",
    "Scatter",
    "Size",
    "Concat",
    "Split",
    "Close",
    "Grad",
    "GradWithShape",
    "Pack",
    "Unpack",
)
FAMILY = frozenset(f"TensorArray{kind}{version}" for kind in _KINDS for version in ("", "V2", "V3"))
FLOW_AT = {
    **dict.fromkeys(READ | GATHER, 2),
    **dict.fromkeys(WRITE | SCATTER | SPLIT, 3),
    **dict.fromkeys(SIZE | CONCAT, 1),
}
"""Which input of an operation is the flow."""
CHANGING = WRITE | SCATTER | SPLIT
_DEEPEST = 64


@dataclass(slots=True, kw_only=True, eq=False)
class Array:
    """One TensorArray. ``element`` is what is known of its elements' shape so far."""

    item: Item
    dtype: DType
    declared: Dims | None
    element: Dims | None
    dynamic: bool


@dataclass(frozen=True, slots=True)
class Role:
    """What a tensor is to an array: its handle, or its flow."""

    array: Array
    is_flow: bool


class Trace:
    """Walks from the top level into the bodies that are called, each called once."""

    def __init__(self, top: Linked, bodies: Mapping[str, Linked]) -> None:
        self._top = top
        self._bodies = bodies
        self._order: dict[str, Linked] = {}
        self.arrays: list[Array] = []
        self.roles: dict[Tensor, Role] = {}
        self.used: dict[Item, Array] = {}
        """Operation -> the array that it works on."""
        self.operations: dict[Array, set[str]] = {}
        self.changes: dict[Array, int] = {}
        self.fresh: set[Tensor] = set()
        """Flows of arrays into which nothing has been put."""
        self._writers: dict[Tensor, Item] = {}

    def run(self) -> None:
        """Raises Unconvertible for what no list can follow."""
        self._scope(self._top, [], 0)
        for item, port in self._top.results:
            if (item, port) in self.roles:
                raise Unconvertible("a TensorArray itself is wanted", where=item.name)

    def callees_first(self) -> list[Linked]:
        """The bodies that were walked."""
        return list(self._order.values())

    def _scope(self, scope: Linked, given: Sequence[Role | None], depth: int) -> list[Role | None]:
        if depth > _DEEPEST:
            raise Unconvertible("loops lie too deep in loops", where=scope.name)
        for source, role in zip(scope.sources, given, strict=False):
            if role is not None:
                self.roles[source, 0] = role
        roots = [*(item for item, _ in scope.results), *scope.controls]
        for item in in_order(roots, scope.name):
            if item not in scope.sources:
                self._item(item, depth)
        if scope.name:
            self._order[scope.name] = scope
        return [self.roles.get(tensor) for tensor in scope.results]

    def _item(self, item: Item, depth: int) -> None:
        if item.op in ARRAY:
            self._array(item)
        elif item.op in FAMILY:
            self._operation(item)
        elif item.op in WHILE:
            self._while(item, depth)
        elif item.op in IF:
            self._if(item, depth)
        elif item.op in PASSING or item.op == "IdentityN":
            for port, tensor in enumerate(item.inputs):
                role = self.roles.get(tensor)
                if role is not None:
                    self.roles[item, port] = role
                    if tensor in self.fresh:
                        self.fresh.add((item, port))
        elif any(tensor in self.roles for tensor in item.inputs):
            form = "TensorFlow 1 control flow" if item.op in DATAFLOW_CONTROL else item.op
            raise Unconvertible(f"{form} takes a TensorArray", where=item.name)

    def _array(self, item: Item) -> None:
        dtype, shape = item.attrs.get("dtype"), item.attrs.get("element_shape")
        if not isinstance(dtype, DType) or len(item.inputs) != 1:
            raise Unconvertible("a TensorArray without a type or a size", where=item.name)
        declared = shape.dims if isinstance(shape, Shape) else None
        array = Array(
            item=item,
            dtype=dtype,
            declared=declared,
            element=declared,
            dynamic=bool(item.attrs.get("dynamic_size")),
        )
        self.arrays.append(array)
        self.operations[array] = set()
        self.changes[array] = 0
        self.roles[item, 0] = Role(array, False)
        self.roles[item, 1] = Role(array, True)
        self.fresh.add((item, 1))

    def _operation(self, item: Item) -> None:
        handle = self.roles.get(item.inputs[0]) if item.inputs else None
        if handle is None or handle.is_flow:
            raise Unconvertible("works on a TensorArray that is not known", where=item.name)
        self.used[item] = handle.array
        self.operations[handle.array].add(item.op)
        self.changes[handle.array] += item.op in CHANGING
        if item.op in CLOSE:
            return
        slot = FLOW_AT.get(item.op)
        flow = self.roles.get(item.inputs[slot]) if slot and len(item.inputs) > slot else None
        if slot is None or flow is None:
            raise Unconvertible(f"{item.op} has no counterpart for lists", where=item.name)
        if flow.array is not handle.array or not flow.is_flow:
            raise Unconvertible("takes the flow of another TensorArray", where=item.name)
        if item.op in CHANGING:
            self._one_writer(item.inputs[slot], item)
            self.roles[item, 0] = flow

    def _one_writer(self, flow: Tensor, item: Item) -> None:
        """Two that write after one state: an array has both, a list would have one."""
        while flow[0].op in PASSING:
            flow = flow[0].inputs[0]
        if self._writers.setdefault(flow, item) is not item:
            raise Unconvertible("a second writer after one state of an array", where=item.name)

    def _while(self, item: Item, depth: int) -> None:
        given = [self.roles.get(tensor) for tensor in item.inputs]
        self._call(item, "cond", given, depth)
        after = self._call(item, "body", given, depth)
        if after != given and any(given) | any(after):
            raise Unconvertible("a TensorArray changes its place in a loop", where=item.name)
        body = self._body(item, "body")
        for port, role in enumerate(given):
            if role is None:
                continue
            self.roles[item, port] = role
            if role.is_flow and body is not None:
                if body.results[port] != (list(body.sources)[port], 0):
                    self._one_writer(item.inputs[port], item)
                elif item.inputs[port] in self.fresh:
                    self.fresh.add((item, port))

    def _if(self, item: Item, depth: int) -> None:
        given = [self.roles.get(tensor) for tensor in item.inputs[1:]]
        found = [self._call(item, key, given, depth) for key in ("then_branch", "else_branch")]
        if found[0] != found[1]:
            raise Unconvertible("its branches give different TensorArrays", where=item.name)
        for port, role in enumerate(found[0]):
            if role is not None:
                self.roles[item, port] = role
                for tensor in item.inputs[1:]:
                    if role.is_flow and self.roles.get(tensor) == role:
                        self._one_writer(tensor, item)

    def _call(
        self, item: Item, key: str, given: Sequence[Role | None], depth: int
    ) -> list[Role | None]:
        body = self._body(item, key)
        if body is None:
            if any(given):
                raise Unconvertible("calls what could not be read", where=item.name)
            types = item.attrs.get("Tout", item.attrs.get("T"))
            return [None] * (len(types) if isinstance(types, list) else 0)
        if body.name in self._order:
            if any(given) or any(one.op in FAMILY for one in body.items):
                raise Unconvertible(
                    "a TensorArray in a function that is called twice", where=body.name
                )
            return [None] * len(body.results)
        return self._scope(body, given, depth + 1)

    def _body(self, item: Item, key: str) -> Linked | None:
        value = item.attrs.get(key)
        return self._bodies.get(value.name) if isinstance(value, FunctionRef) else None
