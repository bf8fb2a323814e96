"""Peer: how TensorFlow's migration guide brings a frozen graph into a SavedModel.

Arguments: frozen graph, destination, input name, input tensor, output name, output tensor.
Exit code 7: TensorFlow refused the file.
"""

import sys

import tensorflow as tf
from google.protobuf.message import DecodeError

source, destination, input_name, input_tensor, output_name, output_tensor = sys.argv[1:]

graph_def = tf.compat.v1.GraphDef()
try:
    with open(source, "rb") as file:
        graph_def.ParseFromString(file.read())
except DecodeError as error:
    print(f"refused: {error}", file=sys.stderr)
    raise SystemExit(7) from None

wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
element = wrapped.graph.as_graph_element
pruned = wrapped.prune(feeds=[element(input_tensor)], fetches={output_name: element(output_tensor)})
module = tf.Module()
module.pruned = pruned
tf.saved_model.save(module, destination, signatures={"serving_default": pruned})
