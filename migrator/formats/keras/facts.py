"""What a Keras file says of its model, without Keras: layers, endpoints, and what it would run.

A Keras file can name Python code, other files and other modules, and Keras goes after them while
it loads; so all that is looked at here before.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from migrator.errors import FormatError, MigratorError
from migrator.formats.hdf5.tree import Dataset, External, Group, visit
from migrator.formats.keras.archive import CONFIG, METADATA, KerasArchive, keras_archive
from migrator.formats.keras.config import (
    body_of,
    config_of,
    dtype_name,
    histories,
    layer_name,
    layers_of,
    parsed,
    shape_of,
    text_of,
)
from migrator.formats.keras.dangers import KerasDanger, find_dangers, find_training_dangers
from migrator.formats.magic import HDF5
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.brief import brief
from migrator.places.packing import ZIP_END, ZIP_MAGIC, ZIP_TAIL
from migrator.places.source import ByteSource

_WEIGHTS = ".weights.h5"
_FIRST_BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasLayer:
    """One layer, those of models inside the model apart."""

    name: str
    class_name: str

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasTensor:
    """An input or output. ``dtype`` and ``shape`` are None where the config does not say."""

    name: str
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None

    __repr__ = brief


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

    __repr__ = brief

    @property
    def major(self) -> int:
        """Keras' major version, 0 where the file does not say."""
        head = self.keras_version.partition(".")[0]
        return int(head) if head.isascii() and head.isdigit() and len(head) < 9 else 0


def keras_model_facts(
    path: str | os.PathLike[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    is_apart: bool = False,
) -> KerasFacts:
    """Read the configuration of a ``.h5`` or ``.keras`` file, whatever it is called.

    HDF5's library, which never ends on some damaged files, runs in a process of its own where
    ``is_apart`` says so; else in this one, which should be one that may die.

    Raises FormatError for what is none, or holds weights alone; LimitError for a configuration
    past 64 MB; MigratorError where h5py is needed and missing.
    """
    name = os.fspath(path)
    kinds = keras_formats(name)
    if not kinds:
        raise FormatError("is neither HDF5 nor a zip archive, so no Keras model", where=name)
    readers = [_of_hdf5 if kind == "keras_h5" else _of_zip for kind in kinds]
    found = [readers[0](name, limits, is_apart)]
    if len(kinds) == 1:
        return found[0]
    with suppress(MigratorError):  # what cannot be read as that, nobody can load as that
        found.append(readers[1](name, limits, is_apart))
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
            while start + len(HDF5) <= size:
                file.seek(start)
                if file.read(len(HDF5)) == HDF5:
                    found.append("keras_h5")
                    break
                start = start * 2 or _FIRST_BLOCK
            file.seek(0)
            if file.read(4) == ZIP_MAGIC or path.lower().endswith(".keras"):
                file.seek(max(0, size - ZIP_TAIL))
                if ZIP_END in file.read(ZIP_TAIL):
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


def _of_hdf5(path: str, limits: Limits, is_apart: bool) -> KerasFacts:
    root = _tree(ByteSource.open(path), limits, is_apart)
    text, version, training = (
        root.attrs.get(name) for name in ("model_config", "keras_version", "training_config")
    )
    if not isinstance(text, str):
        raise FormatError(
            "no model config found: it holds weights alone",
            where=path,
            hint="save the whole model with model.save(...), which keeps its layers too",
        )
    compiled = parsed(training, path) if isinstance(training, str) and training else {}
    dangers = list(_references(root))
    return _facts(path, "keras_h5", text_of(version), parsed(text, path), dangers, compiled)


def _tree(source: ByteSource, limits: Limits, is_apart: bool) -> Group:
    """What HDF5's own library finds: Keras will read the file by it, so it is what counts."""
    from migrator.formats.hdf5 import apart

    return (apart.describe(source, limits) if is_apart else apart.describe_here(source)).root


def _references(root: Group) -> Iterator[KerasDanger]:
    """Links and data sets that lead to other files."""
    for name, item in visit(root):
        if isinstance(item, External):
            yield KerasDanger(
                layer=f"/{name}", text="links to another file", kind="link", argument=item.file
            )
        elif isinstance(item, Dataset) and item.storage == "elsewhere":
            yield KerasDanger(layer=f"/{name}", text="keeps its data in another file", kind="link")


def _of_zip(path: str, limits: Limits, is_apart: bool) -> KerasFacts:
    with keras_archive(ByteSource.open(path), limits) as archive:
        text = archive.text(CONFIG)
        if text is None:
            raise FormatError(
                "is a zip archive without config.json, so no .keras model", where=path
            )
        metadata = archive.text(METADATA)
        dangers = list(_weight_references(archive, limits, is_apart))
    found = parsed(metadata, path) if metadata else {}
    config = parsed(text, path)
    compiled = config.get("compile_config")
    return _facts(
        path,
        "keras_zip",
        text_of(found.get("keras_version")),
        config,
        dangers,
        compiled if isinstance(compiled, dict) else {},
    )


def _weight_references(
    archive: KerasArchive, limits: Limits, is_apart: bool
) -> Iterator[KerasDanger]:
    names = sorted(archive.names())
    for name in names:
        if name.startswith("/") or ".." in Path(name).parts:
            yield KerasDanger(
                layer=name, text="is a member that leads out of the archive", kind="link"
            )
    for name in names:
        if name.endswith(_WEIGHTS):
            source = archive.member(name)
            if source is not None:
                yield from _references(_tree(source, limits, is_apart))


def _facts(
    path: str,
    kind: str,
    version: str,
    config: dict[str, Any],
    dangers: list[KerasDanger],
    compiled: Mapping[str, Any],
) -> KerasFacts:
    body = body_of(config)
    layers = layers_of(body)
    inputs, outputs = _endpoints(body, layers)
    return KerasFacts(
        path=path,
        format=kind,
        keras_version=version,
        model_class=text_of(config.get("class_name")),
        layers=tuple(
            KerasLayer(name=layer_name(item), class_name=text_of(item.get("class_name")))
            for item in layers
        ),
        inputs=inputs,
        outputs=outputs,
        dangers=(*find_dangers(config), *dangers),
        training_dangers=find_training_dangers(compiled),
    )


def _endpoints(
    body: Mapping[str, Any], layers: list[dict[str, Any]]
) -> tuple[tuple[KerasTensor, ...], tuple[KerasTensor, ...]]:
    by_name = {layer_name(layer): layer for layer in layers}
    if "input_layers" in body:
        inputs = [_tensor(name, by_name) for name in _layer_names(body.get("input_layers"))]
        outputs = [KerasTensor(name=name) for name in _layer_names(body.get("output_layers"))]
        return tuple(inputs), tuple(outputs)
    if not layers:
        return (), ()
    first, last = layers[0], layers[-1]
    entry = _tensor(layer_name(first), by_name)
    if first.get("class_name") != "InputLayer":
        entry = KerasTensor(name=f"{entry.name}_input", dtype=entry.dtype, shape=entry.shape)
    return (entry,), (KerasTensor(name=layer_name(last)),)


def _layer_names(listed: Any) -> list[str]:
    return [name for name, _, _ in histories(listed)]


def _tensor(name: str, layers: Mapping[str, Mapping[str, Any]]) -> KerasTensor:
    config = config_of(layers.get(name, {}))
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    return KerasTensor(
        name=name, dtype=dtype_name(config.get("dtype")) or None, shape=shape_of(shape)
    )
