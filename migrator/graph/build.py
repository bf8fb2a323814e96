"""A Model as networkx graphs, one schema for every format.

A ``MultiDiGraph`` for the top-level graph of a meta graph, keyed by node name.

=========  ===========  =============================================================
where      attribute    meaning
=========  ===========  =============================================================
graph      format       ``Source.format`` (str)
graph      tags         tag set (tuple of str)
graph      producer     GraphDef version (int)
graph      function     name of the function whose body this is, "" at the top (str)
graph      functions    function name -> MultiDiGraph of its body (dict, top only)
node       op           op name (str); ``_Arg`` and ``_Retval`` stand for a body's
                        arguments and results
node       device       device string (str)
node       attrs        attribute name -> value (Mapping, read lazily)
node       calls        names of the functions that its attributes mention (tuple)
edge       src_port     output of the source (int, -1 for a control edge)
edge       src_arg      output argument that ``src_port`` counts in, "" where it
                        counts all outputs (str; bodies only)
edge       dst_slot     data input of the target (int, -1 for a control edge)
edge       control      True for a control edge (bool)
=========  ===========  =============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from migrator.collector import collector_paused
from migrator.errors import UsageError
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node
from migrator.model.model import Model
from migrator.model.tensors import TensorRef, TensorSpec

if TYPE_CHECKING:
    import networkx

    MultiDiGraph: TypeAlias = networkx.MultiDiGraph  # type: ignore[type-arg, unused-ignore]

ARGUMENT_OP = "_Arg"
RESULT_OP = "_Retval"


def to_networkx(model: Model, *, meta_graph: int = 0) -> MultiDiGraph:
    """The graph of one meta graph of ``model`` with its function bodies; schema above.

    An input that names no node is left out; a second node of one name is too (the model's
    ``warnings`` tell of both). Raises UsageError where ``meta_graph`` does not exist.
    """
    if not -len(model.meta_graphs) <= meta_graph < len(model.meta_graphs):
        raise UsageError(
            f"there is no meta graph {meta_graph}; the model holds {len(model.meta_graphs)}"
        )
    meta = model.meta_graphs[meta_graph]
    with collector_paused():
        top = _graph(meta.graph)
        top.graph.update(
            format=model.source.format,
            tags=meta.tags,
            producer=meta.graph.versions.producer,
            function="",
            functions={name: _body(item) for name, item in meta.graph.functions.items()},
        )
    return top


def _graph(graph: Graph) -> MultiDiGraph:
    import networkx as nx

    view: MultiDiGraph = nx.MultiDiGraph()
    for name, node in graph.by_name.items():
        view.add_node(name, **_node(node))
    for node in graph.by_name.values():
        slot = 0
        for text in node.inputs:
            ref = TensorRef.parse(text) if text not in view else TensorRef(text)
            if ref.node in view:
                _edge(view, ref, node.name, -1 if ref.control else slot)
            slot += not ref.control
    return view


def _body(function: Function) -> MultiDiGraph:
    import networkx as nx

    view: MultiDiGraph = nx.MultiDiGraph(function=function.name)
    for spec in function.inputs:
        view.add_node(spec.tensor, **_boundary(ARGUMENT_OP, spec))
    for node in function.nodes:
        if node.name not in view:
            view.add_node(node.name, **_node(node))
    for node in function.nodes:
        slot = 0
        for ref in node.refs:
            if ref.node in view:
                _edge(view, ref, node.name, -1 if ref.control else slot)
            slot += not ref.control
    for spec in function.outputs:
        name = f"{spec.tensor}:result"  # no node's name holds a colon
        view.add_node(name, **_boundary(RESULT_OP, spec))
        ref = TensorRef.parse(function.returns.get(spec.tensor, ""))
        if ref.node in view:
            _edge(view, ref, name, 0)
    return view


def _node(node: Node) -> dict[str, Any]:
    return {"op": node.op, "device": node.device, "attrs": node.attrs, "calls": node.called}


def _boundary(op: str, spec: TensorSpec) -> dict[str, Any]:
    attrs: dict[str, DType] = {"T": spec.dtype}
    return {"op": op, "device": "", "attrs": attrs, "calls": ()}


def _edge(view: MultiDiGraph, ref: TensorRef, target: str, slot: int) -> None:
    view.add_edge(
        ref.node,
        target,
        src_port=ref.port,
        src_arg=ref.arg,
        dst_slot=slot,
        control=ref.control,
    )
