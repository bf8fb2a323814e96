"""Child tasks: a SavedModel into TFLite, and whether the interpreter here can run the result."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from migrator.arrays import load_arrays
from migrator.runtime.messages import short_message
from migrator.runtime.tflite_file import describe
from migrator.runtime.tflite_run import open_interpreter

_NAMED = re.compile(r"^(TF Select|Custom) ops: (.+)$", re.MULTILINE)
_REFUSED = re.compile(r"'tf\.([A-Za-z0-9_]+)' op is neither a custom op nor a flex op")
_LOCATION = re.compile(r"(?:<unknown>:0: )?(?:error: )?loc\(.*?\)+: ?")
_MOST = 600


def convert_tflite(
    *,
    saved_model: str,
    tags: list[str],
    signatures: list[str],
    ops: str,
    quantize: str,
    samples: str | None,
    integer_io: bool,
    custom_ops: bool,
    unfold: bool,
    dest: str,
) -> dict[str, Any]:
    """One attempt to convert the signatures of a SavedModel into file ``dest``.

    ``ops`` is ``int8`` (integer kernels alone), ``builtin``, or ``select`` (TensorFlow's own
    kernels beside the built-in ones). ``quantize`` is ``none``, ``dynamic``, ``float16`` or
    ``int8``; the last calibrates a single signature on file ``samples`` (of ``migrator.arrays``,
    keys ``NUMBER/NAME``). With ``unfold``, products of two computed matrices become fully
    connected ops. An attempt that the converter refuses is an outcome: its ``refusal`` says why,
    ``select`` and ``custom`` name the ops that have no built-in kernel.
    """
    import tensorflow as tf

    lite = tf.lite
    converter = lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=signatures[:1], tags=set(tags)
    )
    if len(signatures) > 1:
        # Asked for several at once, it keeps but one of a model that looks like Keras' export.
        converter._saved_model_exported_names = list(signatures)
    sets = lite.OpsSet
    converter.target_spec.supported_ops = {
        "int8": [sets.TFLITE_BUILTINS_INT8],
        "builtin": [sets.TFLITE_BUILTINS]
        + ([sets.TFLITE_BUILTINS_INT8] if quantize == "int8" else []),
        "select": [sets.TFLITE_BUILTINS, sets.SELECT_TF_OPS],
    }[ops]
    converter.allow_custom_ops = custom_ops
    converter.unfold_batchmatmul = unfold
    if quantize != "none":
        converter.optimizations = [lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8" and samples is not None:
        converter.representative_dataset = _representative(samples)
        if integer_io:
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
    try:
        content = converter.convert()
    except Exception as error:
        return {"converted": False, **_refusal(error)}
    described = describe(content)
    missing = [key for key in signatures if key not in described["signatures"]]
    if missing:
        return {
            "converted": False,
            "refusal": f"the converter left signature {', '.join(missing)} out",
            "select": [],
            "custom": [],
        }
    Path(dest).write_bytes(content)
    return {"converted": True, **described}


def probe_tflite(*, path: str) -> dict[str, Any]:
    """Whether the interpreter installed here can run file ``path``; ``why`` not, if it cannot."""
    try:
        interpreter, _ = open_interpreter(path)
        interpreter.allocate_tensors()
    except Exception as error:
        return {"runs": False, "why": short_message(error)}
    return {"runs": True, "why": ""}


def _representative(path: str) -> Callable[[], Iterator[dict[str, Any]]]:
    """What the converter calibrates on: for each sample the arrays by input name."""
    grouped: dict[int, dict[str, Any]] = {}
    for key, value in load_arrays(Path(path)).items():
        number, _, name = key.partition("/")
        grouped.setdefault(int(number), {})[name] = value
    return lambda: iter(grouped.values())


def _refusal(error: Exception) -> dict[str, Any]:
    """The converter's pages of MLIR, cut down to what they mean."""
    text = str(error)
    named: dict[str, set[str]] = {"TF Select": set(), "Custom": set()}
    for kind, names in _NAMED.findall(text):
        named[kind] |= {name.strip() for name in names.split(",")}
    if not any(named.values()):
        named["TF Select"] = set(_REFUSED.findall(text))
    if any(named.values()):
        listed = ", ".join(sorted(named["TF Select"] | named["Custom"]))
        message = f"no built-in kernel for {listed}"
    else:
        message = _LOCATION.sub("", short_message(error))[:_MOST]
    return {
        "refusal": message,
        "select": sorted(named["TF Select"]),
        "custom": sorted(named["Custom"]),
    }
