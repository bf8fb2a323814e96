"""Child task: call a TFLite model on cases, as an application does."""

from __future__ import annotations

import importlib
import time
import warnings
from typing import Any

from migrator.runtime.messages import short_message
from migrator.runtime.run import _each_case


def run_tflite(
    *,
    path: str,
    signature: str,
    inputs: dict[str, str],
    outputs: dict[str, str],
    cases: str,
    results: str,
) -> dict[str, Any]:
    """Call one signature of the model in file ``path``, its inputs resized for each case.

    ``inputs`` and ``outputs`` give the signature's own names for those of the cases and results.
    Integer inputs and outputs with a scale are fed and given in real numbers. One interpreter
    serves all cases; a case that it refuses is tried once more on a fresh one.
    """
    start = time.perf_counter()
    interpreter, version = open_interpreter(path)
    listed = interpreter.get_signature_list()
    if signature not in listed:
        raise ValueError(f"no signature {signature!r}; there is {', '.join(listed) or 'none'}")
    holder = [interpreter]
    refused: list[str] = []

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return _call(holder[0], signature, arguments, inputs, outputs)
        except Exception as error:
            # A resize that failed half-way leaves an interpreter of no further use.
            holder[0], _ = open_interpreter(path)
            found = _call(holder[0], signature, arguments, inputs, outputs)
            refused.append(short_message(error))
            return found

    outcome = _each_case(call, cases, results)
    why = f"an interpreter in use refused to be resized: {refused[0]}" if refused else ""
    ran = f"a fresh interpreter each time ({version})" if why else version
    return {**outcome, "ran": ran, "why": why, "load_seconds": outcome["began"] - start}


def open_interpreter(path: str) -> tuple[Any, str]:
    """An interpreter for a file, and what it is called. LiteRT is preferred where installed."""
    try:
        litert = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError:
        import tensorflow as tf

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that LiteRT will replace it
            interpreter = tf.lite.Interpreter(model_path=path)
        return interpreter, f"the interpreter of TensorFlow {tf.__version__}"
    version = getattr(litert, "__version__", "")
    return litert.Interpreter(model_path=path), f"the LiteRT interpreter {version}".strip()


def _call(
    interpreter: Any,
    signature: str,
    arguments: dict[str, Any],
    inputs: dict[str, str],
    outputs: dict[str, str],
) -> dict[str, Any]:
    runner = interpreter.get_signature_runner(signature)
    details = runner.get_input_details()
    fed = {
        inputs[name]: _fed(value, details[inputs[name]])
        for name, value in arguments.items()
        if inputs[name] in details
    }
    found = runner(**fed)
    given = runner.get_output_details()
    return {name: _real(found[own], given[own]) for name, own in outputs.items() if own in found}


def _fed(value: Any, details: dict[str, Any]) -> Any:
    """``value`` as the input takes it: real numbers become integers of its scale."""
    import numpy as np

    array = np.asarray(value)
    wanted = np.dtype(details["dtype"])
    scale, zero = details["quantization"]
    if not scale or array.dtype.kind != "f":
        return array
    bounds = np.iinfo(wanted)
    integers = np.round(array.astype(np.float64) / scale) + zero
    return np.clip(integers, bounds.min, bounds.max).astype(wanted)


def _real(value: Any, details: dict[str, Any]) -> Any:
    """``value`` in real numbers, where it is integers of a scale."""
    import numpy as np

    scale, zero = details["quantization"]
    if not scale or np.asarray(value).dtype.kind not in "iu":
        return value
    return ((value.astype(np.float64) - zero) * scale).astype(np.float32)
