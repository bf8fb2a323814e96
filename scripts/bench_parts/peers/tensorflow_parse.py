"""Peer: what there is to do with a frozen graph in TensorFlow before anything can be asked of it.

Prints the times of its two parts as JSON. Exit code 7: TensorFlow refused the file.
"""

import json
import sys
import time

start = time.perf_counter()
import tensorflow as tf  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402

imported = time.perf_counter()
graph_def = tf.compat.v1.GraphDef()
try:
    with open(sys.argv[1], "rb") as file:
        graph_def.ParseFromString(file.read())
except DecodeError as error:
    print(f"refused: {error}", file=sys.stderr)
    raise SystemExit(7) from None
parsed = time.perf_counter()
times = {"import": imported - start, "work": parsed - imported, "nodes": len(graph_def.node)}
print(json.dumps(times))
