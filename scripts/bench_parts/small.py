"""``inspect`` of one small model of each format, cold: what starting up costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench_parts.case import Case, Row, migrator
from bench_parts.measure import Contender, Run, spread

_FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
_FORMATS = {
    "frozen GraphDef": "tf1.15.5/mlp/model.pb",
    "GraphDef as text": "text_twins/tf1.4.1/graph.pbtxt",
    "SavedModel of TensorFlow 1": "tf1.4.1/sm_variables/saved_model",
    "SavedModel of TensorFlow 2": "tf2.21.0/keras_export/saved_model",
    "hub module": "tf1.15.5/hub_text/module",
    "MetaGraph, checkpoint": "tf1.15.5/mg_train/trained",
    "MetaGraph, checkpoint of version 1": "tf1.15.5/mg_version_1/trained",
    "checkpoint alone": "tf1.15.5/mg_train/trained/model.ckpt-10.index",
    "Keras, HDF5": "tf2.21.0/keras_h5/model.h5",
    "Keras, .keras": "tf2.21.0/keras_zip/model.keras",
    "TFLite": "tflite_files/plain.tflite",
}
_UNDER = 0.25
"""Seconds of CPU, whatever the format."""


def small() -> Case:
    return Case(
        "small",
        "inspect of a small model of each format, CPU of the whole process",
        lambda: _FIXTURES,
        lambda folder: [
            Contender(form, migrator("inspect", folder / path)) for form, path in _FORMATS.items()
        ],
        _judge,
    )


def _judge(results: Sequence[Sequence[Run]]) -> list[Row]:
    rows = []
    for form, runs in zip(_FORMATS, results, strict=True):
        cpu = spread([run.cpu for run in runs])
        target = f"under {_UNDER:g} s"
        rows.append(Row(f"{form}, s", cpu.text(), "", None, target, cpu.median < _UNDER))
    return rows
