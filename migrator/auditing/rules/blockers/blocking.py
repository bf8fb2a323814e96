"""What the blocker rules share: the plan's blockers as issues, and the same trouble elsewhere.

A blocker of the plan is a medium finding. What would be one if an output needed it is told too,
as info where the plan leaves it out, as low where there is no plan yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue
from migrator.auditing.rules.listing import MOST_NAMES, name_of
from migrator.auditing.subject import Subject
from migrator.graph.wiring import Wiring
from migrator.migration.obstacles import find_obstacle
from migrator.migration.passes.deprecated import REPLACEMENTS
from migrator.migration.plan import Blocker, Plan
from migrator.migration.subgraph import called_functions
from migrator.ops.registry import op_facts

OUTSIDE = "it lies outside of what is migrated, so it stops nothing"
PENDING = "it will block the migration if an output needs it"


def planned_issues(subject: Subject, code: str) -> Iterator[Issue]:
    """The blockers of the plan that have ``code``."""
    plan = subject.planned.plan
    if plan is None:
        return
    seen: Counter[tuple[str, str]] = Counter()
    for item in plan.blockers:
        seen[item.code, item.node] += 1
        if item.code != code:
            continue
        number = seen[item.code, item.node]
        many = {"nodes": [item.node]} if item.op else {}
        yield Issue(
            message=item.text,
            place=find_place(subject, plan, item.node),
            meta_graph=",".join(plan.tags),
            severity=Severity.MEDIUM,
            detail={"blocker": item.code, "node": item.node, **many},
            fix=item.fix,
            key=item.op or ("" if number == 1 else str(number)),
        )


def op_issues(subject: Subject, code: str) -> Iterator[Issue]:
    """The plan's blockers of ``code``, then what the ops of the rest of the model come to."""
    yield from planned_issues(subject, code)
    yield from outside_issues(subject, code)


def outside_issues(subject: Subject, code: str) -> Iterator[Issue]:
    """Obstacles of ``code`` by their op that are no blocker of the plan, one issue for each op."""
    for obstacle in _obstacles(subject).get(code, ()):
        replaced = REPLACEMENTS.get(obstacle.op)
        if replaced is not None:
            if not _is_planned(subject, obstacle):
                yield summary_issue(
                    obstacle.places,
                    f"{obstacle.text}; migrate puts {replaced[1]} in its place",
                    severity=Severity.INFO,
                    key=obstacle.op,
                    fix="nothing is to be done: migrate rewrites it",
                )
            continue
        places = [place for place in obstacle.places if not is_inside(subject, place)]
        if places:
            yield elsewhere_issue(subject, places, obstacle.text, key=obstacle.op, fix=obstacle.fix)


def elsewhere_issue(
    subject: Subject,
    places: Sequence[Place],
    text: str,
    *,
    key: str = "",
    fix: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Issue:
    """One issue for trouble at ``places``, none of which the plan reaches."""
    has_plan = subject.planned.plan is not None
    return summary_issue(
        places,
        f"{text}; {OUTSIDE if has_plan else PENDING}",
        severity=Severity.INFO if has_plan else Severity.LOW,
        key=f"elsewhere {key}".rstrip(),
        fix="nothing is to be done, as long as no output needs it" if has_plan else fix,
        detail=detail,
    )


def summary_issue(
    places: Sequence[Place],
    text: str,
    *,
    severity: Severity,
    key: str = "",
    fix: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Issue:
    """One issue for all of ``places``, at the first of them."""
    return Issue(
        message=text,
        place=places[0],
        severity=severity,
        detail={
            "count": len(places),
            "nodes": [name_of(place) for place in places[:MOST_NAMES]],
            **(detail or {}),
        },
        key=key,
        fix=fix,
    )


def find_place(subject: Subject, plan: Plan, name: str) -> Place | None:
    """The source's node that a blocker names: ``node`` or ``function/node``.

    None for what is none: a node that a rewrite made, or a blocker of the graph as a whole.
    """
    places = _known(subject).places
    if not places:
        for label, body in own_bodies(subject, plan).items():
            for node in body.nodes:
                path = f"{label}/{node.name}" if label else node.name
                places.setdefault(path, Place(body, node))
    # A rewrite puts a variable's handle under the variable's own name.
    return places.get(name) or places.get(name.removesuffix("/VarHandleOp"))


def own_bodies(subject: Subject, plan: Plan) -> Mapping[str, Body]:
    """Function name -> body of the graph that the plan is for; "" is its top level."""
    return {
        "" if body.function is None else body.function.name: body
        for body in subject.bodies
        if body.holder is None and body.graph is plan.graph
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Obstacle:
    """An op that no migration takes as it is, and all its places."""

    op: str
    text: str
    fix: str
    places: tuple[Place, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _Known:
    """What is worked out once for a subject."""

    obstacles: Mapping[str, Sequence[_Obstacle]] | None = None
    inside: tuple[frozenset[str], frozenset[str]] | None = None
    places: dict[str, Place] = field(default_factory=dict)
    """Node of the planned graph as blockers name it -> its place; filled when first asked for."""


_KNOWN: WeakKeyDictionary[Subject, _Known] = WeakKeyDictionary()


def _known(subject: Subject) -> _Known:
    return _KNOWN.setdefault(subject, _Known())


def _obstacles(subject: Subject) -> Mapping[str, Sequence[_Obstacle]]:
    """Code -> ops, by what is known of each op alone. One look-up for each op of the model."""
    known = _known(subject)
    if known.obstacles is None:
        found: dict[str, list[_Obstacle]] = {}
        for op, places in subject.by_op.items():
            obstacle = _refused(op) or find_obstacle(places[0].node)
            if obstacle is None:
                continue
            own = tuple(place for place in places if op not in place.body.graph.functions)
            if own:
                code, text, fix = obstacle
                found.setdefault(code, []).append(_Obstacle(op=op, text=text, fix=fix, places=own))
        known.obstacles = found
    return known.obstacles


def _refused(op: str) -> tuple[str, str, str] | None:
    """The obstacle of a deprecated op that a rewrite replaces, whatever else it may be."""
    facts = op_facts(op) if op in REPLACEMENTS else None
    if facts is None or not facts.deprecated_at or facts.last_release:
        return None
    return "deprecated_op", f"{op} is refused since GraphDef version {facts.deprecated_at}", ""


def is_inside(subject: Subject, place: Place) -> bool:
    """Whether the planned signatures, or the values that they start with, need the node."""
    plan = subject.planned.plan
    if plan is None or place.body.holder is not None or place.body.graph is not plan.graph:
        return False
    known = _known(subject)
    if known.inside is None:
        known.inside = _inside(plan, subject.wiring(place.body.meta))
    nodes, functions = known.inside
    if place.body.function is not None:
        return place.body.function.name in functions
    return place.node.name in nodes


def _inside(plan: Plan, wiring: Wiring) -> tuple[frozenset[str], frozenset[str]]:
    """Names of nodes and of functions that the plan needs, before anything is rewritten."""
    cone: set[int] = set()
    for item in plan.signatures:
        given = [entry.tensor for entry in item.inputs] + [feed.tensor for feed in item.feeds]
        cone |= wiring.needed_for([entry.tensor for entry in item.outputs], given)
        # An input's own node is not computed, but it is no stranger either.
        cone |= {edge[0] for edge in wiring.cut_at(given)}
    nodes = [plan.graph.nodes[number] for number in sorted(cone)]
    if plan.initial is not None:
        made = {node.name for node in plan.initial.nodes}
        nodes += [node for node in plan.graph.nodes if node.name in made]
    functions = called_functions(plan.graph, nodes)
    names = {node.name for node in nodes} | {item.node for item in plan.blockers}
    return frozenset(names), frozenset(function.name for function in functions)


def _is_planned(subject: Subject, obstacle: _Obstacle) -> bool:
    """Whether a blocker of the plan stands at one of the obstacle's nodes."""
    blockers: Sequence[Blocker] = subject.planned.plan.blockers if subject.planned.plan else ()
    names = {item.node for item in blockers}
    return any(name_of(place) in names for place in obstacle.places)
