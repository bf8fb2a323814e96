"""Security: what a list of ops does not show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from migrator.auditing.callgraph.recursion import recursive_functions
from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.contents.nested import GRAPH_READERS
from migrator.auditing.facts.stateful import ACCELERATOR, is_unclear, is_unregistered
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.security.attacks import gravity, is_at_load, is_served, when
from migrator.auditing.rules.security.nested_ops import NestedGraphs
from migrator.auditing.strings.arguments import graph_argument
from migrator.auditing.subject import Subject
from migrator.model.tensors import LazyBytes
from migrator.ops.dangerous import MERELY_NOTED, MILD, dangerous_ops, ops_of

_MOST_NAMES = 10


@rule(
    code="S401",
    name="nested-graph",
    severity=Severity.HIGH,
    family="security",
    looks_at=("DatasetFromGraph", "string constants that hold a graph"),
    since="0.1",
)
def nested_graph(subject: Subject) -> Iterator[Issue]:
    """A graph is hidden in a string and run from there

    What it detects: DatasetFromGraph, which runs a graph that it is given as a string, and
    strings that hold a graph without feeding one. High where the hidden graph cannot be seen or
    holds dangerous ops (these are reported one by one as well), medium where it holds none.

    Why it matters: a list of the model's ops does not show what such a graph does, so scanners
    that look for forbidden ops call the model clean.

    How to fix: Take the dataset out and feed what it delivers; no model for serving needs it.

    Limits: a string that the graph puts together while it runs cannot be looked into.
    """
    graphs = NestedGraphs(subject)
    fed: set[int] = set()
    for place in subject.places(GRAPH_READERS):
        given = graph_argument(subject, place)
        fed |= {id(body) for body in given.bodies}
        ops = graphs.dangerous_ops_in(given.bodies)
        holds = f"which holds {', '.join(ops)}" if ops else "which holds no dangerous op"
        text = f"runs a graph in a string, {holds}"
        if given.reason or not given.bodies:
            text = f"runs a graph that cannot be looked into: {given.reason or 'none was found'}"
        unsafe = ops or given.reason or not given.bodies
        yield Issue(
            message=f"{place.node.op} {text}; {when(subject, place)}",
            place=place,
            severity=gravity(subject, place) if unsafe else Severity.MEDIUM,
            detail={"argument": ", ".join(ops) or given.reason} if unsafe else {},
            key="run",
        )
    for body in graphs.roots:
        if id(body) not in fed and body.holder is not None:
            ops = graphs.dangerous_ops_in([body])
            holds = f"which holds {', '.join(ops)}" if ops else "which holds no dangerous op"
            yield Issue(
                message=f"{body.holder.node.op} keeps a graph in a string, {holds}; nothing is "
                "seen to run it",
                place=body.holder,
                severity=Severity.MEDIUM if ops else Severity.LOW,
                detail={"argument": ", ".join(ops)} if ops else {},
                key="kept",
            )
    for item in subject.unread:
        yield Issue(
            message=f"{item.place.node.op} holds a string that may hide a graph and was not "
            f"looked into: {item.reason}",
            place=item.place,
            attr=item.attr,
            severity=gravity(subject, item.place) if item.certain else Severity.LOW,
            key="unread",
        )


@rule(
    code="S402",
    name="code-at-load",
    severity=Severity.MEDIUM,
    family="security",
    looks_at=("saved_model_main_op", "legacy_init_op", "initializers of resources"),
    since="0.1",
)
def code_at_load(subject: Subject) -> Iterator[Issue]:
    """Loading the model runs ops that are no ordinary initialisation

    What it detects: ops outside of TensorFlow's registry, and stateful ops that no table here
    knows, among what a main op, a legacy init op or an initializer runs. Dangerous ops that run
    at load are critical under their own codes.

    Why it matters: what runs at load runs before anybody has called the model, in
    `saved_model_cli` and in every server that merely opens it.

    How to fix: Find out what the op does, and load the model only where you trust its library.

    Limits: models that keep a tokenizer or a forest in an op of their own load it in this way.
    """
    found = [place for place in _unknown(subject) if is_at_load(subject, place)]
    if found:
        yield Issue(
            message=f"loading the model runs {_count(found)}, of which nothing is known",
            place=found[0],
            detail=_nodes(found),
            key=_kinds(found),
        )


@rule(
    code="S403",
    name="foreign-op",
    severity=Severity.MEDIUM,
    family="security",
    looks_at=("ops that TensorFlow does not register",),
    since="0.1",
    confidence="medium",
)
def unknown_op(subject: Subject) -> Iterator[Issue]:
    """An op comes from a library outside of TensorFlow: nobody can tell what it does

    What it detects: ops that no covered release of TensorFlow registers and that are no function
    of the graph, one finding for each op. Medium where something runs it, else low.

    Why it matters: such an op runs compiled code of a library that must be loaded for it. It may
    read files or open connections, as ops of tensorflow-io do; most, of tokenizers and the like,
    do not.

    How to fix: Load only libraries whose origin you know, and none for a model that you do not.

    Limits: goes by the name alone. Whether the op stops a migration is said by another rule.
    """
    for op, places in subject.by_op.items():
        found = [place for place in places if is_unregistered(op, place.body.graph.functions)]
        if not found:
            continue
        served = any(is_served(subject, place) for place in found[:_MOST_NAMES])
        yield Issue(
            message=f"{op} is no op of TensorFlow's; what it does, its library alone knows",
            place=found[0],
            severity=Severity.MEDIUM if served else Severity.LOW,
            detail=_nodes(found),
            key=op,
        )


@rule(
    code="S404",
    name="unclear-stateful-op",
    severity=Severity.LOW,
    family="security",
    looks_at=("stateful ops that act on accelerators or that no table knows",),
    since="0.1",
    confidence="low",
)
def unclear_stateful_op(subject: Subject) -> Iterator[Issue]:
    """A stateful op reaches beyond the graph in a way that is not known here

    What it detects: registered stateful ops that neither hold values, draw numbers nor call
    functions within the process, and that no other rule knows: mostly those that set up and feed
    accelerators. One finding for each op.

    Why it matters: an op is marked stateful because running it has effects. This is the net below
    the other rules.

    How to fix: Export the model for serving on a CPU, without the parts for accelerators.

    Limits: being listed here says nothing bad of the op.
    """
    for op, places in subject.by_op.items():
        if is_unclear(op):
            kind = "acts on an accelerator" if ACCELERATOR.fullmatch(op) else "has effects"
            yield Issue(
                message=f"{op} {kind} outside of the graph ({len(places)} node(s))",
                place=places[0],
                detail=_nodes(places),
                key=op,
            )


@rule(
    code="S405",
    name="recursive-function",
    severity=Severity.MEDIUM,
    family="security",
    looks_at=("the function library",),
    since="0.1",
)
def recursive_function(subject: Subject) -> Iterator[Issue]:
    """Functions of the graph call themselves

    What it detects: functions of a library that call themselves, directly or through others.

    Why it matters: TensorFlow before 2.8 overflows its stack while it loads such a graph
    (CVE-2022-23591), which takes the process down. Exporters do not write recursion.

    How to fix: Do not load the model with an old TensorFlow, and never in a process that matters.

    Limits: says nothing of whether the recursion would end.
    """
    for body, names in recursive_functions(subject.bodies):
        yield Issue(
            message=f"{len(names)} function(s) call themselves: {', '.join(names[:_MOST_NAMES])}",
            place=next((Place(body, node) for node in body.nodes), None),
            meta_graph=body.meta_graph,
            detail={"count": len(names), "functions": list(names[:_MOST_NAMES])},
            key="recursion",
        )


@rule(
    code="S406",
    name="misleading-name",
    severity=Severity.MEDIUM,
    family="security",
    looks_at=("names of nodes, functions, signatures, tags and assets",),
    since="0.1",
)
def misleading_name(subject: Subject) -> Iterator[Issue]:
    """Names hold characters that act on a terminal or hide text

    What it detects: control characters, terminal escapes, marks that turn the direction of
    writing, and other characters that do not print, in names of nodes, functions, ops,
    signatures, tags and assets.

    Why it matters: shown as they are, such names can clear a line of a report, forge another one
    or make a name look like one that it is not. TensorFlow's own exporters never write them.

    How to fix: Show the model's names only through tools that escape them, as these reports do.

    Limits: letters of other scripts that merely look alike are not looked for.
    """
    found: dict[str, str] = {}
    count = 0
    for kind, name in _names(subject):
        if not name.isprintable():
            count += 1
            if len(found) < _MOST_NAMES:
                found.setdefault(name[:200], kind)
    if found:
        first, kind = next(iter(found.items()))
        yield Issue(
            message=f"{count} name(s) hold characters that do not print; the first, of a {kind}, "
            f"is {first!r}",
            detail={"count": count, "nodes": list(found)},
            key="names",
        )


@rule(
    code="S407",
    name="mild-effects",
    severity=Severity.LOW,
    family="security",
    looks_at=tuple(op for ops in MILD.values() for op in ops),
    since="0.1",
)
def mild_effects(subject: Subject) -> Iterator[Issue]:
    """Ops that print, wait or keep data for others to see

    What it detects: Print, table exports, sleeping ops and the like (low), asserts, queues and
    summaries (info), and debug ops without addresses (low); one finding for each kind.

    Why it matters: inputs can show up in logs and in shared resources of the process; sleeping
    ops keep a server's threads busy.

    How to fix: Export the model again without these ops; migration leaves most of them out.

    Limits: they are common in honest models and dangerous in none by themselves.
    """
    for does, ops in MILD.items():
        found = [place for place in subject.places(ops) if not _prints_to_file(place)]
        if found:
            severity = Severity.INFO if does in MERELY_NOTED else Severity.LOW
            yield _mild(found, does, severity)
    quiet = [
        place
        for place in subject.places(ops_of("network"))
        if dangerous_ops()[place.node.op].optional
        and place.node.attrs.get("debug_urls") in (None, [], [b""], b"")
    ]
    if quiet:
        yield _mild(quiet, "was put in by a debugger and has no address", Severity.LOW)


@rule(
    code="S408",
    name="two-faced-file",
    severity=Severity.HIGH,
    family="security",
    looks_at=("the file as a whole",),
    since="0.1",
)
def two_faced_file(subject: Subject) -> Iterator[Issue]:
    """The file is a model and looks like something else, or is two models

    What it detects: files that TensorFlow reads as a model although they begin like a picture, an
    archive or a text or end like a checkpoint, and files that are one model when they are read as
    a GraphDef and another when they are read as a SavedModel. All of them are audited.

    Why it matters: a parser skips what it does not know, so a file can show a scanner one model
    and the loader another. No exporter writes such a file.

    How to fix: Do not load the model.

    Limits: goes by the file's own bytes; a file that is packed or encrypted is not unpacked.
    """
    if subject.faces:
        yield Issue(
            message=f"the file has two faces: {'; '.join(subject.faces)}",
            detail={"argument": "; ".join(subject.faces)},
            key="faces",
        )


def _mild(found: Sequence[Place], does: str, severity: Severity) -> Issue:
    return Issue(
        message=f"{_count(found)}: {does}",
        place=found[0],
        severity=severity,
        detail=_nodes(found),
        key=does,
    )


def _prints_to_file(place: Place) -> bool:
    stream = place.node.attrs.get("output_stream")
    return isinstance(stream, LazyBytes) or (
        isinstance(stream, bytes) and stream.startswith(b"file://")
    )


def _unknown(subject: Subject) -> Iterator[Place]:
    for op, places in subject.by_op.items():
        if is_unclear(op):
            yield from places
        else:
            yield from (p for p in places if is_unregistered(op, p.body.graph.functions))


def _count(places: Sequence[Place]) -> str:
    ops = Counter(place.node.op for place in places)
    told = ", ".join(f"{count} {op}" for op, count in ops.most_common(4))
    return told if len(ops) <= 4 else f"{told} and {len(ops) - 4} other ops"


def _kinds(places: Sequence[Place]) -> str:
    return " ".join(sorted({place.node.op for place in places})[:_MOST_NAMES])


def _nodes(places: Sequence[Place]) -> dict[str, object]:
    names = [_full_name(place.body, place.node.name) for place in places[:_MOST_NAMES]]
    return {"count": len(places), "nodes": names}


def _full_name(body: Body, name: str) -> str:
    return f"{body.label}/{name}" if body.label else name


def _names(subject: Subject) -> Iterator[tuple[str, str]]:
    for body in subject.bodies:
        if body.function is not None:
            yield "function", body.function.name
        for node in body.nodes:
            yield "node", node.name
            yield "op", node.op
    for meta in subject.meta_graphs:
        yield from (("tag", tag) for tag in meta.tags)
        yield from (("asset", asset.filename) for asset in meta.assets)
        for key, signature in meta.signatures.items():
            yield "signature", key
            for name in (*signature.inputs, *signature.outputs):
                yield "signature", name
    if subject.keras is not None:
        yield from (("layer", layer.name) for layer in subject.keras.layers)
