"""A model as text that does not change unless the model does: for ``git diff`` and its like.

One line a node, in the order of names, with its inputs and attributes; a constant with its values
where they are few, else with a hash of them. Positions in the file leave no trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from migrator.diffing.changes.attributes import readable
from migrator.errors import MigratorError
from migrator.model.graph import AttrValue, Function, Node
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import LazyTensor, TensorSpec
from migrator.report.escape import shown

_ANNOTATIONS = ("_output_shapes", "_class")
_HASHED = 512 << 20
"""Stored bytes of a constant up to which its content is hashed."""


def canonical_text(model: Model) -> Iterator[str]:
    """The lines, without their ends."""
    yield f"format: {model.source.format}"
    for meta in model.meta_graphs:
        yield ""
        yield from _meta_graph(meta)
    # TFLite's are the constants of its nodes; git hands over no shard beside an index.
    for key in sorted(model.variables) if model.tflite is None else ():
        tensor = model.variables[key]
        form = f"{tensor.dtype.name} {tensor.shape}"
        is_here = model.source.family == "keras"
        yield f"variable {_name(key)}: {_tensor(tensor) if is_here else form}"


def _meta_graph(meta: MetaGraph) -> Iterator[str]:
    if meta.tags:
        yield f"tags: {', '.join(map(_name, sorted(meta.tags)))}"
    if meta.tensorflow_version:
        yield f"tensorflow: {_name(meta.tensorflow_version)}"
    versions = meta.graph.versions
    yield f"versions: producer {versions.producer}, min_consumer {versions.min_consumer}"
    for key in sorted(meta.signatures):
        item = meta.signatures[key]
        yield f"signature {_name(key)}: {_name(item.method_name)}"
        yield from _specs("in ", item.inputs)
        yield from _specs("out", item.outputs)
    for asset in sorted(meta.assets, key=lambda item: item.filename):
        yield f"asset {_name(asset.filename)}: {_name(asset.tensor)}"
    yield ""
    yield from _nodes(meta.graph.nodes, "")
    for name in sorted(meta.graph.functions):
        yield ""
        yield from _function(meta.graph.functions[name])


def _specs(word: str, items: object) -> Iterator[str]:
    assert isinstance(items, dict) or hasattr(items, "items")
    for name, spec in sorted(items.items()):
        assert isinstance(spec, TensorSpec)
        tensor = spec.tensor or ", ".join(spec.parts)
        yield f"  {word} {_name(name)}: {spec.dtype.name} {spec.shape} {_name(tensor)}"


def _function(function: Function) -> Iterator[str]:
    yield f"function {_name(function.name)}"
    for spec in function.inputs:
        yield f"  argument {_name(spec.tensor)}: {spec.dtype.name}"
    for spec in function.outputs:
        tensor = function.returns.get(spec.tensor, "")
        yield f"  result {_name(spec.tensor)}: {spec.dtype.name} {_name(tensor)}"
    yield from _nodes(function.nodes, "  ")


def _nodes(nodes: Iterable[Node], indent: str) -> Iterator[str]:
    for node in sorted(nodes, key=lambda item: item.name):
        inputs = f"({', '.join(map(_name, node.inputs))})" if node.inputs else ""
        yield f"{indent}{_name(node.name)} = {_name(node.op)}{inputs}"
        if node.device:
            yield f"{indent}  device: {_name(node.device)}"
        for key in sorted(node.attrs):
            if key not in _ANNOTATIONS:
                yield f"{indent}  {_name(key)}: {_value(node.attrs[key])}"


def _value(value: AttrValue) -> str:
    if isinstance(value, LazyTensor):
        return _tensor(value)
    return shown(_text(readable(value)), 4000)


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return "?" if value is None else str(value)


def _tensor(value: LazyTensor) -> str:
    head = f"{value.dtype.name} {value.shape}"
    if value.elements <= 16 and value.nbytes <= 4096 and value.dtype.kind not in "h?":
        return f"{head} {shown(_text(readable(value)), 4000)}"
    if value.stored_bytes > _HASHED:
        return f"{head}, {value.stored_bytes:,} bytes"
    try:
        return f"{head} sha256:{_hash(value)[:16]}"
    except MigratorError as error:
        return f"{head}, not readable: {shown(error.what)}"


def _hash(value: LazyTensor) -> str:
    """Of the array's own bytes where they lie in one run, else of its encoding."""
    digest = hashlib.sha256()
    span = value.place()
    if span is None:
        digest.update(value.read())
        return digest.hexdigest()
    source = span.open()
    for start in range(0, span.length, 1 << 20):
        digest.update(source.read(span.offset + start, min(1 << 20, span.length - start)))
    return digest.hexdigest()


def _name(text: str) -> str:
    return shown(text, 1000)


def lines_text(lines: Sequence[str] | Iterator[str]) -> str:
    return "\n".join(lines) + "\n"
