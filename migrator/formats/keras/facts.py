"""What a Keras file says of its model, without Keras: layers, endpoints, and what it would run.

A Keras file can name Python code, other files and other modules, and Keras goes after them while
it loads; so all that is looked at here before.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.keras.dangers import KerasDanger, find_dangers, find_training_dangers

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_CONFIG = 64 << 20
_MOST_OBJECTS = 1_000_000
_WEIGHTS = ".weights.h5"
_FIRST_BLOCK = 512
_ZIP_END = 22 + 0xFFFF
"""Bytes in which a zip archive's end record lies, its comment included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasLayer:
    """One layer, those of models inside the model apart."""

    name: str
    class_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasTensor:
    """An input or output. ``dtype`` and ``shape`` are None where the config does not say."""

    name: str
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasFacts:
    """What the file says. ``dangers`` are reasons not to load it; empty where none was found."""

    path: str
    format: str
    """``keras_h5`` or ``keras_zip``."""
    keras_version: str
    """As written, such as ``2.2.4-tf``; empty where the file does not say."""
    model_class: str
    layers: tuple[KerasLayer, ...] = field(repr=False)
    inputs: tuple[KerasTensor, ...]
    outputs: tuple[KerasTensor, ...]
    dangers: tuple[KerasDanger, ...]
    training_dangers: tuple[KerasDanger, ...] = ()
    """Those in what the model was compiled with, which migrating leaves alone."""

    @property
    def major(self) -> int:
        """Keras' major version, 0 where the file does not say."""
        head = self.keras_version.partition(".")[0]
        return int(head) if head.isascii() and head.isdigit() and len(head) < 9 else 0


def keras_model_facts(path: str | os.PathLike[str]) -> KerasFacts:
    """Read the configuration of a ``.h5`` or ``.keras`` file, whatever it is called.

    Raises FormatError for what is none, or holds weights alone; LimitError for a configuration
    past 64 MB; MigratorError where h5py is needed and missing.
    """
    name = os.fspath(path)
    kinds = keras_formats(name)
    if not kinds:
        raise FormatError("is neither HDF5 nor a zip archive, so no Keras model", where=name)
    found = [_of_hdf5(name) if kinds[0] == "keras_h5" else _of_zip(name)]
    if len(kinds) == 1:
        return found[0]
    with suppress(MigratorError):  # what cannot be read as that, nobody can load as that
        found.append(_of_zip(name) if kinds[0] == "keras_h5" else _of_hdf5(name))
    return replace(
        found[0],
        dangers=(
            KerasDanger(layer="the file", text="is HDF5 and a zip archive at once", kind="link"),
            *(danger for facts in found for danger in facts.dangers),
        ),
        training_dangers=tuple(danger for facts in found for danger in facts.training_dangers),
    )


def keras_formats(path: str) -> tuple[str, ...]:
    """As what Keras can open a file: ``keras_h5``, ``keras_zip``, what its name says first.

    HDF5 can begin at byte 512, 1,024, 2,048, ..., a zip archive anywhere: the bytes in front may
    look like another kind of file. Raises MigratorError where it cannot be read.
    """
    found = []
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = 0
            while start + len(HDF5_MAGIC) <= size:
                file.seek(start)
                if file.read(len(HDF5_MAGIC)) == HDF5_MAGIC:
                    found.append("keras_h5")
                    break
                start = start * 2 or _FIRST_BLOCK
            file.seek(0)
            if file.read(4) == b"PK\x03\x04" or path.lower().endswith(".keras"):
                file.seek(max(0, size - _ZIP_END))
                if b"PK\x05\x06" in file.read(_ZIP_END):
                    found.append("keras_zip")
    except OSError as error:
        raise MigratorError(f"cannot be read: {error.strerror or error}", where=path) from None
    return tuple(sorted(found, key=lambda kind: (kind == "keras_h5") == path.endswith(".keras")))


def holds_hdf5(path: str | os.PathLike[str]) -> bool:
    """Whether reading the file means reading HDF5, whose library never ends on some damaged files.

    False for what cannot be opened.
    """
    try:
        kinds = keras_formats(os.fspath(path))
        if "keras_zip" not in kinds:
            return bool(kinds)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (MigratorError, zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "keras_h5" in kinds or any(name.endswith(_WEIGHTS) for name in names)


def _of_hdf5(path: str) -> KerasFacts:
    h5py = _h5py(path)
    try:
        with h5py.File(path, "r") as file:
            text = _attribute(file, "model_config")
            version = _attribute(file, "keras_version") or ""
            training = _attribute(file, "training_config")
            dangers = list(_references(h5py, file))
    except MigratorError as error:
        raise error.at(path) from None
    except Exception as error:  # h5py raises many kinds for damaged files
        raise FormatError(f"cannot be read as HDF5: {error}", where=path) from None
    if text is None:
        raise FormatError(
            "no model config found: it holds weights alone",
            where=path,
            hint="save the whole model with model.save(...), which keeps its layers too",
        )
    compiled = _parsed(training, path) if training else {}
    return _facts(path, "keras_h5", version, _parsed(text, path), dangers, compiled)


def _h5py(path: str) -> Any:
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise MigratorError(
            "is HDF5, and h5py is not installed", where=path, hint="pip install h5py"
        ) from None
    return h5py


def _attribute(file: Any, name: str) -> str | None:
    if name not in file.attrs:
        return None
    handle = file.attrs.get_id(name)
    if handle.get_storage_size() > _MOST_CONFIG:
        raise LimitError(f"attribute {name} takes {handle.get_storage_size():,} bytes")
    value = file.attrs[name]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise FormatError(f"attribute {name} is no text")
    return value


def _references(h5py: Any, file: Any) -> Iterator[KerasDanger]:
    """Links and data sets that lead to other files."""
    seen = {h5py.h5o.get_info(file.id).addr}
    stack = [(file, "")]
    count = 0
    while stack:
        group, place = stack.pop()
        for key in group:
            count += 1
            if count > _MOST_OBJECTS:
                raise LimitError(f"holds more than {_MOST_OBJECTS:,} objects")
            name = f"{place}/{key}"
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield KerasDanger(
                    layer=name,
                    text="links to another file",
                    kind="link",
                    argument=str(link.filename),
                )
                continue
            if isinstance(link, h5py.SoftLink):
                continue  # what it leads to is looked at where it lies
            item = group[key]
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    yield KerasDanger(
                        layer=name, text="keeps its data in another file", kind="link"
                    )
            elif isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in seen:
                    seen.add(address)
                    stack.append((item, name))


def _of_zip(path: str) -> KerasFacts:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "config.json" not in names:
                raise FormatError(
                    "is a zip archive without config.json, so no .keras model", where=path
                )
            text = _member(archive, "config.json", path)
            metadata = _member(archive, "metadata.json", path) if "metadata.json" in names else ""
            dangers = list(_weight_references(archive, names, path))
    except MigratorError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"cannot be read as a zip archive: {error}", where=path) from None
    found = _parsed(metadata, path) if metadata else {}
    config = _parsed(text, path)
    compiled = config.get("compile_config")
    return _facts(
        path,
        "keras_zip",
        _text(found.get("keras_version")),
        config,
        dangers,
        compiled if isinstance(compiled, dict) else {},
    )


def _member(archive: zipfile.ZipFile, name: str, path: str) -> str:
    with archive.open(name) as file:
        data = file.read(_MOST_CONFIG + 1)
    if len(data) > _MOST_CONFIG:
        raise LimitError(f"{name} takes more than {_MOST_CONFIG:,} bytes", where=path)
    return data.decode(json.detect_encoding(data), "replace")


def _weight_references(
    archive: zipfile.ZipFile, names: set[str], path: str
) -> Iterator[KerasDanger]:
    for name in sorted(names):
        if name.startswith("/") or ".." in Path(name).parts:
            yield KerasDanger(
                layer=name, text="is a member that leads out of the archive", kind="link"
            )
    for name in sorted(names):
        if name.endswith(_WEIGHTS):
            h5py = _h5py(path)
            with archive.open(name) as member, h5py.File(member, "r") as file:
                yield from _references(h5py, file)


def _parsed(text: str, path: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its configuration is no JSON: {error}", where=path) from None
    if not isinstance(found, dict):
        raise FormatError("its configuration is no JSON object", where=path)
    return found


def _facts(
    path: str,
    kind: str,
    version: str,
    config: dict[str, Any],
    dangers: list[KerasDanger],
    compiled: Mapping[str, Any],
) -> KerasFacts:
    inner = config.get("config")
    body = inner if isinstance(inner, dict) else {"layers": inner}  # Sequential before 2.2.3
    listed = body.get("layers")
    layers = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    inputs, outputs = _endpoints(body, layers)
    return KerasFacts(
        path=path,
        format=kind,
        keras_version=version,
        model_class=_text(config.get("class_name")),
        layers=tuple(
            KerasLayer(name=_layer_name(item), class_name=_text(item.get("class_name")))
            for item in layers
        ),
        inputs=inputs,
        outputs=outputs,
        dangers=(*find_dangers(config), *dangers),
        training_dangers=find_training_dangers(compiled),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _config(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    found = layer.get("config")
    return found if isinstance(found, dict) else {}


def _layer_name(layer: Mapping[str, Any]) -> str:
    return _text(layer.get("name")) or _text(_config(layer).get("name"))


def _endpoints(
    body: Mapping[str, Any], layers: list[dict[str, Any]]
) -> tuple[tuple[KerasTensor, ...], tuple[KerasTensor, ...]]:
    by_name = {_layer_name(layer): layer for layer in layers}
    if "input_layers" in body:
        inputs = [_tensor(name, by_name) for name in _layer_names(body.get("input_layers"))]
        outputs = [KerasTensor(name=name) for name in _layer_names(body.get("output_layers"))]
        return tuple(inputs), tuple(outputs)
    if not layers:
        return (), ()
    first, last = layers[0], layers[-1]
    entry = _tensor(_layer_name(first), by_name)
    if first.get("class_name") != "InputLayer":
        entry = KerasTensor(name=f"{entry.name}_input", dtype=entry.dtype, shape=entry.shape)
    return (entry,), (KerasTensor(name=_layer_name(last)),)


def _layer_names(listed: Any) -> list[str]:
    """Names in ``[[name, node, tensor], ...]``, one such alone, or a dict of them."""
    found: list[str] = []
    stack = [listed]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            is_one = len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int)
            if is_one:
                found.append(value[0])
            else:
                stack.extend(reversed(value))
    return found


def _tensor(name: str, layers: Mapping[str, Mapping[str, Any]]) -> KerasTensor:
    config = _config(layers.get(name, {}))
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    dtype = config.get("dtype")
    if isinstance(dtype, dict):
        dtype = _config(dtype).get("name")
    return KerasTensor(
        name=name,
        dtype=dtype if isinstance(dtype, str) else None,
        shape=_shape(shape),
    )


def _shape(value: Any) -> tuple[int | None, ...] | None:
    if not isinstance(value, list) or not all(
        item is None or (isinstance(item, int) and item >= 0) for item in value
    ):
        return None
    return tuple(value)
