"""Blockers by endpoint: inputs and outputs that are open, unfed, or handles that nobody holds."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.contents.bodies import Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.blockers.blocking import (
    outside_issues,
    own_bodies,
    planned_issues,
)
from migrator.auditing.subject import Subject
from migrator.inspection.vocabulary import FEEDERS, PLACEHOLDERS
from migrator.migration.readiness import UNDECIDED_ENDPOINTS, open_question
from migrator.model.tensors import TensorRef


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
            fix=f"choose among these: {' '.join(asked.options)}"
            if asked.options
            else decision.hint,
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
                    },
                    key=item.key,
                )
