"""Rules on the values of weights: constants of the graphs and variables of the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from migrator.auditing.contents.bodies import Place
from migrator.auditing.contents.stored import is_slot, stored
from migrator.auditing.contents.weight_scan import Scanned, scan
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import MOST_NAMES, first_names, size_words
from migrator.auditing.subject import Subject
from migrator.errors import MigratorError

_SMALL = 1 << 10
"""Bytes under which a weight is too small to be told of."""
_WASTE = 64 << 10
"""Bytes of duplicates that are worth a finding."""
_LITTLE, _MUCH = 0.01, 0.25
"""Shares of a file: less than the first is no waste to speak of, more than the second is much."""
_SUBNORMAL_SHARE = 0.01
_SUBNORMAL_COUNT = 1000


@rule(
    code="H201",
    name="not-finite-weights",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("Const", "checkpoint"),
    since="0.1",
    deep=True,
)
def not_finite_weights(subject: Subject) -> Iterator[Issue]:
    """NaN or infinity in weights

    What it detects: Constants of rank one and more, and variables of the checkpoint, that hold
    NaN or infinite values; it says which and how many.

    Why it matters: One NaN in a weight makes every result NaN that depends on it. It is the mark
    of a training that diverged, or of a file that was damaged.

    How to fix: Take an earlier checkpoint, from before the training diverged. Compare the file's
    checksum with the one that it was published with, too.

    Limits: Scalars are left out: NaN and infinity are common defaults and masks there. A constant
    with infinities alone may be a mask on purpose, so that counts low. Keras files are not looked
    into. Reads every weight: about
    0.6 GB/s of one core.
    """
    found = [item for item in scan(subject).tensors if item.nan or item.infinite]
    for of_graph, part in groupby(found, key=lambda item: item.place is not None):
        items = list(part)
        broken = [item for item in items if item.nan] if of_graph else items
        masks = [item for item in items if not item.nan] if of_graph else []
        what = "constants" if of_graph else "variables"
        if broken:
            yield _values(broken, what, "NaN or infinite values")
        if masks:
            yield _values(masks, what, "infinite values", Severity.LOW, "low")


def _values(
    items: Sequence[Scanned],
    what: str,
    kind: str,
    severity: Severity | None = None,
    confidence: str = "",
) -> Issue:
    first = items[0]
    bad = sum(item.nan + item.infinite for item in items)
    return Issue(
        message=f"{len(items):,} {what} hold {kind} ({bad:,} of "
        f"{sum(item.numbers for item in items):,} numbers): {_names(items)}",
        place=first.place if len(items) == 1 else None,
        meta_graph=_tags(items),
        severity=severity,
        confidence=confidence,
        detail={
            "count": len(items),
            "nodes": [item.name for item in items[:MOST_NAMES]],
            "nan": sum(item.nan for item in items),
            "infinite": sum(item.infinite for item in items),
        },
        key=f"{what}/{kind}",
    )


@rule(
    code="H202",
    name="constant-weights",
    severity=Severity.INFO,
    family="health",
    looks_at=("Const", "checkpoint"),
    since="0.1",
    confidence="medium",
    deep=True,
)
def constant_weights(subject: Subject) -> Iterator[Issue]:
    """Weights that are all one value

    What it detects: Weight matrices and larger tensors (floating point, at least two dimensions
    of two and more, 64 elements and more) in which every element is the same number, mostly zero.

    Why it matters: Such a weight carries no information: it was never trained, was pruned away,
    or was never restored before the graph was frozen.

    How to fix: Check that the weights were restored before the model was saved. If the zeros are
    meant, what depends on them can be cut.

    Limits: Vectors are left out (a bias of zeros is common), and so are the optimizer's own
    variables. Reads every weight: about 0.6 GB/s of one core.
    """
    items = [
        item
        for item in scan(subject).tensors
        if item.same and item.numbers >= 64 and item.dtype.is_floating and _is_matrix(item)
    ]
    if items:
        yield _summary(items, f"{len(items):,} weights are one value throughout: {_names(items)}")


def _is_matrix(item: Scanned) -> bool:
    """False also for what starts at one value on purpose."""
    wide = sum((dim or 0) > 1 for dim in item.shape.dims or ()) > 1
    return wide and not is_slot(item.name) and "/Initializer/" not in item.name


@rule(
    code="H203",
    name="subnormal-weights",
    severity=Severity.INFO,
    family="health",
    looks_at=("Const", "checkpoint"),
    since="0.1",
    deep=True,
)
def subnormal_weights(subject: Subject) -> Iterator[Issue]:
    """Weights with many subnormal numbers

    What it detects: Floating-point weights of at least 1,000 elements of which one in a hundred
    and more is subnormal (for float32: nearer to zero than 1.2e-38).

    Why it matters: Many processors compute with subnormal numbers a hundred times slower, unless
    they are told to flush them to zero. Nothing is gained by them.

    How to fix: Set these values to zero before the model is saved. Weight decay without a floor
    often makes them.

    Limits: TensorFlow's own kernels flush subnormal numbers on many platforms; then only others
    are slow. Reads every weight: about 0.6 GB/s of one core.
    """
    items = [
        item
        for item in scan(subject).tensors
        if item.subnormal > _SUBNORMAL_SHARE * item.numbers
        and item.numbers >= _SUBNORMAL_COUNT
        and not is_slot(item.name)
    ]
    if items:
        count = sum(item.subnormal for item in items)
        yield _summary(
            items, f"{count:,} subnormal numbers in {len(items):,} weights: {_names(items)}"
        )


@rule(
    code="H204",
    name="duplicate-constants",
    severity=Severity.INFO,
    family="health",
    looks_at=("Const",),
    since="0.1",
    deep=True,
)
def duplicate_constants(subject: Subject) -> Iterator[Issue]:
    """The same constant stored several times

    What it detects: Constants of 1 KB and more whose type, shape and bytes (by SHA-256) are those
    of another constant of the same meta graph, where 64 KB and 1% of the file
    and more would be saved.

    Why it matters: The file and the memory of whoever loads it are larger than they need be.

    How to fix: Migrate with --optimize, which keeps each constant once. That is for inference:
    copies of equal content do not stay apart.

    Limits: Constants in function bodies and nested graphs are compared too, and are not merged.
    Reads every weight: about 0.6 GB/s of one core.
    """
    by_meta: dict[str, list[Scanned]] = {}
    for item in scan(subject).tensors:
        if item.place is not None and item.nbytes >= _SMALL:
            by_meta.setdefault(item.place.body.meta_graph, []).append(item)
    for items in by_meta.values():
        groups: dict[tuple[object, ...], list[Scanned]] = {}
        for item in items:
            groups.setdefault((item.dtype, item.shape, item.digest), []).append(item)
        again = [item for group in groups.values() for item in group[1:]]
        wasted = sum(item.nbytes for item in again)
        if wasted >= max(_WASTE, _LITTLE * subject.bytes):
            yield _summary(
                again,
                f"{len(again):,} constants ({size_words(wasted)}) repeat others: {_names(again)}",
                Severity.LOW if wasted > _MUCH * subject.bytes else None,
            )


@rule(
    code="H205",
    name="duplicate-variables",
    severity=Severity.INFO,
    family="health",
    looks_at=("checkpoint",),
    since="0.1",
    confidence="medium",
)
def duplicate_variables(subject: Subject) -> Iterator[Issue]:
    """Variables with the same values

    What it detects: Variables of 1 KB and more in the checkpoint whose type, shape and checksum
    are those of another one, where 64 KB and more would be saved. The checksums stand in the
    checkpoint's index, so no weight is read.

    Why it matters: Two variables that should differ and do not were often initialised alike and
    never trained, or one was stored in the place of the other (an average over the weights).

    How to fix: Check that the variables named are meant to be equal. If they are, share one.

    Limits: Equal checksums of 32 bits, not equal bytes. Zeros in several variables of one shape
    count as equal; the optimizer's own variables are left out.
    """
    checkpoint = stored(subject).checkpoint
    if checkpoint is None:
        return
    seen: set[tuple[object, ...]] = set()
    again: list[str] = []
    wasted = 0
    for key, tensor in checkpoint.variables.items():
        if tensor.nbytes < _SMALL or is_slot(key):
            continue
        try:
            mark = (tensor.dtype, tensor.shape, checkpoint.checksums(key))
        except MigratorError:
            continue  # H302 tells of damage
        if mark in seen:
            again.append(key)
            wasted += tensor.nbytes
        seen.add(mark)
    if wasted >= _WASTE:
        yield Issue(
            message=f"{len(again):,} variables ({size_words(wasted)}) have the values of others: "
            + first_names(again),
            detail={"count": len(again), "nodes": again[:MOST_NAMES], "bytes": wasted},
        )


def _summary(items: Sequence[Scanned], message: str, severity: Severity | None = None) -> Issue:
    return Issue(
        message=message,
        place=items[0].place if len(items) == 1 else None,
        meta_graph=_tags(items),
        severity=severity,
        detail={
            "count": len(items),
            "nodes": [item.name for item in items[:MOST_NAMES]],
            "bytes": sum(item.nbytes for item in items),
        },
    )


def _tags(items: Iterable[Scanned]) -> str:
    """Tags of the meta graph that all of ``items`` lie in, empty where they lie in several."""
    places: list[Place | None] = [item.place for item in items]
    tags = {place.body.meta_graph if place is not None else "" for place in places}
    return tags.pop() if len(tags) == 1 else ""


def _names(items: Sequence[Scanned]) -> str:
    return first_names([item.name for item in items])
