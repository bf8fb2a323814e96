"""Blockers by op: what TensorFlow 2 does not have, does not take, or cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.blockers.blocking import op_issues
from migrator.auditing.subject import Subject
from migrator.ops.registry import op_facts


@rule(
    code="B101",
    name="unknown-op",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["every op that no covered TensorFlow registers"],
    since="0.1",
)
def unknown_op(subject: Subject) -> Iterator[Issue]:
    """An op that no TensorFlow knows

    What it detects: a node whose op neither TensorFlow 2 nor 1.15 registers, and that is not a
    function of the model's own library. Where the library that it comes from is known
    (TensorFlow Addons, Text, I/O, Decision Forests, Horovod, TensorRT), the message names it.

    Why it matters: TensorFlow refuses to import the whole graph with `Op type not registered`.
    Nothing around the op can run either, until it is cut off or its library is loaded.

    How to fix: If you have the library that registers the op, pass it with `--op-library FILE.so`.
    Otherwise cut the graph there: name an `--output` before the op, or what comes out of it as an
    `--input` and compute it in front of the model.

    Limits: an op is known by its name alone. A library that was built for another TensorFlow
    does not load, and one that loads must also be loaded wherever the result is served.
    """
    yield from op_issues(subject, "unknown_op")


@rule(
    code="B102",
    name="removed-op",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["ops of TensorFlow 1 and tf.contrib that TensorFlow 2 lacks"],
    since="0.1",
)
def removed_op(subject: Subject) -> Iterator[Issue]:
    """An op that went away with TensorFlow 1

    What it detects: a node whose op was part of TensorFlow 1 or of tf.contrib and is registered no
    more. The message names the part of tf.contrib, and what has come in its place if anything has.

    Why it matters: the graph does not import, and no library brings the op back: those of
    tf.contrib were built for TensorFlow 1 and do not load in TensorFlow 2.

    How to fix: Cut the graph there: name an `--output` before the op, or its results as
    `--input`. Decoding, parsing and reading from services is better done in front of the model
    anyway; trees and forests have to be trained again. An op for which the finding says that
    migrate replaces it (GatherTree, Resampler, ImageProjectiveTransform, ...) needs nothing.

    Limits: an op that was removed before TensorFlow 1.15 is told as unknown. An op that carries
    the name of a removed one but comes from another library is taken for the removed one;
    `--op-library` settles that.
    """
    yield from op_issues(subject, "removed_op")


@rule(
    code="B103",
    name="deprecated-op",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["the 63 ops that the op registry marks as deprecated"],
    since="0.1",
)
def deprecated_op(subject: Subject) -> Iterator[Issue]:
    """An op that TensorFlow refuses in newer graphs

    What it detects: ops with a deprecation version in TensorFlow's registry. Each finding says
    from which GraphDef version on the op is refused (`since`) and which version the graph was
    written at (`producer`). Those that migrate rewrites itself are told as info only.

    Why it matters: a graph whose producer version has reached the op's deprecation version does
    not import. An older graph still does, but what is saved from it carries the newest version:
    it saves without complaint and then fails to load.

    How to fix: Name an `--output` before the op, or its results as `--input`. Where the finding
    says that migrate replaces the op, there is nothing to do.

    Limits: a rewrite may turn a node down because of its attributes; that node is then a blocker
    of the plan. What the functions of a SavedModel hold that nothing calls is told as info.
    """
    for issue in op_issues(subject, "deprecated_op"):
        facts = op_facts(issue.place.node.op) if issue.place is not None else None
        if issue.place is None or facts is None:
            yield issue
            continue
        versions = {
            "since": facts.deprecated_at,
            "producer": issue.place.body.graph.versions.producer,
        }
        yield replace(issue, detail={**issue.detail, **versions})


@rule(
    code="B104",
    name="no-kernel",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["ops that are registered without a kernel for a CPU"],
    since="0.1",
)
def no_kernel(subject: Subject) -> Iterator[Issue]:
    """An op that no CPU can run

    What it detects: ops that TensorFlow 2 registers but has no CPU kernel for: CudnnRNN and its
    kin, TPU and XLA ops, NCCL, boosted trees.

    Why it matters: the graph imports and saves, and the first call fails with `No OpKernel was
    registered to support Op`. The result could not be verified, nor served without that hardware.

    How to fix: Export the model again for a CPU: a cuDNN layer as its compatible cell, which reads
    the same checkpoint; a TPU graph as the one that serves. Otherwise name an `--output` before
    the op or an `--input` behind it.

    Limits: the table is that of TensorFlow's builds for CPUs. Kernels are looked up by op, not by
    type: an op that has none for just one element type is found when the result is verified.
    """
    yield from op_issues(subject, "no_kernel")


@rule(
    code="B105",
    name="python",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["PyFunc", "PyFuncStateless", "EagerPyFunc"],
    since="0.1",
)
def python(subject: Subject) -> Iterator[Issue]:
    """A Python function that is not in the file

    What it detects: nodes of tf.py_func, tf.py_function and tf.numpy_function that the outputs
    need; those elsewhere in the model as info.

    Why it matters: the node holds no code, only a number by which the process that built the
    graph knew its function. In any other process the call fails, or calls a different function
    that happens to have the number.

    How to fix: Name what comes out of the Python function as `--input` and compute it in front of
    the model, or name an `--output` before it. To keep it in the graph, write it anew with
    TensorFlow ops and export again.

    Limits: what the function did cannot be told from the file. That such an op runs Python at all
    is a matter of security too, which the security rules report wherever it lies.
    """
    yield from op_issues(subject, "python")
