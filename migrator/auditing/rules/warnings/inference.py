"""Warnings about calls that still train: dropout, batch statistics, noise, writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from migrator.auditing.contents.bodies import Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import in_words, op_words, plural, summed
from migrator.auditing.rules.warnings.dropout import DRAWS, find_masks
from migrator.auditing.rules.warnings.neighbours import Neighbours, with_neighbours
from migrator.auditing.rules.warnings.training import OPTIMISERS
from migrator.auditing.subject import Subject
from migrator.errors import paste_option
from migrator.migration.randomness import is_random
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor
from migrator.ops.registry import op_facts

_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_NORM_NAME = re.compile(r"norm|(^|[/_])bn", re.IGNORECASE)
_HANDED = frozenset(
    ("ExpandDims", "Mean", "Squeeze", "Reshape", "Identity", "StopGradient", "Mul", "Cast")
)
_CHOOSING = frozenset(("Switch", "Merge", "Select", "SelectV2", "If", "StatelessIf", "Case"))
_NEAR = 5
_MOST_READERS = 16
_WRITES = frozenset(
    """
    AssignVariableOp AssignAddVariableOp AssignSubVariableOp ResourceScatterAdd ResourceScatterSub
    ResourceScatterMul ResourceScatterDiv ResourceScatterMin ResourceScatterMax
    ResourceScatterUpdate ResourceScatterNdUpdate ResourceScatterNdAdd ResourceScatterNdSub
    ResourceStridedSliceAssign LookupTableInsert LookupTableInsertV2 LookupTableRemoveV2
    LookupTableImport LookupTableImportV2
    """.split()
)


@rule(
    code="W303",
    name="dropout-left-on",
    severity=Severity.MEDIUM,
    family="warning",
    looks_at=DRAWS,
    since="0.1",
)
def dropout_left_on(subject: Subject) -> Iterator[Issue]:
    """Dropout that runs in every call

    What it detects: random masks with a constant rate behind the results, outside of any branch.

    Why it matters: the model was exported as it trained. Its results are random and worse than
    they should be, and nothing reports an error.

    How to fix: Export it again for inference (`training=False`, `keep_prob=1`). Where the message
    names an option, one constant is both the rate and the scale, and `migrate` can set it to 1.

    Limits: rates that are computed, and masks that are made in other ways than TensorFlow's own
    layers make them, are not seen. A model may want it (Monte Carlo dropout).
    """
    for graph in subject.served.graphs:
        draws = [item for item in graph.places(DRAWS) if graph.runs_always(item)]
        masks = [mask for mask in find_masks(draws) if mask.drops]
        if not masks:
            continue
        rates = sorted({round(mask.rate or 0.0, 3) for mask in masks})
        options = list(dict.fromkeys(mask.keep for mask in masks))
        fix = ""
        if all(options):
            pasted = " ".join(paste_option("--feed", f"{tensor}=1.0") for tensor in options)
            fix = f"Export it for inference, or fix the keep probability: {pasted}"
        yield Issue(
            message=f"{plural(len(masks), 'dropout')} left on, dropping "
            f"{in_words(f'{rate:.3g}' for rate in rates)} of the values",
            place=masks[0].draw,
            fix=fix,
            detail={**summed([mask.draw for mask in masks]), "rates": rates[:10]},
        )


@rule(
    code="W304",
    name="batch-norm-training",
    severity=Severity.MEDIUM,
    family="warning",
    looks_at=(*_NORMS, "SquaredDifference"),
    since="0.1",
)
def batch_norm_training(subject: Subject) -> Iterator[Issue]:
    """Batch norm that still trains

    What it detects: fused batch norm with `is_training` true behind the results, outside of any
    branch; and batch norm written out, which takes mean and variance over the batch.

    Why it matters: each example's result depends on the others in its batch, and the averages
    that training collected are not used. Nothing reports an error.

    How to fix: Export it again for inference (`training=False`). A model that was trained to work
    with one example at a time (style transfer) may be meant so: keep its batch at 1.

    Limits: layer norm that is built of the fused op is known by its form and left out. Written-out
    norm over the first dimension is told as low where neither its name nor a fixed batch helps.
    """
    for graph in subject.served.graphs:
        fused = [
            place
            for place, near in with_neighbours(graph.places(_NORMS))
            if place.node.attrs.get("is_training", True) is not False
            and graph.runs_always(place)
            and not _is_layer_norm(place, near)
        ]
        written = [
            place
            for place, near in with_neighbours(graph.places(("SquaredDifference",)))
            if graph.runs_always(place) and _is_over_batch(place, near)
        ]
        single = bool(graph.inputs) and all(
            item.shape.dims is not None and item.shape.dims[:1] == (1,) for item in graph.inputs
        )
        if fused:
            yield _norm_issue(fused, "batch norm in training mode", single=single)
        if written:
            named = any(_NORM_NAME.search(place.node.name) for place in written)
            what = "mean and variance taken over the batch"
            if not named:
                what = "mean and variance taken over the first dimension, which may be the batch"
            yield _norm_issue(written, what, single=single, doubtful=not named)


def _norm_issue(
    places: Sequence[Place], what: str, *, single: bool, doubtful: bool = False
) -> Issue:
    more = ", with a batch fixed to 1" if single else ""
    return Issue(
        message=f"{what}: {plural(len(places), 'node')} ({op_words(places)}){more}",
        place=places[0],
        severity=Severity.LOW if single or doubtful else Severity.MEDIUM,
        confidence="low" if doubtful else "high",
        detail=summed(places),
        key=what,
    )


def _is_layer_norm(place: Place, near: Neighbours) -> bool:
    """Keras builds layer norm of a fused batch norm: examples as channels, a scale of ones."""
    if place.node.attrs.get("data_format") != b"NCHW":
        return False
    value, scale = near.maker(place.node, 0), near.maker(place.node, 1)
    return (
        value is not None
        and value.op == "Reshape"
        and scale is not None
        and scale.op in ("Fill", "OnesLike", "Const")
    )


def _is_over_batch(place: Place, near: Neighbours) -> bool:
    """``SquaredDifference(x, Mean(x))``, the mean over the first dimension, used as it is."""
    refs = near.refs(place.node)
    for slot, other in ((1, 0), (0, 1)):
        mean = near.maker(place.node, slot)
        if mean is not None and mean.op == "StopGradient":
            mean = near.maker(mean, 0)
        if mean is None or mean.op != "Mean" or near.refs(mean)[:1] != refs[other : other + 1]:
            continue
        axes = near.maker(mean, 1)
        value = axes.attrs.get("value") if axes is not None and axes.op == "Const" else None
        if not isinstance(value, LazyTensor) or (value.shape.rank or 0) > 1 or value.elements > 8:
            return False
        over = mean.attrs.get("keep_dims") is True and 0 in value.numpy().reshape(-1).tolist()
        return over and not _is_switched(place.node, near)
    return False


def _is_switched(node: Node, near: Neighbours) -> bool:
    """Whether what becomes of the variance goes into a branch: a switch chooses then."""
    layer, seen = [node.name], {node.name}
    for _ in range(_NEAR):
        readers = [item for name in layer for item in near.readers(name)[:_MOST_READERS]]
        if any(item.op in _CHOOSING for item in readers):
            return True
        layer = [item.name for item in readers if item.op in _HANDED and item.name not in seen]
        seen.update(layer)
    return False


@rule(
    code="W305",
    name="random-results",
    severity=Severity.LOW,
    family="warning",
    looks_at=("stateful random ops",),
    since="0.1",
)
def random_results(subject: Subject) -> Iterator[Issue]:
    """Results that differ from call to call

    What it detects: ops that draw random numbers behind the results: noise, sampling, shuffling.

    Why it matters: two calls, and the old and the new model, need not agree, so verification can
    only leave such outputs out. Even with a seed, only the first call of a session repeats.

    How to fix: Nothing if a sampler is what it is. Else look for what training left on, or name an
    output before the noise (`--output`).

    Limits: dropout is left out: at a constant rate it has a rule of its own, and a rate that is
    fed is told with what feeds it.
    """
    for graph in subject.served.graphs:
        plan = graph.plan
        if plan is not None and not any(item.random for item in plan.signatures):
            continue
        ops = sorted(op for op in subject.by_op if is_random(op))
        places = [place for place in graph.places(ops) if plan or graph.runs_always(place)]
        masks = {id(mask.draw.node) for mask in find_masks(places)}
        places = [place for place in places if id(place.node) not in masks]
        if not places:
            continue
        names = [name for item in plan.signatures for name in sorted(item.random)] if plan else []
        where = f" in {in_words(dict.fromkeys(names))}" if names else ""
        seeded = all(map(_is_seeded, places))
        yield Issue(
            message=f"random numbers{where}: {op_words(places)}, "
            f"{'seeded' if seeded else 'without a seed'}",
            place=places[0],
            confidence="high" if names else "medium",
            detail={**summed(places), "outputs": list(dict.fromkeys(names))[:10]},
        )


def _is_seeded(place: Place) -> bool:
    return any(place.node.attrs.get(name) for name in ("seed", "seed2"))


@rule(
    code="W306",
    name="writes-when-called",
    severity=Severity.LOW,
    family="warning",
    looks_at=("assignments", "optimizer steps", "table inserts"),
    since="0.1",
)
def writes_when_called(subject: Subject) -> Iterator[Issue]:
    """Calls that change the model

    What it detects: assignments to variables, optimizer steps and table inserts that run when a
    signature is called.

    Why it matters: results depend on the calls before, replicas drift apart, and parallel calls
    race. A model server may load the model read-only.

    How to fix: If it counts or caches on purpose, nothing: `migrate` keeps it. If it is a moving
    average or a step of training, export for inference, or fix the training switch (`--feed`).

    Limits: writes in a branch that a value switches are told only where a plan keeps them.
    """
    for graph in subject.served.graphs:
        if graph.is_bare:  # frozen: there is nothing to write to, which is a blocker
            continue
        if graph.plan is not None and not any(map(_writes, graph.planned_ops)):
            continue
        ops = [op for op in subject.by_op if _writes(op)]
        places = [item for item in graph.places(ops) if graph.plan or graph.runs_always(item)]
        if places:
            yield Issue(
                message=f"calls write to the model: {op_words(places)}",
                place=places[0],
                detail=summed(places),
            )


def _writes(op: str) -> bool:
    if op in _WRITES or op.startswith(OPTIMISERS):
        return True
    facts = op_facts(op)
    passes = op.startswith("Ref") or op in ("Identity", "Switch", "Merge")
    return facts is not None and not passes and any(item.is_ref for item in facts.inputs)
