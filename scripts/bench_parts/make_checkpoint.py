"""A child of made.py: a tower of dense layers with reference variables, saved by a Saver.

Arguments: prefix, layers, width. Writes PREFIX.meta, PREFIX.index and PREFIX.data-*.
"""

import sys

import tensorflow as tf

prefix, layers, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
v1 = tf.compat.v1

graph = tf.Graph()
with graph.as_default(), v1.Session(graph=graph) as session:
    before = v1.placeholder(tf.float32, [None, width], name="x")
    for layer in range(layers):
        with v1.variable_scope(f"stack/layer_{layer}"):
            values = tf.random.normal([width, width], stddev=width**-0.5, seed=layer)
            kernel = v1.Variable(values, name="kernel", use_resource=False)
            # One at a time: all at once their values would be in memory twice.
            session.run(kernel.initializer)
            before = tf.tanh(tf.matmul(before, kernel, name="MatMul"), name="Tanh")
    tf.identity(before, name="result")
    v1.train.Saver().save(session, prefix, write_state=False)
