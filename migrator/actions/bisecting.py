"""``verify --bisect``: the first node where two models part."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrator.actions.faces import Face
from migrator.actions.freeze import freeze
from migrator.errors import UsageError
from migrator.formats.load import load_on_disk
from migrator.model.graph import Graph, Node, index_nodes
from migrator.runtime.client import ChildLimits
from migrator.verification.bisect import Bisection, Pair, bisect
from migrator.verification.cases import Case
from migrator.verification.process import SideProcess
from migrator.verification.sides import GraphSide, SavedModelSide, Side

_CALL = re.compile(r"^((Stateful)?PartitionedCall(_\d+)?/)+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """A model whose every tensor can be fetched. ``names``: shown name -> its name in the file."""

    graph: Graph
    side: GraphSide
    names: Mapping[str, str]

    def real(self, tensor: str) -> str:
        node, colon, port = tensor.rpartition(":")
        return f"{self.names.get(node, node)}{colon}{port}"


def find_parting(
    reference: Face,
    candidate: Side,
    case: Case,
    work: Path,
    limits: ChildLimits,
    *,
    rtol: float,
    atol: float,
) -> Bisection:
    """Search on one case on which the two gave different outputs.

    A SavedModel's functions are inlined first. Raises UsageError where a side is no graph
    (Keras), BlockedError and WorkerError where the inlining fails.
    """
    left = _opened(reference.side, work, limits, "reference")
    right = _opened(candidate, work, limits, "candidate")
    outputs = {
        left.side.fetches[name]: _shown(right, right.side.fetches[name])
        for name in reference.outputs
        if name in right.side.fetches
    }
    with ExitStack() as stack:
        runs = [
            _fetching(stack, side, case, work, limits, name)
            for side, name in ((left.side, "left"), (right.side, "right"))
        ]

        def run(pairs: Sequence[Pair]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
            ours = runs[0]({pair[0]: pair[0] for pair in pairs})
            theirs = runs[1]({pair[1]: right.real(pair[1]) for pair in pairs})
            return ours, theirs

        given = list(left.side.feeds.values())
        return bisect(left.graph, right.graph, outputs, run, given=given, rtol=rtol, atol=atol)


def _shown(model: _Model, tensor: str) -> str:
    node, colon, port = tensor.rpartition(":")
    shown = {real: name for name, real in model.names.items()}
    return f"{shown.get(node, node)}{colon}{port}"


def _fetching(
    stack: ExitStack, side: GraphSide, case: Case, work: Path, limits: ChildLimits, name: str
) -> Callable[[Mapping[str, str]], Mapping[str, Any]]:
    """A function that fetches tensors (name -> tensor) on the case, in one process."""
    process = stack.enter_context(SideProcess(side, work, f"bisect-{name}", limits))

    def fetch(tensors: Mapping[str, str]) -> Mapping[str, Any]:
        process.turn_to(replace(side, fetches=dict(tensors)))
        process.start([case])
        prefix = f"{case.name}/"
        return {key[len(prefix) :]: value for key, value in process.wait().results.items()}

    return fetch


def _opened(side: Side, work: Path, limits: ChildLimits, name: str) -> _Model:
    if isinstance(side, GraphSide):
        model = load_on_disk(Path(side.path))
        graphs = [meta for meta in model.meta_graphs if sorted(meta.tags) == sorted(side.tags)]
        graph = graphs[0].graph if graphs else model.graph
        return _Model(graph=graph, side=side, names={})
    if not isinstance(side, SavedModelSide):
        raise UsageError("--bisect compares graphs, and this side is none", where=side.path)
    file = work / f"{name}-inlined.pb"
    record = freeze(
        side.path,
        file,
        signature=side.signature,
        tag_set=side.tags,
        verify=False,
        timeout=limits.timeout,
        memory_limit=limits.memory,
    )
    (signature,) = record.signatures.values()
    inlined = GraphSide(
        path=str(file),
        feeds={ours: signature.inputs[own].tensor for ours, own in side.inputs.items()},
        dtypes={
            ours: (dtype.name if (dtype := signature.inputs[own].dtype) else "float32")
            for ours, own in side.inputs.items()
        },
        fetches={ours: signature.outputs[own].tensor for ours, own in side.outputs.items()},
    )
    graph, names = _without_calls(load_on_disk(file).graph)
    return _Model(graph=graph, side=inlined, names=names)


def _without_calls(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The graph with its nodes called as in the functions that they were inlined from."""
    names: dict[str, str] = {}
    taken = {node.name for node in graph.nodes}
    for node in graph.nodes:
        short = _CALL.sub("", node.name)
        if short != node.name and short not in taken:
            taken.add(short)
            names[short] = node.name
    shown = {real: name for name, real in names.items()}
    nodes = tuple(_renamed(node, shown) for node in graph.nodes)
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates), names


def _renamed(node: Node, shown: Mapping[str, str]) -> Node:
    inputs = []
    for text in node.inputs:
        mark = "^" if text.startswith("^") else ""
        name, colon, port = text[len(mark) :].partition(":")
        inputs.append(f"{mark}{shown.get(name, name)}{colon}{port}")
    return replace(node, name=shown.get(node.name, node.name), inputs=tuple(inputs))
