"""What training and debugging left behind: assertions, prints, summaries, dropout.

All but dropout do nothing to the values; they hang on by control edges. Such an edge goes where
nothing that it leads to has an effect of its own and nothing that waits for it has one either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace

from migrator.graph.nesting import nesting
from migrator.graph.wiring import Wiring
from migrator.migration.passes.draft import ENTER, EXIT, controls_of, data_of
from migrator.migration.passes.dropout import fold_dropout
from migrator.migration.plan import Step
from migrator.model.checks import LOOP_OP
from migrator.model.graph import Graph, Node, index_nodes
from migrator.model.tensors import TensorSpec
from migrator.ops.registry import op_facts

ASSERTIONS = frozenset(("Assert",))
PRINTS = frozenset(("Print", "PrintV2"))
SUMMARIES = frozenset(
    """
    AudioSummary AudioSummaryV2 CloseSummaryWriter CreateSummaryDbWriter CreateSummaryFileWriter
    FlushSummaryWriter HistogramSummary ImageSummary ImportEvent MergeSummary ScalarSummary
    StatsAggregatorSummary TensorSummary TensorSummaryV2 WriteAudioSummary WriteGraphSummary
    WriteHistogramSummary WriteImageSummary WriteRawProtoSummary WriteScalarSummary WriteSummary
    """.split()
)
_HARMLESS = frozenset(
    """
    Placeholder PlaceholderV2 PlaceholderWithDefault VarHandleOp ReadVariableOp VariableV2 Variable
    VarIsInitializedOp HashTable HashTableV2 MutableHashTable MutableHashTableV2 SummaryWriter
    TruncatedNormal Multinomial LookupTableFind LookupTableFindV2 LookupTableSize
    LookupTableSizeV2 LookupTableExport LookupTableExportV2 ResourceGather ResourceGatherNd
    """.split()
)
"""Ops that TensorFlow calls stateful though running them changes nothing that others see."""
_HARMLESS_STARTS = ("Random", "Stateless", "TensorArray")
"""Draws; and TensorArrays, which are kept in order by their flow."""
_SWITCHES = frozenset(("Switch", "RefSwitch"))
_MERGES = frozenset(("Merge", "RefMerge"))


def drop_residue(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Everything below, one after the other."""
    steps: tuple[Step, ...] = ()
    for one in (fold_dropout, drop_prints, drop_summaries, drop_assertions):
        graph, found = one(graph, given, keep)
        steps += found
    return graph, steps


def drop_assertions(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Let nothing wait for an ``Assert``; what only served assertions goes with them."""
    return _drop(graph, given, keep, ASSERTIONS, "drop_assertions", "assertions are left out")


def drop_summaries(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Let nothing wait for a summary. One that is itself asked for stays."""
    return _drop(graph, given, keep, SUMMARIES, "drop_summaries", "summaries are left out")


def drop_prints(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """``Print`` hands its data on and prints nothing; nothing waits for a ``PrintV2``."""
    passed = 0
    nodes = []
    for node in graph.nodes:
        data = data_of(node)
        if node.op == "Print" and data:
            passed += 1
            attrs = {
                key: value for key, value in node.attrs.items() if key in ("T", "_output_shapes")
            }
            node = replace(node, op="Identity", inputs=(data[0], *controls_of(node)), attrs=attrs)
        nodes.append(node)
    text = "prints are left out"
    if not passed:
        return _drop(graph, given, keep, PRINTS, "drop_prints", text)
    found = _without_unneeded(graph, nodes, given, keep)
    found, steps = _drop(found, given, keep, PRINTS, "drop_prints", text)
    count = passed + sum(step.count for step in steps)
    return found, (Step(code="drop_prints", text=text, count=count),)


def _drop(
    graph: Graph,
    given: Mapping[str, TensorSpec],
    keep: Collection[str],
    ops: Set[str],
    code: str,
    text: str,
) -> tuple[Graph, tuple[Step, ...]]:
    targets = {node.name for node in graph.nodes if node.op in ops}
    if not targets:
        return graph, ()
    wiring = Wiring(graph)
    nodes = graph.nodes
    starts = [number for number, node in enumerate(nodes) if node.op in ops]
    effects = [number for number, node in enumerate(nodes) if _has_effect(node, ops, graph)]
    downstream = _forward(wiring, starts)
    after_effects = _forward(wiring, effects)
    before_effects = wiring.backward(effects)
    depth = _branch_depth(wiring)
    useless = {nodes[number].name for number in downstream if number not in after_effects}
    changed: list[Node] = []
    for number, node in enumerate(nodes):
        if number not in before_effects:
            node = _unhooked(node, useless, free=not depth[number] or bool(wiring.inputs[number]))
        changed.append(node)
    found = _without_unneeded(graph, changed, given, keep)
    gone = sum(1 for node in nodes if node.op in ops) - sum(
        1 for node in found.nodes if node.op in ops
    )
    if not gone:
        return graph, ()
    return found, (Step(code=code, text=text, count=gone),)


def _unhooked(node: Node, useless: Set[str], *, free: bool) -> Node:
    """The node without the useless control edges.

    A node without data inputs in a branch or a loop needs a control edge to belong there.
    """
    return _without(node, useless) if free else node


def _has_effect(node: Node, dropped: Set[str], graph: Graph) -> bool:
    """True where running the node changes something beyond its outputs, or nobody knows."""
    if node.op in dropped or node.op in _HARMLESS:
        return False
    if node.op in ASSERTIONS or node.op in PRINTS:
        return True
    if node.called or node.op in graph.functions:
        return not node.op.startswith("Stateless")
    if node.op.startswith(_HARMLESS_STARTS):
        return False
    facts = op_facts(node.op)
    if facts is None:
        return True
    writes = any(argument.is_ref for argument in facts.inputs)
    passes = node.op in _SWITCHES | _MERGES | ENTER | EXIT | {"RefNextIteration", "RefIdentity"}
    return (facts.stateful or writes) and not passes


def _forward(wiring: Wiring, starts: Iterable[int]) -> set[int]:
    """Every node that waits for ``starts``, by data or control, themselves too."""
    seen = set(starts)
    stack = list(seen)
    while stack:
        number = stack.pop()
        for consumer in (*wiring.consumers[number], *wiring.control_consumers[number]):
            if consumer not in seen:
                seen.add(consumer)
                stack.append(consumer)
    return seen


def _branch_depth(wiring: Wiring) -> list[int]:
    """How many branches and loops each node lies in. Linear.

    A Switch leads into a branch and a Merge out of it, but for those that make a loop go round;
    Enter leads into a loop and Exit out of it. Nodes on a cycle that no loop explains count as
    inside.
    """
    return nesting(wiring, _turn)


def _turn(wiring: Wiring, number: int) -> int:
    nodes = wiring.nodes
    op = nodes[number].op
    if op in ENTER:
        return 1
    if op in EXIT:
        return -1
    producers = [nodes[producer].op for producer, _ in wiring.inputs[number]]
    if op in _SWITCHES:
        return 0 if "LoopCond" in producers[1:2] else 1
    if op in _MERGES:
        return 0 if any(producer in LOOP_OP for producer in producers) else -1
    return 0


def _without_unneeded(
    graph: Graph, nodes: Iterable[Node], given: Mapping[str, TensorSpec], keep: Collection[str]
) -> Graph:
    """The graph of ``nodes`` without those that the change made unneeded.

    What nothing kept needed before (an initialiser, say) is not judged.
    """
    nodes = tuple(nodes)
    by_name, duplicates = index_nodes(nodes)
    changed = replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates)
    before = _needed(graph, given, keep)
    now = _needed(changed, given, keep)
    kept = tuple(node for node in nodes if node.name in now or node.name not in before)
    names = {node.name for node in kept}
    gone = by_name.keys() - names
    kept = tuple(_without(node, gone) for node in kept)
    by_name, duplicates = index_nodes(kept)
    return replace(changed, nodes=kept, by_name=by_name, duplicates=duplicates)


def _without(node: Node, gone: Set[str]) -> Node:
    """The node without control edges from ``gone``."""
    if not any(text[:1] == "^" and text[1:] in gone for text in node.inputs):
        return node
    inputs = tuple(text for text in node.inputs if not (text[:1] == "^" and text[1:] in gone))
    return replace(node, inputs=inputs)


def _needed(graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]) -> set[str]:
    cone = Wiring(graph).needed_for(keep, given)
    return {graph.nodes[number].name for number in cone}
