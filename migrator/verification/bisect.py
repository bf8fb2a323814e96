"""Find the first node where two models part.

From an output that parts, back through what it is computed from: tensors that both models have are
fetched in batches spread over the way, what agrees ends the search behind it, the earliest that
parts becomes the new end. What is left is a node that parts though all that it reads agrees. On a
chain of n tensors this takes about log(n) / log(batch) rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrator.graph.order import Tensor, all_inputs, in_order, tensor_of
from migrator.model.brief import brief
from migrator.model.graph import Graph, Node
from migrator.verification.compare import compare_arrays
from migrator.verification.match import (
    MOST_PORTS,
    constant_behind,
    match_tensors,
    settled_nodes,
)
from migrator.verification.result import MISMATCH, OutputComparison

Pair = tuple[str, str]
"""The full names of a tensor of the reference, and of its twin in the candidate."""
Runner = Callable[[Sequence[Pair]], tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Runs both models on one case: arrays of the reference and of the candidate, each by its own
tensor names. What cannot be fetched is left out."""

_MOST_SUSPECTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InputState:
    """One input of the node that parts. ``comparison`` is None where it could not be compared."""

    tensor: str
    comparison: OutputComparison | None

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where two models part: a tensor that differs, though what was compared before it does not."""

    node: str
    op: str
    tensor: str
    candidate: str
    """Its twin's name."""
    comparison: OutputComparison
    inputs: tuple[InputState, ...]
    suspects: tuple[str, ...]
    """Nodes between here and what agrees that have no twin: the fault may lie in them."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """What a search found; ``parting`` is None where the outputs agree.

    ``settled`` is False where the rounds ran out: then ``parting`` is the earliest seen so far.
    ``harmless`` are tensors that differ though what is computed from them agrees, as the results
    of weights do that a scale was folded into; or that lead to another output.
    """

    parting: Parting | None
    matched: int
    compared: int
    rounds: int
    settled: bool
    harmless: tuple[str, ...] = ()

    __repr__ = brief


def bisect(
    reference: Graph,
    candidate: Graph,
    outputs: Mapping[str, str],
    run: Runner,
    *,
    given: Collection[str] = (),
    rtol: float = 1e-5,
    atol: float = 1e-6,
    batch: int = 32,
    most_rounds: int = 40,
) -> Bisection:
    """The first node where ``candidate`` parts from ``reference`` on the way to ``outputs``.

    ``outputs`` maps tensors of the reference to their twins, ``given`` are tensors that both are
    fed. ``run`` is called at most ``most_rounds`` times to search, with at most ``batch`` pairs
    (at first, with all outputs), and once more for the weights of the node that was found.
    """
    search = _Search(reference, candidate, outputs, run, given, (rtol, atol))
    search.fetch([tensor_of(name) for name in outputs])
    ends = [end for end in map(tensor_of, outputs) if search.parts(end)]
    if not ends:
        return search.done(None, None, settled=True)
    start = min(ends, key=search.place)
    while True:
        end = search.earliest(start)
        unknown = search.unknown_behind(end)
        if not unknown:  # does what is computed from it part, too?
            unknown = [] if end == start else search.unknown_ahead(end, start)
        if not unknown:
            return search.done(end, start, settled=True)
        if search.rounds >= most_rounds:
            return search.done(end, start, settled=False)
        search.fetch(_spread(unknown, batch))


def _spread(tensors: Sequence[Tensor], count: int) -> list[Tensor]:
    """At most ``count`` of them, evenly spaced, the last one among them."""
    if len(tensors) <= count:
        return list(tensors)
    return [tensors[(number + 1) * len(tensors) // count - 1] for number in range(count)]


class _Search:
    """What is known so far. Tensors are those of the reference."""

    def __init__(
        self,
        reference: Graph,
        candidate: Graph,
        outputs: Mapping[str, str],
        run: Runner,
        given: Collection[str],
        tolerance: tuple[float, float],
    ) -> None:
        self._graph = reference
        self._candidate = candidate
        self._run = run
        self._given = frozenset(map(tensor_of, given))
        self._tolerance = tolerance
        self._twins = match_tensors(reference, candidate, given)
        self._twins |= {tensor_of(left): tensor_of(right) for left, right in outputs.items()}
        order = in_order(reference, self._given)
        self._place = {node.name: number for number, node in enumerate(order)}
        self._readers: dict[str, list[Node]] = {}
        for node in order:
            for name, port in all_inputs(node):
                if port >= 0:
                    self._readers.setdefault(name, []).append(node)
        self._found: dict[Tensor, OutputComparison | None] = {}
        self.rounds = 0

    def place(self, tensor: Tensor) -> tuple[int, int]:
        """Where it stands in the order of the reference; behind all for one on a cycle."""
        return self._place.get(tensor[0], len(self._place)), tensor[1]

    def parts(self, tensor: Tensor) -> bool:
        found = self._found.get(tensor)
        return found is not None and found.verdict == MISMATCH

    def fetch(self, tensors: Sequence[Tensor]) -> None:
        pairs = [(_full(tensor), _full(self._twins[tensor])) for tensor in tensors]
        self.rounds += 1
        left, right = self._run(pairs)
        rtol, atol = self._tolerance
        for tensor, (own, twin) in zip(tensors, pairs, strict=True):
            both = own in left and twin in right
            self._found[tensor] = (
                compare_arrays(left[own], right[twin], rtol=rtol, atol=atol) if both else None
            )

    def earliest(self, start: Tensor) -> Tensor:
        """The first tensor known to part on the way to ``start``, not past what agrees."""
        behind = [tensor for tensor in self._behind(start) if self.parts(tensor)]
        return min(behind, key=self.place, default=start)

    def unknown_behind(self, end: Tensor) -> list[Tensor]:
        """Tensors with a twin that ``end`` comes from and that were not compared, in order."""
        found = [
            tensor
            for tensor in self._behind(end)
            if tensor in self._twins and tensor not in self._found
        ]
        return sorted(found, key=self.place)

    def _behind(self, end: Tensor) -> list[Tensor]:
        """Tensors that ``end`` is computed from, not past those that agree."""
        found: dict[Tensor, None] = {}
        seen = {end[0]}
        stack = [end[0]]
        while stack:
            for tensor in self._data_inputs(stack.pop()):
                known = self._found.get(tensor) is not None
                if tensor in self._given or (known and not self.parts(tensor)):
                    continue
                found[tensor] = None
                if tensor[0] not in seen:
                    seen.add(tensor[0])
                    stack.append(tensor[0])
        return list(found)

    def _data_inputs(self, name: str) -> list[Tensor]:
        node = self._graph.by_name.get(name)
        return [] if node is None else [item for item in all_inputs(node) if item[1] >= 0]

    def unknown_ahead(self, tensor: Tensor, towards: Tensor) -> list[Tensor]:
        """The nearest tensors with a twin that are computed from it, on the way to ``towards``.

        Those that were not compared: where all of them agree, the tensor does no harm, and the
        way back from ``towards`` ends before it.
        """
        cone = self._cone(towards[0])
        found: dict[Tensor, None] = {}
        seen = {tensor[0]}
        stack = [tensor[0]]
        while stack:
            for reader in self._readers.get(stack.pop(), ()):
                if reader.name in seen or reader.name not in cone:
                    continue
                seen.add(reader.name)
                twins = [
                    (reader.name, port)
                    for port in range(MOST_PORTS)
                    if (reader.name, port) in self._twins
                ]
                found |= dict.fromkeys(twin for twin in twins if twin not in self._found)
                if not any(self._found.get(twin, _UNKNOWN) for twin in twins):
                    stack.append(reader.name)  # it has none, or none that can be fetched
        return list(found)

    def _cone(self, end: str) -> set[str]:
        seen = {end}
        stack = [end]
        while stack:
            for name, _ in self._data_inputs(stack.pop()):
                if name not in seen:
                    seen.add(name)
                    stack.append(name)
        return seen

    def done(self, end: Tensor | None, start: Tensor | None, *, settled: bool) -> Bisection:
        guilty = set() if start is None else {start, *self._behind(start)}
        harmless = [tensor for tensor in self._found if self.parts(tensor) and tensor not in guilty]
        return Bisection(
            parting=None if end is None else self._parting(end),
            matched=len(self._twins),
            compared=sum(found is not None for found in self._found.values()),
            rounds=self.rounds,
            settled=settled,
            harmless=tuple(map(_full, sorted(harmless, key=self.place))),
        )

    def _parting(self, end: Tensor) -> Parting:
        node = self._graph.by_name.get(end[0])
        comparison = self._found[end]
        assert comparison is not None  # only what was compared can part
        inputs = self._data_inputs(end[0])
        self._fetch_constants(inputs)
        settled = settled_nodes(self._graph)
        between = dict.fromkeys(
            name
            for name, _ in self._behind(end)
            if name in self._graph.by_name and name not in settled
        )
        return Parting(
            node=end[0],
            op="" if node is None else node.op,
            tensor=_full(end),
            candidate=_full(self._twins[end]),
            comparison=comparison,
            inputs=tuple(
                InputState(tensor=_full(item), comparison=self._found.get(item)) for item in inputs
            ),
            suspects=tuple(between)[:_MOST_SUSPECTS],
        )

    def _fetch_constants(self, tensors: Sequence[Tensor]) -> None:
        """Compare the weights of the node that parts, where they are constants on both sides."""
        both = []
        for tensor in tensors:
            own = constant_behind(self._graph, tensor)
            twin = None if own is None else constant_behind(self._candidate, own)
            if twin is not None and tensor not in self._found:
                self._twins.setdefault(tensor, twin)
                both.append(tensor)
        if both:
            self.fetch(both)


_UNKNOWN = OutputComparison(verdict="", max_abs=None, max_rel=None)


def _full(tensor: Tensor) -> str:
    return f"{tensor[0]}:{tensor[1]}"
