"""What the results of a model need: the nodes behind its signatures, or a bare graph's outputs.

Worked out once for each meta graph, linear in nodes and edges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from migrator.auditing.contents.bodies import Place
from migrator.graph.nesting import nesting
from migrator.graph.wiring import Wiring
from migrator.inspection.candidates import Candidate, Control, Endpoints
from migrator.inspection.endpoints import find_endpoints
from migrator.inspection.inputs import find
from migrator.inspection.summary import FUNCTIONAL_CONTROL_FLOW
from migrator.inspection.vocabulary import DEFAULTED, PLACEHOLDERS
from migrator.migration.plan import Plan
from migrator.model.checks import LOOP_OP
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node
from migrator.model.model import MetaGraph, Signature
from migrator.model.tensors import Shape, TensorRef, TensorSpec

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

TRAINING_TAGS = frozenset(("train", "training", "eval"))
_SWITCHES = frozenset(("Switch", "RefSwitch"))
_MERGES = frozenset(("Merge", "RefMerge"))
_STEERING = PLACEHOLDERS | {DEFAULTED}
_BRANCHING = FUNCTIONAL_CONTROL_FLOW - {"While", "StatelessWhile", "For"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One way to call a model. ``key`` is its signature, empty for a bare graph."""

    key: str
    inputs: tuple[str, ...]
    """Tensors that the caller gives."""
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An input or output of a call, as a plan has it or else as the source says."""

    key: str
    name: str
    tensor: str
    dtype: DType | None
    shape: Shape


class ServedGraph:
    """One meta graph, as its callers see it."""

    def __init__(self, subject: Subject, meta: MetaGraph, *, bare: bool) -> None:
        self._subject = subject
        self.meta = meta
        self.is_bare = bare
        """Without signatures: what is called is what the graph's shape suggests."""

    @property
    def tags(self) -> str:
        """As a location names the meta graph."""
        return ",".join(self.meta.tags)

    @property
    def plan(self) -> Plan | None:
        """The plan, where there is one and it is for this meta graph."""
        plan = self._subject.planned.plan
        return plan if plan is not None and plan.graph is self.meta.graph else None

    @property
    def is_other(self) -> bool:
        """True where the plan is for another meta graph of the source."""
        return self._subject.planned.plan is not None and self.plan is None

    @property
    def is_guess(self) -> bool:
        """True where the outputs are a guess among several: a decision is open."""
        return self.is_bare and self.plan is None and not self.endpoints.decided

    @cached_property
    def planned_ops(self) -> frozenset[str]:
        """Every op of the planned result; empty without a plan."""
        ops: set[str] = set()
        for signature in self.plan.signatures if self.plan is not None else ():
            ops.update(node.op for node in signature.subgraph.nodes)
            for function in signature.subgraph.functions:
                ops.update(node.op for node in function.nodes)
        return frozenset(ops)

    @cached_property
    def wiring(self) -> Wiring:
        return self._subject.wiring(self.meta)

    @cached_property
    def endpoints(self) -> Endpoints:
        return find_endpoints(self.meta, None if self.meta.signatures else self.wiring)

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """Signatures that give something; of a bare graph what its shape suggests."""
        if not self.is_bare:
            return tuple(
                Call(
                    key=key,
                    inputs=tuple(_tensors(signature.inputs.values())),
                    outputs=tuple(_tensors(signature.outputs.values())),
                )
                for key, signature in signatures_of(self.meta)
            )
        if self.plan is not None:
            return tuple(
                Call(
                    key="",
                    inputs=tuple(end.tensor for end in item.inputs),
                    outputs=tuple(end.tensor for end in item.outputs),
                )
                for item in self.plan.signatures
            )
        found = self.endpoints
        return (
            Call(
                key="",
                inputs=tuple(item.tensor for item in found.inputs),
                outputs=tuple(item.tensor for item in found.outputs),
            ),
        )

    @cached_property
    def inputs(self) -> tuple[Given, ...]:
        """Of all calls; a sparse input has one entry for each of its parts in a plan, else none."""
        return self._given("inputs")

    @cached_property
    def outputs(self) -> tuple[Given, ...]:
        return self._given("outputs")

    def _given(self, side: str) -> tuple[Given, ...]:
        plan = self.plan
        if plan is not None:
            return tuple(
                Given(
                    key=item.source_key,
                    name=end.name,
                    tensor=end.tensor,
                    dtype=end.dtype,
                    shape=end.shape,
                )
                for item in plan.signatures
                for end in getattr(item, side)
            )
        if self.is_bare:
            return tuple(
                Given(
                    key="",
                    name=end.tensor,
                    tensor=end.tensor,
                    dtype=end.dtype,
                    shape=end.shape,
                )
                for end in getattr(self.endpoints, side)
            )
        return tuple(
            Given(key=key, name=name, tensor=end.tensor, dtype=end.dtype, shape=end.shape)
            for key, signature in signatures_of(self.meta)
            for name, end in getattr(signature, side).items()
            if end.tensor
        )

    @cached_property
    def steering(self) -> tuple[tuple[Control, ...], tuple[Candidate, ...]]:
        """(controls, options) that the calls need and no caller gives: switches, defaults."""
        if self.is_bare and self.plan is None:
            return self.endpoints.controls, self.endpoints.options
        nodes = self.wiring.nodes
        if not any(nodes[number].op in _STEERING for number in self.numbers):
            return (), ()
        controls: dict[str, Control] = {}
        options: dict[str, Candidate] = {}
        for call in self.calls:
            found = find(
                self.meta.graph,
                self.wiring,
                call.outputs,
                cut=frozenset(call.inputs),
                named=True,
            )
            given = set(call.inputs)
            controls |= {item.tensor: item for item in found.controls if item.tensor not in given}
            options |= {item.tensor: item for item in found.options if item.tensor not in given}
        return tuple(controls.values()), tuple(options.values())

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The top-level nodes that some call needs, by their number."""
        found: set[int] = set()
        for call in self.calls:
            found |= self.wiring.needed_for(call.outputs, call.inputs)
        return frozenset(found)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.wiring.nodes[number].name for number in self.numbers)

    @cached_property
    def _called(self) -> tuple[Mapping[str, frozenset[str]], frozenset[str]]:
        """Function -> the nodes of it that its results need, and those always called."""
        graph = self.meta.graph
        top = [self.wiring.nodes[number] for number in sorted(self.numbers)]
        always = self.always
        plain = [node for node in top if node.name in always]
        return _bodies_needed(graph, top), frozenset(_bodies_needed(graph, plain, always=True))

    @cached_property
    def always(self) -> frozenset[str]:
        """Served top-level nodes that lie in no branch which a value switches."""
        depth = _branch_depth(self.wiring)
        nodes = self.wiring.nodes
        return frozenset(nodes[number].name for number in self.numbers if not depth[number])

    def has(self, place: Place) -> bool:
        """Whether a call needs the node. Graphs inside of constants are never served."""
        body = place.body
        if body.holder is not None or body.meta is not self.meta:
            return False
        if body.function is None:
            return place.node.name in self.names
        return place.node.name in self._called[0].get(body.function.name, ())

    def places(self, ops: Iterable[str]) -> list[Place]:
        """Served places of ``ops``, op by op."""
        by_op = self._by_op
        return [place for op in sorted(ops) for place in by_op.get(op, ()) if self.has(place)]

    @cached_property
    def _by_op(self) -> Mapping[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for body in self._subject.bodies_in(self.meta):
            if body.holder is None:
                for node in body.nodes:
                    found.setdefault(node.op, []).append(Place(body, node))
        return found

    def runs_always(self, place: Place) -> bool:
        """Whether a call runs the node whatever the values of its inputs are."""
        function = place.body.function
        if function is None:
            return place.node.name in self.always
        return self.has(place) and function.name in self._called[1]


class Served:
    """All meta graphs that are there to be called: not those tagged for training beside others."""

    def __init__(self, subject: Subject) -> None:
        metas = subject.meta_graphs
        serving = [meta for meta in metas if not TRAINING_TAGS & set(meta.tags)]
        folder = subject.format.startswith(("saved_model", "hub_module"))
        self.graphs = tuple(
            ServedGraph(subject, meta, bare=not (folder or meta.signatures))
            for meta in serving or metas
        )
        self._by_meta = {id(graph.meta): graph for graph in self.graphs}

    def has(self, place: Place) -> bool:
        """Whether a call of the place's own meta graph needs the node."""
        graph = self._by_meta.get(id(place.body.meta))
        return graph is not None and graph.has(place)


def signatures_of(meta: MetaGraph) -> list[tuple[str, Signature]]:
    """(key, signature) of all that a caller sees: TensorFlow's own init signature is none."""
    return [item for item in meta.signatures.items() if not item[0].startswith("__saved_model")]


def _tensors(specs: Iterable[TensorSpec]) -> Iterator[str]:
    for spec in specs:
        yield from spec.parts or (spec.tensor,)


def _branch_depth(wiring: Wiring) -> list[int]:
    """How many branches each node lies in; nodes on a cycle that no loop explains: one. Linear.

    A Switch leads into a branch and a Merge out of it, but for those that make a loop go round.
    """
    return nesting(wiring, _turn)


def _turn(wiring: Wiring, number: int) -> int:
    op = wiring.nodes[number].op
    if op not in _SWITCHES and op not in _MERGES:
        return 0
    producers = [wiring.nodes[producer].op for producer, _ in wiring.inputs[number]]
    if op in _SWITCHES:
        return 0 if "LoopCond" in producers[1:2] else 1
    return 0 if any(producer in LOOP_OP for producer in producers) else -1


def _bodies_needed(
    graph: Graph, nodes: Collection[Node], *, always: bool = False
) -> dict[str, frozenset[str]]:
    """The functions that ``nodes`` call, directly or not, with what of them their results need.

    ``always``: without branches.
    """
    found: dict[str, frozenset[str]] = {}
    stack = [name for node in nodes for name in _callees(node, always=always)]
    while stack:
        name = stack.pop()
        function = graph.functions.get(name)
        if function is None or name in found:
            continue
        needed = _needed(function)
        found[name] = frozenset(needed)
        for node in needed.values():
            stack += _callees(node, always=always)
    return found


def _callees(node: Node, *, always: bool) -> tuple[str, ...]:
    return () if always and node.op in _BRANCHING else (*node.called, node.op)


def _needed(function: Function) -> dict[str, Node]:
    by_name = {node.name: node for node in function.nodes}
    found: dict[str, Node] = {}
    stack = [
        TensorRef.parse(text).node
        for text in (*function.returns.values(), *function.control_returns.values())
    ]
    while stack:
        node = by_name.get(stack.pop())
        if node is None or node.name in found:
            continue
        found[node.name] = node
        stack += [ref.node for ref in node.refs]
    return found
