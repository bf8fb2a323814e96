"""Warnings about what a call needs: switches, defaults, shapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator.auditing.callgraph.served import Given, ServedGraph
from migrator.auditing.contents.bodies import Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import in_words
from migrator.auditing.subject import Subject
from migrator.errors import paste_option
from migrator.model.graph import Node
from migrator.model.tensors import TensorRef


@rule(
    code="W209",
    name="unfed-switch",
    severity=Severity.LOW,
    family="warning",
    looks_at=("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"),
    since="0.1",
)
def unfed_switch(subject: Subject) -> Iterator[Issue]:
    """A switch for training that callers do not set

    What it detects: placeholders that steer the graph (`is_training`, `keep_prob`, a learning
    phase) behind the results, which no signature takes as an input: without a value, or with a
    default that trains.

    Why it matters: one without a value makes every call fail. A default that trains is worse:
    dropout and batch statistics stay on, and results are wrong without an error.

    How to fix: Fix it to its value for inference (`--feed is_training:0=false`, `--feed
    keep_prob:0=1`), which also cuts the training branch away.

    Limits: switches are told by type, name and use. A number that nobody can tell from data may be
    called a switch.
    """
    for graph in subject.served.graphs:
        controls, _ = graph.steering
        for item in controls:
            node = graph.meta.graph.by_name[TensorRef.parse(item.tensor).node]
            has_default = bool(node.data_refs)
            option = paste_option("--feed", f"{item.tensor}={item.suggested or 'VALUE'}")
            reason = item.reasons[0]
            state = "is left at it by every call" if has_default else "gets no value from a call"
            yield Issue(
                message=f"{item.tensor} is {reason}, and {state}",
                place=_at_top(subject, graph, node),
                severity=Severity.MEDIUM if has_default else Severity.LOW,
                confidence="high" if item.suggested else "medium",
                detail={"suggested": item.suggested},
                fix=f"Fix it for inference: {option}",
            )


@rule(
    code="W210",
    name="optional-input",
    severity=Severity.INFO,
    family="warning",
    looks_at=("PlaceholderWithDefault",),
    since="0.1",
)
def optional_input(subject: Subject) -> Iterator[Issue]:
    """A placeholder whose default becomes final

    What it detects: placeholders with a constant default behind the results, which no signature
    takes as an input.

    Why it matters: whoever ran the graph in a session could feed another value. After migrating,
    the default stands.

    How to fix: Nothing to do where the default is what you want. Else make it an input (`--input
    NAME=TENSOR`, together with the others) or fix another value (`--feed TENSOR=VALUE`).

    Limits: defaults that train are told by a rule of their own.
    """
    for graph in subject.served.graphs:
        _, options = graph.steering
        for item in options:
            node = graph.meta.graph.by_name[TensorRef.parse(item.tensor).node]
            yield Issue(
                message=f"{item.tensor} {item.reasons[0]}, which becomes final",
                place=_at_top(subject, graph, node),
            )


def _at_top(subject: Subject, graph: ServedGraph, node: Node) -> Place:
    return Place(subject.bodies_in(graph.meta)[0], node)


@rule(
    code="W211",
    name="unknown-rank",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures", "endpoints"),
    since="0.1",
)
def unknown_rank(subject: Subject) -> Iterator[Issue]:
    """Inputs of unknown shape

    What it detects: inputs whose number of dimensions neither the signature nor the graph states.
    In graphs from before GraphDef version 24 a placeholder cannot say that it is a scalar.

    Why it matters: verification has to guess what to feed, TFLite cannot convert it without a
    shape, and a client gets no error for data of the wrong form.

    How to fix: State the shape when you migrate: `--shape NAME=?,224,224,3`, or `--shape NAME=`
    for a scalar.

    Limits: strings are left out, as any shape is often meant there.
    """
    for graph in subject.served.graphs:
        unknown = [
            item
            for item in graph.inputs
            if item.shape.rank is None and (item.dtype is None or item.dtype.kind != "s")
        ]
        names = list(dict.fromkeys(item.name for item in unknown))
        if names:
            yield Issue(
                message=f"inputs of unknown rank: {in_words(names)}",
                meta_graph=graph.tags,
                detail={"names": names[:10], "count": len(names)},
            )


@rule(
    code="W212",
    name="fixed-batch",
    severity=Severity.LOW,
    family="warning",
    looks_at=("signatures", "endpoints"),
    since="0.1",
)
def fixed_batch(subject: Subject) -> Iterator[Issue]:
    """A batch size that cannot be chosen

    What it detects: a signature (or the endpoints of a bare graph) whose inputs all have the same
    fixed first dimension, and by their rank or by the outputs it is a batch.

    Why it matters: callers must send exactly that many examples at a time; a model server cannot
    batch requests.

    How to fix: Try to relax it when you migrate, `--shape NAME=?,224,224,3`, and heed the
    verification: a reshape inside the graph may hold the size as well.

    Limits: inputs of rank two or three may have no batch at all; they are told of only where an
    output has the same first dimension.
    """
    for graph in subject.served.graphs:
        outputs = _by_key(graph.outputs)
        for key, given in _by_key(graph.inputs).items():
            inputs = [item for item in given if item.shape.rank]
            size = _batch(inputs, outputs.get(key, []))
            if size is not None:
                where = f"signature {key!r}: " if key else ""
                yield Issue(
                    message=f"{where}the batch is fixed to {size} ({_shape_words(inputs)})",
                    meta_graph=graph.tags,
                    severity=Severity.INFO if size == 1 else Severity.LOW,
                    detail={"batch": size},
                    key=key,
                )


def _by_key(ends: Iterable[Given]) -> dict[str, list[Given]]:
    found: dict[str, list[Given]] = {}
    for item in ends:
        found.setdefault(item.key, []).append(item)
    return found


def _batch(inputs: list[Given], outputs: list[Given]) -> int | None:
    """The fixed batch size, None where there is none or nobody can tell."""
    firsts = {item.shape.dims[0] for item in inputs if item.shape.dims}
    if len(firsts) != 1:
        return None
    size = firsts.pop()
    if size is None or size < 1:
        return None
    if any(item.shape.rank in (4, 5) for item in inputs):
        return size
    returned = {item.shape.dims[0] for item in outputs if item.shape.dims}
    several = any((item.shape.rank or 0) > 1 for item in inputs)
    return size if several and size > 1 and returned == {size} else None


def _shape_words(inputs: list[Given]) -> str:
    return in_words(f"{item.name} {item.shape}" for item in inputs)
