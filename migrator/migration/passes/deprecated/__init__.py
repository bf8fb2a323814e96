"""Deprecated and removed ops, replaced by what computes the same today.

One function rewrites one op; ``RENAMED`` and ``REWRITTEN`` are the whole list of what is replaced,
``refused`` the reasons for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from migrator.migration.passes.deprecated import beams, handles, images, maths
from migrator.migration.passes.deprecated.refused import Reason, why_not
from migrator.migration.passes.deprecated.renamed import HANDLES, RENAMED, rename
from migrator.migration.passes.draft import Draft, Unfit, nodes_in_loops, respell_all
from migrator.migration.plan import Step
from migrator.model.graph import Function, Graph, Node, index_nodes
from migrator.model.tensors import TensorRef, TensorSpec

Rewrite = Callable[[Node, Draft], None]

REWRITTEN: Mapping[str, tuple[Rewrite, str]] = {
    "AccumulateNV2": (maths.accumulate, "AddN"),
    "AdjustContrast": (images.adjust_contrast, "plain arithmetic"),
    "AudioSummary": (maths.audio_summary, "AudioSummaryV2"),
    "BatchNormWithGlobalNormalization": (maths.batch_norm, "plain arithmetic"),
    "BatchNormWithGlobalNormalizationGrad": (maths.batch_norm_grad, "plain arithmetic"),
    "BatchSelfAdjointEig": (maths.packed_eigen, "SelfAdjointEigV2"),
    "BoostedTreesBucketize": (maths.boosted_trees_bucketize, "LowerBound"),
    "BucketizeWithInputBoundaries": (maths.bucketize, "UpperBound"),
    "CompareAndBitpack": (maths.compare_and_bitpack, "plain arithmetic"),
    "Conv3DBackpropFilter": (maths.convolution_3d_grad, "Conv3DBackpropFilterV2"),
    "Conv3DBackpropInput": (maths.convolution_3d_grad, "Conv3DBackpropInputV2"),
    "GatherTree": (beams.gather_tree, "a loop over the steps"),
    "Addons>GatherTree": (beams.gather_tree, "a loop over the steps"),
    "ImageProjectiveTransform": (images.projective_transform, "ImageProjectiveTransformV2"),
    "QuantizeAndDequantize": (maths.quantize_and_dequantize, "QuantizeAndDequantizeV2"),
    "RandomCrop": (images.random_crop, "RandomUniformInt and Slice"),
    "RandomPoisson": (maths.random_poisson, "RandomPoissonV2"),
    "Resampler": (images.resampler, "gathering and plain arithmetic"),
    "Addons>Resampler": (images.resampler, "gathering and plain arithmetic"),
    "SelfAdjointEig": (maths.packed_eigen, "SelfAdjointEigV2"),
    "StatefulStandardNormal": (maths.standard_normal, "StatefulStandardNormalV2"),
    "TensorArrayPack": (handles.pack, "TensorArrayGatherV3"),
    "TensorArrayUnpack": (handles.unpack, "TensorArrayScatterV3"),
    "TileGrad": (maths.tile_grad, "Reshape and Sum"),
    "TopK": (maths.top_k, "TopKV2"),
}
"""Old op -> what rewrites one node of it, and what takes its place, for people."""

REPLACEMENTS: Mapping[str, tuple[Rewrite, str]] = {
    **{old: (rename, new) for old, new in RENAMED.items()},
    **REWRITTEN,
}


def replace_deprecated(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Replace every op of ``REPLACEMENTS``, in function bodies too; one step for each op.

    Names stay: the last node of a replacement takes the old one's. A node whose attributes do not
    allow it is left as it is, for the blockers to name. Linear.
    """
    counts: dict[str, int] = {}
    added: dict[str, Function] = {}
    outside = {TensorRef.parse(tensor).node for tensor in given}
    nodes = _replaced(graph.nodes, graph.functions, outside, counts, added, body=False)
    functions = dict(graph.functions)
    for name, function in graph.functions.items():
        if not any(node.op in REPLACEMENTS for node in function.nodes):
            continue
        functions[name] = _replaced_in(function, graph.functions, counts, added)
    if not counts:
        return graph, ()
    by_name, duplicates = index_nodes(nodes)
    result = replace(
        graph,
        nodes=nodes,
        by_name=by_name,
        duplicates=duplicates,
        functions={**functions, **added},
    )
    steps = tuple(
        Step(code="replace_op", text=f"{op} is replaced by {REPLACEMENTS[op][1]}", count=count)
        for op, count in sorted(counts.items())
    )
    return result, steps


def _replaced(
    nodes: Sequence[Node],
    library: Collection[str],
    outside: Collection[str],
    counts: dict[str, int],
    added: dict[str, Function],
    *,
    body: bool,
) -> tuple[Node, ...]:
    if not any(node.op in REPLACEMENTS for node in nodes):
        return tuple(nodes)
    names = {node.name for node in nodes} | set(outside)
    draft = Draft(names, body=body, loops=nodes_in_loops(nodes), library=library)
    found: list[Node] = []
    swapped: dict[str, tuple[Node, Node]] = {}
    handles_made: set[str] = set()
    for node in nodes:
        rewritten = _try(node, draft)
        if rewritten is None:
            found.append(node)
            continue
        found += rewritten
        last = rewritten[-1]
        swapped[node.name] = (node, last)
        counts[node.op] = counts.get(node.op, 0) + 1
        added.update((function.name, function) for function in draft.functions)
        if last.op in HANDLES:
            handles_made.add(node.name)
    if body and swapped:
        found = [replace(node, inputs=respell_all(node.inputs, swapped)) for node in found]
    return handles.retyped(found, handles_made)


def _try(node: Node, draft: Draft) -> list[Node] | None:
    row = REPLACEMENTS.get(node.op)
    if row is None:
        return None
    draft.start(node)
    try:
        row[0](node, draft)
    except (Unfit, ValueError, OverflowError):
        return None
    return draft.made


def _replaced_in(
    function: Function,
    library: Collection[str],
    counts: dict[str, int],
    added: dict[str, Function],
) -> Function:
    arguments = {spec.tensor for spec in function.inputs}
    nodes = _replaced(function.nodes, library, arguments, counts, added, body=True)
    old = {node.name: node for node in function.nodes if node.op in REPLACEMENTS}
    new = {node.name: node for node in nodes if node.name in old}
    swapped = {name: (node, new[name]) for name, node in old.items() if new[name] is not node}
    if not swapped:
        return function
    returns = dict(
        zip(function.returns, respell_all(tuple(function.returns.values()), swapped), strict=True)
    )
    return replace(function, nodes=nodes, returns=returns, definition=None)


__all__ = ["REPLACEMENTS", "Reason", "replace_deprecated", "why_not"]
