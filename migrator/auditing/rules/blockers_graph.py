"""Blockers by structure: endpoints that are open or unfit, and graphs that do not hang together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.auditing.blocking import (
    OUTSIDE,
    PENDING,
    elsewhere_issue,
    is_inside,
    names_of,
    outside_issues,
    own_bodies,
    planned_issues,
    summary_issue,
)
from migrator.auditing.bodies import Body, Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.subject import Subject
from migrator.errors import UnsupportedFormat
from migrator.inspection.vocabulary import FEEDERS, PLACEHOLDERS
from migrator.migration.obstacles import version_blockers
from migrator.migration.readiness import UNDECIDED_ENDPOINTS, open_question
from migrator.migration.rewriting import LOOPS_KEPT
from migrator.model.checks import dangling_inputs, find_cycle
from migrator.model.tensors import TensorRef


def _tops(subject: Subject) -> Iterator[Body]:
    """The top level of every meta graph."""
    for body in subject.bodies:
        if body.holder is None and body.function is None:
            yield body


@rule(
    code="B301",
    name="undecided-endpoints",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["inputs and outputs of graphs without signatures"],
    since="0.1",
)
def undecided_endpoints(subject: Subject) -> Iterator[Issue]:
    """Which tensors are the inputs and outputs is open

    What it detects: a graph for which several answers are plausible, or none, or one that holds a
    switch (`is_training`, `keep_prob`) that somebody has to set. The finding's `options` are what
    to paste, the most plausible first.

    Why it matters: a bare graph does not say what it is for. A wrong guess gives a model that
    loads, runs, and computes something else; so nothing is guessed.

    How to fix: Choose among the options and pass them to plan or migrate. `migrator inspect` shows
    each candidate with its score and reasons; a spec file (`plan --write-spec`) keeps the answer.

    Limits: everything that depends on the endpoints is not known before: other findings of this
    family say then what would block if an output needed it. Several tag sets are another rule's.
    """
    decision = subject.planned.decision
    if decision is None:
        return
    asked = open_question(decision.what, decision.options)
    if asked.reasons[0].code == UNDECIDED_ENDPOINTS:
        yield Issue(
            message=decision.what,
            detail={"options": list(asked.options)},
            fix=f"choose among these: {' '.join(asked.options)}" if asked.options else "",
        )


@rule(
    code="B302",
    name="unfed",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=sorted(PLACEHOLDERS),
    since="0.1",
)
def unfed(subject: Subject) -> Iterator[Issue]:
    """A placeholder that nobody feeds

    What it detects: a placeholder that the outputs depend on and that is neither an input of the
    signature nor fixed to a value, such as one that is only waited for by a control edge.

    Why it matters: TensorFlow refuses to build a function over it: `You must feed a value for
    placeholder tensor`.

    How to fix: Make it an input (`--input NAME`), or fix its value into the graph
    (`--feed NAME=VALUE`, for training switches mostly `false` or `1.0`).

    Limits: placeholders that no output needs are left out without a word. Where the endpoints are
    open, the question about them names the placeholders too.
    """
    yield from planned_issues(subject, "unfed")


@rule(
    code="B303",
    name="pipeline",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=[*sorted(FEEDERS), "FIFOQueue", "Iterator"],
    since="0.1",
)
def pipeline(subject: Subject) -> Iterator[Issue]:
    """A queue, reader or iterator in the place of an input

    What it detects: ops that wait for an input pipeline (queues, readers, dataset iterators,
    staging areas, infeeds) and that the outputs need. As info: those elsewhere, and those whose
    results the plan makes inputs of.

    Why it matters: the pipeline was built by the training script and is not in the file. The
    graph imports, and its first call waits for ever or fails.

    How to fix: Name what comes out of the op as `--input`: its results are what a caller has to
    give. For a frozen graph without any `--input` this happens by itself.

    Limits: a pipeline that the graph builds and fills itself is told as well. Types and shapes of
    the results are taken from the op, which may not say them.
    """
    yield from planned_issues(subject, "pipeline")
    cut = list(_cut_feeders(subject))
    yield from cut
    if not cut:  # else the pipeline that stands before an input is no news
        yield from outside_issues(subject, "pipeline")


def _cut_feeders(subject: Subject) -> Iterator[Issue]:
    plan = subject.planned.plan
    if plan is None:
        return
    body = own_bodies(subject, plan)[""]
    inputs = {entry.tensor: None for item in plan.signatures for entry in item.inputs}
    by_node: dict[str, list[str]] = {}
    for tensor in inputs:
        by_node.setdefault(TensorRef.parse(tensor).node, []).append(tensor)
    for name, tensors in by_node.items():
        node = plan.graph.by_name.get(name)
        if node is not None and node.op in FEEDERS:
            yield Issue(
                message=f"{node.op} gives what its training pipeline held; migrate makes a plain "
                f"input of {', '.join(tensors[:4])}",
                place=Place(body, node),
                severity=Severity.INFO,
                detail={"count": len(tensors)},
                fix="nothing is to be done: callers give the values",
                key="cut",
            )


@rule(
    code="B304",
    name="handle-input",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["inputs of signatures"],
    since="0.1",
)
def handle_input(subject: Subject) -> Iterator[Issue]:
    """An input that no array can hold

    What it detects: an input of type resource or variant: a handle to a table, queue, iterator or
    TensorArray.

    Why it matters: a handle means something only inside of the process that made it. No caller can
    send one, and no case can be made for a verification.

    How to fix: Name a tensor behind it that holds values: `--input NAME=TENSOR`.

    Limits: none known; types are those that the graph declares.
    """
    yield from planned_issues(subject, "handle_input")


@rule(
    code="B305",
    name="handle-output",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["outputs of signatures"],
    since="0.1",
)
def handle_output(subject: Subject) -> Iterator[Issue]:
    """An output that is a handle, not data

    What it detects: an output of type resource or variant.

    Why it matters: what comes out is a pointer into the process that computed it. Nothing can be
    done with it outside, and nothing can be compared.

    How to fix: Name a tensor that holds values, mostly one that is read through the handle:
    `--output NAME=TENSOR`.

    Limits: none known; types are those that the graph declares.
    """
    yield from planned_issues(subject, "handle_output")


@rule(
    code="B306",
    name="output-lost",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["outputs", "Switch", "Merge"],
    since="0.1",
)
def output_lost(subject: Subject) -> Iterator[Issue]:
    """An output in a branch that is never taken

    What it detects: an output that lies in a branch which a fixed predicate rules out, so that
    nothing computes it.

    Why it matters: TensorFlow 1 calls such a tensor dead and fails when it is fetched. In the
    result there would be no such node.

    How to fix: Feed the switch the other way, or name an output outside of the branch (mostly the
    Merge behind it).

    Limits: only predicates that are constants, feeds or defaults are known; one that is computed
    from the inputs rules nothing out.
    """
    yield from planned_issues(subject, "output_lost")


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
    for body in _tops(subject):
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
    for body in _tops(subject):
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
    for body in _tops(subject):
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
    code="B310",
    name="min-consumer",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["GraphDef versions: min_consumer, bad_consumers"],
    since="0.1",
)
def min_consumer(subject: Subject) -> Iterator[Issue]:
    """A graph that asks for a newer TensorFlow

    What it detects: a graph whose `min_consumer` is above the version that the newest covered
    TensorFlow reads, or that names this very version among its `bad_consumers`.

    Why it matters: TensorFlow refuses the graph before it looks at any node.

    How to fix: Use a TensorFlow that is at least as new as the one that the graph was made for,
    and a release of this tool that covers it.

    Limits: the number says what the writer asked for, not what the graph needs. Versions far above
    any TensorFlow's are a sign of a damaged or forged file.
    """
    yield from planned_issues(subject, "min_consumer")
    plan = subject.planned.plan
    for body in _tops(subject):
        if plan is not None and body.graph is plan.graph:
            continue
        for item in version_blockers(body.graph.versions):
            yield Issue(
                message=f"{item.text}; {PENDING if plan is None else OUTSIDE}",
                meta_graph=body.meta_graph,
                severity=Severity.LOW if plan is None else Severity.INFO,
                fix=item.fix,
                key="elsewhere",
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
    code="B312",
    name="plan-failed",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["the plan as a whole"],
    since="0.1",
)
def plan_failed(subject: Subject) -> Iterator[Issue]:
    """No plan can be made at all

    What it detects: an error while the migration is planned: a signature that names a tensor that
    does not exist, or has no outputs; a checkpoint that cannot be read; a graph past the limits.

    Why it matters: migrate stops at the same place with the same words.

    How to fix: What the message names is wrong in the model itself; choose another signature with
    `--signature`, name the endpoints, or get the file again.

    Limits: only the first error is known. What cannot be migrated by its nature, such as a bare
    checkpoint or a TFLite file, is no error.
    """
    error = subject.planned.error
    if error is not None and not isinstance(error, UnsupportedFormat):
        yield Issue(message=error.what, detail={"where": error.where}, fix=error.hint)


@rule(
    code="B313",
    name="keras-refused",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["layers of .h5 and .keras files"],
    since="0.1",
)
def keras_refused(subject: Subject) -> Iterator[Issue]:
    """A Keras file that migrate does not load

    What it detects: a Keras model with layers that bring Python code, name modules, files or
    classes of their maker's own, for which migrate refuses to load it.

    Why it matters: Keras would run or import what the file names while it loads it. Without
    loading there is no graph to migrate.

    How to fix: If you trust the file, load it in Keras yourself and `model.export(...)` it, then
    migrate the SavedModel. Better still, replace the layers by ones of Keras itself.

    Limits: the configuration is read, nothing is loaded. What each layer would do is the security
    rules' matter.
    """
    dangers = subject.keras.dangers if subject.keras is not None else ()
    if dangers:
        layers = list(dict.fromkeys(item.layer for item in dangers))
        first = dangers[0]
        more = f", and {len(dangers) - 1} more like it" if len(dangers) > 1 else ""
        yield Issue(
            message=f"it is not loaded: layer {first.layer!r} {first.text}{more}",
            detail={"count": len(dangers), "nodes": layers[:10]},
        )


_REMOTE_JOB = re.compile(r"/job:(?!localhost(?:/|$))[^/]+")
_ACCELERATOR = re.compile(r"/(?:device:)?[a-z_]*[gt]pu(?::|$)", re.IGNORECASE)


@rule(
    code="B314",
    name="device-bound",
    severity=Severity.INFO,
    family="blocker",
    looks_at=["device strings of all nodes"],
    since="0.1",
)
def device_bound(subject: Subject) -> Iterator[Issue]:
    """Nodes that are bound to a device

    What it detects: device strings that name another machine (`/job:ps/task:0`; low) or a GPU or
    TPU (info).

    Why it matters: TensorFlow refuses to place a node on a parameter server of years ago, and
    without soft placement on a GPU that is not there.

    How to fix: Nothing is to be done for a migration: migrate removes device strings. For any
    other use of the file, clear them when the graph is imported (`clear_devices=True`).

    Limits: strings are read, nothing is asked of the machine. CPUs are not told.
    """
    remote: list[Place] = []
    bound: list[Place] = []
    for body in subject.bodies:
        for node in body.nodes:
            if not node.device:
                continue
            if _REMOTE_JOB.search(node.device):
                remote.append(Place(body, node))
            elif _ACCELERATOR.search(node.device):
                bound.append(Place(body, node))
    for places, what, severity in (
        (remote, "another machine", Severity.LOW),
        (bound, "a GPU or TPU", Severity.INFO),
    ):
        if places:
            mine = list(dict.fromkeys(place.node.device for place in places))
            yield summary_issue(
                places,
                f"{len(places):,} nodes are bound to {what}: {', '.join(mine[:3])}",
                severity=severity,
                key=what,
                detail={"argument": mine[0], "devices": mine[:10]},
            )


@rule(
    code="B315",
    name="shared-endpoint",
    severity=Severity.INFO,
    family="blocker",
    looks_at=["inputs of signatures"],
    since="0.1",
)
def shared_endpoint(subject: Subject) -> Iterator[Issue]:
    """Two inputs that one node makes

    What it detects: a signature two of whose inputs are outputs of the same node, such as the
    parts of a sparse placeholder or the fields of an iterator (`sp:0`, `sp:1`).

    Why it matters: TensorFlow 2 names the inputs of a pruned function for their nodes. Both get
    one name then, and saving the function by TensorFlow's own means fails.

    How to fix: Nothing is to be done for a migration: migrate gives each input a name of its own
    and records which tensor it stands for. Other tools need `--input NAME=TENSOR` in their way.

    Limits: signatures are looked at, and for a graph without any the endpoints of the plan.
    """
    plan = subject.planned.plan
    bodies = own_bodies(subject, plan) if plan is not None else {}
    for item in plan.signatures if plan is not None else ():
        by_node: dict[str, list[str]] = {}
        for entry in item.inputs:
            by_node.setdefault(TensorRef.parse(entry.tensor).node, []).append(entry.tensor)
        for name, tensors in by_node.items():
            if len(tensors) > 1 and plan is not None and name in plan.graph.by_name:
                place = Place(bodies[""], plan.graph.by_name[name])
                yield Issue(
                    message=f"{len(tensors)} inputs of the signature {item.key!r} come from the "
                    f"node {name!r}: {', '.join(tensors[:4])}",
                    place=place,
                    severity=Severity.INFO,
                    detail={
                        "signature": item.key,
                        "count": len(tensors),
                        "nodes": names_of([place]),
                    },
                    key=item.key,
                )
