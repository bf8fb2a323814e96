"""A migration done once more, as far as it needs no TensorFlow: the graph its record leads to.

The result of a migration is then held against what the record says, and not merely quoted: the
same choices have to give the same steps, and the steps the same graph with the same weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from migrator.diffing.changes.signatures import called
from migrator.diffing.computation.effects import writes_any
from migrator.diffing.computation.equivalence import Equivalence
from migrator.diffing.computation.forms import Formed, flat
from migrator.diffing.computation.program import INPUT, TABLE, WEIGHT, Head, Program
from migrator.diffing.sameness.holdings import Worth
from migrator.diffing.sameness.lookups import same_table
from migrator.diffing.sameness.settled import is_one_kind
from migrator.diffing.side import Side, Tensor
from migrator.diffing.weights.reading import Files, Value
from migrator.errors import MigratorError
from migrator.migration.options import Choice
from migrator.migration.plan import Plan, SignaturePlan, Step
from migrator.migration.planning import plan
from migrator.migration.recorded import recorded_choice
from migrator.migration.rewriting import V1
from migrator.model.graph import Graph, index_nodes
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import LazyTensor

_UNTOLD = (
    Choice(),
    Choice(optimize=True),
    Choice(control_flow=V1),
    Choice(for_tflite=True),
)
"""Choices that a record does not hold; the steps tell which were made."""
_GIVEN = -1
"""The frame of what a planned graph is given."""


def replay(record: Mapping[str, Any], source: Model, tags: Iterable[str]) -> Plan | None:
    """The plan that a record's JSON was made by; None where no choices lead to its steps."""
    try:
        wanted = Counter(_told(step) for step in record["steps"])
        for base in _UNTOLD:
            choice = recorded_choice(record, base)
            if choice is None:
                return None
            found = plan(source, choice=_tagged(choice, source, tags))
            if Counter(_step(item) for item in found.steps) == wanted:
                return found
    except (MigratorError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return None


def _tagged(choice: Choice, source: Model, tags: Iterable[str]) -> Choice:
    return replace(choice, tag_set=tuple(tags)) if len(source.meta_graphs) > 1 else choice


def _told(step: Mapping[str, Any]) -> tuple[str, str, int]:
    return str(step["code"]), str(step["text"]), int(step["count"])


def _step(step: Step) -> tuple[str, str, int]:
    return step.code, step.text, step.count


class Replayed:
    """A plan against the side that is said to have come of it."""

    def __init__(self, made: Plan, source: Side, result: Side, worth: Worth, files: Files) -> None:
        self._plan = made
        self._source = source
        self._result = result
        self._worth = worth
        self._files = files
        self.shown: list[tuple[str, str]] = []
        """Nodes of the source and of the result that were found to be the same."""
        self.ends: list[tuple[Tensor, Tensor]] = []
        """The outputs of both."""
        self.unseen: set[str] = set()
        """Weights and tables of the result that the source computes: none to compare with."""
        self._weights = {item.name: item for item in made.held}
        self._tables = {item.name: item for item in made.tables}

    def leads_here(self) -> bool:
        """Whether the plan's graph is the result's: every signature, nothing more, nothing less."""
        there = called(self._result.meta)
        planned = {item.key: item for item in self._plan.signatures}
        if planned.keys() != there.keys() or (self._plan.blockers and not planned):
            return False
        return all(self._same_signature(item) for item in planned.values())

    def _same_signature(self, made: SignaturePlan) -> bool:
        found = called(self._result.meta)[made.key]
        ours = {item.name: item for item in made.inputs}
        results = {item.name: item.tensor for item in made.outputs}
        if ours.keys() != found.inputs.keys() or results.keys() != found.outputs.keys():
            return False
        side, given = _planned(made)
        keys = {self._result.tensor("", spec.tensor)[0]: key for key, spec in found.inputs.items()}
        pairs = [
            (side.tensor("", tensor), self._result.tensor("", found.outputs[name].tensor))
            for name, tensor in results.items()
        ]
        is_ordered = writes_any(side, (tensor[0] for tensor, _ in pairs))
        forms = [flat(item) if is_ordered else Formed(side=item) for item in (side, self._result)]
        walk = Equivalence(
            Program(forms[0].side, given, writes_state=is_ordered),
            Program(forms[1].side, {}, writes_state=is_ordered),
            same_input=lambda one, other: one.name == keys.get(other.name),
            same_weight=lambda one, other: self._same_weight(
                forms[0].side, one, forms[1].name(other.name)
            ),
            same_table=lambda one, other: self._same_table(one.name, forms[1].name(other.name)),
            is_ordered=is_ordered,
        )
        if not walk.holds(pairs):
            return False
        self.ends += [
            (self._source.tensor("", tensor), self._result.tensor("", found.outputs[name].tensor))
            for name, tensor in results.items()
        ]
        inputs = {item.name: self._source.tensor("", item.tensor)[0] for item in made.inputs}
        for one, other in walk.pairs():
            names = self._source_name(one, forms[0], inputs), forms[1].name(other.name)
            if names[0] and names[1] in self._result.nodes:
                self.shown.append(names)
        return True

    def _source_name(self, head: Head, form: Formed, inputs: Mapping[str, str]) -> str:
        """The source's node that one of the plan stands for; empty for a new one."""
        nodes = self._source.nodes
        name = form.name(head.name)
        if head.frame == _GIVEN and head.kind == WEIGHT:
            weight = self._weights[name]
            name = weight.variable or weight.node
        elif head.frame == _GIVEN:
            name = self._tables[name].node if head.kind == TABLE else inputs[name]
        elif name not in nodes:  # a branch or a loop's body that was made of the top level
            name = form.side.local(name)
        node = nodes.get(name)
        planned = form.side.nodes.get(head.name)
        if node is None or (planned is not None and not is_one_kind(node, planned)):
            return ""
        return name

    def _same_weight(self, side: Side, one: Head, other: str) -> bool:
        if one.frame == _GIVEN:
            tensor = self._weights[one.name].value
            if tensor is None:
                return self._is_computed(other, self._worth.value(other) is not None)
        else:
            tensor = side.nodes[one.name].attrs.get("value")
        return isinstance(tensor, LazyTensor) and self._worth.may_hold(
            Value(tensor, self._files), other
        )

    def _same_table(self, one: str, other: str) -> bool:
        made, found = self._tables.get(one), self._worth.table(other)
        if made is None or found is None:
            return False
        is_computed = str in (type(made.keys), type(made.values)) and not made.file
        if is_computed and made.kind == found.kind:
            return self._is_computed(other, True)
        return same_table(made, found)

    def _is_computed(self, name: str, is_there: bool) -> bool:
        """What the source computes when it is loaded is in the result as a value: not compared."""
        if is_there:
            self.unseen.add(name)
        return is_there


def _planned(made: SignaturePlan) -> tuple[Side, dict[Tensor, Head]]:
    """The planned graph as a side, and what stands for the tensors that it is given."""
    graph = made.subgraph
    nodes = graph.nodes
    by_name, duplicates = index_nodes(nodes)
    side = Side(
        MetaGraph(
            graph=Graph(
                nodes=nodes,
                functions={item.name: item for item in graph.functions},
                versions=graph.versions,
                by_name=by_name,
                duplicates=duplicates,
            )
        )
    )
    given: dict[Tensor, Head] = {}
    for kind, names in (
        (INPUT, {item.tensor: item.name for item in made.inputs}),
        (WEIGHT, {**graph.weights, **graph.handles}),
        (TABLE, graph.tables),
    ):
        for tensor, name in names.items():
            given[side.tensor("", tensor)] = Head(kind, _GIVEN, name, 0)
    return side, given
