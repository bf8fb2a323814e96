"""The summary of a model: what ``migrator inspect`` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrator.collector import collector_paused
from migrator.formats.checkpoint import checkpoint_place
from migrator.formats.load import as_model
from migrator.graph.wiring import Wiring
from migrator.inspection.endpoints import Endpoints, find_endpoints
from migrator.inspection.reaching import reaching_ops, risks_in_words
from migrator.inspection.shaped import with_shapes
from migrator.inspection.unsigned import callable_keys
from migrator.inspection.weights import (
    CountedWeights,
    Weight,
    WeightTotal,
    counted_weights,
    largest_first,
    total,
    totals_by_dtype,
)
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.brief import brief
from migrator.model.graph import Node
from migrator.model.model import OTHER_GRAPHS, WITH_FOLDER, MetaGraph, Model, Signature, Source
from migrator.places.resolve import PathLike

if TYPE_CHECKING:
    from migrator.inspection.callables import Call
    from migrator.inspection.cost import Cost
    from migrator.inspection.examples import ExampleParser
    from migrator.inspection.folder import Folder
    from migrator.inspection.stored import StoredVariable
    from migrator.inspection.tflite_facts import TFLiteFacts
    from migrator.model.keras import KerasFile

V1_CONTROL_FLOW = frozenset(
    prefix + op
    for prefix in ("", "Ref")
    for op in ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond")
)
FUNCTIONAL_CONTROL_FLOW = frozenset(
    ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "For")
)
_PARSERS = frozenset(
    """
    ParseExample ParseExampleV2 ParseSequenceExample ParseSequenceExampleV2 ParseSingleExample
    ParseSingleSequenceExample
    """.split()
)
_TFLITE_CONTROL_FLOW = frozenset(("WHILE", "IF", "STABLEHLO_WHILE", "STABLEHLO_CASE"))


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
    """The model's own before the optimizer's, both largest first."""
    parameters: int
    """Elements in weights."""
    optimizer_parameters: int
    """Those of them that an optimizer keeps for its steps."""
    weight_bytes: int
    weights_by_dtype: Mapping[str, WeightTotal]
    """TensorFlow's name of a type -> what the weights of it come to, most bytes first."""
    producer: int
    min_consumer: int
    control_flow: str
    """``none``, ``v1``, ``functional`` or ``both``."""
    devices: tuple[str, ...]
    endpoints: Endpoints
    duplicates: int = 0
    """Names that several nodes of the top level have."""
    deepest_scope: int = 0
    """Scopes that the deepest name of the top level is in."""
    called_again: int = 0
    """Nodes of the top level that are further calls of a layer (Keras)."""
    body_called_again: int = 0
    """The same in bodies."""
    body_constants: WeightTotal | None = None
    """What the constants of bodies come to that are no weights; None without any."""
    metric_variables: WeightTotal | None = None
    """What the variables come to that metrics count in, which are no weights; None without any."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaGraphSummary:
    tags: tuple[str, ...]
    tensorflow_version: str | None
    signatures: Mapping[str, Signature]
    objects: Mapping[str, int]
    """Kinds of objects in a TF2 object graph, empty without one."""
    assets: tuple[str, ...]
    graph: GraphSummary
    callables: tuple[Call, ...] = ()
    """Of a TF2 model without a signature to call: what its objects have instead."""
    examples: tuple[ExampleParser, ...] = ()
    """What parses the tf.Examples that it takes."""
    reaches: str = ""
    """What its ops, or loading its file, may do outside of the model; empty for nothing known."""
    cost: Cost | None = None
    """Where it was asked for (``with_costs``)."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a model holds. Pure data; ``report`` draws it.

    A bare checkpoint has ``variables`` and no meta graph. Keras and TFLite files have both: their
    graph's counts of weights are then of these variables.
    """

    source: Source
    meta_graphs: tuple[MetaGraphSummary, ...]
    warnings: tuple[str, ...]
    variables: tuple[StoredVariable, ...] = ()
    folder: Folder | None = None
    """What lies beside the graph: its checkpoint, assets, what says where it came from."""
    checkpoint: str | None = None
    """PREFIX of the checkpoint with the weights, where one is where it should be."""
    checkpoint_version: int = 0
    """Of a bare checkpoint: 1, or 2; 0 for what is none."""
    tflite: TFLiteFacts | None = None
    """What is special to a TFLite file."""
    producer: str = ""
    """What wrote the file, as ``Model.producer`` has it."""
    keras: KerasFile | None = None
    """What is special to a Keras file."""
    reaches: str = ""
    """What loading the file may do besides, where no graph can be made of its layers."""

    __repr__ = brief

    @property
    def parameters(self) -> int:
        """Elements in ``variables`` that count as weights, optimizer slots included."""
        return sum(item.elements for item in self.variables if item.is_parameter)

    @property
    def optimizer_parameters(self) -> int:
        """Those of them that an optimizer keeps for its steps."""
        return sum(
            item.elements for item in self.variables if item.is_parameter and item.is_optimizer
        )

    @property
    def untrained_parameters(self) -> int | None:
        """Those of a Keras file that training leaves as they are; None where it does not tell."""
        names = self.keras.untrained if self.keras is not None else None
        if names is None:
            return None
        return sum(
            item.elements for item in self.variables if item.is_parameter and item.name in names
        )

    @property
    def metric_variables(self) -> WeightTotal | None:
        """As of a graph, of ``variables``."""
        found = [item.weight for item in self.variables if item.is_metric]
        return total(found) if found else None

    @property
    def weight_bytes(self) -> int:
        return sum(item.bytes for item in self.variables if item.is_parameter)

    @property
    def weights_by_dtype(self) -> Mapping[str, WeightTotal]:
        """As of a graph, of ``variables``."""
        return totals_by_dtype(item.weight for item in self.variables if item.is_parameter)


def summarize(source: PathLike | Model, *, limits: Limits = DEFAULT_LIMITS) -> Summary:
    """Summarise every meta graph of a model, read or named. Linear; reads no weights.

    ``limits`` are for a path; a model keeps its own. Raises what ``load`` raises for a path,
    UsageError for what is neither.
    """
    model = as_model(source, limits)
    with collector_paused():
        variables = _variables(model)
        folder = _folder(model)
        carried = CountedWeights(
            weights=largest_first(item.weight for item in variables if item.is_parameter)
        )
        metas = tuple(
            _meta_graph(model, meta, carried if variables else counted_weights(meta))
            for meta in model.meta_graphs
        )
    prefix = checkpoint_place(model)
    tflite = None
    if model.tflite is not None:
        from migrator.inspection.tflite_facts import tflite_facts

        tflite = tflite_facts(model)
    return Summary(
        source=model.source,
        meta_graphs=metas,
        warnings=(*model.warnings, *(folder.problems if folder is not None else ())),
        folder=folder,
        variables=variables,
        checkpoint=str(prefix) if prefix is not None else None,
        checkpoint_version=model.checkpoint_version,
        tflite=tflite,
        producer=model.producer,
        keras=model.keras,
        reaches=risks_in_words(model.keras.risks if model.keras is not None else ()),
    )


def _variables(model: Model) -> tuple[StoredVariable, ...]:
    if not model.variables:
        return ()
    from migrator.inspection.stored import stored_variables

    return stored_variables(model)


def _folder(model: Model) -> Folder | None:
    if model.source.kind not in WITH_FOLDER:
        return None
    from migrator.inspection.folder import describe_folder

    return describe_folder(model)


def _meta_graph(model: Model, meta: MetaGraph, counted: CountedWeights) -> MetaGraphSummary:
    graph = _graph(meta, counted)
    form = model.source.format
    if model.keras is not None:
        reaches = risks_in_words(model.keras.risks)
    else:
        reaches = reaching_ops(meta, graph.ops, form)
    return MetaGraphSummary(
        tags=meta.tags,
        tensorflow_version=meta.tensorflow_version,
        signatures=meta.signatures,
        objects=meta.object_graph.kinds if meta.object_graph else {},
        assets=tuple(asset.filename for asset in meta.assets),
        callables=_callables(meta),
        examples=_examples(meta, graph.ops, form),
        reaches=reaches,
        graph=graph,
    )


def _callables(meta: MetaGraph) -> tuple[Call, ...]:
    if meta.object_graph is None or callable_keys(meta.signatures):
        return ()
    from migrator.inspection.callables import callables

    return callables(meta)


def _examples(meta: MetaGraph, ops: Mapping[str, int], form: str) -> tuple[ExampleParser, ...]:
    if form in OTHER_GRAPHS or ops.keys().isdisjoint(_PARSERS):
        return ()
    from migrator.inspection.examples import example_parsers

    return example_parsers(meta.graph)


def _graph(meta: MetaGraph, counted: CountedWeights) -> GraphSummary:
    graph = meta.graph
    weights = counted.weights
    wiring = Wiring(graph)
    edges, control_edges = wiring.edge_counts()
    ops = Counter(node.op for node in graph.all_nodes())
    return GraphSummary(
        nodes=len(graph.nodes),
        edges=edges,
        control_edges=control_edges,
        functions=len(graph.functions),
        function_nodes=sum(len(function.nodes) for function in graph.functions.values()),
        ops=dict(sorted(ops.items(), key=lambda item: (-item[1], item[0]))),
        weights=weights,
        parameters=sum(weight.elements for weight in weights),
        optimizer_parameters=sum(weight.elements for weight in weights if weight.is_optimizer),
        weight_bytes=sum(weight.bytes for weight in weights),
        weights_by_dtype=totals_by_dtype(weights),
        producer=graph.versions.producer,
        min_consumer=graph.versions.min_consumer,
        control_flow=control_flow(ops),
        devices=tuple(sorted({node.device for node in graph.all_nodes() if node.device})),
        endpoints=_endpoints(meta, wiring),
        duplicates=len(graph.duplicates),
        called_again=_called_again(meta, graph.nodes),
        body_called_again=sum(
            _called_again(meta, function.nodes) for function in graph.functions.values()
        ),
        deepest_scope=max((node.name.count("/") for node in graph.nodes), default=0),
        body_constants=total(counted.constants) if counted.constants else None,
        metric_variables=total(counted.metrics) if counted.metrics else None,
    )


def _called_again(meta: MetaGraph, nodes: Iterable[Node]) -> int:
    if meta.declared is None:  # no format whose nodes are layers
        return 0
    from migrator.inspection.layer_weights import is_called_again

    return sum(map(is_called_again, nodes))


def _endpoints(meta: MetaGraph, wiring: Wiring) -> Endpoints:
    found = find_endpoints(meta, wiring)
    # Formats that declare their endpoints have layers for nodes, or another runtime's operators.
    return found if meta.declared is not None else with_shapes(found, meta.graph, wiring)


def control_flow(ops: Iterable[str]) -> str:
    """Which kind of control flow ``ops`` show: ``none``, ``v1``, ``functional`` or ``both``."""
    found = set(ops)
    v1 = bool(found & V1_CONTROL_FLOW)
    functional = bool(found & (FUNCTIONAL_CONTROL_FLOW | _TFLITE_CONTROL_FLOW))
    if v1 and functional:
        return "both"
    return "v1" if v1 else "functional" if functional else "none"
