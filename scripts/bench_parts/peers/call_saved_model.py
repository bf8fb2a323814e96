"""Load a SavedModel and call its signature: what a server or a notebook gets. Prints JSON.

Seconds of the load, of the first call, and the median of the further ones; bytes resident at the
peak, and how many of them came after the import of TensorFlow.
"""

import json
import resource
import statistics
import sys
import time

import tensorflow as tf

UNIT = 1 if sys.platform == "darwin" else 1024
CALLS = 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def timed(call):  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


load, model = timed(lambda: tf.saved_model.load(sys.argv[1]))
signature = model.signatures["serving_default"]
arguments = {
    name: tf.ones([dim or 1 for dim in spec.shape], spec.dtype)
    for name, spec in signature.structured_input_signature[1].items()
}


def call():  # type: ignore[no-untyped-def]
    return [value.numpy() for value in signature(**arguments).values()]


first, _ = timed(call)
further = statistics.median(timed(call)[0] for _ in range(CALLS))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
figures = {"load": load, "first": first, "further": further}
print(json.dumps({**figures, "peak": peak * UNIT, "grown": (peak - before) * UNIT}))
