"""The rules for outputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from migrator.graph.wiring import Wiring
from migrator.inspection import vocabulary as words
from migrator.inspection.candidates import Candidate
from migrator.inspection.loose_ends import LooseEnds
from migrator.inspection.possible_weights import is_weight, variable_bytes
from migrator.inspection.set_aside import find_minimised
from migrator.inspection.sources import find_sources
from migrator.inspection.telling import by_name_and_op
from migrator.model.graph import Graph, declared_shape
from migrator.model.tensors import UNKNOWN_SHAPE, LazyTensor
from migrator.ops.registry import output_dtype
from migrator.ops.state import VARIABLE_OPS

ACCEPT = 0.6
REJECT = 0.3
"""A candidate between the two is plausible: alone it is the answer, beside others a question."""
_JUDGED = 0.25
"""More is no end given that judges the model, whatever else speaks for it."""
_WORTH_NAMING = 0.1
"""An end of so much is told of as possible, though it is neither taken nor asked about."""

_MOST_ENDS = 64
"""So many loose ends get their share of the weights measured (a walk each)."""
_MOST_SOURCES = 64
_MOST_SHARES = 256
"""So many nodes get their share of the weights measured (a walk each)."""
_MOST_CONSUMED = 64
"""So many consumed tensors are looked at for being outputs too (two walks each)."""
_FEW = 8
_POST_PROCESSING = 12
"""A named tensor whose consumers, all told, are so few and weightless is an output as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOutputs:
    chosen: tuple[Candidate, ...]
    alternatives: tuple[Candidate, ...]
    questions: tuple[str, ...]


def find(graph: Graph, wiring: Wiring) -> FoundOutputs:
    """Chosen outputs (all plausible ones, where that is open), alternatives, open questions."""
    finder = _Finder(graph, wiring)
    scored = [finder.score_end(number) for number in finder.ends]
    accepted = [item for item in scored if item.score >= ACCEPT]
    plausible = [item for item in scored if REJECT <= item.score < ACCEPT]
    ends = {item.tensor for item in accepted}
    consumed = [item for item in finder.consumed_outputs() if item.tensor not in ends]
    named = [item for item in consumed if item.score >= ACCEPT]
    sure = ends.union(item.tensor for item in named)
    judged = finder.judged_outputs()
    plausible += [item for item in judged if item.score >= REJECT]
    plausible = [item for item in plausible if item.tensor not in sure]
    taken = sure.union(item.tensor for item in plausible)
    kept = [item for item in scored if _WORTH_NAMING <= item.score < REJECT]
    others = list(
        {
            item.tensor: item for item in (*kept, *judged, *consumed) if item.tensor not in taken
        }.values()
    )
    if not accepted and len(plausible) == 1 and not named:
        return _found(plausible, others)
    if not (accepted or named or plausible):
        # Names speak against all that there is: no answer then, but what to choose from.
        live = [item for end, item in zip(finder.ends, scored, strict=True) if finder.is_live(end)]
        plausible = sorted(live, key=_by_score)[:_FEW]
        others = [item for item in others if item not in plausible]
    if plausible:
        chosen = sorted([*accepted, *plausible, *named], key=_by_score)
        weak = ", ".join(item.tensor for item in sorted(plausible, key=_by_score)[:4])
        more = f" and {len(plausible) - 4:,} more" if len(plausible) > 4 else ""
        verb = "may be outputs" if len(plausible) > 1 else "may be an output"
        return _found(chosen, others, f"{weak}{more} {verb}, or left over")
    return _found([*accepted, *named], others)


def _by_score(item: Candidate) -> tuple[float, str]:
    return (-item.score, item.tensor)


def _found(chosen: list[Candidate], others: list[Candidate], *questions: str) -> FoundOutputs:
    return FoundOutputs(
        chosen=tuple(chosen),
        alternatives=tuple(sorted(others, key=_by_score)[:8]),
        questions=questions,
    )


class _Finder:
    def __init__(self, graph: Graph, wiring: Wiring) -> None:
        self.graph = graph
        self.wiring = wiring
        self.sources = find_sources(graph, wiring)
        self.source_numbers = {source.number for source in self.sources}
        nodes = wiring.nodes
        constants = (
            (number, nodes[number].attrs.get("value")) for number in wiring.of_ops(("Const",))
        )
        self.weight_bytes = {
            number: value.nbytes
            for number, value in constants
            if isinstance(value, LazyTensor) and is_weight(value)
        }
        self.weight_bytes |= {
            number: size
            for number in wiring.of_ops(VARIABLE_OPS)
            if (size := variable_bytes(nodes[number]))
        }
        self.weights = self.weight_bytes.keys()
        self.loose = LooseEnds(graph, wiring, self.source_numbers)
        self.junk = self.loose.junk
        self.minimised = find_minimised(wiring)
        # Loss, gradients or savers: nobody cut this graph down to what its outputs need.
        self.littered = any(
            words.in_training_scope(nodes[number].name) or nodes[number].op in words.LOSS_OPS
            for number in self.junk
        )
        # Which data sources' values reach which nodes; shapes do not count as values.
        by_shape = [node.op in words.SHAPE_OPS for node in nodes]
        numbers = [source.number for source in self.sources]
        groups = [[number] for number in numbers[: _MOST_SOURCES - 1]]
        if numbers[_MOST_SOURCES - 1 :]:
            groups.append(numbers[_MOST_SOURCES - 1 :])
        self.reached = wiring.reached_from(groups, stop=by_shape.__getitem__)
        """By node, a bit for each group."""
        self.shape_only = by_shape
        self.ends = ends = self.loose.find()
        self.few = len(ends) <= _MOST_ENDS
        live = [end for end in ends if self._depends(end)]
        # What an optimizer keeps, and what a variable starts from, is no part of the model.
        of_model = wiring.backward(live) & self.weights
        self.total = sum(self.weight_bytes[number] for number in of_model)
        self.live_groups = 0
        for end in live:
            self.live_groups |= self.reached[end]
        self.only_end = len(live) == 1
        self.asked = 0
        self.shares: dict[int, float] = {}

    def is_live(self, number: int) -> bool:
        """True for an end that the values of an input reach."""
        return self._depends(number) and not self.shape_only[number]

    def _depends(self, number: int) -> bool:
        return bool(self.reached[number]) and self.wiring.nodes[number].op not in words.NO_OUTPUT

    def score_end(self, number: int) -> Candidate:
        """Score a loose end of the graph."""
        node = self.wiring.nodes[number]
        if not self.is_live(number):
            return self._valueless_end(number)
        consumers = [item for item in self.wiring.consumers[number] if item not in self.junk]
        reasons = ["nothing but its shape is read" if consumers else "nothing consumes it"]
        score = 0.35
        against = self._against(number)
        if self.only_end and not words.judging_word(node.name) and not against:
            score += 0.4
            reasons.append("the only end that data reaches")
        share = self._share(number)
        if share is not None:
            score += 0.2 * share
            if share:
                reasons.append(f"depends on {share:.0%} of the weights")
        telling = words.is_given_name(node.name, node.op) or not self.littered
        if not self.live_groups & ~self.reached[number] and share != 0 and telling:
            score += 0.25
            reasons.append("depends on every input")
        delta, more = by_name_and_op(node.name, node.op)
        score += delta
        reasons += more
        if against:
            reasons.append(against)
        if against or (node.op not in words.FINAL_OPS and words.judging_word(node.name)):
            score = min(score - (0.5 if against else 0), _JUDGED)
        if share == 0 and self.total and not self.only_end:
            score -= 0.35
            reasons.append("depends on no weights")
        return self._candidate(number, score, reasons)

    def _against(self, number: int) -> str:
        """What the nodes around an end tell against it, empty for nothing."""
        node = self.wiring.nodes[number]
        if number in self.minimised:
            return "training makes it smaller: a loss"
        consumers = self.wiring.consumers[number]
        if (
            consumers
            and all(self.wiring.nodes[item].op == "ScalarSummary" for item in consumers)
            and node.op not in words.FINAL_OPS
            and not words.output_word(node.name)
        ):
            return "a single number that only a summary reads: a measure"
        return ""

    def _valueless_end(self, number: int) -> Candidate:
        """An end that no input's values reach: left over, but for three kinds.

        What somebody named may count something (how many boxes are left) and follow from a shape
        only, or tell what the model keeps, whatever is fed. A matrix of weights that nothing
        consumes at all may be wanted for its values.
        """
        node = self.wiring.nodes[number]
        if words.is_given_name(node.name, node.op) and node.op not in words.NO_OUTPUT:
            found = self._named_valueless(number)
            if found is not None:
                return found
        if self.wiring.consumers[number]:
            return self._candidate(number, 0.0, ["a variable that only training reads"])
        source = node
        if node.op == "Identity" and self.wiring.inputs[number]:
            source = self.wiring.nodes[self.wiring.inputs[number][0][0]]
        value = source.attrs.get("value") if source.op == "Const" else None
        if (
            isinstance(value, LazyTensor)
            and value.dtype.is_floating
            and (value.shape.rank or 0) > 1
        ):
            reasons = [
                "nothing consumes it",
                "a constant matrix: kept for its values, or left over",
            ]
            return self._candidate(number, 0.4, reasons)
        if not self.sources and node.op not in words.NO_OUTPUT and number not in self.weights:
            return self._candidate(number, 0.35, ["nothing consumes it", "the graph has no input"])
        return self._candidate(number, 0.0, ["nothing consumes it", "no input reaches it"])

    def _named_valueless(self, number: int) -> Candidate | None:
        """A named end by the shapes or the state that it follows from, None where by neither."""
        node = self.wiring.nodes[number]
        delta, reasons = by_name_and_op(node.name, node.op)
        word = words.counting_word(node.name)
        if word and not words.judging_word(node.name) and not words.judging_scope(node.name):
            delta, reasons = 0.3, ["somebody gave it its name", f"its name says {word!r}"]
        reasons = ["nothing consumes it", *reasons]
        if number in self._by_shapes:
            if node.op == "Identity" or word or words.output_word(node.name):
                return self._candidate(number, 0.35 + delta, reasons)
            if not self.wiring.consumers[number]:
                reasons.append("the shape of an input alone decides it")
                return self._candidate(number, 0.1 + delta, reasons)
        if number in self._by_state and (node.op == "Identity" or word):
            reasons.append("it tells what the model keeps, whatever is fed")
            return self._candidate(number, min(delta - 0.1, REJECT - 0.05), reasons)
        return None

    @cached_property
    def _by_shapes(self) -> set[int]:
        return self.wiring.forward(source.number for source in self.sources)

    @cached_property
    def _by_state(self) -> set[int]:
        """What follows from variables and tables."""
        nodes = self.wiring.nodes
        return self.wiring.forward(
            number
            for number, node in enumerate(nodes)
            if node.op in VARIABLE_OPS or node.op.endswith(("HashTable", "HashTableV2"))
        )

    def consumed_outputs(self) -> list[Candidate]:
        """Tensors that look like outputs although something goes on from them."""
        found = []
        for number in self._near_ends():
            node = self.wiring.nodes[number]
            consumers = [c for c in self.wiring.consumers[number] if c not in self.junk]
            if not consumers or self.loose.is_hidden(number) or not self._depends(number):
                continue
            word = words.output_word(node.name)
            final = node.op in words.FINAL_OPS
            named = word and (node.op == "Identity" or words.is_given_name(node.name, node.op))
            layer = None if named or final else self._last_of_layer(number, consumers)
            if not named and not final and not layer:
                continue
            after = self._after(number)
            if len(after) > _POST_PROCESSING or self._weights_join(number, after):
                continue
            if layer:
                reasons = [f"ends what is called {layer!r}", "only weightless processing follows"]
                found.append(self._candidate(number, REJECT - 0.05, reasons))
                continue
            delta, reasons = by_name_and_op(node.name, node.op)
            if node.op == "Identity" and words.is_given_name(node.name, node.op):
                delta += 0.1
                reasons.append("an identity that is there to give a name")
            if all(self.wiring.nodes[item].op in words.RESHAPING for item in after - {number}):
                delta -= 0.4
                reasons.append("what follows holds the same values")
            candidate = self._candidate(
                number, 0.25 + delta, [*reasons, "only weightless post-processing follows"]
            )
            found.append(candidate)
        return found

    def judged_outputs(self) -> list[Candidate]:
        """What another input is compared with: a prediction, if what follows is a loss.

        Plausible where the ends behind have no names of their own, else an alternative.
        """
        found = []
        for number in self._near_ends():
            if self.loose.is_hidden(number) or not self._depends(number):
                continue
            own = self.reached[number]
            joins = any(
                producer != number and self._brings_input(producer, own)
                for consumer in self.wiring.consumers[number][:_FEW]
                if len(self.wiring.inputs[consumer]) <= _FEW  # a comparison, not a long sum
                for producer, _ in self.wiring.inputs[consumer]
            )
            if not joins or not self._share(number):
                continue
            after = self._after(number)
            if len(after) > _POST_PROCESSING or self._weights_join(number, after):
                continue
            behind = [self.wiring.nodes[end] for end in self.ends if end in after]
            unnamed = bool(behind) and not any(
                words.is_given_name(node.name, node.op) for node in behind
            )
            reasons = ["another input joins behind it, and no weights: what follows may be a loss"]
            found.append(self._candidate(number, 0.45 if unnamed else 0.25, reasons))
        return found

    def _last_of_layer(self, number: int, consumers: list[int]) -> str | None:
        """The name of the layer that ends here, where it says what outputs are called."""
        scope = self.wiring.nodes[number].name.rpartition("/")[0]
        if not words.output_word(scope) or not words.is_given_name(scope, ""):
            return None
        if words.judging_scope(f"{scope}/"):
            return None
        inside = any(self.wiring.nodes[item].name.startswith(f"{scope}/") for item in consumers)
        return None if inside else scope.rpartition("/")[2]

    def _after(self, number: int) -> set[int]:
        """What goes on from a node, itself too, junk aside; cut off past ``_POST_PROCESSING``."""
        found, stack = {number}, [number]
        while stack and len(found) <= _POST_PROCESSING:
            new = set(self.wiring.consumers[stack.pop()]) - found - self.junk
            found |= new
            stack += new
        return found

    def _brings_input(self, producer: int, own: int) -> bool:
        """True where ``producer`` hands on an input that is not among ``own``, and no weights."""
        return bool(self.reached[producer] & ~own) and not self._share(producer)

    def _near_ends(self) -> list[int]:
        """Nodes that have an end within as many steps as post-processing may take."""
        seen: set[int] = set()
        layer = {end for end in self.ends if self._depends(end)}
        for _ in range(_POST_PROCESSING):
            layer = {edge[0] for number in layer for edge in self.wiring.inputs[number]} - seen
            seen |= layer
        return sorted(seen)

    def _weights_join(self, number: int, after: set[int]) -> bool:
        """True where what follows ``number`` brings weights of its own, or where it was asked
        so often that nobody could have meant all of these as outputs."""
        self.asked += 1
        if self.asked > _MOST_CONSUMED:
            return True
        own = self.wiring.backward([number])
        return bool((self.wiring.backward(after) - own) & self.weights)

    def _share(self, number: int) -> float | None:
        """Share of the weights' bytes that ``number`` depends on, None where not measured."""
        if not self.total or not self.few:
            return None
        if number not in self.shares:
            if len(self.shares) >= _MOST_SHARES:
                return None
            cone = self.wiring.backward([number])
            found = sum(self.weight_bytes[item] for item in cone & self.weights)
            self.shares[number] = found / self.total
        return self.shares[number]

    def _candidate(self, number: int, score: float, reasons: list[str]) -> Candidate:
        node = self.wiring.nodes[number]
        return Candidate(
            tensor=f"{node.name}:0",
            dtype=output_dtype(node, 0),
            shape=declared_shape(node) or UNKNOWN_SHAPE,
            score=round(min(max(score, 0.0), 1.0), 2),
            reasons=tuple(reasons),
        )
