"""One side of a comparison: the nodes of a graph and of its bodies, and what feeds what.

A tensor is (name of its node, port), bodies' nodes are ``FUNCTION/NODE``. It can be followed to
where it comes from: through calls and bodies, identities and reads of variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from migrator.graph.inline import called_body
from migrator.migration.storage.initial import init_ops
from migrator.model.graph import Node
from migrator.model.model import MetaGraph
from migrator.model.tensors import TensorRef
from migrator.ops.registry import output_ports
from migrator.ops.state import VARIABLE_OPS

Tensor = tuple[str, int]
"""Node and port; port -1 is control. An argument of a function is ``FUNCTION/ARGUMENT``."""

CONTROL = -1
_IDENTITIES = frozenset(
    ("Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics")
)
_READS = frozenset(("ReadVariableOp", "Identity", "RefIdentity"))
_FAR = 256
"""Steps that a tensor is followed; a cycle has no origin."""
_UNKNOWN_PORT = 1 << 20
"""Added to the port of an output argument that no covered release knows."""


class Side:
    """A meta graph with every node under its whole name."""

    def __init__(self, meta: MetaGraph) -> None:
        self.meta = meta
        nodes: dict[str, Node] = {}
        for node in meta.graph.nodes:
            nodes.setdefault(node.name, node)
        self.home: dict[str, str] = {}
        """Name of a body's node -> its function; top-level nodes are not in it."""
        self.arguments: dict[str, tuple[str, int]] = {}
        """``FUNCTION/ARGUMENT`` -> function and slot."""
        for function in meta.graph.functions.values():
            for slot, spec in enumerate(function.inputs):
                self.arguments.setdefault(f"{function.name}/{spec.tensor}", (function.name, slot))
            for node in function.nodes:
                name = f"{function.name}/{node.name}"
                if name not in nodes:
                    nodes[name] = node
                    self.home[name] = function.name
        self.nodes = nodes
        self._ports: dict[str, dict[str, tuple[int, int]]] = {}
        self._inputs: dict[str, tuple[list[Tensor], list[str]]] = {}

    @cached_property
    def ops(self) -> frozenset[str]:
        """Every op that a node has."""
        return frozenset(node.op for node in self.nodes.values())

    @cached_property
    def needed_at_load(self) -> set[str]:
        """Every node that runs when the model is loaded, beside what restores its checkpoint."""
        return self.closure(init_ops(self.meta))

    def local(self, name: str) -> str:
        """The name of a node within its own graph or body."""
        home = self.home.get(name)
        return name if home is None else name[len(home) + 1 :]

    def tensor(self, owner: str, text: str) -> Tensor:
        """The tensor that node ``owner`` calls ``text``. Not sure to exist."""
        home = self.home.get(owner)
        if home is None:
            if text in self.nodes:
                return text, 0
            if text[-2:] == ":0" and text[:-2] in self.nodes:
                return text[:-2], 0
            ref = TensorRef.parse(text)
            return self._in_bodies.get(ref.node, ref.node), ref.port
        return self.tensor_in(home, text)

    @cached_property
    def _in_bodies(self) -> dict[str, str]:
        """What lies in one body of a TFLite file alone: signatures name the tensors of any."""
        graph = self.meta.graph
        if not graph.functions or not any("_tensor_names" in node.attrs for node in graph.nodes):
            return {}
        found: dict[str, str] = {}
        for name in (*self.home, *self.arguments):
            local = name[len(self.home.get(name) or self.arguments[name][0]) + 1 :]
            found[local] = name if local not in found else ""
        return {local: name for local, name in found.items() if name and local not in self.nodes}

    def tensor_in(self, function: str, text: str) -> Tensor:
        """The tensor that the body of ``function`` calls ``text``."""
        ref = TensorRef.parse(text)
        name = f"{function}/{ref.node}"
        if ref.control or not ref.arg:
            return name, ref.port
        return name, self._port(name, ref.arg) + ref.port

    def _port(self, name: str, argument: str) -> int:
        """Where the ports of an output argument begin."""
        ports = self._ports.get(name)
        if ports is None:
            node = self.nodes.get(name)
            ports = self._ports[name] = (output_ports(node) if node is not None else None) or {}
        if argument in ports:
            return ports[argument][0]
        return _UNKNOWN_PORT if ports else 0

    def inputs(self, name: str) -> tuple[list[Tensor], list[str]]:
        """Data inputs of a node by slot, and the nodes that it waits for. Not to be changed."""
        known = self._inputs.get(name)
        if known is not None:
            return known
        data: list[Tensor] = []
        waits: list[str] = []
        node = self.nodes[name]
        for text in node.inputs:
            if text[:1] == "^":
                waits.append(self.tensor(name, text)[0])
            else:
                data.append(self.tensor(name, text))
        found = self._inputs[name] = data, waits
        return found

    @cached_property
    def _sites(self) -> dict[str, list[str]]:
        """Function -> calls of it, those that the top level comes to."""
        found: dict[str, list[str]] = {}
        functions = self.meta.graph.functions
        stack = [(node.name, node) for node in self.meta.graph.nodes]
        seen: set[str] = set()
        while stack:
            name, node = stack.pop()
            body = self._called(node)
            if body not in functions:
                continue
            found.setdefault(body, []).append(name)
            if body not in seen:
                seen.add(body)
                stack += [(f"{body}/{item.name}", item) for item in functions[body].nodes]
        return found

    def _called(self, node: Node) -> str:
        """The function that a call calls: TensorFlow 1 calls one as if it were an op."""
        return node.op if node.op in self.meta.graph.functions else called_body(node)

    def hop(self, tensor: Tensor) -> Tensor | None:
        """One step to where ``tensor`` comes from, None at its origin."""
        name, port = tensor
        node = self.nodes.get(name)
        if node is None:
            place = self.arguments.get(name)
            return None if place is None else self._given(*place)
        body = self._called(node)
        if body:
            function = self.meta.graph.functions.get(body)
            if function is None or not 0 <= port < len(function.outputs):
                return None
            text = function.returns.get(function.outputs[port].tensor)
            return None if text is None else self.tensor_in(body, text)
        if node.op in _IDENTITIES and port == 0:
            return self._input(name, 0)
        if node.op == "IdentityN":
            return self._input(name, port)
        return None

    def _given(self, function: str, slot: int) -> Tensor | None:
        """What the only call of ``function`` gives to one of its arguments."""
        sites = self._sites.get(function, ())
        return self._input(sites[0], slot) if len(sites) == 1 else None

    def _input(self, name: str, slot: int) -> Tensor | None:
        texts = [text for text in self.nodes[name].inputs if text[:1] != "^"]
        return self.tensor(name, texts[slot]) if 0 <= slot < len(texts) else None

    def origin(self, tensor: Tensor, stop: Callable[[str], bool] = lambda _: False) -> Tensor:
        """Where ``tensor`` comes from; at most as far as a node that ``stop`` holds for."""
        for _ in range(_FAR):
            if stop(tensor[0]):
                return tensor
            before = self.hop(tensor)
            if before is None:
                return tensor
            tensor = before
        return tensor

    def weight(self, name: str) -> str | None:
        """The constant or variable that node ``name`` is, or reads; None for other nodes."""
        for _ in range(_FAR):
            node = self.nodes.get(name)
            if node is None:
                return None
            if node.op == "Const" or node.op in VARIABLE_OPS:
                return name
            if node.op not in _READS:
                return None
            found = self._input(name, 0)
            if found is None:
                return None
            name = self.origin(found)[0]
        return None

    def closure(self, starts: Iterable[str]) -> set[str]:
        """Every node that ``starts`` need, through calls into bodies and out of them again."""
        seen: set[str] = set()
        stack = list(starts)
        functions = self.meta.graph.functions
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            node = self.nodes.get(name)
            if node is None:
                place = self.arguments.get(name)
                given = None if place is None else self._given(*place)
                if given is not None:
                    stack.append(given[0])
                continue
            seen.add(name)
            body = functions.get(self._called(node))
            if body is not None:
                # What the results need brings the inputs along, where the call is the only one.
                ends = [
                    *body.returns.values(),
                    *(f"^{text}" for text in body.control_returns.values()),
                ]
                stack += [self.tensor_in(body.name, text)[0] for text in ends]
                if len(self._sites.get(body.name, ())) == 1:
                    stack += self.inputs(name)[1]
                    continue
            else:
                if functions:
                    stack += self._bodies(node)
            data, waits = self.inputs(name)
            stack += [item[0] for item in data]
            stack += waits
        return seen

    def _bodies(self, node: Node) -> Iterator[str]:
        """The nodes of the branches and loop bodies that ``node`` runs."""
        functions = self.meta.graph.functions
        for called in node.called:
            for item in functions[called].nodes if called in functions else ():
                yield f"{called}/{item.name}"
