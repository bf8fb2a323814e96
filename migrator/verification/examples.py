"""``tf.train.Example`` messages that a parsing op of a graph accepts."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from migrator.formats.wire import bytes_field
from migrator.graph.wiring import Wiring
from migrator.model.dtypes import STRING, DType
from migrator.model.tensors import LazyTensor, Shape

PARSERS = frozenset(("ParseExample", "ParseExampleV2", "ParseSingleExample"))
_VARIABLE_LENGTH = 3
_MOST_VALUES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature that a parser asks for: ``count`` values of int64, float32 or string.

    Of a ``sparse`` one an example may have any number; many models take no more than one.
    """

    key: bytes
    dtype: DType
    count: int
    sparse: bool = False


def features_of(wiring: Wiring, parser: int) -> tuple[Feature, ...]:
    """What the parsing op at node ``parser`` reads from each example."""
    node = wiring.nodes[parser]
    sparse = [item for item in _list(node.attrs.get("sparse_types")) if isinstance(item, DType)]
    dense = [item for item in _list(node.attrs.get("Tdense")) if isinstance(item, DType)]
    shapes = _list(node.attrs.get("dense_shapes"))
    keys = _keys(wiring, parser, len(sparse), len(dense))
    if keys is None:
        return ()
    found = [
        Feature(key=key, dtype=dtype, count=_VARIABLE_LENGTH, sparse=True)
        for key, dtype in zip(keys[0], sparse, strict=False)
    ]
    for index, (key, dtype) in enumerate(zip(keys[1], dense, strict=False)):
        shape = shapes[index] if index < len(shapes) else None
        count = shape.elements if isinstance(shape, Shape) else None
        count = _VARIABLE_LENGTH if count is None else min(count, _MOST_VALUES)
        found.append(Feature(key=key, dtype=dtype, count=count))
    return tuple(found)


def _keys(
    wiring: Wiring, parser: int, sparse: int, dense: int
) -> tuple[list[bytes], list[bytes]] | None:
    """Names of the sparse and of the dense features, wherever the op's version keeps them."""
    node = wiring.nodes[parser]
    if node.op == "ParseSingleExample":
        return _list(node.attrs.get("sparse_keys")), _list(node.attrs.get("dense_keys"))
    inputs = [number for number, _ in wiring.inputs[parser]]
    if node.op == "ParseExampleV2":  # serialized, names, sparse keys, dense keys, ragged keys
        if len(inputs) < 4:
            return None
        return _strings(wiring, inputs[2]), _strings(wiring, inputs[3])
    if len(inputs) < 2 + sparse + dense:
        return None
    scalars = [_strings(wiring, number)[:1] for number in inputs[2 : 2 + sparse + dense]]
    flat = [key for keys in scalars for key in keys]
    return flat[:sparse], flat[sparse:]


def _strings(wiring: Wiring, number: int) -> list[bytes]:
    value = wiring.nodes[number].attrs.get("value")
    if not isinstance(value, LazyTensor) or value.dtype != STRING:
        return []
    if value.elements > _MOST_VALUES:
        return []
    return [bytes(item) for item in value.numpy().reshape(-1)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def encode_example(
    features: tuple[Feature, ...], random: Any, words: Sequence[bytes] = (), *, tame: bool = False
) -> bytes:
    """One serialised Example with small values for each feature; strings are among ``words``.

    A ``tame`` one has one value for each sparse feature.
    """
    words = (*words, b"red", b"green", b"blue")
    if tame:
        features = tuple(replace(item, count=1) if item.sparse else item for item in features)
    values = {feature.key: _values(feature, random, words) for feature in features}
    return bytes_field(1, _features(values))


def _features(values: Mapping[bytes, bytes]) -> bytes:
    return b"".join(
        bytes_field(1, bytes_field(1, key) + bytes_field(2, feature))
        for key, feature in values.items()
    )


def _values(feature: Feature, random: Any, words: Sequence[bytes]) -> bytes:
    """A Feature: bytes_list 1, float_list 2, int64_list 3, each with ``value`` = 1."""
    if feature.dtype.is_floating:
        floats = [float(value) for value in random.random(feature.count)]
        return bytes_field(2, bytes_field(1, struct.pack(f"<{feature.count}f", *floats)))
    if feature.dtype == STRING:
        picked = [words[index] for index in random.integers(0, len(words), feature.count)]
        return bytes_field(1, b"".join(bytes_field(1, word) for word in picked))
    numbers = random.integers(0, 4, feature.count)
    return bytes_field(3, bytes_field(1, bytes(int(number) for number in numbers)))
