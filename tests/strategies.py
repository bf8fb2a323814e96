"""Hypothesis strategies that the tests share: shapes, tensors, attributes, nodes, graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import DType, all_dtypes
from migrator.model.graph import AttrPlaceholder, FunctionRef, Node, Versions
from migrator.model.tensors import LazyTensor, Shape
from tests import wire

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
NAMES = st.text(min_size=1, max_size=12)
"""Any characters, the hostile ones too."""
OPS = st.from_regex(r"[A-Z][A-Za-z0-9_.>]{0,10}", fullmatch=True)
IDENTIFIERS = st.from_regex(r"[A-Za-z0-9.][A-Za-z0-9_./\\-]{0,8}", fullmatch=True)
"""What TensorFlow itself takes for a node's name."""

DIMS = st.one_of(st.none(), st.integers(0, 5), st.integers(0, 2**63 - 1))
SHAPES = st.one_of(st.just(Shape(None)), st.lists(DIMS, max_size=4).map(tuple).map(Shape))
SMALL_DIMS = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def has_arrays(dtype: DType) -> bool:
    """False for handles, and for what the installed ml_dtypes is too old for."""
    try:
        dtype.numpy()
    except TypeError:
        return False
    return True


ARRAY_DTYPES = tuple(filter(has_arrays, all_dtypes()))


@st.composite
def arrays(draw: st.DrawFn, dtypes: tuple[DType, ...] = ARRAY_DTYPES) -> tuple[DType, Any]:
    """A dtype and an array of it, any bit pattern; strings as an object array of bytes."""
    dtype = draw(st.sampled_from(dtypes))
    dims = draw(SMALL_DIMS)
    count = int(np.prod(dims))
    if dtype.kind == "s":
        array = np.empty(count, dtype=object)
        array[:] = draw(st.lists(st.binary(max_size=6), min_size=count, max_size=count))
        return dtype, array.reshape(dims)
    kind = dtype.numpy()
    if dtype.kind == "b":
        bits = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        return dtype, np.array(bits, dtype=bool).reshape(dims)
    if kind.kind in "iu" or dtype.name in ("int4", "uint4", "int2", "uint2", "float4_e2m1fn"):
        numbers = draw(st.lists(st.integers(0, 127), min_size=count, max_size=count))
        return dtype, np.array(numbers, dtype=np.int64).astype(kind).reshape(dims)
    raw = draw(st.binary(min_size=count * kind.itemsize, max_size=count * kind.itemsize))
    return dtype, np.frombuffer(raw, dtype="u1").view(kind).reshape(dims)


TENSORS: st.SearchStrategy[LazyTensor] = arrays().map(
    lambda found: constant_tensor(found[1], found[0])
)

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bytes": st.binary(max_size=20),
    "int": INT64,
    "float": st.floats(width=32),
    "bool": st.booleans(),
    "type": INT32.map(DType),
    "shape": SHAPES,
    "tensor": TENSORS,
}


def function_refs(attrs: st.SearchStrategy[Any]) -> st.SearchStrategy[FunctionRef]:
    return st.builds(
        lambda name, found: FunctionRef(name=name, attrs=found),
        st.text(max_size=8),
        st.dictionaries(st.text(max_size=5), attrs, max_size=2),
    )


_FLAT = st.one_of(
    st.none(),
    *_SCALARS.values(),
    *(st.lists(kind, max_size=3) for kind in _SCALARS.values()),
    NAMES.map(AttrPlaceholder),
)
ATTRS: st.SearchStrategy[Any] = st.recursive(
    _FLAT,
    lambda inner: st.one_of(
        function_refs(inner), st.lists(function_refs(inner), min_size=1, max_size=2)
    ),
    max_leaves=4,
)
"""Every kind of value that an attribute can hold, functions with attributes of their own too."""

NODES = st.builds(
    Node,
    NAMES,
    OPS,
    st.lists(st.text(max_size=8), max_size=4).map(tuple),
    st.sampled_from(("", "/device:GPU:0", "/job:ps/task:1", "\n")),
    st.dictionaries(st.text(max_size=6), ATTRS, max_size=3),
)
VERSIONS = st.builds(
    lambda producer, consumer, bad: Versions(
        producer=producer, min_consumer=consumer, bad_consumers=tuple(bad)
    ),
    INT32,
    INT32,
    st.lists(INT32, max_size=2),
)


@st.composite
def function_library(draw: st.DrawFn) -> tuple[bytes, ...]:
    """FunctionDefs, written by hand; their nodes call each other at random."""
    names = draw(st.lists(IDENTIFIERS, unique=True, max_size=3))
    found = []
    for name in names:
        called = draw(st.sampled_from(names))
        body = [
            wire.node("n", "Identity", ["x"], {"T": wire.F}, device="/cpu:0"),
            wire.node("call", "PartitionedCall", ["n:output:0"], {"f": wire.Call(called)}),
        ]
        found.append(
            wire.function(name, {"x": wire.FLOAT}, {"y": wire.FLOAT}, body, {"y": "n:output:0"})
        )
    return tuple(found)


@st.composite
def wired_graphs(draw: st.DrawFn) -> list[bytes]:
    """NodeDefs with unique plain names and inputs that exist: a graph without cycles."""
    names = draw(st.lists(IDENTIFIERS, min_size=1, max_size=8, unique=True))
    nodes = []
    for index, name in enumerate(names):
        if index == 0:
            nodes.append(wire.node(name, "Placeholder", [], {"dtype": wire.F}))
            continue
        sources = draw(st.lists(st.sampled_from(names[:index]), min_size=1, max_size=3))
        controls = draw(st.lists(st.sampled_from(names[:index]), max_size=2, unique=True))
        inputs = [*sources, *(f"^{item}" for item in controls)]
        nodes.append(wire.node(name, "AddN", inputs, {"T": wire.F, "N": len(sources)}))
    return nodes


def raw_mutations(most: int) -> st.SearchStrategy[list[tuple[str, float, float, bytes]]]:
    """Changes to a file as (kind, place, extent, bytes); places are shares of its length."""
    share = st.floats(0, 1, exclude_max=True)
    kinds = st.sampled_from(("flip", "set", "insert", "delete", "splice", "inflate"))
    one = st.tuples(kinds, share, share, st.binary(min_size=1, max_size=6))
    return st.lists(one, min_size=1, max_size=most)


def mutated(data: bytes, kind: str, place: float, extent: float, fill: bytes) -> bytes:
    """``data`` after one change."""
    at = int(place * len(data))
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << int(extent * 8)]) + data[at + 1 :]
    if kind == "set":
        return data[:at] + fill + data[at + len(fill) :]
    if kind == "insert":
        return data[:at] + fill + data[at:]
    if kind == "delete":
        return data[:at] + data[at + 1 + int(extent * 40) :]
    if kind == "splice":
        start = int(extent * len(data))
        return data[:at] + data[start : start + 200] + data[at:]
    # A length made larger: seven more bits on the byte there, then a byte that goes on with it.
    return data[:at] + bytes([data[at] | 128, 1 + int(extent * 126)]) + data[at + 1 :]
