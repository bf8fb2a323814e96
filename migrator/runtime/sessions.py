"""Child side: TensorFlow 1 sessions on what a reference may be."""

from __future__ import annotations

from typing import Any

from migrator.runtime.messages import short_message
from migrator.runtime.meta_graphs import meta_graph_session, saved_model_session, strip_devices
from migrator.runtime.opened import Opened
from migrator.runtime.protos import fill
from migrator.runtime.storage import read_array


def open_session(
    tf: Any, source: dict[str, Any], fetches: list[str], fed: dict[str, str]
) -> Opened:
    """Load ``source`` into a session of its own.

    ``source`` holds ``kind`` (``graph_def``, ``saved_model`` or ``meta_graph``), ``path`` and
    whether that is ``text``;
    ``tags`` for a SavedModel, ``checkpoint`` and ``files`` (path tensor -> file) for a meta graph,
    ``fallback`` (the planned graph)
    and ``stand_ins`` (variables in the place of large constants) for a GraphDef. ``fetches`` are
    tensors, ``fed`` is tensor -> dtype of what will be fed.
    """
    if source["kind"] == "saved_model":
        return saved_model_session(tf, source, fetches)
    if source["kind"] == "meta_graph":
        return meta_graph_session(tf, source, fetches)
    return _graph_def(tf, source, fetches, fed)


def _graph_def(tf: Any, source: dict[str, Any], fetches: list[str], fed: dict[str, str]) -> Opened:
    graph_def = read_graph_def(tf, source["path"], text=source.get("text", False))
    stand_ins = source["stand_ins"]
    try:
        return _imported(tf, graph_def, stand_ins, "whole graph", "")
    except Exception as error:
        why = short_message(error)
    try:
        names = list(dict.fromkeys(fetch.rpartition(":")[0] for fetch in fetches))
        if stand_ins:  # TensorFlow's own extraction asks for every node
            raise ValueError("weights are not in the graph")
        extracted = tf.compat.v1.graph_util.extract_sub_graph(graph_def, names)
        return _imported(tf, extracted, None, "what TensorFlow's extract_sub_graph keeps", why)
    except Exception:
        if source["fallback"] is None:
            raise
    return _planned(tf, source, fed, why)


def _planned(tf: Any, source: dict[str, Any], fed: dict[str, str], why: str) -> Opened:
    """The planned graph, which lacks its inputs' nodes, with a placeholder for each."""
    graph_def = read_graph_def(tf, source["fallback"])
    consumed = {text if ":" in text else f"{text}:0" for n in graph_def.node for text in n.input}
    graph = tf.Graph()
    with graph.as_default():
        made = {
            tensor: tf.compat.v1.placeholder(tf.as_dtype(dtype), name="migrator_input")
            for tensor, dtype in fed.items()
        }
        used = {tensor: value for tensor, value in made.items() if tensor in consumed}
        tf.graph_util.import_graph_def(graph_def, input_map=used, name="")
        tf.compat.v1.set_random_seed(0)
    session = tf.compat.v1.Session(graph=graph)
    inputs = {tensor: value.name for tensor, value in made.items()}
    return Opened(session=session, ran="the planned graph", why=why, inputs=inputs)


def _imported(tf: Any, graph_def: Any, stand_ins: Any, ran: str, why: str) -> Opened:
    graph = tf.Graph()
    with graph.as_default():
        fillers, given = [], {}
        for row in stand_ins or ():
            value, filler = _variable(tf, row)
            given[row["tensor"]] = value
            fillers.append((row, filler))
        tf.graph_util.import_graph_def(graph_def, input_map=given, name="")
        tf.compat.v1.set_random_seed(0)
    session = tf.compat.v1.Session(graph=graph)
    for row, (assign, placeholder) in fillers:  # one at a time: all at once are in memory twice
        session.run(assign, {placeholder: read_array(tf, row)})
    return Opened(session=session, ran=ran, why=why, inputs={})


def _variable(tf: Any, row: dict[str, Any]) -> tuple[Any, tuple[Any, Any]]:
    """A variable's value, and how to fill it."""
    dtype, shape = tf.as_dtype(row["dtype"]), row["shape"]
    with tf.name_scope("migrator_weights"):
        handle = tf.raw_ops.VarHandleOp(dtype=dtype, shape=shape, shared_name=row["tensor"])
        placeholder = tf.compat.v1.placeholder(dtype, shape)
        assign = tf.raw_ops.AssignVariableOp(resource=handle, value=placeholder)
        value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
        value.set_shape(shape)
    return value, (assign, placeholder)


def read_graph_def(tf: Any, path: str, *, text: bool = False) -> Any:
    """The GraphDef in a file, without its devices: a parameter server of 2017 does not answer."""
    graph_def = fill(tf.compat.v1.GraphDef(), path, text=text)
    strip_devices(graph_def)
    return graph_def
