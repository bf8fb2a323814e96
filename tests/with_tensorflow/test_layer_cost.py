"""A model costs the same, whichever format it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrator.actions.tflite import tflite
from migrator.formats.load import load
from migrator.inspection.cost import Cost, estimate

from .conftest import load_fixture


def cost(path: str | Path, outputs: tuple[str, ...] = ()) -> Cost:
    meta = load(path).meta_graphs[0]
    signature = meta.signatures.get("serving_default")
    if signature is not None and meta.declared is None:
        outputs = tuple(spec.tensor for spec in signature.outputs.values())
    return estimate(meta, outputs)


@pytest.mark.parametrize("name", ["tf1.4.1/mlp", "tf1.15.5/conv_bn"])
def test_a_converted_graph_costs_what_it_did(name: str, tmp_path: Path) -> None:
    fixture = load_fixture(name)
    tflite(str(fixture.model), tmp_path / "a.tflite")
    before = cost(fixture.model)
    after = cost(tmp_path / "a.tflite")
    assert before.multiply_adds == after.multiply_adds > 0
    assert after.uncounted == {}


def functional() -> Any:
    import tensorflow as tf

    layers = tf.keras.layers
    image = tf.keras.Input((12, 10, 6), name="image")
    found = layers.Conv2D(8, (3, 5), strides=2, padding="same", activation="relu")(image)
    found = layers.Conv2D(8, 3, groups=2, padding="same", use_bias=False)(found)
    found = layers.BatchNormalization()(found)
    found = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(found)
    found = layers.SeparableConv2D(10, 3, padding="same", depth_multiplier=2)(found)
    found = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(found)
    tower = tf.keras.Sequential([tf.keras.Input((480,)), layers.Dense(7)], name="tower")
    flat = layers.Flatten()(found)
    found = layers.Add()([tower(flat), tower(layers.ReLU()(flat))])
    found = layers.RepeatVector(10)(found)
    found = layers.Conv1D(5, 3, dilation_rate=2, padding="causal")(found)
    found = layers.TimeDistributed(layers.Dense(3))(found)
    found = layers.Reshape((2, 5, 3, 1))(found)
    found = layers.Conv3D(2, 2)(found)
    return tf.keras.Model(image, layers.Dense(3)(layers.Flatten()(found)))


def test_a_keras_model_costs_what_its_graph_costs(tmp_path: Path) -> None:
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants as constants

    model = functional()
    model.save(tmp_path / "a.keras")
    model.save(tmp_path / "a.h5")
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((1, 12, 10, 6)))
    frozen = constants.convert_variables_to_constants_v2(graph)
    tf.io.write_graph(frozen.graph.as_graph_def(), str(tmp_path), "a.pb", as_text=False)
    found = cost(tmp_path / "a.keras")
    assert found.uncounted == {}
    assert cost(tmp_path / "a.h5").multiply_adds == found.multiply_adds
    assert cost(tmp_path / "a.pb").multiply_adds == found.multiply_adds
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], model)
    (tmp_path / "a.tflite").write_bytes(converter.convert())
    after = cost(tmp_path / "a.tflite")
    assert after.uncounted == {}
    assert after.multiply_adds == found.multiply_adds
