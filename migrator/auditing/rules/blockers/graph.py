"""Blockers by structure: graphs that do not hang together, or not as a migration needs them."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.contents.bodies import Place
from migrator.auditing.facts.devices import is_remote
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.blockers.blocking import (
    elsewhere_issue,
    is_inside,
    planned_issues,
    summary_issue,
)
from migrator.auditing.rules.listing import MOST_NAMES, first_names
from migrator.auditing.subject import Subject
from migrator.migration.plan import LOOPS_KEPT
from migrator.model.checks import dangling_inputs, find_cycle


@rule(
    code="B307",
    name="dangling-input",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["inputs of every top-level node"],
    since="0.1",
)
def dangling_input(subject: Subject) -> Iterator[Issue]:
    """A node takes what does not exist

    What it detects: inputs that name no node of the graph.

    Why it matters: TensorFlow refuses the graph. The file was cut off, or somebody pruned it too
    far, and what is missing cannot be made up.

    How to fix: Get the whole file. If only the front of the model is gone, name what comes behind
    the gap as `--input`.

    Limits: looked for at the top level of each graph, not inside of functions.
    """
    yield from planned_issues(subject, "dangling_input")
    for body in subject.top_levels():
        pairs = list(dangling_inputs(body.graph))
        places = [Place(body, node) for node, _ in pairs]
        places = [place for place in places if not is_inside(subject, place)]
        if places:
            yield elsewhere_issue(
                subject,
                places,
                f"{len(places):,} inputs of nodes name no node of the graph",
                fix="get the whole file",
            )


@rule(
    code="B308",
    name="duplicate-name",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["names of top-level nodes"],
    since="0.1",
)
def duplicate_name(subject: Subject) -> Iterator[Issue]:
    """Two nodes of one name

    What it detects: names that stand more than once in a graph.

    Why it matters: TensorFlow refuses the graph, and which of the two a consumer means is
    anybody's guess: tools that take the first and tools that take the last show different models.

    How to fix: Export the model again; the file was put together wrongly.

    Limits: looked for at the top level of each graph, not inside of functions.
    """
    yield from planned_issues(subject, "duplicate_name")
    for body in subject.top_levels():
        nodes = body.graph.by_name
        places = [Place(body, nodes[name]) for name in body.graph.duplicates]
        places = [place for place in places if not is_inside(subject, place)]
        if places:
            yield elsewhere_issue(
                subject,
                places,
                f"{len(places):,} names stand more than once in the graph",
                fix="the file was put together wrongly; export it again",
            )


@rule(
    code="B309",
    name="cycle",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["edges between top-level nodes"],
    since="0.1",
)
def cycle(subject: Subject) -> Iterator[Issue]:
    """Nodes that wait for each other

    What it detects: a cycle of edges that does not close through a NextIteration, as a while loop
    of TensorFlow 1 does.

    Why it matters: no order exists in which these nodes could run. TensorFlow refuses the graph,
    and a tool that walks it carelessly never ends: a file like that may be meant to do so.

    How to fix: Export the model again; no runtime can run this graph.

    Limits: looked for at the top level of each graph, not inside of functions. Nodes that merely
    depend on the cycle are counted with it.
    """
    yield from planned_issues(subject, "cycle")
    for body in subject.top_levels():
        names = find_cycle(body.graph)
        places = [Place(body, body.graph.by_name[name]) for name in names]
        places = [place for place in places if not is_inside(subject, place)]
        if places:
            yield elsewhere_issue(
                subject,
                places,
                f"{len(places):,} nodes wait for each other outside of a while loop",
                fix="no runtime can run this graph",
            )


@rule(
    code="B311",
    name="control-flow",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"],
    since="0.1",
)
def control_flow(subject: Subject) -> Iterator[Issue]:
    """Control flow that cannot be made functional

    What it detects: loops and branches of TensorFlow 1 that migrate cannot turn into functions.
    Where functional control flow was asked for (`--control-flow functional`) that is a blocker;
    by default they are kept, and the finding, an info, says what stood in the way.

    Why it matters: the result runs with its old control flow, and computes the same. Gradients,
    XLA (`jit_compile`) and most converters want functions, though.

    How to fix: Keep it as it is: `--control-flow v1`. Or name endpoints that leave the loop out.

    Limits: the first place that stands in the way is named, others may follow.
    """
    yield from planned_issues(subject, "control_flow")
    plan = subject.planned.plan
    for note in plan.notes if plan is not None else ():
        if note.startswith(LOOPS_KEPT):
            yield Issue(
                message=note,
                meta_graph=",".join(plan.tags) if plan is not None else "",
                severity=Severity.INFO,
                key="kept",
            )


@rule(
    code="B314",
    name="remote-device",
    severity=Severity.LOW,
    family="blocker",
    looks_at=["device strings of all nodes"],
    since="0.1",
)
def remote_device(subject: Subject) -> Iterator[Issue]:
    """Nodes that are bound to another machine

    What it detects: device strings that name the job of a cluster (`/job:ps/task:0`), other than
    `localhost`.

    Why it matters: TensorFlow refuses to place a node on a parameter server of years ago.

    How to fix: Nothing is to be done for a migration: migrate removes device strings. For any
    other use of the file, clear them when the graph is imported (`clear_devices=True`).

    Limits: strings are read, nothing is asked of the machine. GPUs and TPUs of the same machine
    are no blocker, and a warning's matter.
    """
    places = [
        Place(body, node)
        for body in subject.bodies
        for node in body.nodes
        if node.device and is_remote(node.device)
    ]
    if places:
        named = list(dict.fromkeys(place.node.device for place in places))
        yield summary_issue(
            places,
            f"{len(places):,} nodes are bound to another machine: {first_names(named)}",
            severity=Severity.LOW,
            detail={"argument": named[0], "devices": named[:MOST_NAMES]},
        )
