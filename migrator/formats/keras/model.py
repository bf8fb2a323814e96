"""Keras files as a Model: layers as a graph, weights by name, without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from migrator.errors import FormatError, UnsupportedFormat, first_few
from migrator.formats.hdf5.headers import NotPlain
from migrator.formats.hdf5.tree import Dataset
from migrator.formats.hdf5.values import lazy_tensor
from migrator.formats.hdf5.walk import Hdf5File, walk
from migrator.formats.keras.config import parsed, text_of
from migrator.formats.keras.dangers import loading_risks
from migrator.formats.keras.graph import layer_graph
from migrator.formats.keras.trained import untrained_weights
from migrator.formats.keras.weights import find_weights
from migrator.limits import Limits
from migrator.model.keras import KerasFile
from migrator.model.model import MetaGraph, Model, Source
from migrator.model.tensors import LazyTensor
from migrator.places.source import ByteSource

_SHOWN = 3


class _Held(NamedTuple):
    """What an HDF5 file holds. ``owners`` are the layers of weights whose names do not say them."""

    variables: dict[str, LazyTensor]
    owners: dict[str, str]
    warnings: list[str]
    is_unmarked: bool


def read_h5(source: ByteSource, limits: Limits) -> Model:
    """Read an HDF5 file of Keras 1, 2 or 3: a whole model, or weights alone.

    Raises FormatError, LimitError; MigratorError where h5py is needed and missing.
    """
    file = open_hdf5(source, limits)
    attrs = file.root.attrs
    text = attrs.get("model_config")
    config = parsed(text, source.name) if isinstance(text, str) else None
    whole = file.root.links.get("model_weights")
    said = [attrs, getattr(whole, "attrs", {})]
    version = _first(said, "keras_version")
    held = _held(file, config, source, limits, version)
    graph, more = _graphs(config, limits, source.name)
    return Model(
        source=Source(path=source.name, bytes=source.size, format="keras_h5"),
        meta_graphs=graph,
        variables=held.variables,
        warnings=(*file.warnings, *more, *held.warnings),
        producer=_producer(version, _first(said, "backend")),
        keras=KerasFile(
            owners=held.owners,
            is_unmarked=held.is_unmarked,
            is_empty=not file.root.links,
            risks=loading_risks(config, _compiled(attrs)),
            untrained=untrained_weights(config, held.variables, held.owners),
        ),
    )


def read_zip(source: ByteSource, limits: Limits) -> Model:
    """Read a ``.keras`` archive. Raises what ``read_h5`` raises.

    One whose weights cannot be read is still read, with a warning.
    """
    from migrator.formats.keras.archive import CONFIG, METADATA, WEIGHTS, keras_archive

    warnings: list[str] = []
    with keras_archive(source, limits) as archive:
        text = archive.text(CONFIG)
        if text is None:
            raise FormatError(f"is a zip archive without {CONFIG}", where=source.name)
        config = parsed(text, source.name)
        if not text_of(config.get("class_name")):
            raise UnsupportedFormat(
                f"is a zip archive whose {CONFIG} names no Keras model",
                where=source.name,
                hint="unpack it first",
            )
        metadata = archive.text(METADATA)
        said = parsed(metadata, f"{source.name}: {METADATA}") if metadata else {}
        version = text_of(said.get("keras_version"))
        variables: dict[str, LazyTensor] = {}
        owners: dict[str, str] = {}
        try:
            weights = archive.member(WEIGHTS)
            if weights is None:
                warnings.append(f"holds no weights: there is no {WEIGHTS} in it")
            else:
                file = open_hdf5(weights, limits)
                held = _held(file, config, weights, limits, version)
                variables, owners = held.variables, held.owners
                warnings += [f"{WEIGHTS}: {line}" for line in (*file.warnings, *held.warnings)]
                weights.deadline = None
        except FormatError as error:
            warnings.append(f"{WEIGHTS}: {error.what}")
    graph, more = _graphs(config, limits, source.name)
    return Model(
        source=Source(path=source.name, bytes=source.size, format="keras_zip"),
        meta_graphs=graph,
        variables=variables,
        warnings=(*more, *warnings),
        producer=_producer(version, ""),
        keras=KerasFile(
            owners=owners,
            risks=loading_risks(config, config.get("compile_config")),
            untrained=untrained_weights(config, variables, owners),
        ),
    )


def open_hdf5(source: ByteSource, limits: Limits) -> Hdf5File:
    """What the file holds: read here, or by h5py elsewhere where it is of a rare kind."""
    try:
        return walk(source, limits)
    except NotPlain:
        from migrator.formats.hdf5 import apart

        return apart.describe(source, limits)


def _held(
    file: Hdf5File,
    config: Mapping[str, Any] | None,
    source: ByteSource,
    limits: Limits,
    version: str,
) -> _Held:
    deadline = source.deadline

    def check(count: int) -> None:
        limits.check("variables", count, where=source.name)
        if deadline is not None:
            deadline.check(source.name)

    found = find_weights(file.root, config, check, version)

    def fetch(path: str, item: Dataset) -> bytes:
        from migrator.formats.hdf5 import apart

        return apart.fetch(source, path, item, limits)

    variables: dict[str, LazyTensor] = {}
    owners: dict[str, str] = {}
    odd: list[str] = []
    gone = 0
    for weight in found.weights:
        tensor = lazy_tensor(weight.item, weight.path, source, file.heap, fetch, limits)
        if tensor is None:
            odd.append(f"{ascii(weight.path)[1:-1][:100]} ({weight.item.type.what})")
            continue
        item = weight.item
        gone += item.storage == "elsewhere" or (
            item.offset is not None and item.offset + item.stored > source.size
        )
        variables[weight.name] = tensor
        if weight.layer:
            owners[weight.name] = weight.layer
    warnings = list(found.warnings)
    if odd:
        are = "data sets are no tensors" if len(odd) > 1 else "data set is no tensor"
        warnings.append(f"{len(odd):,} {are} and left out: {first_few(odd, _SHOWN, str)}")
    if gone:
        warnings.append(
            f"the values of {gone:,} weight{'s lie' if gone > 1 else ' lies'} outside of the file"
        )
    return _Held(variables, owners, warnings, found.is_unmarked)


def _graphs(
    config: Mapping[str, Any] | None, limits: Limits, where: str
) -> tuple[tuple[MetaGraph, ...], list[str]]:
    if config is None:
        return (), []
    found = layer_graph(config, limits, where)
    if found is None:
        name = ascii(text_of(config.get("class_name")))[:100]
        return (), [f"its configuration names no layers: the class {name} makes them itself"]
    return (MetaGraph(graph=found.graph, declared=found.declared),), list(found.warnings)


def _compiled(attrs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What an HDF5 file says that its model was compiled with."""
    text = attrs.get("training_config")
    if not isinstance(text, str):
        return None
    try:
        return parsed(text, "training_config")
    except FormatError:
        return None


def _first(attributes: list[Mapping[str, Any]], name: str) -> str:
    return next((text_of(item[name]) for item in attributes if text_of(item.get(name))), "")


def _producer(version: str, backend: str) -> str:
    if not version:
        return ""
    return f"Keras {version}, backend {backend}" if backend else f"Keras {version}"
