"""The summary of a model: what ``migrator inspect`` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrator.collector import collector_paused
from migrator.formats.checkpoint import checkpoint_place
from migrator.graph.wiring import Wiring
from migrator.inspection.endpoints import Endpoints, find_endpoints
from migrator.inspection.folder import Folder, describe_folder
from migrator.inspection.stored import StoredVariable, stored_variables
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node
from migrator.model.model import MetaGraph, Model, Signature, Source
from migrator.model.tensors import LazyTensor, Shape

V1_CONTROL_FLOW = frozenset(
    prefix + op
    for prefix in ("", "Ref")
    for op in ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond")
)
FUNCTIONAL_CONTROL_FLOW = frozenset(
    ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "For")
)
VARIABLE_OPS = frozenset(("Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable"))
_WEIGHT_KINDS = frozenset("fcq")
_LARGE_TABLE = 1024
"""Bytes from which on an integer constant counts as a weight (a table) and not as a shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A constant or a variable that holds parameters. ``bytes`` is its decoded size."""

    name: str
    op: str
    dtype: DType
    shape: Shape
    elements: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSummary:
    """Counts of one graph. ``nodes`` and edges are the top level's, ``ops`` counts bodies too."""

    nodes: int
    edges: int
    control_edges: int
    functions: int
    function_nodes: int
    ops: Mapping[str, int]
    weights: tuple[Weight, ...]
    """Largest first."""
    parameters: int
    """Elements in weights."""
    weight_bytes: int
    producer: int
    min_consumer: int
    control_flow: str
    """``none``, ``v1``, ``functional`` or ``both``."""
    devices: tuple[str, ...]
    endpoints: Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaGraphSummary:
    tags: tuple[str, ...]
    tensorflow_version: str | None
    signatures: Mapping[str, Signature]
    objects: Mapping[str, int]
    """Kinds of objects in a TF2 object graph, empty without one."""
    assets: tuple[str, ...]
    graph: GraphSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a model holds. Pure data; ``report`` draws it.

    A bare checkpoint has ``variables`` and no meta graph, everything else the other way round.
    """

    source: Source
    meta_graphs: tuple[MetaGraphSummary, ...]
    warnings: tuple[str, ...]
    variables: tuple[StoredVariable, ...] = ()
    folder: Folder | None = None
    """What lies beside the graph: its checkpoint, assets, what says where it came from."""
    checkpoint: str | None = None
    """PREFIX of the checkpoint with the weights, where one is where it should be."""

    @property
    def parameters(self) -> int:
        """Elements in the weights of a bare checkpoint, optimizer slots included."""
        return sum(item.elements for item in self.variables if item.is_parameter)

    @property
    def weight_bytes(self) -> int:
        return sum(item.bytes for item in self.variables if item.is_parameter)


def summarize(model: Model) -> Summary:
    """Summarise every meta graph of ``model``. Linear; reads no weights."""
    with collector_paused():
        metas = tuple(_meta_graph(meta) for meta in model.meta_graphs)
        variables = stored_variables(model)
        folder = describe_folder(model)
    prefix = checkpoint_place(model)
    return Summary(
        source=model.source,
        meta_graphs=metas,
        warnings=(*model.warnings, *(folder.problems if folder is not None else ())),
        folder=folder,
        variables=variables,
        checkpoint=str(prefix) if prefix is not None else None,
    )


def _meta_graph(meta: MetaGraph) -> MetaGraphSummary:
    return MetaGraphSummary(
        tags=meta.tags,
        tensorflow_version=meta.tensorflow_version,
        signatures=meta.signatures,
        objects=meta.object_graph.kinds if meta.object_graph else {},
        assets=tuple(asset.filename for asset in meta.assets),
        graph=_graph(meta),
    )


def _graph(meta: MetaGraph) -> GraphSummary:
    graph = meta.graph
    wiring = Wiring(graph)
    edges, control_edges = wiring.edge_counts()
    ops = Counter(node.op for node in graph.all_nodes())
    weights = find_weights(graph)
    return GraphSummary(
        nodes=len(graph.nodes),
        edges=edges,
        control_edges=control_edges,
        functions=len(graph.functions),
        function_nodes=sum(len(function.nodes) for function in graph.functions.values()),
        ops=dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
        weights=weights,
        parameters=sum(weight.elements for weight in weights),
        weight_bytes=sum(weight.bytes for weight in weights),
        producer=graph.versions.producer,
        min_consumer=graph.versions.min_consumer,
        control_flow=control_flow(ops),
        devices=tuple(sorted({node.device for node in graph.all_nodes() if node.device})),
        endpoints=find_endpoints(meta, wiring),
    )


def control_flow(ops: Iterable[str]) -> str:
    """Which kind of control flow ``ops`` show: ``none``, ``v1``, ``functional`` or ``both``."""
    found = set(ops)
    v1, functional = bool(found & V1_CONTROL_FLOW), bool(found & FUNCTIONAL_CONTROL_FLOW)
    if v1 and functional:
        return "both"
    return "v1" if v1 else "functional" if functional else "none"


def find_weights(graph: Graph) -> tuple[Weight, ...]:
    """Constants and variables that hold parameters, largest first.

    A constant counts when it is floating, complex or quantised and has a rank of at least one,
    or when it is an integer table of 1 KB and more; scalars, shapes and axes do not. A variable
    counts when it is of such a type. What initialises a variable is not counted beside it.
    """
    found: dict[str, Weight] = {}
    for node in graph.all_nodes():
        weight = None
        if node.op == "Const" and "/Initializer/" not in node.name:
            weight = _constant(node)
        elif node.op in VARIABLE_OPS:
            weight = _variable(node)
        if weight is not None:
            found.setdefault(weight.name, weight)
    return tuple(sorted(found.values(), key=lambda weight: (-weight.bytes, weight.name)))


def _constant(node: Node) -> Weight | None:
    value = node.attrs.get("value")
    if not isinstance(value, LazyTensor) or not value.shape.dims:
        return None
    dtype, kind = value.dtype, value.dtype.kind
    size = value.nbytes
    if kind not in _WEIGHT_KINDS and (kind not in "iu" or size < _LARGE_TABLE):
        return None
    return Weight(
        name=node.name,
        op=node.op,
        dtype=dtype,
        shape=value.shape,
        elements=value.elements,
        bytes=size,
    )


def _variable(node: Node) -> Weight | None:
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape):
        return None
    if dtype.kind not in _WEIGHT_KINDS or not shape.rank:
        return None
    # One resource may have several handles: what names it is shared_name.
    shared = node.attrs.get("shared_name")
    name = shared.decode("utf-8", "replace") if isinstance(shared, bytes) and shared else node.name
    elements = shape.elements or 0
    return Weight(
        name=name,
        op=node.op,
        dtype=dtype,
        shape=shape,
        elements=elements,
        bytes=elements * dtype.itemsize,
    )
