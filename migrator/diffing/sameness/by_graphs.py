"""Whether the graphs themselves show that two models compute the same, whatever their forms."""

from __future__ import annotations

from collections.abc import Callable

from migrator.diffing.changes.attributes import same_tensor
from migrator.diffing.computation.effects import writes_any
from migrator.diffing.computation.equivalence import Equivalence
from migrator.diffing.computation.forms import Formed, flat, functional
from migrator.diffing.computation.program import Head, Program
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.matching.opened import has_dataflow_control, has_functional_control
from migrator.diffing.side import Tensor
from migrator.model.graph import Graph
from migrator.model.tensors import LazyTensor

Pairs = list[tuple[Tensor, Tensor]]
SameName = Callable[[str, str], bool]


def _has_lists(graph: Graph) -> bool:
    return any(node.op.startswith("TensorList") for node in graph.all_nodes())


def shows_same(
    both: Counterparts,
    pairs: Pairs,
    *,
    same_input: SameName,
    same_weight: SameName,
    same_table: SameName,
    look_at_attributes: bool = True,
) -> list[tuple[str, str]] | None:
    """Pairs of nodes that make these tensors, where they are the same on both sides; else None.

    The callbacks take names of nodes.
    """
    sides = both.left, both.right
    graphs = both.left.meta.graph, both.right.meta.graph
    is_ordered = any(
        writes_any(side, (pair[number][0] for pair in pairs)) for number, side in enumerate(sides)
    )
    forms = [tuple(flat(side) if is_ordered else Formed(side=side) for side in sides)]
    if any(
        has_dataflow_control(one) and has_functional_control(other)
        for one, other in (graphs, graphs[::-1])
    ):
        with_lists = _has_lists(graphs[0]) != _has_lists(graphs[1])
        forms.append(tuple(functional(side, with_lists=with_lists) for side in sides))

    def same_in(left: Formed, right: Formed) -> list[tuple[str, str]] | None:
        def as_named(same: SameName) -> Callable[[Head, Head], bool]:
            return lambda one, other: same(left.name(one.name), right.name(other.name))

        def same_value(one: Head, other: Head) -> bool:
            names = left.name(one.name), right.name(other.name)
            if all(names):
                return same_weight(*names)
            # A constant that only this form has.
            ours, theirs = (
                side.nodes[head.name].attrs.get("value")
                for side, head in ((left.side, one), (right.side, other))
            )
            return (
                isinstance(ours, LazyTensor)
                and isinstance(theirs, LazyTensor)
                and same_tensor(ours, theirs)
            )

        walk = Equivalence(
            Program(left.side, {}, writes_state=is_ordered),
            Program(right.side, {}, writes_state=is_ordered),
            same_input=as_named(same_input),
            same_weight=same_value,
            same_table=as_named(same_table),
            look_at_attributes=look_at_attributes,
            is_ordered=is_ordered,
        )
        if not walk.holds(pairs):
            return None
        names = [(left.name(one.name), right.name(other.name)) for one, other in walk.pairs()]
        ours, theirs = sides[0].nodes, sides[1].nodes
        return [(one, other) for one, other in names if one in ours and other in theirs]

    return next((found for form in forms if (found := same_in(*form)) is not None), None)
