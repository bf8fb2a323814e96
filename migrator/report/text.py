"""The summary of a model as text: what a person wants first is on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from migrator.errors import UsageError
from migrator.inspection.notable import notable, notable_summary
from migrator.inspection.summary import GraphSummary, MetaGraphSummary, Summary
from migrator.report.escape import many, shown, shown_joined, shown_variable, size
from migrator.report.table import folded, table

if TYPE_CHECKING:
    from migrator.inspection.candidates import Candidate, Control, Endpoints
    from migrator.inspection.weights import WeightTotal

_FORMATS = {
    "checkpoint": "checkpoint",
    "graph_def": "GraphDef",
    "hub_module": "TensorFlow 1 hub module",
    "keras_h5": "Keras model (HDF5)",
    "keras_zip": "Keras model (.keras)",
    "meta_graph": "MetaGraph",
    "saved_model": "SavedModel",
    "tflite": "TFLite model",
}
_WEIGHTS_ALONE = {"keras_h5": "Keras weights (HDF5)", "keras_zip": "Keras weights"}
_UNMARKED = "HDF5 file, not of Keras as far as it tells"
_NODES = {"keras_h5": "layer", "keras_zip": "layer"}
"""What a format calls a node, where not so."""
_OPS = 12
_WEIGHTS = 5
_VARIABLES = 20


def inspect_text(summary: Summary, step: str = "") -> str:
    """What ``inspect`` prints of one model. ``step`` says what to do next, and comes last.

    Raises UsageError for what is no summary.
    """
    if not isinstance(summary, Summary):
        raise UsageError(
            f"a summary is wanted, and this is of type {type(summary).__name__}",
            hint="migrator.summarize(model) gives one",
        )
    parts = [headline(summary)]
    for index, meta in enumerate(summary.meta_graphs):
        if len(summary.meta_graphs) > 1:
            tags = ", ".join(map(shown, meta.tags)) or "none"
            parts.append(f"Meta graph {index + 1} of {len(summary.meta_graphs)}, tags: {tags}")
        parts += _meta_graph(meta, summary.source.format, summary.untrained_parameters or 0)
        if meta.assets and not (summary.folder is not None and summary.folder.assets):
            parts.append(bullets("Assets", map(shown, meta.assets)))
    if not summary.meta_graphs:
        parts += _variables(summary)
    if summary.folder is not None:
        from migrator.report.folder_parts import folder_sections

        parts += folder_sections(summary.folder)
    if summary.tflite is not None:
        from migrator.report.tflite_file import tflite_sections

        parts += tflite_sections(summary.tflite)
    if summary.warnings:
        parts.append(bullets("Warnings", map(shown, summary.warnings)))
    if step:
        parts.append(folded(f"Next: {step}", ""))
    return "\n\n".join(part for part in parts if part) + "\n"


def headline(summary: Summary) -> str:
    """What it is: the first lines of every text about a model."""
    metas = summary.meta_graphs
    version = metas[0].tensorflow_version if metas else None
    path, count = shown(summary.source.path), size(summary.source.bytes)
    lines = [f"{path}: {_kind(summary)}, {count}"]
    if version:
        lines.append(f"written by TensorFlow {shown(version)}")
    elif summary.producer:
        lines.append(f"written by {shown(summary.producer)}")
    if summary.source.kind == "meta_graph":
        weights = summary.checkpoint
        lines.append(f"weights in {shown(weights)}" if weights else "no checkpoint beside it")
    return "\n".join(lines)


def _kind(summary: Summary) -> str:
    """The format in words, with what its content makes of it."""
    form = summary.source.format
    if summary.keras is not None and summary.keras.is_unmarked:
        return _UNMARKED
    if summary.checkpoint_version:
        return f"checkpoint of version {summary.checkpoint_version}"
    if not summary.meta_graphs:
        return _WEIGHTS_ALONE.get(form) or _FORMATS.get(form, form)
    meta, base = summary.meta_graphs[0], summary.source.kind
    kind = _FORMATS.get(base, base)
    version = meta.tensorflow_version or ""
    if base == "graph_def":
        has_variables = any(weight.op != "Const" for weight in meta.graph.weights)
        kind = "GraphDef with variables (not frozen)" if has_variables else "frozen GraphDef"
    elif base == "saved_model" and meta.objects:
        kind = "TensorFlow 2 SavedModel"
    elif base == "saved_model" and version.startswith("1"):
        kind = "TensorFlow 1 SavedModel"
    return f"{kind} as text" if form != base else kind


def _variables(summary: Summary) -> list[str]:
    """Weights without a graph: what there is, the largest first."""
    items = sorted(summary.variables, key=lambda item: (item.is_optimizer, -item.bytes, item.name))
    shards = {item.shard for item in items if item.shard}
    counts = [
        many(len(items), "variable"),
        f"{many(summary.parameters, 'parameter')} ({size(summary.weight_bytes)})",
        *_optimizer(summary.optimizer_parameters),
        *_metrics(summary.metric_variables),
        *([f"in {len(shards):,} shards"] if len(shards) > 1 else []),
    ]
    rows = [
        (
            shown_variable(item.name),
            item.dtype.name,
            str(item.shape),
            size(item.bytes),
            shown(item.shard or ""),
        )
        for item in items[:_VARIABLES]
    ]
    parts = [
        ", ".join(counts),
        bullets("Stands out", notable_summary(summary)),
        _dtypes(summary.weights_by_dtype),
    ]
    if rows:
        more = len(items) - len(rows)
        title = f"Largest of {len(items):,} variables" if more else "Variables"
        title += _last(any(item.is_optimizer for item in items))
        headers = ["name", "dtype", "shape", "size", *(["shard"] if len(shards) > 1 else [])]
        body = table([row[: len(headers)] for row in rows], headers)
        parts.append(f"{title}\n{body}")
    return [part for part in parts if part]


def _dtypes(totals: Mapping[str, WeightTotal]) -> str:
    """A table of types, where there are several; one is told in the counts' line."""
    if len(totals) < 2:
        return ""
    rows = [
        (name, f"{item.tensors:,}", f"{item.parameters:,}", size(item.bytes))
        for name, item in totals.items()
    ]
    body = table(rows, ("dtype", "tensors", "parameters", "size"), right=(1, 2, 3))
    return f"Weights by type\n{body}"


def _meta_graph(meta: MetaGraphSummary, form: str, untrained: int = 0) -> list[str]:
    graph = meta.graph
    flow = {
        "none": "no control flow",
        "v1": "TF1 control flow",
        "functional": "functional control flow",
        "both": "TF1 and functional control flow",
    }
    counts = [
        *_nodes(graph, form),
        _edges(graph),
        *(
            [f"{many(graph.functions, 'function')} ({many(graph.function_nodes, 'node')})"]
            if graph.functions
            else []
        ),
        f"{many(graph.parameters, 'parameter')} ({size(graph.weight_bytes)})",
        *([f"{untrained:,} of them not trained"] if untrained else []),
        *_optimizer(graph.optimizer_parameters),
        *_metrics(graph.metric_variables),
        *_body_constants(graph.body_constants),
        flow[graph.control_flow],
    ]
    parts = [", ".join(counts)]
    if meta.signatures or meta.objects:
        from migrator.report.text_calls import call_sections

        parts += call_sections(meta)
    else:
        parts += endpoint_sections(graph.endpoints)
    if meta.examples:
        from migrator.report.text_calls import example_sections

        parts += example_sections(meta.examples)
    parts.append(bullets("Stands out", notable(meta, form)))
    if meta.cost is not None:
        from migrator.report.text_cost import cost_section

        parts.append(cost_section(meta.cost))
    again = graph.called_again + graph.body_called_again
    if form != "tflite":  # its operators have a section of their own
        parts.append(_ops(graph.ops, ", by calls" if again else ""))
    parts.append(_dtypes(graph.weights_by_dtype))
    parts.append(_weights(graph))
    return parts


def _optimizer(parameters: int) -> list[str]:
    return [f"{parameters:,} of them the optimizer's"] if parameters else []


def _last(has_slots: bool) -> str:
    return ", the optimizer's last" if has_slots else ""


def _metrics(found: WeightTotal | None) -> list[str]:
    return [f"{many(found.tensors, 'metric variable')} ({size(found.bytes)})"] if found else []


def _body_constants(found: WeightTotal | None) -> list[str]:
    if found is None:
        return []
    return [f"{many(found.tensors, 'constant')} in functions ({size(found.bytes)})"]


def endpoint_sections(found: Endpoints) -> list[str]:
    """Inputs, controls, outputs, and what is open about them."""
    state = "" if found.decided else " (candidates)"
    parts = [
        _candidates(f"Inputs{state}", found.inputs),
        _controls(found.controls),
        _candidates("Options that keep their default", found.options),
        _candidates(f"Outputs{state}", found.outputs),
        _candidates("Also possible as outputs (--output)", found.alternatives),
    ]
    if not found.decided:
        asked = [*map(shown, found.questions), "`migrator plan` prints the options to paste"]
        parts.append(bullets("To decide", asked))
    return [part for part in parts if part]


def _candidates(title: str, items: Sequence[Candidate]) -> str:
    rows = [
        (
            shown(item.tensor),
            item.dtype.name if item.dtype is not None else "?",
            str(item.shape),
            f"{item.score:.2f}",
            "; ".join(item.reasons),
        )
        for item in items
    ]
    return (
        f"{title}\n{table(rows, ('tensor', 'dtype', 'shape', 'score', 'because'))}" if rows else ""
    )


def _controls(items: Sequence[Control]) -> str:
    rows = [
        (
            shown(item.tensor),
            item.dtype.name if item.dtype is not None else "?",
            str(item.shape),
            item.suggested or "?",
            "; ".join(item.reasons),
        )
        for item in items
    ]
    header = ("tensor", "dtype", "shape", "for inference", "because")
    return f"Controls (to be fed)\n{table(rows, header)}" if rows else ""


def _nodes(graph: GraphSummary, form: str) -> list[str]:
    """How many nodes there are; of Keras layers too, of which one may be called several times."""
    called = _NODES.get(form, "node")
    if not graph.called_again:
        return [many(graph.nodes, called)]
    return [
        many(graph.nodes - graph.called_again, called),
        f"called {many(graph.nodes, 'time')}",
    ]


def _edges(graph: GraphSummary) -> str:
    """Both kinds, as exports and networkx count them together."""
    controls = graph.control_edges
    edges = many(graph.edges, "edge")
    return f"{edges} and {many(controls, 'control edge')}" if controls else edges


def _ops(ops: Mapping[str, int], counted: str = "") -> str:
    items = list(ops.items())
    text = ", ".join(f"{shown(op)} {count:,}" for op, count in items[:_OPS])
    if len(items) > _OPS:
        text += f", and {many(len(items) - _OPS, 'more kind')}"
    return f"Ops ({many(len(items), 'kind')}{counted})\n{folded(text)}" if items else ""


def _weights(graph: GraphSummary) -> str:
    rows = [
        (shown_joined(weight.name), weight.dtype.name, str(weight.shape), size(weight.bytes))
        for weight in graph.weights[:_WEIGHTS]
    ]
    if not rows:
        return ""
    count = len(graph.weights)
    title = f"Largest of {count:,} weights" if count > 1 else "Weights"
    title += _last(graph.optimizer_parameters > 0)
    return f"{title}\n{table(rows, ('name', 'dtype', 'shape', 'size'))}"


def bullets(title: str, lines: Iterable[str]) -> str:
    """A titled list, empty where there is nothing to list."""
    found = [folded(line, "  - ") for line in lines]
    return "\n".join([title, *found]) if found else ""
