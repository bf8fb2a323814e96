"""Child task: pruned GraphDefs into one SavedModel, a signature each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrator.collector import collector_paused
from migrator.runtime.decoding import from_pictures
from migrator.runtime.planned import import_graph, read_planned
from migrator.runtime.storage import Holdings

PREDICT = "tensorflow/serving/predict"
DEFAULT = "serving_default"
"""The signature that a loaded result also calls as ``serve``."""


@collector_paused()  # many objects that all live on
def rewrite(
    *,
    signatures: list[dict[str, Any]],
    weights: list[dict[str, Any]],
    tables: list[dict[str, Any]],
    assets: dict[str, str],
    initial: dict[str, Any] | None,
    dest: str,
) -> dict[str, Any]:
    """Wrap each signature's GraphDef and save them together as a SavedModel in folder ``dest``.

    A signature is ``{key, method_name, graph, inputs, outputs, taken, decode_images,
    pictures_key}``: ``graph`` is a file, ``inputs`` and ``outputs`` are ``{name, tensor, dtype,
    shape}`` (a shape of None has an unknown rank), ``taken`` says which tensors ``weights``,
    ``handles``, ``tables`` and ``assets`` stand in for; ``decode_images`` names inputs for which
    there is also a signature ``pictures_key`` that takes encoded pictures. Returns the signatures
    as TensorFlow sees them, by key.
    """
    import tensorflow as tf

    holdings = Holdings(tf, weights=weights, tables=tables, assets=assets, initial=initial)
    root = holdings.root()
    concrete: dict[str, Any] = {}
    for row in signatures:
        serve, specs = _serving(tf, row, holdings)
        if not hasattr(root, "serve") or row["key"] == DEFAULT:
            root.serve = serve
        concrete[row["key"]] = serve.get_concrete_function(**specs)
        if row["decode_images"]:
            concrete[row["pictures_key"]] = from_pictures(tf, serve, specs, row["decode_images"])
    tf.saved_model.save(root, dest, signatures=concrete)
    _name_methods(tf, dest, signatures)
    pictures = {
        row["pictures_key"]: {
            name: _spec(spec)
            for name, spec in concrete[row["pictures_key"]].structured_input_signature[1].items()
        }
        for row in signatures
        if row["decode_images"]
    }
    return {
        "pictures": pictures,
        "signatures": {
            row["key"]: {
                "inputs": {
                    item["name"]: _spec(tf.TensorSpec(item["shape"], item["dtype"]))
                    for item in row["inputs"]
                },
                "outputs": {
                    item["name"]: _spec(concrete[row["key"]].structured_outputs[item["name"]])
                    for item in row["outputs"]
                },
            }
            for row in signatures
        },
    }


def wrap(tf: Any, row: dict[str, Any], holdings: Holdings) -> tuple[Any, list[Any]]:
    """The graph of one signature as a function of its inputs in order, and their specs."""
    graph_def = read_planned(tf, row["graph"])
    inputs, outputs = row["inputs"], row["outputs"]
    specs = [
        tf.TensorSpec(item["shape"], tf.as_dtype(item["dtype"]), name=item["name"])
        for item in inputs
    ]

    def imported(*tensors: Any) -> list[Any]:
        given = {item["tensor"]: tensor for item, tensor in zip(inputs, tensors, strict=True)}
        given |= holdings.tensors(row["taken"])
        return import_graph(tf, graph_def, given, [item["tensor"] for item in outputs])

    return tf.compat.v1.wrap_function(imported, specs), specs


def _serving(tf: Any, row: dict[str, Any], holdings: Holdings) -> tuple[Any, dict[str, Any]]:
    """A function of named inputs that gives named outputs, and the specs of the inputs."""
    wrapped, specs = wrap(tf, row, holdings)
    inputs, outputs = row["inputs"], row["outputs"]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def serve(**arguments: Any) -> dict[str, Any]:
        results = wrapped(*[arguments[item["name"]] for item in inputs])
        return {item["name"]: result for item, result in zip(outputs, results, strict=True)}

    return serve, {item["name"]: spec for item, spec in zip(inputs, specs, strict=True)}


def _name_methods(tf: Any, dest: str, signatures: list[dict[str, Any]]) -> None:
    """``save`` calls every method predict; classify and regress are other calls to a server."""
    named = [row for row in signatures if row["method_name"] != PREDICT]
    if not named:
        return
    utilities = tf.compat.v1.saved_model.signature_def_utils
    updater = utilities.MethodNameUpdater(dest)
    for row in named:
        updater.replace_method_name(
            signature_key=row["key"], method_name=row["method_name"], tags="serve"
        )
    updater.save()
    _renew_fingerprint(dest)


def _renew_fingerprint(dest: str) -> None:
    """The updater writes another ``saved_model.pb`` and leaves the fingerprint of the first."""
    stale = Path(dest) / "fingerprint.pb"
    if not stale.exists():
        return
    stale.unlink()
    try:
        from tensorflow.python.saved_model.fingerprinting_utils import write_fingerprint
    except ImportError:  # no public interface: without a fingerprint every loader goes on
        return
    write_fingerprint(dest)


def _spec(tensor: Any) -> dict[str, Any]:
    shape = tensor.shape
    return {
        "dtype": tensor.dtype.name,
        "shape": None if shape.rank is None else shape.as_list(),
    }
