"""New nodes in the place of an old one: free names, spelling, anchors inside of loops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue, Function, Node
from migrator.model.tensors import TensorRef
from migrator.ops.registry import output_ports

ENTER = frozenset(("Enter", "RefEnter"))
EXIT = frozenset(("Exit", "RefExit"))


class Unfit(Exception):
    """This node cannot be rewritten: an attribute is missing, odd, or known to callers only."""


def attr_of(node: Node, key: str, kind: type[Any], default: Any = None) -> Any:
    """An attribute that must be of type ``kind``. Raises Unfit."""
    value = node.attrs.get(key, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Unfit(f"{node.name}: {key}")
    return value


def dtype_of(node: Node, key: str = "T", default: DType | None = None) -> DType:
    """A type attribute, references taken for what they refer to. Raises Unfit."""
    found: DType = attr_of(node, key, DType, default)
    return found.base


def controls_of(node: Node) -> tuple[str, ...]:
    """Control inputs as written."""
    return tuple(text for text in node.inputs if text[:1] == "^")


def data_of(node: Node) -> tuple[str, ...]:
    """Data inputs as written."""
    return tuple(text for text in node.inputs if text[:1] != "^")


def nodes_in_loops(nodes: Iterable[Node]) -> Set[str]:
    """Names of the nodes that run inside of a TensorFlow 1 while loop.

    A constant that is made for one of them has to be tied to its frame. Linear.
    """
    nodes = list(nodes)
    starts = [node.name for node in nodes if node.op in ENTER]
    if not starts:
        return frozenset()
    consumers: dict[str, list[Node]] = {}
    for node in nodes:
        for text in node.inputs:
            consumers.setdefault(TensorRef.parse(text).node, []).append(node)
    # Depth of nesting; an Exit leads one frame out, where an outer loop may go on.
    depth = dict.fromkeys(starts, 1)
    stack = starts
    while stack:
        name = stack.pop()
        for node in consumers.get(name, ()):
            if node.op in ENTER:
                level = min(depth[name] + 1, _DEEPEST)
            elif node.op in EXIT:
                level = depth[name] - 1
            else:
                level = depth[name]
            if level > depth.get(node.name, 0):
                depth[node.name] = level
                stack.append(node.name)
    return frozenset(depth)


_DEEPEST = 8
"""Nesting beyond this counts as this: no graph is walked more often."""


@dataclass(slots=True)
class _Place:
    node: Node
    controls: tuple[str, ...]
    anchors: tuple[str, ...]


class Draft:
    """Collects what takes the place of one node after the other.

    ``body`` is for function bodies, where a tensor is written ``node:out_arg:k``. All tensors that
    the methods take and give are in the spelling of the place.
    """

    def __init__(
        self,
        names: set[str],
        *,
        body: bool = False,
        loops: Collection[str] = frozenset(),
        library: Collection[str] = (),
    ) -> None:
        self._names = names
        self._library = library
        self._body = body
        self._loops = loops
        self._place: _Place | None = None
        self.made: list[Node] = []
        self.functions: list[Function] = []

    def start(self, node: Node) -> None:
        """Begin the replacement of ``node``; drops what an earlier one left unfinished."""
        anchors: tuple[str, ...] = ()
        if node.name in self._loops:
            producers = [TensorRef.parse(text).node for text in data_of(node)]
            anchors = tuple(f"^{name}" for name in producers if name in self._names)[:1]
        self._place = _Place(node, controls_of(node), anchors)
        self.made = []
        self.functions = []

    def op(self, kind: str, *inputs: str, label: str = "", **attrs: AttrValue) -> str:
        """A new node; gives its first output."""
        return self.ops(kind, *inputs, ports=1, label=label, **attrs)[0]

    def ops(
        self, kind: str, *inputs: str, ports: int, label: str = "", **attrs: AttrValue
    ) -> list[str]:
        """A new node; gives its first ``ports`` outputs."""
        place = self._at()
        node = Node(self._free(label or kind), kind, (*inputs, *place.controls), "", attrs)
        self.made.append(node)
        return [self.spell(node, port) for port in range(ports)]

    def const(self, value: Any, dtype: DType, label: str = "") -> str:
        """A new constant, tied to the frame of the loop that it is made in."""
        attrs = {"dtype": dtype, "value": constant_tensor(value, dtype)}
        node = Node(self._free(label or "Const"), "Const", self._at().anchors, "", attrs)
        self.made.append(node)
        return self.spell(node, 0)

    def finish(self, kind: str, *inputs: str, **attrs: AttrValue) -> None:
        """The last node, which takes the old one's name."""
        place = self._at()
        old = place.node
        hidden = {
            key: value for key, value in old.attrs.items() if key[:1] == "_" and key != "_class"
        }
        self.made.append(Node(old.name, kind, (*inputs, *place.controls), "", {**hidden, **attrs}))

    def spell(self, node: Node, port: int) -> str:
        """The tensor ``port`` of a node, as an input writes it."""
        if not self._body:
            return f"{node.name}:{port}" if port else node.name
        for argument, (first, count) in (output_ports(node) or {}).items():
            if first <= port < first + count:
                return f"{node.name}:{argument}:{port - first}"
        raise Unfit(f"{node.name}: no output {port}")

    def function_name(self, label: str) -> str:
        """The name of a function that all places share; not one of the library's own."""
        while label in self._library:
            label += "_"
        return label

    def free_name(self, label: str) -> str:
        """A name below the replaced node's that nothing else has; taken from now on."""
        return self._free(label)

    def _free(self, label: str) -> str:
        base = name = f"{self._at().node.name}/{label}"
        number = 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def _at(self) -> _Place:
        assert self._place is not None, "start() was not called"
        return self._place


def flat_outputs(node: Node) -> list[tuple[str, int]] | None:
    """(argument, index within it) of each output in port order, None for an unknown op."""
    ports = output_ports(node)
    if ports is None:
        return None
    return [(name, index) for name, (_, count) in ports.items() for index in range(count)]


def respelled(text: str, old: Node, new: Node) -> str:
    """A body's tensor of ``old``, written for ``new`` that took its place."""
    ref = TensorRef.parse(text)
    before, after = flat_outputs(old), flat_outputs(new)
    port = ref.port
    if before is not None and (ref.arg, ref.port) in before:
        port = before.index((ref.arg, ref.port))
    if not after or port >= len(after):
        return text
    argument, index = after[port]
    return f"{new.name}:{argument}:{index}"


def respell_all(inputs: Sequence[str], swapped: dict[str, tuple[Node, Node]]) -> tuple[str, ...]:
    """Inputs of a body's node after some of the producers were replaced."""
    found = []
    for text in inputs:
        pair = None if text[:1] == "^" else swapped.get(TensorRef.parse(text).node)
        found.append(text if pair is None else respelled(text, *pair))
    return tuple(found)
