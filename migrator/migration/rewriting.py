"""The passes that a signature's graph goes through, in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.inspection.summary import control_flow
from migrator.migration.options import AUTO, Choice
from migrator.migration.passes.deprecated import replace_deprecated
from migrator.migration.passes.dropout import fold_dropout
from migrator.migration.passes.functional import Unconvertible, functional_control_flow
from migrator.migration.passes.optimize import optimize
from migrator.migration.passes.references import drop_references
from migrator.migration.passes.residue import drop_assertions, drop_prints, drop_summaries
from migrator.migration.passes.tensor_lists import tensor_lists
from migrator.migration.plan import LOOPS_KEPT, Blocker, Step
from migrator.migration.resolve import Resolved
from migrator.migration.subgraph import prune
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.tensors import TensorSpec

V1 = "v1"
Pass = Callable[[Graph, Mapping[str, TensorSpec], Collection[str]], tuple[Graph, tuple[Step, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rewritten:
    """A graph after its passes. ``control_flow``: none, v1, functional or both."""

    graph: Graph
    steps: tuple[Step, ...]
    blockers: tuple[Blocker, ...]
    notes: tuple[str, ...]
    control_flow: str


def rewrite_graph(graph: Graph, resolved: Resolved, choice: Choice) -> Rewritten:
    """Run the passes. What a pass cannot do is a blocker where it was asked for, else a note."""
    work = _Work(graph, resolved)
    work.run(drop_references)
    work.run(replace_deprecated)
    work.run(drop_summaries)
    work.run(fold_dropout)
    if choice.for_tflite:
        work.run(drop_assertions)
        work.run(drop_prints)
    made_functional = False
    if choice.control_flow != V1 and work.has_v1_control_flow():
        made_functional = work.try_run(
            functional_control_flow,
            LOOPS_KEPT,
            asked=choice.control_flow != AUTO,
        )
    # No gradient passes a TensorArray in a functional loop, nor does XLA take one there.
    if choice.for_tflite or made_functional:
        work.try_run(tensor_lists, "TensorArrays are kept", asked=False)
    return work.done()


def optimize_graph(found: Rewritten, graph: Graph, resolved: Resolved) -> Rewritten:
    """``found`` with ``graph`` (its own, weights as constants) optimised."""
    work = _Work(graph, resolved)
    work.run(optimize)
    done = work.done()
    return replace(
        done,
        steps=(*found.steps, *done.steps),
        blockers=found.blockers,
        notes=found.notes,
    )


class _Work:
    """A graph between passes."""

    def __init__(self, graph: Graph, resolved: Resolved) -> None:
        self._graph = graph
        self._given: Mapping[str, TensorSpec] = {
            item.tensor: TensorSpec(
                tensor=item.tensor, dtype=item.dtype or FLOAT32, shape=item.shape
            )
            for item in resolved.inputs
        }
        self._keep: Sequence[str] = [
            item.tensor for item in resolved.outputs if item.tensor not in self._given
        ]
        self._steps: list[Step] = []
        self._blockers: list[Blocker] = []
        self._notes: list[str] = []

    def run(self, rewrite: Pass) -> None:
        found, steps = rewrite(self._graph, self._given, self._keep)
        if found is not self._graph:
            self._graph = prune(found, self._keep, [*self._given])
            self._steps += steps

    def try_run(self, rewrite: Pass, else_note: str, *, asked: bool) -> bool:
        """Run a pass that may refuse a graph; True where it did not."""
        try:
            self.run(rewrite)
        except Unconvertible as error:
            if not asked:
                self._notes.append(f"{else_note}: {error}")
                return False
            self._blockers.append(
                Blocker(
                    code="control_flow",
                    text=f"its control flow cannot be made functional: {error.what}",
                    node=error.where,
                    fix="keep it as it is: --control-flow v1",
                )
            )
            return False
        return True

    def has_v1_control_flow(self) -> bool:
        return control_flow(node.op for node in self._graph.all_nodes()) in ("v1", "both")

    def done(self) -> Rewritten:
        return Rewritten(
            graph=self._graph,
            steps=tuple(self._steps),
            blockers=tuple(self._blockers),
            notes=tuple(self._notes),
            control_flow=control_flow(node.op for node in self._graph.all_nodes()),
        )
