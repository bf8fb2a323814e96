"""Rules on work that a graph does at every call and could have done once, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migrator.auditing.callgraph.reach import CALL, OUTPUT, SIGNATURE
from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import MOST_NAMES, first_names
from migrator.auditing.subject import Subject
from migrator.graph.wiring import Wiring
from migrator.inspection.summary import V1_CONTROL_FLOW
from migrator.model.dtypes import DType, dtype_named
from migrator.model.graph import Node
from migrator.model.tensors import TensorRef
from migrator.ops.registry import op_facts, output_dtypes

_FLOAT64 = dtype_named("float64")
_NARROW = frozenset(dtype_named(name) for name in ("float32", "float16", "bfloat16"))
_COPIES = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot", "IdentityN"))
_SHAPERS = _COPIES | {"Cast", "Const", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Pack"}
"""Ops that move numbers and compute none."""
_GIVEN = frozenset(("Placeholder", "PlaceholderWithDefault", "PlaceholderV2"))
_LAYERS = frozenset(("Conv2D", "DepthwiseConv2dNative", "Conv3D", "MatMul", "Conv2DBackpropInput"))
_HEAVY = _LAYERS | {"BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}
_BATCH_NORMS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_SHIFTS = frozenset(("Add", "AddV2", "BiasAdd", "Sub"))
_CALLED = (SIGNATURE, CALL, OUTPUT)
_MOST_STEPS = 8
_MOST_INPUTS = 8
"""Of one op: a batch norm has five."""
_FEW = 20
_SHARE = 0.05
"""Chains of copies and computed constants are told from so many nodes on."""


@rule(
    code="H111",
    name="float64-island",
    severity=Severity.INFO,
    family="health",
    looks_at=("Cast",),
    since="0.1",
    confidence="medium",
)
def float64_island(subject: Subject) -> Iterator[Issue]:
    """float64 where float32 stands around it

    What it detects: Parts of a graph that compute in float64 between casts from and to narrower
    floats, with no float64 input of the model in them. Matrix products and convolutions among
    them count low, the rest is a note.

    Why it matters: float64 takes twice the memory and half the speed and more, GPUs and TFLite
    are worse at it, and its precision is lost again at the next cast.

    How to fix: Build this part of the model in float32. A numpy constant without a dtype, or a
    Python number made to an array, is what mostly brings float64 in.

    Limits: Only casts between floats mark an island. A sum over very many numbers may need
    float64: compare results before you change it.
    """
    casts = [place for place in subject.places(("Cast",)) if _crosses(place.node)]
    for body, nodes in _by_body(casts):
        computing = _island(body, nodes)
        if computing:
            heavy = any(node.op in _HEAVY for node in computing)
            names = [node.name for node in computing]
            yield Issue(
                message=f"{len(names):,} nodes compute in float64 between casts from or to "
                f"float32: {first_names(names)}",
                place=Place(body, nodes[0]),
                severity=Severity.LOW if heavy else None,
                detail={
                    "count": len(names),
                    "nodes": names[:MOST_NAMES],
                    "ops": sorted({node.op for node in computing})[:MOST_NAMES],
                },
            )


def _crosses(cast: Node) -> bool:
    kinds = (cast.attrs.get("SrcT"), cast.attrs.get("DstT"))
    return _FLOAT64 in kinds and any(kind in _NARROW for kind in kinds)


def _island(body: Body, casts: Sequence[Node]) -> list[Node]:
    """Nodes that compute in float64 and are tied to ``casts`` by float64 tensors.

    None of them where such a tensor comes from the caller. Linear.
    """
    by_name = {node.name: node for node in body.nodes}
    arguments = body.function.inputs if body.function is not None else ()
    given = {spec.tensor for spec in arguments if spec.dtype == _FLOAT64}
    wide = {node.name for node in body.nodes if _is_wide(node)}
    tied: dict[str, list[str]] = {}
    outside: set[str] = set()
    for node in body.nodes:
        for ref in node.data_refs:
            if ref.node in wide:
                tied.setdefault(node.name, []).append(ref.node)
                tied.setdefault(ref.node, []).append(node.name)
            elif ref.node in given:
                outside.add(node.name)
    seen = {cast.name for cast in casts}
    stack = list(seen)
    while stack:
        name = stack.pop()
        if name in outside or by_name[name].op in _GIVEN:
            return []
        for other in tied.get(name, ()):
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return [
        node
        for node in body.nodes
        if node.name in seen and node.name in wide and node.op not in _SHAPERS
    ]


def _is_wide(node: Node) -> bool:
    if not any(value == _FLOAT64 for value in node.attrs.values() if isinstance(value, DType)):
        return False
    return _FLOAT64 in (output_dtypes(node) or ())


@rule(
    code="H112",
    name="unfused-batch-norm",
    severity=Severity.INFO,
    family="health",
    looks_at=(*sorted(_BATCH_NORMS), "Mul", "Add"),
    since="0.1",
    confidence="medium",
)
def unfused_batch_norm(subject: Subject) -> Iterator[Issue]:
    """Batch norm that could be part of the weights

    What it detects: In top-level graphs: batch norm for inference whose parameters are constants,
    as one op or as Mul and Add, straight behind a convolution or matrix product with constant
    weights.

    Why it matters: Scale and offset by channel can be folded into the weights before them; left
    apart they cost one or more passes over every activation.

    How to fix: Migrate with --optimize, which folds them; results move by rounding only.

    Limits: Found by the shape of the graph; whether all of them fold, only the pass itself can
    tell (others may read what lies between). Variables count once they are frozen.
    """
    for body in subject.top_levels():
        if not any(node.op in _LAYERS for node in body.nodes):
            continue
        wiring = subject.wiring(body.meta)
        found = [
            node.name
            for number, node in enumerate(body.nodes)
            if node.op in _LAYERS and _has_batch_norm(wiring, number)
        ]
        if found:
            yield Issue(
                message=f"{len(found):,} batch norms could be folded into the weights before "
                f"them: behind {first_names(found)}",
                meta_graph=body.meta_graph,
                detail={"count": len(found), "nodes": found[:MOST_NAMES]},
            )


def _has_batch_norm(wiring: Wiring, layer: int) -> bool:
    inputs = wiring.inputs[layer]
    if len(inputs) < 2 or not _is_fixed(wiring, inputs[1][0]):
        return False
    at = layer
    scaled = False
    for _ in range(_MOST_STEPS):
        readers = wiring.consumers[at]
        if len(readers) != 1:
            return False
        reader = readers[0]
        node = wiring.nodes[reader]
        if len(wiring.inputs[reader]) > _MOST_INPUTS:
            return False
        others = [edge[0] for edge in wiring.inputs[reader] if edge[0] != at]
        if not all(_is_fixed(wiring, other) for other in others):
            return False
        if node.op in _BATCH_NORMS:
            return node.attrs.get("is_training") is False and wiring.inputs[reader][0][0] == at
        if node.op == "Mul":
            scaled = True
        elif node.op in _SHIFTS:
            if scaled:
                return True
        elif node.op not in _COPIES and node.op != "BatchToSpaceND":
            return False
        at = reader
    return False


def _is_fixed(wiring: Wiring, number: int) -> bool:
    """True for what a few steps of plain arithmetic make of constants alone."""
    layer = [number]
    for _ in range(_MOST_STEPS):
        if not layer:
            return True
        if len(layer) > 32:
            return False
        below = []
        for item in layer:
            node = wiring.nodes[item]
            if node.op == "Const":
                continue
            if not 0 < len(wiring.inputs[item]) <= _MOST_INPUTS or not _is_plain(node):
                return False
            below += [edge[0] for edge in wiring.inputs[item]]
        layer = below
    return False


@rule(
    code="H113",
    name="foldable-constants",
    severity=Severity.INFO,
    family="health",
    looks_at=("graph",),
    since="0.1",
    confidence="medium",
)
def foldable_constants(subject: Subject) -> Iterator[Issue]:
    """Values computed anew at every call

    What it detects: Top-level nodes other than copies that an output needs and that compute
    something from constants alone, where they are 20 and 5% of the graph and more.

    Why it matters: What does not depend on any input could be computed once, when the model is
    saved. TensorFlow's own optimizer does it anew at every start; TFLite and others may not.

    How to fix: Migrate with --optimize, which computes such values ahead.

    Limits: Counted by the wiring of stateless ops; a few of them may be left alone by the pass,
    because their result is large or they lie in a TensorFlow 1 while loop.
    """
    for body in subject.top_levels():
        found = [
            node.name
            for node in _computed(subject.wiring(body.meta))
            if any(label.startswith(_CALLED) for label in subject.reached(Place(body, node)))
        ]
        if len(found) >= max(_FEW, _SHARE * len(body.nodes)):
            yield Issue(
                message=f"{len(found):,} nodes compute the same values at every call, from "
                f"constants alone: {first_names(found)}",
                meta_graph=body.meta_graph,
                detail={"count": len(found), "nodes": found[:MOST_NAMES]},
            )


def _computed(wiring: Wiring) -> list[Node]:
    """Nodes other than copies that depend on constants alone. Linear."""
    left = [len(inputs) for inputs in wiring.inputs]
    ready = [number for number, node in enumerate(wiring.nodes) if node.op == "Const"]
    found = []
    while ready:
        number = ready.pop()
        for reader in wiring.consumers[number]:
            left[reader] -= 1
            node = wiring.nodes[reader]
            if left[reader] or wiring.controls[reader] or not _is_plain(node):
                continue
            ready.append(reader)
            if node.op not in _COPIES:
                found.append(node)
    return found


def _is_plain(node: Node) -> bool:
    facts = op_facts(node.op)
    return (
        facts is not None
        and not facts.stateful
        and node.op not in V1_CONTROL_FLOW
        and not node.called
    )


@rule(
    code="H114",
    name="identity-chains",
    severity=Severity.INFO,
    family="health",
    looks_at=("Identity",),
    since="0.1",
)
def identity_chains(subject: Subject) -> Iterator[Issue]:
    """Copies of copies

    What it detects: Identity nodes fed by another Identity, where they are 20 and 5% of a
    top-level graph and more.

    Why it matters: Each is a node to schedule and to read. Many are what wrappers and repeated
    exports leave behind.

    How to fix: Migrate with --optimize, which removes copies that nothing needs by name.

    Limits: One Identity behind a variable or a constant is usual, and is not counted.
    """
    for body in subject.top_levels():
        copies = {node.name for node in body.nodes if node.op == "Identity"}
        found = [
            node.name
            for node in body.nodes
            if node.op == "Identity" and node.inputs and _source(node) in copies
        ]
        if len(found) >= max(_FEW, _SHARE * len(body.nodes)):
            yield Issue(
                message=f"{len(found):,} Identity nodes copy another one: {first_names(found)}",
                meta_graph=body.meta_graph,
                detail={"count": len(found), "nodes": found[:MOST_NAMES]},
            )


def _source(node: Node) -> str:
    return TensorRef.parse(node.inputs[0]).node


def _by_body(places: Iterable[Place]) -> Iterator[tuple[Body, list[Node]]]:
    found: dict[int, tuple[Body, list[Node]]] = {}
    for place in places:
        found.setdefault(id(place.body), (place.body, []))[1].append(place.node)
    yield from found.values()
