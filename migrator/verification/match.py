"""Which tensors of two graphs are the same by name, and can be fetched."""

from __future__ import annotations

from collections.abc import Collection

from migrator.graph.order import Tensor, all_inputs, in_order, tensor_of
from migrator.model.graph import Graph, Node
from migrator.ops.registry import output_dtypes
from migrator.ops.state import VARIABLE_OPS

_COPIES = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot"))
_ENTERS = frozenset(("Enter", "RefEnter"))
_EXITS = frozenset(("Exit", "RefExit"))
_SWITCHES = frozenset(("Switch", "RefSwitch", "_SwitchN"))
_MERGES = frozenset(("Merge", "RefMerge"))
_WEIGHTS = VARIABLE_OPS | {"Const"}
_PLACEHOLDERS = frozenset("Placeholder PlaceholderV2 PlaceholderWithDefault".split())
_MOST_COPIES = 16
MOST_PORTS = 8
"""Outputs of one node that are looked at; ops with more split what an earlier one made."""


def match_tensors(
    reference: Graph, candidate: Graph, given: Collection[str] = ()
) -> dict[Tensor, Tensor]:
    """Tensors of the reference with their twins in the candidate.

    Of one name and type; a copy that the other graph lacks stands for what it copies. Weights, and
    what follows from them alone, have no twin: a rewrite may move a factor from one to another.
    Neither have inputs, handles, and tensors inside of TensorFlow 1 loops and branches, which no
    session fetches. Linear.
    """
    outside = frozenset(map(tensor_of, given))
    theirs = _fetchable(candidate)
    settled = settled_nodes(reference)
    found: dict[Tensor, Tensor] = {}
    for node in _fetchable(reference).values():
        if node.name in settled or node.op in _PLACEHOLDERS:
            continue
        types = output_dtypes(node) or ()
        for port, dtype in enumerate(types[:MOST_PORTS]):
            if dtype.kind in "h?" or (node.name, port) in outside:
                continue
            twin = _twin(reference, (node.name, port), theirs)
            if twin is None:
                continue
            made = output_dtypes(theirs[twin[0]]) or ()
            if twin[1] < len(made) and made[twin[1]].base == dtype.base:
                found[node.name, port] = twin
    return found


def settled_nodes(graph: Graph) -> set[str]:
    """Weights, and nodes that nothing but weights flows into."""
    found: set[str] = set()
    for node in in_order(graph):
        data = [name for name, port in all_inputs(node) if port >= 0]
        if node.op in _WEIGHTS or (data and all(name in found for name in data)):
            found.add(node.name)
    return found


def constant_behind(graph: Graph, tensor: Tensor) -> Tensor | None:
    """The constant that ``tensor`` is, or is a copy of."""
    for _ in range(_MOST_COPIES):
        node = graph.by_name.get(tensor[0])
        if node is None or tensor[1]:
            return None
        if node.op == "Const":
            return tensor
        if node.op not in _COPIES or not node.inputs:
            return None
        tensor = tensor_of(node.inputs[0])
    return None


def _twin(reference: Graph, tensor: Tensor, theirs: dict[str, Node]) -> Tensor | None:
    for _ in range(_MOST_COPIES):
        if tensor[0] in theirs:
            return tensor
        node = reference.by_name.get(tensor[0])
        if node is None or node.op not in _COPIES or not node.inputs:
            return None
        tensor = tensor_of(node.inputs[0])
    return None


def _fetchable(graph: Graph) -> dict[str, Node]:
    """Nodes outside of frames and of branches, by how many of them surround their inputs."""
    frames: dict[str, int] = {}
    branches: dict[str, int] = {}
    found = {}
    for node in in_order(graph):
        names = [name for name, _ in all_inputs(node)]
        frame = max((frames.get(name, 0) for name in names), default=0)
        branch = max((branches.get(name, 0) for name in names), default=0)
        if node.op in _ENTERS:
            frame += 1
        elif node.op in _EXITS:
            frame = max(frame - 1, 0)
        elif not frame and node.op in _SWITCHES:
            branch += 1
        elif not frame and node.op in _MERGES:
            branch = max(branch - 1, 0)
        frames[node.name], branches[node.name] = frame, branch
        if not frame and not branch:
            found[node.name] = node
    return found
