"""``saved_model.pb`` of TensorFlow 1 and 2 to a Model."""

from __future__ import annotations

from collections import Counter
from typing import Any

from migrator.errors import FormatError
from migrator.formats.messages import message_class
from migrator.formats.nodes import read_graph
from migrator.formats.reading import format_name, read_message
from migrator.formats.spans import Spans
from migrator.formats.tensors import lazy_tensor, read_shape
from migrator.limits import Limits
from migrator.model.checks import graph_warnings
from migrator.model.dtypes import DType
from migrator.model.model import (
    Asset,
    MetaGraph,
    Model,
    ObjectGraph,
    SavedVariable,
    Saver,
    Signature,
    Source,
)
from migrator.model.tensors import Shape, TensorSpec
from migrator.places.source import ByteSource

_ASSETS = "saved_model_assets"


def read(source: ByteSource, limits: Limits, *, text: bool = False) -> Model:
    """Read a binary or a ``text`` SavedModel. Raises FormatError, LimitError."""
    message, spans = read_message(source, "SavedModel", limits, text=text)
    if not message.meta_graphs:
        raise FormatError(
            "a SavedModel without meta graphs", where=source.name, hint="is the file truncated?"
        )
    warnings: list[str] = []
    metas = []
    for index, meta in enumerate(message.meta_graphs):
        found, more = read_meta_graph(meta, spans, limits, f"meta_graphs[{index}].")
        metas.append(found)
        warnings += more
    return Model(
        source=Source(
            path=source.name, bytes=source.size, format=format_name("saved_model", text=text)
        ),
        meta_graphs=tuple(metas),
        warnings=tuple(warnings),
    )


def read_meta_graph(
    message: Any, spans: Spans, limits: Limits, where: str = ""
) -> tuple[MetaGraph, list[str]]:
    """A parsed MetaGraphDef, and what is odd about it; ``where`` is the path to it, for errors.

    Raises FormatError, LimitError.
    """
    for index, node in enumerate(message.graph_def.node):
        if not node.name or not node.op:
            raise FormatError(
                "a node without a name or an op",
                where=f"{spans.source.name}: {where}graph_def.node[{index}]",
            )
    graph, warnings = read_graph(message.graph_def, spans, limits, where=f"{where}graph_def")
    warnings += graph_warnings(graph)
    info = message.meta_info_def
    saver = message.saver_def
    has_saver = saver.filename_tensor_name or saver.restore_op_name
    meta = MetaGraph(
        tags=tuple(info.tags),
        tensorflow_version=info.tensorflow_version or None,
        signatures={
            key: _signature(message.signature_def[key], spans, limits, f"{where}signature_def")
            for key in sorted(message.signature_def)
        },
        graph=graph,
        collections={
            key: _collection(message.collection_def[key]) for key in sorted(message.collection_def)
        },
        assets=_assets(message),
        saver=Saver(
            filename_tensor=saver.filename_tensor_name,
            save_tensor=saver.save_tensor_name,
            restore_op=saver.restore_op_name,
        )
        if has_saver
        else None,
        object_graph=_object_graph(message.object_graph_def)
        if message.HasField("object_graph_def")
        else None,
    )
    return meta, warnings


def _assets(message: Any) -> tuple[Asset, ...]:
    """The assets; TensorFlow 1 lists them in a collection and leaves the field empty."""
    from google.protobuf.message import DecodeError

    found = list(message.asset_file_def)
    if not found and _ASSETS in message.collection_def:
        for item in message.collection_def[_ASSETS].any_list.value:
            try:
                found.append(message_class("AssetFileDef").FromString(item.value))
            except DecodeError:
                continue
    return tuple(Asset(tensor=item.tensor_info.name, filename=item.filename) for item in found)


def _signature(message: Any, spans: Spans, limits: Limits, where: str) -> Signature:
    return Signature(
        method_name=message.method_name,
        inputs={name: _tensor_info(message.inputs[name]) for name in sorted(message.inputs)},
        outputs={name: _tensor_info(message.outputs[name]) for name in sorted(message.outputs)},
        defaults={
            name: lazy_tensor(
                message.defaults[name], spans, limits, where=lambda: f"{where}.defaults"
            )
            for name in sorted(message.defaults)
        },
    )


def _tensor_info(message: Any) -> TensorSpec:
    encoding = "dense"
    parts: tuple[str, ...] = ()
    if message.HasField("coo_sparse"):
        sparse = message.coo_sparse
        encoding = "sparse"
        parts = (
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        )
    elif message.HasField("composite_tensor"):
        encoding = "composite"
        parts = tuple(part.name for part in message.composite_tensor.components)
    return TensorSpec(
        tensor=message.name,
        dtype=DType(message.dtype),
        shape=read_shape(message.tensor_shape) if message.HasField("tensor_shape") else Shape(None),
        encoding=encoding,
        parts=parts,
    )


def _collection(message: Any) -> tuple[Any, ...]:
    kind = message.WhichOneof("kind")
    if kind is None:
        return ()
    values = getattr(message, kind).value
    return tuple(item.value for item in values) if kind == "any_list" else tuple(values)


def _object_graph(message: Any) -> ObjectGraph:
    kinds: Counter[str] = Counter()
    variables = []
    for item in message.nodes:
        kind = item.WhichOneof("kind") or "trackable"
        kinds[kind] += 1
        if kind == "variable":
            found = item.variable
            spec = TensorSpec(tensor="", dtype=DType(found.dtype), shape=read_shape(found.shape))
            variables.append(SavedVariable(name=found.name, spec=spec, trainable=found.trainable))
    return ObjectGraph(
        kinds=dict(sorted(kinds.items())),
        variables=tuple(variables),
        concrete_functions=tuple(sorted(message.concrete_functions)),
        message=message,
    )
