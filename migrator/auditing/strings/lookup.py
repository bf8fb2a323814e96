"""What following strings looks up again and again: nodes, calls, variables. Indexed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from migrator.auditing.callgraph.calls import Named, functions_named, interfaces
from migrator.auditing.contents.bodies import Body, Place
from migrator.model.graph import Function, Node, index_nodes
from migrator.model.tensors import TensorRef, TensorSpec
from migrator.ops.state import ASSIGN_OPS, REFERENCE_VARIABLES, VARIABLE_OPS, variable_name

MOST_CALLERS = 32
LOOPS = frozenset({"StatelessWhile", "While"})
_KEEP = frozenset(
    """
    Assign AssignVariableOp DestroyResourceOp Identity ReadVariableOp VarIsInitializedOp
    VariableShape
    """.split()
)
"""Ops that take a variable's handle and neither change it otherwise nor hand it on."""
_MANY = 16


class Lookup:
    """Answers for the bodies of one subject. Every index is made when it is first asked for."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        self._groups: dict[int, list[Body]] = {}
        for body in bodies:
            self._groups.setdefault(id(body.graph), []).append(body)
        self._nodes: dict[int, Mapping[str, Node]] = {}
        self._wide: dict[int, Sequence[str]] = {}
        self._numbers: dict[int, dict[str, int]] = {}
        self._functions: dict[int, dict[str, Body]] = {}
        self._callers: dict[int, dict[str | bytes, list[tuple[Place, Named]]]] = {}
        self._shared: dict[int, dict[str, bytes]] = {}
        self._kept: dict[int, frozenset[int] | None] = {}
        self._assigned: dict[int, dict[str, list[str]]] = {}
        self._variables: Counter[tuple[int, str]] = Counter()
        self._lent: dict[int, Collection[str]] = {}

    def top(self, body: Body) -> Body:
        """The top level of the graph that ``body`` belongs to."""
        return self._groups[id(body.graph)][0]

    def node(self, body: Body, name: str) -> Node | None:
        index = self._nodes.get(id(body))
        if index is None:
            index = body.graph.by_name if body.function is None else index_nodes(body.nodes)[0]
            self._nodes[id(body)] = index
        return index.get(name)

    def data(self, node: Node) -> Sequence[str]:
        """The data inputs; those of a node with very many are kept."""
        if len(node.inputs) < _MANY:
            return [text for text in node.inputs if text[:1] != "^"]
        found = self._wide.get(id(node))
        if found is None:
            found = self._wide[id(node)] = [text for text in node.inputs if text[:1] != "^"]
        return found

    def numbers(self, specs: Sequence[TensorSpec]) -> Mapping[str, int]:
        """The arguments, or the results, of a function by name."""
        found = self._numbers.get(id(specs))
        if found is None:
            found = {spec.tensor: number for number, spec in enumerate(specs)}
            self._numbers[id(specs)] = found
        return found

    def functions(self, body: Body) -> Mapping[str, Body]:
        """The function bodies of the graph that ``body`` belongs to."""
        found = self._functions.get(id(body.graph))
        if found is None:
            group = self._groups[id(body.graph)]
            found = {item.function.name: item for item in group if item.function is not None}
            self._functions[id(body.graph)] = found
        return found

    def calls(self, body: Body, function: Function) -> Sequence[tuple[Place, Named]]:
        """The calls of ``function`` in the graph that ``body`` belongs to, and of those that it
        may be run in place of; one more than ``MOST_CALLERS`` where there are more.
        """
        library = body.graph.functions
        found = self._callers.get(id(body.graph))
        if found is None:
            shared = self._shared[id(body.graph)] = interfaces(library)
            found = self._callers[id(body.graph)] = {}
            for other in self._groups[id(body.graph)]:
                for node in other.nodes:
                    for named in functions_named(node, library):
                        calls = found.setdefault(shared.get(named.function, named.function), [])
                        if len(calls) <= MOST_CALLERS:
                            calls.append((Place(other, node), named))
        return found.get(self._shared[id(body.graph)].get(function.name, function.name), ())

    def stays(self, call: Place, number: int) -> bool:
        """False where ``call`` is a loop whose body gives the argument another value."""
        if call.node.op not in LOOPS:
            return True
        if id(call.node) not in self._kept:
            library = call.body.graph.functions
            bodies = [item for item in functions_named(call.node, library) if item.attr == "body"]
            each = [_passed_on(library[item.function]) for item in bodies]
            self._kept[id(call.node)] = frozenset.intersection(*each) if each else None
        kept = self._kept[id(call.node)]
        return kept is None or number in kept

    def assigned(self, body: Body, variable: str) -> Sequence[str]:
        """The tensors that ``body`` assigns to one of its variables."""
        found = self._assigned.get(id(body))
        if found is None:
            found = self._assigned[id(body)] = {}
            for node in body.nodes:
                if node.op in ASSIGN_OPS and len(inputs := self.data(node)) > 1:
                    found.setdefault(TensorRef.parse(inputs[0]).node, []).append(inputs[1])
        return found.get(variable, ())

    def is_private(self, body: Body, variable: Node) -> bool:
        """True where only the assignments in ``body`` can give the variable a value."""
        if not self._variables:
            for group in self._groups.values():
                for other in group:
                    self._count(other)
        is_lent = variable.op not in REFERENCE_VARIABLES and variable.name in self._lent.get(
            id(body), ()
        )
        return self._variables[id(body.meta), variable_name(variable)] == 1 and not is_lent

    def _count(self, body: Body) -> None:
        handles = set()
        for node in body.nodes:
            if node.op in VARIABLE_OPS:
                handles.add(node.name)
                self._variables[id(body.meta), variable_name(node)] += 1
        if handles:
            self._lent[id(body)] = handles & {
                TensorRef.parse(text).node
                for node in body.nodes
                if node.op not in _KEEP
                for text in self.data(node)
            }


def _passed_on(function: Function) -> frozenset[int]:
    """Arguments that a loop's body gives back as they are."""
    index = index_nodes(function.nodes)[0]
    found = []
    for number, (given, result) in enumerate(zip(function.inputs, function.outputs, strict=False)):
        text = function.returns.get(result.tensor, "")
        for _ in range(8):
            node = index.get(TensorRef.parse(text).node)
            if node is None or node.op != "Identity" or not node.inputs:
                break
            text = node.inputs[0]
        if TensorRef.parse(text).node == given.tensor:
            found.append(number)
    return frozenset(found)
