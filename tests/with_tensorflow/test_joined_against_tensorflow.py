"""Values of a model's variables by name, held against what TensorFlow loads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.formats.checkpoint import checkpoint_place, open_checkpoint
from migrator.inspection.joined import joined_variables, variable_values
from tests.corpus import HUB, SAVED, Sample

OF_TF1 = [item for item in SAVED + HUB if item.made_by.startswith("1.")]


@pytest.mark.parametrize("item", OF_TF1, ids=str)
def test_every_variable_has_the_value_that_tensorflow_restores(item: Sample) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    model = item.model()
    place = checkpoint_place(model)
    if place is None:
        assert not variable_values(model)
        return
    checkpoint = open_checkpoint(place)
    for meta in model.meta_graphs:
        config = v1.ConfigProto(allow_soft_placement=True)
        with tf.Graph().as_default() as graph, v1.Session(config=config) as session:
            v1.saved_model.load(session, list(meta.tags), str(item.path))
            found = [join for join in joined_variables(meta, checkpoint) if join.key is not None]
            reads: list[Any] = []
            for join in found:
                output = graph.get_operation_by_name(join.node).outputs[0]
                if output.dtype == tf.resource:
                    dtype = checkpoint.tensors[join.key or ""].dtype.name
                    output = tf.raw_ops.ReadVariableOp(resource=output, dtype=tf.as_dtype(dtype))
                reads.append(output)
            for join, expected in zip(found, session.run(reads), strict=True):
                value = checkpoint.slice(join.key or "", join.part).numpy()
                assert value.tobytes() == np.asarray(expected).tobytes(), join
    assert variable_values(model).keys() >= {join.name for join in found}
