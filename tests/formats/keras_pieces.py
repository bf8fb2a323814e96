"""Keras files made by hand: configurations, archives, HDF5."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from migrator.formats.load import load
from migrator.limits import Limits
from migrator.model.graph import Graph
from migrator.model.model import Model


def layer(name: str, kind: str = "Dense", inbound: Any = None, **config: Any) -> dict[str, Any]:
    found = {"class_name": kind, "config": {"name": name, **config}, "name": name}
    return found if inbound is None else {**found, "inbound_nodes": inbound}


def functional(*layers: dict[str, Any], name: str = "m", **more: Any) -> dict[str, Any]:
    first, last = (layers[0], layers[-1]) if layers else ({"name": "x"}, {"name": "x"})
    config = {
        "name": name,
        "layers": list(layers),
        "input_layers": [[first["name"], 0, 0]],
        "output_layers": [[last["name"], 0, 0]],
        **more,
    }
    return {"class_name": "Functional", "config": config, "name": name}


ENTRY = layer("x", "InputLayer", [], batch_shape=[None, 3], dtype="float32")


def archive(
    path: Path, config: Any, weights: bytes = b"", *, packed: bool = False, version: str = "3.9.0"
) -> Path:
    form = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", form) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": version}))
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        if weights:
            file.writestr("model.weights.h5", weights)
    return path


def read(tmp_path: Path, config: Any, limits: Limits | None = None) -> Model:
    return load(archive(tmp_path / "m.keras", config), limits=limits or Limits())


def graph(tmp_path: Path, config: Any) -> Graph:
    return read(tmp_path, config).graph


def wired(found: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.op, node.inputs) for node in found.nodes}


def hdf5(items: dict[str, Any]) -> bytes:
    """A file with data sets, and attributes where a name holds ``@``."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for name, value in items.items():
            place, at, attribute = name.partition("@")
            if at:
                made.require_group(place or "/").attrs[attribute] = value
            else:
                made[place] = value
    return file.getvalue()
