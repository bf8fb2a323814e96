"""Old and rewritten graphs, run side by side in this process's TensorFlow.

A low ``versions.producer`` lets TensorFlow 2 run ops that it refuses in new graphs, by the kernels
that it still carries: the numbers of the old op itself.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from migrator.formats.encode import write_graph
from migrator.model.graph import Graph

NEW = 2474


def graph_bytes(graph: Graph, *, nodes_only: bool = False) -> bytes:
    """A GraphDef without its functions where ``nodes_only``."""
    file = io.BytesIO()
    write_graph(file, graph.nodes, () if nodes_only else graph.functions.values())
    return file.getvalue()


def run(
    graph: Graph,
    outputs: Sequence[str],
    feeds: Mapping[str, Any] | None = None,
    *,
    producer: int = NEW,
    before: Sequence[str] = (),
) -> list[Any]:
    """Fetch tensors in a fresh session; ``before`` are operations to run first, one by one."""
    import tensorflow as tf

    proto = tf.compat.v1.GraphDef()
    proto.ParseFromString(graph_bytes(graph))
    proto.versions.producer = producer
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1)
    # What the optimiser folds is not what the kernel under test computes.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    with tf.Graph().as_default() as place:
        tf.import_graph_def(proto, name="")
        with tf.compat.v1.Session(graph=place, config=config) as session:
            for name in before:
                session.run(name)
            return list(session.run(list(outputs), dict(feeds or {})))


def run_in_function(graph: Graph, outputs: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
    """Fetch tensors through a function of TensorFlow 2."""
    import tensorflow as tf

    proto = tf.compat.v1.GraphDef()
    proto.ParseFromString(graph_bytes(graph))
    proto.versions.producer = NEW

    def call() -> Any:
        given = {name: tf.constant(value) for name, value in feeds.items()}
        return tf.import_graph_def(proto, input_map=given, return_elements=list(outputs), name="")

    return [np.asarray(value) for value in tf.compat.v1.wrap_function(call, [])()]
