"""Child tasks: call a model on cases, as TensorFlow 1 did or as TensorFlow 2 does.

Cases and results lie in files of ``migrator.arrays``, keys ``CASE/NAME``. A model that the last
task loaded stays loaded for the next one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migrator.arrays import load_arrays, save_arrays
from migrator.runtime.messages import is_out_of_memory, short_message
from migrator.runtime.opened import Opened
from migrator.runtime.rewrite import wrap
from migrator.runtime.sessions import open_session
from migrator.runtime.storage import Holdings

_loaded: dict[str, Any] = {}
"""The one model that is loaded now, by what it was loaded from."""


def _kept(key: Any, load: Callable[[], Any]) -> Any:
    text = json.dumps(key, sort_keys=True)
    if text not in _loaded:
        _loaded.clear()
        _loaded[text] = load()
    return _loaded[text]


def run_graph(
    *,
    source: dict[str, Any],
    fetches: dict[str, str],
    feeds: dict[str, str],
    dtypes: dict[str, str],
    fixed: str | None,
    cases: str,
    results: str,
) -> dict[str, Any]:
    """Run ``source`` (see ``open_session``) in a TensorFlow 1 session.

    ``feeds`` and ``fetches`` are name -> tensor, ``dtypes`` name -> type of what is fed; file
    ``fixed`` holds values by tensor name that are fed in every case. A GraphDef is imported whole,
    as it is but for device strings; where TensorFlow refuses that, what TensorFlow's own
    extraction keeps; else its ``fallback``. The outcome's ``ran`` says which.
    """
    import tensorflow as tf

    start = time.perf_counter()
    tf.random.set_seed(0)
    types = {feeds[name]: dtype for name, dtype in dtypes.items()}
    tensors = list(fetches.values())
    opened: Opened = _kept(source, lambda: open_session(tf, source, tensors, types))
    if not all(_has(opened.session, name) for name in tensors) and not opened.inputs:
        _loaded.clear()  # extracted for the fetches of another signature
        opened = _kept(source, lambda: open_session(tf, source, tensors, types))
    feeds = {name: opened.inputs.get(tensor, tensor) for name, tensor in feeds.items()}
    fetches = {name: opened.inputs.get(tensor, tensor) for name, tensor in fetches.items()}
    constants = load_arrays(Path(fixed)) if fixed else {}
    present = {name: value for name, value in constants.items() if _has(opened.session, name)}

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        feed = {feeds[name]: value for name, value in arguments.items()}
        found: dict[str, Any] = opened.session.run(dict(fetches), {**feed, **present})
        return found

    outcome = _each_case(call, cases, results)
    seconds = outcome["began"] - start
    return {**outcome, "ran": opened.ran, "why": opened.why, "load_seconds": seconds}


def run_planned(
    *,
    signature: dict[str, Any],
    weights: list[dict[str, Any]],
    tables: list[dict[str, Any]],
    assets: dict[str, str],
    initial: dict[str, Any] | None,
    cases: str,
    results: str,
) -> dict[str, Any]:
    """Run one signature of a rewrite (see ``rewrite``) without saving it."""
    import tensorflow as tf

    start = time.perf_counter()
    tf.random.set_seed(0)
    holdings = Holdings(tf, weights=weights, tables=tables, assets=assets, initial=initial)
    wrapped, _ = wrap(tf, signature, holdings)

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        tensors = [
            tf.constant(arguments[item["name"]], dtype=tf.as_dtype(item["dtype"]))
            for item in signature["inputs"]
        ]
        found = wrapped(*tensors)
        return {
            item["name"]: value.numpy()
            for item, value in zip(signature["outputs"], found, strict=True)
        }

    outcome = _each_case(call, cases, results)
    seconds = outcome["began"] - start
    return {**outcome, "ran": "the planned graph", "why": "", "load_seconds": seconds}


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

    start = time.perf_counter()
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
        ran = f"the SavedModel, by the {loader} loader"
        return {**outcome, "ran": ran, "why": why, "load_seconds": outcome["began"] - start}
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
    model = _kept(["tf2", path, tags], lambda: tf.saved_model.load(path, tags=tags))
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
    session, meta = _kept(["tf1", path, tags], lambda: _load_v1(tf, path, tags))
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


def _load_v1(tf: Any, path: str, tags: list[str] | None) -> tuple[Any, Any]:
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session(graph=graph)
        return session, tf.compat.v1.saved_model.load(session, tags or [], path)


def _each_case(
    call: Callable[[dict[str, Any]], dict[str, Any]], cases: str, results: str
) -> dict[str, Any]:
    """Call on every case; a case that fails is told of and costs no other.

    An array ``CASE/`` without a name holds how many further calls of that case are timed.
    """
    began = time.perf_counter()
    grouped: dict[str, dict[str, Any]] = {}
    further: dict[str, int] = {}
    for key, value in load_arrays(Path(cases)).items():
        case, _, name = key.partition("/")
        grouped.setdefault(case, {})
        if name:
            grouped[case][name] = value
        else:
            further[case] = int(value)
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    seconds: dict[str, list[float]] = {}
    for case, arguments in grouped.items():
        times: list[float] = []
        try:
            outputs = _timed(call, arguments, times)
            for _ in range(further.get(case, 0)):
                _timed(call, arguments, times)
        except Exception as error:
            errors[case] = short_message(error)
            if is_out_of_memory(errors[case]) and not seconds:
                raise  # TensorFlow waits ten seconds for memory, in the other cases too
            continue
        seconds[case] = times
        for name, value in outputs.items():
            found[f"{case}/{name}"] = value
    save_arrays(Path(results), found)
    return {"errors": errors, "case_seconds": seconds, "began": began}


def _timed(
    call: Callable[[dict[str, Any]], dict[str, Any]], arguments: dict[str, Any], times: list[float]
) -> dict[str, Any]:
    start = time.perf_counter()
    found = call(arguments)
    times.append(time.perf_counter() - start)
    return found


def _has(session: Any, tensor: str) -> bool:
    try:
        session.graph.get_tensor_by_name(tensor)
    except (KeyError, ValueError):
        return False
    return True
