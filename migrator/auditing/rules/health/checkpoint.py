"""Rules on the checkpoint of a model: whether it is there, whole, and the one that belongs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from migrator.auditing.contents.stored import stored
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.health.restores import Wanted, wanted_entries
from migrator.auditing.rules.listing import MOST_NAMES, first_names
from migrator.auditing.subject import Subject
from migrator.errors import MigratorError, UnsupportedFormat
from migrator.formats.checkpoint import Checkpoint
from migrator.model.tensors import Shape
from migrator.ops.state import VARIABLE_OPS


@rule(
    code="H301",
    name="missing-checkpoint",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("variables/", "checkpoint"),
    since="0.1",
)
def missing_checkpoint(subject: Subject) -> Iterator[Issue]:
    """The checkpoint with the weights is not there

    What it detects: A SavedModel or a hub module whose restore op reads variables, without
    variables/variables.index in its folder; a MetaGraph with variables, without a checkpoint of
    its name beside it.

    Why it matters: The file has the shape of the model and none of its weights: it cannot be
    loaded, or loads untrained.

    How to fix: Get the whole folder, with variables/, or the checkpoint that belongs to the .meta
    file. Where it lies elsewhere, name it with --checkpoint.

    Limits: A bare graph is not looked at here. That some of the checkpoint's files are missing is
    H302's matter.
    """
    if subject.model is None or stored(subject).prefix is not None:
        return
    if subject.kind == "meta_graph":
        count = sum(1 for place in subject.places(VARIABLE_OPS) if not place.body.depth)
        if count and subject.file.name.endswith(".meta"):
            name = subject.file.name.removesuffix(".meta")
            yield Issue(
                message=f"{count:,} variables, and no checkpoint beside it: {name}.index is "
                "missing",
                detail={"count": count, "argument": f"{name}.index"},
            )
    elif subject.folder is not None:
        keys = [item.key for item in wanted_entries(subject) if not item.key.startswith("_CHECK")]
        if keys:
            yield Issue(
                message=f"{len(keys):,} values are restored when it is loaded, and "
                f"variables/variables.index is missing: {first_names(keys)}",
                detail={
                    "count": len(keys),
                    "nodes": keys[:MOST_NAMES],
                    "argument": "variables/variables.index",
                },
            )


@rule(
    code="H302",
    name="damaged-checkpoint",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("checkpoint",),
    since="0.1",
)
def damaged_checkpoint(subject: Subject) -> Iterator[Issue]:
    """Shards of the checkpoint are missing or too short

    What it detects: A checkpoint whose index is damaged (every block of it has a checksum), whose
    data files are missing or end too early, or whose entries do not fit their type and shape.

    Why it matters: Loading the model fails, at worst only for the one variable that lies in the
    part that is missing.

    How to fix: Copy the checkpoint again, the .index and every .data file of it.

    Limits: Data files are not read, only measured: --deep compares checksums (H303).
    """
    found = stored(subject)
    if isinstance(found.problem, UnsupportedFormat):
        return  # what it is, planning says
    if found.problem is not None:
        yield Issue(
            message=f"its checkpoint cannot be read: {found.problem.what}",
            detail={"argument": _file(subject, found.problem.where)},
            fix=found.problem.hint,
            key="index",
        )
    if found.checkpoint is None:
        return
    for problem in found.checkpoint.problems:  # a file of version 1
        yield Issue(
            message=f"a part of its checkpoint cannot be read: {problem.what}",
            detail={"argument": _file(subject, problem.where)},
            fix=problem.hint,
            key=_file(subject, problem.where),
        )
    missing = found.checkpoint.missing_files if found.checkpoint.version == 1 else ()
    if missing:
        yield Issue(
            message=f"{len(missing):,} of {found.checkpoint.shards:,} files of its checkpoint are "
            f"missing: {first_names(list(missing))}",
            detail={"argument": missing[0], "count": len(missing)},
            key="files",
        )
    bad: dict[str, tuple[str, list[str]]] = {}
    for key in found.checkpoint.tensors:
        try:
            found.checkpoint.check([key])
        except MigratorError as error:
            bad.setdefault(_file(subject, error.where), (error.what, []))[1].append(key)
    for where, (what, keys) in bad.items():
        yield Issue(
            message=f"{where}: {what}; {len(keys):,} variables cannot be read: {first_names(keys)}",
            detail={"argument": where, "count": len(keys), "nodes": keys[:MOST_NAMES]},
            key=where,
        )


@rule(
    code="H303",
    name="checkpoint-checksum",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("checkpoint",),
    since="0.1",
    deep=True,
)
def checkpoint_checksum(subject: Subject) -> Iterator[Issue]:
    """A checksum in the checkpoint does not match

    What it detects: Variables whose bytes have another CRC-32C than the checkpoint's index says.

    Why it matters: The file was damaged or changed after it was written. TensorFlow notices when
    it reads the variable, and does not load the model; other readers may not notice at all.

    How to fix: Copy the checkpoint again from where it came. If it is damaged there too, take an
    older one.

    Limits: A checksum protects against accidents; who changes a file on purpose can write a new
    one. Reads the whole checkpoint, about 0.15 GB/s of one core.
    """
    checkpoint = stored(subject).checkpoint
    if checkpoint is None:
        return
    bad: list[str] = []
    what = ""
    for key in checkpoint.tensors:
        try:
            checkpoint.check([key])
        except MigratorError:
            continue  # H302 has told of it
        try:
            checkpoint.verify([key])
        except MigratorError as error:
            bad.append(key)
            what = what or error.what
    if bad:
        yield Issue(
            message=f"{len(bad):,} of {len(checkpoint.tensors):,} variables do not have the "
            f"checksum that the index says: {first_names(bad)} ({what})",
            detail={"count": len(bad), "nodes": bad[:MOST_NAMES]},
        )


@rule(
    code="H304",
    name="checkpoint-mismatch",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("RestoreV2", "checkpoint"),
    since="0.1",
)
def checkpoint_mismatch(subject: Subject) -> Iterator[Issue]:
    """The checkpoint is not the one that the graph restores

    What it detects: Keys that the model's own restore op reads and the checkpoint does not have,
    or has with another type or shape than the variable they fill.

    Why it matters: Loading fails with NotFoundError or InvalidArgumentError: graph and checkpoint
    belong to different versions of the model.

    How to fix: Get the checkpoint that was written together with this graph, or name it with
    --checkpoint.

    Limits: Shapes are compared where a variable is filled directly; slices of partitioned
    variables by type only.
    """
    checkpoint = stored(subject).checkpoint
    if checkpoint is None:
        return
    skipped = set(checkpoint.skipped)
    missing: dict[str, Wanted] = {}
    other: dict[str, str] = {}
    for item in wanted_entries(subject):
        if item.key in checkpoint.tensors:
            difference = _difference(item, checkpoint)
            if difference:
                other.setdefault(item.key, difference)
        elif item.key not in skipped:
            missing.setdefault(item.key, item)
    if missing:
        yield Issue(
            message=f"{len(missing):,} keys that it restores are not in its checkpoint: "
            + first_names(list(missing)),
            detail={"count": len(missing), "nodes": list(missing)[:MOST_NAMES]},
            key="missing",
        )
    if other:
        first = next(iter(other))
        yield Issue(
            message=f"{len(other):,} variables are of another type or shape in its checkpoint: "
            f"{first} {other[first]}",
            detail={"count": len(other), "nodes": list(other)[:MOST_NAMES]},
            key="other",
        )


def _difference(item: Wanted, checkpoint: Checkpoint) -> str:
    """How the stored tensor differs from the variable, empty where it does not."""
    held = checkpoint.tensors[item.key]
    if item.dtype is not None and item.dtype.base != held.dtype.base:
        return f"is {item.dtype} in the graph, {held.dtype} in the checkpoint"
    if item.shape is not None and not item.part and not _fits(held.shape, item.shape):
        return f"has shape {item.shape} in the graph, {held.shape} in the checkpoint"
    return ""


def _fits(held: Shape, wanted: Shape) -> bool:
    if held.dims is None or wanted.dims is None:
        return True
    return len(held.dims) == len(wanted.dims) and all(
        want is None or have == want for have, want in zip(held.dims, wanted.dims, strict=True)
    )


def _file(subject: Subject, where: str) -> str:
    """The file that an error names, by its path within the model's folder: findings read alike
    wherever that lies."""
    base = str(subject.file.parent) + os.sep
    return where.removeprefix(base).partition(": ")[0]
