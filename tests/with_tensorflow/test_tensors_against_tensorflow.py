"""Our decoding of constants against ``tf.make_ndarray`` of the TensorFlow that is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from migrator.formats.load import load
from migrator.model.tensors import LazyTensor

from .conftest import FIXTURES

# uint32_val, uint64_val and three float8 types: make_ndarray itself cannot read them.
_DTYPE_FILES = sorted((FIXTURES / "dtypes").glob("*.pb"))


@pytest.mark.parametrize("path", _DTYPE_FILES, ids=lambda path: path.stem)
def test_every_constant_equals_make_ndarray(path: Path) -> None:
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    graph = load(path).graph
    compared = 0
    for node in graph_def.node:
        ours = graph.by_name[node.name].attrs["value"]
        assert isinstance(ours, LazyTensor)
        try:
            theirs = tf.make_ndarray(node.attr["value"].tensor)
        except (TypeError, ValueError):
            continue
        found = ours.numpy()
        assert found.dtype == theirs.dtype, node.name
        assert found.shape == theirs.shape, node.name
        if found.dtype == object:
            # make_ndarray fills up with "" where the runtime has b"".
            filled = [b"" if item == "" else item for item in theirs.reshape(-1).tolist()]
            assert found.reshape(-1).tolist() == filled, node.name
        else:
            assert found.tobytes() == theirs.tobytes(), node.name
        compared += 1
    assert compared > 200


def test_float_repeat_of_a_large_shape() -> None:
    import tensorflow as tf

    from migrator.formats.tensors import constant_tensor
    from migrator.model.dtypes import FLOAT32

    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    ours = constant_tensor(array, FLOAT32)
    proto = tf.compat.v1.make_tensor_proto(array)
    assert type(proto).FromString(ours.read()) == proto
