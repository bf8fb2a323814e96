"""Reference types out of a graph: reference variables to resources, Ref ops to plain ones.

TensorFlow 1's variables hand out references, which an op reads when it runs or writes through.
A function of TensorFlow 2 takes none. Where the variable is in the graph, the reference becomes a
resource handle, a reader reads explicitly and an assignment becomes its resource twin; where it is
not (a frozen or a given value), the reference becomes a value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from migrator.migration.passes.deprecated.handles import MERGES, PASSING
from migrator.migration.passes.draft import Draft, controls_of, data_of, nodes_in_loops
from migrator.migration.plan import Step
from migrator.model.dtypes import INT32, RESOURCE, STRING, DType
from migrator.model.graph import AttrValue, Graph, Node, index_nodes
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef, TensorSpec
from migrator.ops.registry import input_dtypes
from migrator.ops.state import REFERENCE_VARIABLES

_SWITCHES = frozenset(("Switch", "RefSwitch"))
_SCATTER = {
    f"Scatter{kind}": f"ResourceScatter{kind}"
    for kind in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max")
}
_TWINS: Mapping[str, str] = {
    "Assign": "AssignVariableOp",
    "AssignAdd": "AssignAddVariableOp",
    "AssignSub": "AssignSubVariableOp",
    **_SCATTER,
    **{
        f"ScatterNd{kind}": f"ResourceScatterNd{kind}"
        for kind in ("Update", "Add", "Sub", "Min", "Max")
    },
    "StridedSliceAssign": "ResourceStridedSliceAssign",
}
"""Writers that give the reference back -> their resource twins, which give nothing."""
_OTHERS = {"CountUpTo": "ResourceCountUpTo", "IsVariableInitialized": "VarIsInitializedOp"}
"""Ops that take a reference and give a value."""


@dataclass(frozen=True, slots=True)
class _Handle:
    """A reference as a resource: the handle's tensor, and what a reader has to wait for."""

    tensor: str
    waits: tuple[str, ...]
    dtype: DType
    variable: str


def drop_references(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Let no reference type be left in the top-level graph.

    A variable keeps its name and gets a ``VarHandleOp``; a kept tensor of a variable or an
    assignment stays a value under its name. Reads stay behind what they stood behind. Assignments
    to values, and training ops (``ApplyAdam`` ...), are left for the blockers to name. Linear.
    """
    if not any(_touched(node) for node in graph.nodes):
        return graph, ()
    return _References(graph, given, keep).run()


def _touched(node: Node) -> bool:
    if node.op in REFERENCE_VARIABLES or node.op == "RefSelect":
        return True
    return (node.op in PASSING and node.op.startswith("Ref")) or _holds_reference(node)


def _holds_reference(node: Node) -> bool:
    return any(
        (isinstance(value, DType) and value.is_ref)
        or (isinstance(value, list) and any(isinstance(v, DType) and v.is_ref for v in value))
        for value in node.attrs.values()
    )


class _References:
    def __init__(
        self, graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
    ) -> None:
        self._graph = graph
        self._nodes = [_based(node) for node in graph.nodes]
        outside = {TensorRef.parse(tensor).node for tensor in given}
        self._names = {node.name for node in self._nodes} | outside
        self._given = frozenset(given)
        self._keep = {str(TensorRef.parse(tensor)) for tensor in keep}
        self._loops = nodes_in_loops(self._nodes)
        self._draft = Draft(self._names, loops=self._loops)
        self._handles: dict[tuple[str, int], _Handle] = {}
        self._renamed: dict[str, str] = {}
        self._written: set[str] = set()
        self._shared: dict[tuple[str, tuple[str, ...]], str] = {}
        self._made: list[Node] = []
        self._counts = {"variables": 0, "assignments": 0, "plain": 0}

    def run(self) -> tuple[Graph, tuple[Step, ...]]:
        self._find_handles()
        for node in self._nodes:
            self._convert(node)
        by_name, duplicates = index_nodes(self._made)
        nodes = tuple(self._made)
        result = replace(self._graph, nodes=nodes, by_name=by_name, duplicates=duplicates)
        return result, self._steps()

    def _steps(self) -> tuple[Step, ...]:
        texts = {
            "variables": ("resource_variables", "reference variables become resource variables"),
            "assignments": ("resource_assignments", "assignments write to resource variables"),
            "plain": ("plain_references", "references to values become values"),
        }
        return tuple(
            Step(code=texts[key][0], text=texts[key][1], count=count)
            for key, count in self._counts.items()
            if count
        )

    # -- where references go ------------------------------------------------------------------

    def _find_handles(self) -> None:
        """Follow each variable's reference through passing ops and writers. Linear."""
        readers: dict[str, list[tuple[Node, int, TensorRef]]] = {}
        stack: list[tuple[str, int]] = []
        for node in self._nodes:
            if node.op in REFERENCE_VARIABLES and f"{node.name}:0" not in self._given:
                self._handles[(node.name, 0)] = self._variable_handle(node)
                stack.append((node.name, 0))
            for slot in _reference_slots(node):
                ref = node.data_refs[slot]
                readers.setdefault(ref.node, []).append((node, slot, ref))
        while stack:
            name, port = stack.pop()
            handle = self._handles[(name, port)]
            for node, slot, ref in readers.get(name, ()):
                if ref.port != port:
                    continue
                if slot == 0 and (node.op in _TWINS or node.op == "CountUpTo"):
                    self._written.add(handle.variable)
                for number, found in self._handed_on(node, slot, handle):
                    if self._handles.setdefault((node.name, number), found) is found:
                        stack.append((node.name, number))
        self._find_aliases()

    def _find_aliases(self) -> None:
        """Identities of a variable that is written: they share its buffer, so what reads them
        later sees what was written in between. Linear."""
        if not self._written:
            return
        readers: dict[str, list[Node]] = {}
        for node in self._nodes:
            if node.op == "Identity" and node.data_refs and (node.name, 0) not in self._handles:
                readers.setdefault(node.data_refs[0].node, []).append(node)
        stack = [key for key, found in self._handles.items() if found.variable in self._written]
        while stack:
            name, port = stack.pop()
            handle = self._handles[(name, port)]
            for node in readers.get(name, ()):
                if node.data_refs[0].port == port and (node.name, 0) not in self._handles:
                    waits = _once((*handle.waits, *controls_of(node)))
                    self._handles[(node.name, 0)] = replace(handle, waits=waits)
                    stack.append((node.name, 0))

    def _variable_handle(self, node: Node) -> _Handle:
        name = node.name
        if f"{name}:0" in self._keep:
            name = self._renamed[node.name] = self._free(f"{name}/VarHandleOp")
        return _Handle(name, (), _type(node, "dtype"), node.name)

    def _handed_on(self, node: Node, slot: int, handle: _Handle) -> list[tuple[int, _Handle]]:
        if node.op in _TWINS and slot == 0:
            name = node.name
            if f"{name}:0" in self._keep:
                name = self._renamed.get(name) or self._free(f"{name}/{_TWINS[node.op]}")
                self._renamed[node.name] = name
            return [(0, replace(handle, waits=(f"^{name}",)))]
        if node.op == "RefSelect":
            return [(0, replace(handle, tensor=node.name, waits=()))]
        if node.op not in PASSING or (slot and node.op not in MERGES):
            return []
        ports = (0, 1) if node.op in _SWITCHES else (0,)
        return [(port, replace(handle, tensor=_spell(node.name, port), waits=())) for port in ports]

    # -- node by node -------------------------------------------------------------------------

    def _convert(self, node: Node) -> None:
        if node.op in REFERENCE_VARIABLES and (node.name, 0) in self._handles:
            self._variable(node)
            return
        slots = set(_reference_slots(node))
        held = {
            slot: handle
            for slot, ref in enumerate(node.data_refs)
            if (handle := self._handles.get((ref.node, ref.port))) is not None
        }
        values = {slot: handle for slot, handle in held.items() if slot not in slots}
        if node.op == "Identity" and 0 in values:
            self._read(node.name, values[0], controls_of(node), _hidden(node))
            return
        if values:
            node = self._reading(node, values)
        handles = {slot: handle for slot, handle in held.items() if slot in slots}
        if node.op == "RefSelect":
            self._select(node, handles)
        elif node.op in _TWINS and 0 in handles:
            self._assign(node, handles[0])
        elif node.op in _OTHERS and 0 in handles:
            self._made.append(self._other(node, handles[0]))
        elif node.op in PASSING and node.op.startswith("Ref"):
            self._pass(node, handles)
        else:
            self._made.append(node)

    def _variable(self, node: Node) -> None:
        handle = self._handles[(node.name, 0)]
        self._counts["variables"] += 1
        shape = node.attrs.get("shape", UNKNOWN_SHAPE)
        if node.op == "Variable" and isinstance(shape, Shape) and not shape.dims:
            shape = UNKNOWN_SHAPE  # as the oldest op meant it
        attrs: dict[str, AttrValue] = {
            "dtype": handle.dtype,
            "shape": shape,
            "container": node.attrs.get("container", b""),
            "shared_name": node.attrs.get("shared_name") or node.name.encode(),
        }
        self._made.append(Node(handle.tensor, "VarHandleOp", controls_of(node), "", attrs))
        if handle.tensor != node.name:  # the value is asked for under the variable's name
            self._read(node.name, handle, (), _hidden(node))

    def _assign(self, node: Node, handle: _Handle) -> None:
        self._counts["assignments"] += 1
        name = self._renamed.get(node.name, node.name)
        attrs = {key: value for key, value in node.attrs.items() if key[:1] != "_"}
        attrs.pop("use_locking", None)
        if node.op.startswith("Assign") or node.op in _SCATTER:
            attrs["dtype"] = attrs.pop("T", handle.dtype)
        inputs = (handle.tensor, *data_of(node)[1:], *controls_of(node), *handle.waits)
        self._made.append(Node(name, _TWINS[node.op], _once(inputs), "", attrs))
        if name != node.name:
            self._read(node.name, replace(handle, waits=(f"^{name}",)), (), _hidden(node))

    def _other(self, node: Node, handle: _Handle) -> Node:
        attrs = {key: value for key, value in node.attrs.items() if key[:1] != "_"}
        if node.op == "IsVariableInitialized":
            attrs = {}
        inputs = (handle.tensor, *data_of(node)[1:], *controls_of(node), *handle.waits)
        return Node(node.name, _OTHERS[node.op], _once(inputs), "", attrs)

    def _pass(self, node: Node, handles: Mapping[int, _Handle]) -> None:
        op = PASSING[node.op]
        if not handles:
            self._counts["plain"] += 1
            self._made.append(replace(node, op=op))
            return
        inputs = list(data_of(node))
        waits: list[str] = []
        for slot, handle in handles.items():
            inputs[slot] = handle.tensor
            waits += handle.waits
        attrs = {key: value for key, value in node.attrs.items() if key != "_output_shapes"}
        inputs = [*inputs, *controls_of(node), *waits]
        self._made.append(Node(node.name, op, _once(inputs), "", {**attrs, "T": RESOURCE}))

    def _select(self, node: Node, handles: Mapping[int, _Handle]) -> None:
        """RefSelect(index, inputs): each input through a Switch of its own, then one Merge."""
        inputs = list(data_of(node))
        dtype = RESOURCE if handles else _type(node, "T")
        self._counts["plain"] += not handles
        draft = self._draft
        draft.start(node)
        live = []
        for slot, text in enumerate(inputs[1:]):
            number = draft.const(slot, INT32, "number")
            chosen = draft.op(
                "Equal", inputs[0], number, T=INT32, incompatible_shape_error=True, label="chosen"
            )
            handle = handles.get(slot + 1)
            data = text if handle is None else handle.tensor
            live.append(draft.ops("Switch", data, chosen, ports=2, label="Switch", T=dtype)[1])
        draft.finish("Merge", *live, N=len(live), T=dtype)
        self._made += draft.made

    # -- reading ------------------------------------------------------------------------------

    def _reading(self, node: Node, values: Mapping[int, _Handle]) -> Node:
        """The node with explicit reads in the place of references."""
        inputs = list(node.inputs)
        places = [slot for slot, text in enumerate(inputs) if text[:1] != "^"]
        controls, slots = controls_of(node), set(values)
        for slot, handle in values.items():
            inputs[places[slot]] = self._value(node, handle, controls, slots)
        return replace(node, inputs=tuple(inputs))

    def _value(
        self, node: Node, handle: _Handle, controls: tuple[str, ...], slots: set[int]
    ) -> str:
        if handle.variable in self._written:
            # A reference is read when its reader runs: after all that the reader waits for.
            controls += tuple(
                f"^{TensorRef.parse(text).node}"
                for slot, text in enumerate(data_of(node))
                if slot not in slots and TensorRef.parse(text).node in self._graph.by_name
            )
        if controls:
            name = self._free(f"{node.name}/ReadVariableOp")
            self._read(name, handle, controls, {})
            return name
        key = (handle.tensor, handle.waits)
        found = self._shared.get(key)
        if found is None:
            base = handle.waits[0][1:] if handle.waits else TensorRef.parse(handle.tensor).node
            found = self._shared[key] = self._free(f"{base}/ReadVariableOp")
            self._read(found, handle, (), {})
        return found

    def _read(
        self, name: str, handle: _Handle, controls: tuple[str, ...], attrs: Mapping[str, AttrValue]
    ) -> None:
        self._made.append(self._as_read(name, handle, controls, attrs))

    @staticmethod
    def _as_read(
        name: str,
        handle: _Handle,
        controls: tuple[str, ...],
        attrs: Mapping[str, AttrValue] | None = None,
    ) -> Node:
        inputs = _once((handle.tensor, *controls, *handle.waits))
        return Node(name, "ReadVariableOp", inputs, "", {**(attrs or {}), "dtype": handle.dtype})

    def _free(self, name: str) -> str:
        base, number = name, 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name


def _based(node: Node) -> Node:
    """Without reference types among the attributes."""
    if not _holds_reference(node):
        return node
    attrs = {
        key: value.base
        if isinstance(value, DType)
        else [item.base if isinstance(item, DType) else item for item in value]
        if isinstance(value, list)
        else value
        for key, value in node.attrs.items()
    }
    return replace(node, attrs=attrs)


def _reference_slots(node: Node) -> list[int]:
    types = input_dtypes(node) or ()
    count = len(data_of(node))
    return [
        slot
        for slot, dtype in enumerate(types)
        if dtype.is_ref and dtype.base != STRING and slot < count
    ] or _string_slots(node, types, count)


def _string_slots(node: Node, types: tuple[DType, ...], count: int) -> list[int]:
    """Slots for references to strings: variables may hold them, but most are handles."""
    if node.op not in _TWINS and node.op not in _OTHERS and node.op not in PASSING:
        return []
    return [slot for slot, dtype in enumerate(types) if dtype.is_ref and slot < count]


def _type(node: Node, key: str) -> DType:
    value = node.attrs.get(key)
    return value.base if isinstance(value, DType) else DType(0)


def _hidden(node: Node) -> dict[str, AttrValue]:
    return (
        {"_output_shapes": node.attrs["_output_shapes"]} if "_output_shapes" in node.attrs else {}
    )


def _spell(name: str, port: int) -> str:
    return f"{name}:{port}" if port else name


def _once(inputs: Collection[str]) -> tuple[str, ...]:
    """Control edges once each; data inputs as they are."""
    found: list[str] = []
    seen: set[str] = set()
    for text in inputs:
        if text[:1] == "^" and text in seen:
            continue
        seen.add(text)
        found.append(text)
    return tuple(found)
