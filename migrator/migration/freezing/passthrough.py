"""What inlining leaves behind: identities that pass on, control edges that wait for nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from migrator.model.graph import Node
from migrator.model.tensors import TensorRef
from migrator.ops.registry import op_facts

V1_FLOW = frozenset(("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"))


def without_passthroughs(nodes: Sequence[Node], keep: Collection[str]) -> tuple[list[Node], int]:
    """The nodes with identities passed by, and how many were; nodes of ``keep`` stay.

    Where nothing has a state or a branch, control edges go as well. An identity behind a
    Switch or another node of a loop stays, as loops are recognised by them; and so does one
    that waits for something or is waited for, which makes it a part of a branch. Linear.
    """
    free = all(_is_pure(node) for node in nodes)
    if free:
        nodes = [_without_controls(node) for node in nodes]
    by_name = {node.name: node for node in nodes}
    awaited = {text[1:] for node in nodes for text in node.inputs if text[:1] == "^"}
    passed: dict[str, str] = {}
    for node in nodes:
        if node.op != "Identity" or len(node.inputs) != 1 or node.name in awaited:
            continue
        producer = by_name.get(TensorRef.parse(node.inputs[0]).node)
        if node.name not in keep and producer is not None and producer.op not in V1_FLOW:
            passed[node.name] = node.inputs[0]
    if not passed:
        return list(nodes), 0
    ends = _ends(passed)
    left = [_rewired(node, ends) for node in nodes if node.name not in ends]
    return left, len(ends)


def _is_pure(node: Node) -> bool:
    facts = op_facts(node.op)
    if facts is None or facts.stateful or node.called:
        return False
    return node.op not in V1_FLOW


def _without_controls(node: Node) -> Node:
    if node.inputs and node.inputs[-1][:1] == "^":
        return replace(node, inputs=tuple(text for text in node.inputs if text[:1] != "^"))
    return node


def _ends(passed: Mapping[str, str]) -> dict[str, str]:
    """Identity -> what it passes on in the end. Identities in a ring (a damaged graph) stay."""
    ends: dict[str, str] = {}
    for name in passed:
        path: dict[str, None] = {}
        text = name
        while text in passed and text not in ends and text not in path:
            path[text] = None
            text = _plain(passed[text])
        if text in path:
            continue
        end = ends.get(text, text)
        for step in path:
            ends[step] = end
    return ends


def _plain(text: str) -> str:
    """``n`` for ``n:0``."""
    return text[:-2] if text.endswith(":0") else text


def _rewired(node: Node, ends: Mapping[str, str]) -> Node:
    inputs = tuple(ends.get(_plain(text), text) for text in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)
