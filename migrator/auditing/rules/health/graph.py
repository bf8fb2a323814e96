"""Rules on what a model carries without need: dead nodes, unused functions, outsized constants."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.callgraph.reach import INIT, NOTHING, RESTORE, SAVE, TRAIN
from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import MOST_NAMES, first_names, size_words
from migrator.auditing.subject import Subject
from migrator.model.dtypes import DType
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor, Shape, TensorRef
from migrator.ops.state import VARIABLE_OPS

_FEW_NODES, _FEW_SHARE = 20, 0.1
"""So many dead nodes, and such a share, are worth a finding; or so many bytes in them:"""
_FEW_BYTES = 64 << 10
_MUCH = 0.1
"""Share of the weights that makes dead nodes more than a note."""
_UPKEEP = frozenset((INIT, TRAIN, RESTORE, SAVE, NOTHING))
_LARGE = 64 << 20
_NEAR = 3 << 29
_PROTOBUF = 1 << 31


@rule(
    code="H101",
    name="dead-nodes",
    severity=Severity.INFO,
    family="health",
    looks_at=("graph",),
    since="0.1",
    confidence="medium",
)
def dead_nodes(subject: Subject) -> Iterator[Issue]:
    """Nodes that nothing needs

    What it detects: Top-level nodes that no signature, output, initializer, and neither saving
    nor restoring reaches, where they are 20 and 10% of the graph, or hold 64 KB of constants. They
    are counted, with the share of the nodes and the bytes of the constants in them.

    Why it matters: They cost memory and loading time, they can hold ops that stop a migration or
    worry a security review, and weights among them are often a sign of a graph that was not
    pruned after training.

    How to fix: Migrate the model: what no output needs is left out.

    Limits: Where a graph names no outputs, they are guessed from its shape; a wrong guess makes
    live nodes look dead. In a SavedModel of TensorFlow 2 only the constants count: what else lies
    dead at its top level is there in every one.
    """
    for meta in subject.meta_graphs:
        body = subject.bodies_in(meta)[0]
        fed = _fed(meta)
        dead = [
            place
            for place in _places(body)
            if subject.reached(place) == (NOTHING,) and place.node.name not in fed
        ]
        total = len(body.nodes)
        held = sum(_constant_bytes(place) for place in dead)
        is_many = len(dead) >= max(_FEW_NODES, _FEW_SHARE * total) and meta.object_graph is None
        if not is_many and held < _FEW_BYTES:
            continue
        weights = sum(_constant_bytes(place) for place in _places(body))
        share = f"{100 * len(dead) / total:.0f}%"
        more = f", with {size_words(held)} of constants" if held >= 1000 else ""
        yield Issue(
            message=f"{len(dead):,} of {total:,} nodes ({share}) are needed by nothing{more}",
            meta_graph=body.meta_graph,
            severity=Severity.LOW if held > max(_FEW_BYTES, _MUCH * weights) else None,
            detail={
                "count": len(dead),
                "share": round(len(dead) / total, 4),
                "bytes": held,
                "nodes": [place.node.name for place in dead[:MOST_NAMES]],
            },
        )


@rule(
    code="H102",
    name="unused-functions",
    severity=Severity.INFO,
    family="health",
    looks_at=("function library",),
    since="0.1",
)
def unused_functions(subject: Subject) -> Iterator[Issue]:
    """Functions that nothing calls

    What it detects: Functions of the library whose bodies no signature, object, initializer,
    gradient or live node reaches.

    Why it matters: They make the file larger and a review longer; ops in them never run.

    How to fix: Migrate or export the model again: only functions that are called are kept.

    Limits: A function that only a program calls by its name looks unused.
    """
    for meta in subject.meta_graphs:
        unused = []
        nodes = 0
        bodies = [
            body
            for body in subject.bodies_in(meta)
            if body.function is not None and body.holder is None
        ]
        for body in bodies:
            first = next(iter(body.nodes), None)
            if first is not None and _is_unused(subject, body):
                unused.append(body.label)
                nodes += len(body.nodes)
        if unused:
            yield Issue(
                message=f"{len(unused):,} of {len(bodies):,} functions ({nodes:,} nodes) are "
                f"called by nothing: {first_names(unused)}",
                meta_graph=",".join(meta.tags),
                detail={"count": len(unused), "functions": unused[:MOST_NAMES]},
            )


def _is_unused(subject: Subject, body: Body) -> bool:
    return all(subject.reached(place) == (NOTHING,) for place in _places(body))


@rule(
    code="H103",
    name="unused-variables",
    severity=Severity.INFO,
    family="health",
    looks_at=tuple(sorted(VARIABLE_OPS)),
    since="0.1",
    confidence="medium",
)
def unused_variables(subject: Subject) -> Iterator[Issue]:
    """Variables that no output needs

    What it detects: Variables of a SavedModel or a MetaGraph that are only initialised, trained,
    saved and restored, where they hold 64 KB and a tenth of all variables and more: mostly the
    optimizer's.

    Why it matters: Every load reads them from the checkpoint and keeps them in memory.

    How to fix: Migrate the model: only variables that an output needs are kept. For further
    training keep the original, whose optimizer goes on where it stopped.

    Limits: What only an initializer or an op that you run by its name needs, looks unused.
    """
    by_meta: dict[int, list[Place]] = {}
    for place in subject.places(VARIABLE_OPS):
        if place.body.function is None:
            by_meta.setdefault(id(place.body.meta), []).append(place)
    for meta in subject.meta_graphs:
        unused: list[str] = []
        idle = total = 0
        for place in by_meta.get(id(meta), ()):
            size = _variable_bytes(place)
            total += size
            if set(subject.reached(place)) <= _UPKEEP:
                idle += size
                unused.append(place.node.name)
        if idle >= max(_FEW_BYTES, _MUCH * total):
            yield Issue(
                message=f"{len(unused):,} variables ({size_words(idle)} of {size_words(total)}) "
                f"are needed by no output: {first_names(unused)}",
                meta_graph=",".join(meta.tags),
                detail={"count": len(unused), "bytes": idle, "nodes": unused[:MOST_NAMES]},
            )


@rule(
    code="H104",
    name="large-constants",
    severity=Severity.INFO,
    family="health",
    looks_at=("Const",),
    since="0.1",
)
def large_constants(subject: Subject) -> Iterator[Issue]:
    """Very large constants in the graph

    What it detects: Constants of 64 MB and more (67,108,864 bytes).

    Why it matters: A graph with its constants must stay under 2 GiB, and each copy of the graph
    that TensorFlow makes copies them too. In a checkpoint, weights are read piece by piece.

    How to fix: Migrate with --weights variables, which moves large constants into a checkpoint.

    Limits: The size counted is that of the decoded constant; what is stored can be smaller.
    """
    large = [place for place in subject.places(("Const",)) if _constant_bytes(place) >= _LARGE]
    if large:
        names = [place.node.name for place in large]
        size = sum(_constant_bytes(place) for place in large)
        yield Issue(
            message=f"{len(large):,} constants of 64 MB and more ({size_words(size)}): "
            + first_names(names),
            place=large[0] if len(large) == 1 else None,
            detail={"count": len(large), "bytes": size, "nodes": names[:MOST_NAMES]},
        )


@rule(
    code="H105",
    name="file-near-2-gib",
    severity=Severity.LOW,
    family="health",
    looks_at=("file",),
    since="0.1",
)
def file_near_2_gib(subject: Subject) -> Iterator[Issue]:
    """A graph near protobuf's limit of 2 GiB

    What it detects: A model file of 1.5 GiB and more (1,610,612,736 bytes); past 2 GiB it counts
    medium.

    Why it matters: protobuf refuses messages of 2 GiB and more, so TensorFlow cannot load such a
    file, and a small addition to one just below (a signature, debug information, a pass over the
    graph) makes it unloadable.

    How to fix: Migrate with --weights variables, which moves large constants into a checkpoint.

    Limits: The file's size is compared, not the size of each graph in it.
    """
    if subject.model is None or subject.format == "checkpoint" or subject.bytes < _NEAR:
        return
    past = subject.bytes >= _PROTOBUF
    yield Issue(
        message=f"the graph takes {subject.bytes / (1 << 30):.2f} GiB "
        + ("and TensorFlow cannot load 2 GiB and more" if past else "of the 2 GiB it may have"),
        severity=Severity.MEDIUM if past else None,
        detail={"bytes": subject.bytes},
    )


def _fed(meta: MetaGraph) -> frozenset[str]:
    """Nodes whose values the caller gives, so that nothing has to compute them."""
    specs = [spec for item in meta.signatures.values() for spec in item.inputs.values()]
    tensors = [text for spec in specs for text in (spec.tensor, *spec.parts)]
    tensors += [asset.tensor for asset in meta.assets]
    if meta.saver is not None:
        tensors.append(meta.saver.filename_tensor)
    return frozenset(TensorRef.parse(text).node for text in tensors)


def _places(body: Body) -> list[Place]:
    return [Place(body, node) for node in body.nodes]


def _constant_bytes(place: Place) -> int:
    value = place.node.attrs.get("value") if place.node.op == "Const" else None
    return value.nbytes if isinstance(value, LazyTensor) else 0


def _variable_bytes(place: Place) -> int:
    dtype, shape = place.node.attrs.get("dtype"), place.node.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape):
        return 0
    return (shape.elements or 0) * dtype.base.itemsize
