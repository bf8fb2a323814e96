"""Child tasks: call a model on cases, as TensorFlow 1 did or as TensorFlow 2 does.

Cases and results lie in files of ``migrator.arrays``, keys ``CASE/NAME``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migrator.arrays import load_arrays, save_arrays
from migrator.runtime.messages import short_message


def run_graph(
    *,
    graph: str,
    fallback: str | None,
    fetches: dict[str, str],
    feeds: dict[str, str],
    dtypes: dict[str, str],
    fixed: str | None,
    cases: str,
    results: str,
) -> dict[str, Any]:
    """Run a GraphDef in a TensorFlow 1 session.

    ``feeds`` and ``fetches`` are name -> tensor, ``dtypes`` name -> type of what is fed; file
    ``fixed`` holds values by tensor name that are fed in every case. The graph is imported whole,
    as it is but for device strings; where TensorFlow refuses that, what TensorFlow's own
    extraction keeps; else ``fallback``. The outcome's ``ran`` says which.
    """
    import tensorflow as tf

    tf.random.set_seed(0)
    loaded, ran, why = _import(tf, graph, fallback, list(fetches.values()))
    if loaded is None:
        types = {feeds[name]: dtype for name, dtype in dtypes.items()}
        loaded, inputs = _with_inputs(tf, fallback, types)
        feeds = {name: inputs.get(tensor, tensor) for name, tensor in feeds.items()}
        fetches = {name: inputs.get(tensor, tensor) for name, tensor in fetches.items()}
    constants = load_arrays(Path(fixed)) if fixed else {}
    present = {
        name: value for name, value in constants.items() if _operation(loaded, name) is not None
    }
    with tf.compat.v1.Session(graph=loaded) as session:

        def call(arguments: dict[str, Any]) -> dict[str, Any]:
            feed = {feeds[name]: value for name, value in arguments.items()}
            for name, value in present.items():
                feed[name] = value
            found: dict[str, Any] = session.run(dict(fetches), feed)
            return found

        outcome = _each_case(call, cases, results)
    return {**outcome, "ran": ran, "why": why}


def run_saved_model(
    *,
    path: str,
    tags: list[str] | None,
    signature: str,
    inputs: dict[str, str],
    outputs: dict[str, str],
    loaders: list[str],
    cases: str,
    results: str,
) -> dict[str, Any]:
    """Load a SavedModel and call one signature.

    ``loaders`` are tried in turn: ``tf2`` (``tf.saved_model.load``), ``tf1`` (into a session).
    ``inputs`` and ``outputs`` give the signature's own names for those of the cases and results.
    """
    import tensorflow as tf

    tf.random.set_seed(0)
    why = ""
    for loader in loaders:
        run = {"tf2": _run_v2, "tf1": _run_v1}[loader]
        try:
            outcome = run(tf, path, tags, signature, inputs, outputs, cases, results)
        except Exception as error:
            if loader == loaders[-1]:
                raise
            why = f"{loader}'s loader refuses it: {short_message(error)}"
            continue
        return {**outcome, "ran": f"the SavedModel, by the {loader} loader", "why": why}
    raise ValueError("no loader was named")


def _run_v2(
    tf: Any,
    path: str,
    tags: list[str] | None,
    signature: str,
    inputs: dict[str, str],
    outputs: dict[str, str],
    cases: str,
    results: str,
) -> dict[str, Any]:
    model = tf.saved_model.load(path, tags=tags)
    call_signature = model.signatures[signature]
    types = {
        name: spec.dtype for name, spec in call_signature.structured_input_signature[1].items()
    }

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        tensors = {
            inputs[name]: tf.constant(value, dtype=types[inputs[name]])
            for name, value in arguments.items()
        }
        found = call_signature(**tensors)
        return {name: found[own].numpy() for name, own in outputs.items() if own in found}

    return _each_case(call, cases, results)


def _run_v1(
    tf: Any,
    path: str,
    tags: list[str] | None,
    signature: str,
    inputs: dict[str, str],
    outputs: dict[str, str],
    cases: str,
    results: str,
) -> dict[str, Any]:
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        meta = tf.compat.v1.saved_model.load(session, tags or [], path)
        found = meta.signature_def[signature]
        feeds = {name: found.inputs[own].name for name, own in inputs.items()}
        fetches = {
            name: found.outputs[own].name for name, own in outputs.items() if own in found.outputs
        }

        def call(arguments: dict[str, Any]) -> dict[str, Any]:
            feed = {feeds[name]: value for name, value in arguments.items()}
            got: dict[str, Any] = session.run(fetches, feed)
            return got

        return _each_case(call, cases, results)


def _each_case(
    call: Callable[[dict[str, Any]], dict[str, Any]], cases: str, results: str
) -> dict[str, Any]:
    """Call on every case; a case that fails is told of and costs no other."""
    grouped: dict[str, dict[str, Any]] = {}
    for key, value in load_arrays(Path(cases)).items():
        case, _, name = key.partition("/")
        grouped.setdefault(case, {})
        if name:
            grouped[case][name] = value
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for case, arguments in grouped.items():
        start = time.perf_counter()
        try:
            outputs = call(arguments)
        except Exception as error:
            errors[case] = short_message(error)
            continue
        seconds[case] = time.perf_counter() - start
        for name, value in outputs.items():
            found[f"{case}/{name}"] = value
    save_arrays(Path(results), found)
    return {"errors": errors, "case_seconds": seconds}


def _import(tf: Any, path: str, fallback: str | None, fetches: list[str]) -> tuple[Any, str, str]:
    graph_def = _read(tf, path)
    try:
        return _imported(tf, graph_def), "whole graph", ""
    except Exception as error:
        why = short_message(error)
    try:
        names = list(dict.fromkeys(fetch.rpartition(":")[0] for fetch in fetches))
        extracted = tf.compat.v1.graph_util.extract_sub_graph(graph_def, names)
        return _imported(tf, extracted), "what TensorFlow's extract_sub_graph keeps", why
    except Exception:
        if fallback is None:
            raise
    return None, "the planned graph", why


def _with_inputs(tf: Any, path: Any, types: dict[str, str]) -> tuple[Any, dict[str, str]]:
    """A planned graph, which lacks its inputs' nodes, with a placeholder for each."""
    graph_def = _read(tf, path)
    consumed = {text if ":" in text else f"{text}:0" for n in graph_def.node for text in n.input}
    graph = tf.Graph()
    with graph.as_default():
        made = {
            tensor: tf.compat.v1.placeholder(tf.as_dtype(dtype), name="migrator_input")
            for tensor, dtype in types.items()
        }
        used = {tensor: value for tensor, value in made.items() if tensor in consumed}
        tf.graph_util.import_graph_def(graph_def, input_map=used, name="")
        tf.compat.v1.set_random_seed(0)
    return graph, {tensor: value.name for tensor, value in made.items()}


def _read(tf: Any, path: str) -> Any:
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(Path(path).read_bytes())
    for node in graph_def.node:
        node.device = ""  # a parameter server of 2017 does not answer
    return graph_def


def _imported(tf: Any, graph_def: Any) -> Any:
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
        tf.compat.v1.set_random_seed(0)
    return graph


def _operation(graph: Any, tensor: str) -> Any:
    try:
        return graph.get_tensor_by_name(tensor)
    except (KeyError, ValueError):
        return None
