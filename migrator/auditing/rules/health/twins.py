"""Rules on models that are nearly each other. They look at all models of an audit at once:
``migrator.auditing.twins.kin`` makes their findings, the rules here say what they mean."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.subject import Subject


@rule(
    code="H401",
    name="same-file",
    severity=Severity.LOW,
    family="health",
    looks_at=("all models of an audit",),
    since="0.1",
)
def same_file(subject: Subject) -> Iterator[Issue]:
    """The same model file lies in several places

    What it detects: Models of one audit whose files have the same content, byte by byte (SHA-256),
    and the same weights in their checkpoints, where they have some.

    Why it matters: Copies take space, are migrated several times, and grow apart.

    How to fix: Keep one and point the others' users to it.

    Limits: Compares the models of one audit with each other. Files past 1 MB are compared with
    --deep only. Assets are not compared.
    """
    yield from ()


@rule(
    code="H402",
    name="same-model",
    severity=Severity.INFO,
    family="health",
    looks_at=("all models of an audit",),
    since="0.1",
)
def same_model(subject: Subject) -> Iterator[Issue]:
    """The same graph with the same weights in another file

    What it detects: Models of one audit with the same graph (ops, wiring, attributes; whatever
    the names and the order of the nodes) and the same weights, whose files differ.

    Why it matters: They are one model, exported or renamed twice: one migration will do.

    How to fix: Migrate one of them, and compare their outputs with migrator verify.

    Limits: Compares the models of one audit with each other. Devices, the names of nodes and
    functions, and assets are left out. Weights of a checkpoint are compared by the checksums of
    its index, those of constants with --deep only. Vectors of fewer than 16 elements are left out.
    """
    yield from ()


@rule(
    code="H403",
    name="same-graph",
    severity=Severity.INFO,
    family="health",
    looks_at=("all models of an audit",),
    since="0.1",
)
def same_graph(subject: Subject) -> Iterator[Issue]:
    """The same graph with other weights

    What it detects: Models of one audit with the same graph (ops, wiring, attributes; whatever
    the names and the order of the nodes) and other weights, or weights that were not compared.

    Why it matters: They are trainings of one model. What a migration needs (endpoints, options)
    is the same for all of them, and so is what stops it.

    How to fix: Work out the migration of one of them, and use the same options for the others.

    Limits: Compares the models of one audit with each other. Devices, names, and the values of
    weights are left out; small constants that are not floats count. Weights that are constants
    are compared with --deep only.
    """
    yield from ()


@rule(
    code="H404",
    name="same-weights",
    severity=Severity.INFO,
    family="health",
    looks_at=("all models of an audit",),
    since="0.1",
    confidence="medium",
)
def same_weights(subject: Subject) -> Iterator[Issue]:
    """The same weights with another graph

    What it detects: Models of one audit that hold the same weights (by checksum, whatever their
    names) in different graphs: a training and a serving graph, or a graph before and after an
    optimisation.

    Why it matters: They stem from one training. Mostly one of them is what should be migrated.

    How to fix: Find out which of them serves, and migrate that one.

    Limits: Compares the models of one audit with each other. All weights must agree: a checkpoint
    with the optimizer's variables does not equal one without. Weights that are constants are
    compared with --deep only.
    """
    yield from ()
