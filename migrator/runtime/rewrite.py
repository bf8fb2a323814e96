"""Child task: a pruned GraphDef into a SavedModel with one signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def rewrite(
    *,
    graph: str,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    signature: str,
    dest: str,
) -> dict[str, Any]:
    """Wrap the GraphDef in file ``graph`` and save it as a SavedModel in folder ``dest``.

    ``inputs`` and ``outputs`` are ``{name, tensor, dtype, shape}``; a shape of None has an unknown
    rank. Returns the signature as TensorFlow sees it.
    """
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(Path(graph).read_bytes())
    specs = [
        tf.TensorSpec(item["shape"], tf.as_dtype(item["dtype"]), name=item["name"])
        for item in inputs
    ]
    consumed = {text for node in graph_def.node for text in node.input}
    wanted = {item["tensor"] for item in outputs}

    def imported(*tensors: Any) -> list[Any]:
        given = {item["tensor"]: tensor for item, tensor in zip(inputs, tensors, strict=True)}
        # The importer refuses a mapping that nothing consumes (an input that is an output).
        used = {name: tensor for name, tensor in given.items() if _spellings(name) & consumed}
        names = [name for name in (item["tensor"] for item in outputs) if name not in given]
        found = tf.graph_util.import_graph_def(
            graph_def, input_map=used, return_elements=names, name=""
        )
        by_name = dict(zip(names, found, strict=True))
        by_name |= {name: tf.identity(given[name]) for name in wanted & given.keys()}
        return [by_name[item["tensor"]] for item in outputs]

    wrapped = tf.compat.v1.wrap_function(imported, specs)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def serve(**arguments: Any) -> dict[str, Any]:
        results = wrapped(*[arguments[item["name"]] for item in inputs])
        return {item["name"]: result for item, result in zip(outputs, results, strict=True)}

    module = tf.Module()
    module.serve = serve
    concrete = serve.get_concrete_function(
        **{item["name"]: spec for item, spec in zip(inputs, specs, strict=True)}
    )
    tf.saved_model.save(module, dest, signatures={signature: concrete})
    return {
        "inputs": {item["name"]: _spec(spec) for item, spec in zip(inputs, specs, strict=True)},
        "outputs": {
            item["name"]: _spec(concrete.structured_outputs[item["name"]]) for item in outputs
        },
    }


def _spellings(tensor: str) -> set[str]:
    """The ways in which a NodeDef may write a tensor."""
    node, _, port = tensor.rpartition(":")
    return {tensor, node} if port == "0" else {tensor}


def _spec(tensor: Any) -> dict[str, Any]:
    shape = tensor.shape
    return {
        "dtype": tensor.dtype.name,
        "shape": None if shape.rank is None else shape.as_list(),
    }
