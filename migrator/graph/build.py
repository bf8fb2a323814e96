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

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from migrator.collector import collector_paused
from migrator.formats.load import as_model
from migrator.graph.elements import Element, Elements
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.graph import Function, Graph
from migrator.model.model import Model
from migrator.places.resolve import PathLike

if TYPE_CHECKING:
    import networkx

    MultiDiGraph: TypeAlias = networkx.MultiDiGraph  # type: ignore[type-arg, unused-ignore]


def to_networkx(
    source: PathLike | Model,
    *,
    meta_graph: int | str | Sequence[str] = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> MultiDiGraph:
    """The graph of one meta graph of a model with its function bodies; schema above.

    ``source`` is a model or its path, which is read within ``limits``; ``meta_graph`` is its
    number or its tags. An input that names no node is left out; a second node of one name is too
    (the model's ``warnings`` tell of both).
    Raises UsageError where there is no such meta graph, and what ``load`` raises for a path.
    """
    model = as_model(source, limits)
    meta = model.meta_graph(meta_graph)
    with collector_paused():
        top = _view(meta.graph)
        top.graph.update(
            format=model.source.format,
            tags=meta.tags,
            producer=meta.graph.versions.producer,
            function="",
            functions={name: _body(item) for name, item in meta.graph.functions.items()},
        )
    return top


def _view(graph: Graph | Function) -> MultiDiGraph:
    import networkx as nx

    view: MultiDiGraph = nx.MultiDiGraph()
    elements = Elements(graph)
    items = elements.items
    for item in items:
        view.add_node(item.name, **_node(item))
    for source, target, port, arg, slot in elements.edges():
        view.add_edge(
            items[source].name,
            items[target].name,
            src_port=port,
            src_arg=arg,
            dst_slot=slot,
            control=port < 0,
        )
    return view


def _body(function: Function) -> MultiDiGraph:
    view = _view(function)
    view.graph["function"] = function.name
    return view


def _node(item: Element) -> dict[str, Any]:
    node = item.node
    if node is not None:
        return {"op": node.op, "device": node.device, "attrs": node.attrs, "calls": node.called}
    attrs = {} if item.spec is None else {"T": item.spec.dtype}
    return {"op": item.op, "device": "", "attrs": attrs, "calls": ()}
