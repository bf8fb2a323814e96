"""Child side: a planned graph into the graph under construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from migrator.runtime.function_names import rename_functions


def read_planned(tf: Any, path: str) -> Any:
    """The GraphDef in a file, with functions that clash with none that tracing makes."""
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(Path(path).read_bytes())
    for function in (graph_def, *graph_def.library.function):
        for node in function.node if function is graph_def else function.node_def:
            # Names a gradient that was registered in the process which made the model.
            node.attr.pop("_gradient_op_type", None)
    rename_functions(graph_def)
    return graph_def


def import_graph(
    tf: Any, graph_def: Any, given: Mapping[str, Any], tensors: Sequence[str]
) -> list[Any]:
    """Import where ``given`` tensors stand in for those of these names; returns ``tensors``."""
    consumed = {text for node in graph_def.node for text in node.input}
    # The importer refuses a mapping that nothing consumes (an input that is an output).
    used = {name: tensor for name, tensor in given.items() if _spellings(name) & consumed}
    names = [name for name in dict.fromkeys(tensors) if name not in given]
    found = tf.graph_util.import_graph_def(
        graph_def, input_map=used, return_elements=names, name=""
    )
    by_name = dict(zip(names, found, strict=True))
    by_name |= {name: tf.identity(given[name]) for name in set(tensors) & given.keys()}
    return [by_name[name] for name in tensors]


def _spellings(tensor: str) -> set[str]:
    """The ways in which a NodeDef may write a tensor."""
    node, _, port = tensor.rpartition(":")
    return {tensor, node} if port == "0" else {tensor}
