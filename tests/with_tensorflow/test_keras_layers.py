"""Keras models read without Keras: weights, shapes and endpoints as Keras itself has them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.formats.load import load
from migrator.inspection.layer_weights import own_names
from migrator.inspection.node import describe_node
from migrator.model.model import Model
from migrator.model.tensors import Shape

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def keras(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip("tensorflow")
    return pytest.importorskip(request.param)


def convolutional(keras: Any) -> Any:
    """Every kind of window, padding and channel order, merged and reshaped."""
    made = keras.layers
    image = made.Input((12, 11, 3), name="image")
    net = made.ZeroPadding2D(((1, 2), (0, 1)))(image)
    net = made.Conv2D(4, (3, 2), strides=(2, 1), padding="same")(net)
    net = made.SeparableConv2D(5, 3)(net)
    net = made.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(net)
    net = made.PReLU()(made.BatchNormalization(scale=False)(net))
    side = made.Conv2D(10, 1, use_bias=False)(net)
    net = made.Concatenate()([made.Add()([net, side]), side])
    net = made.Conv2DTranspose(6, 3, strides=2)(net)
    net = made.Cropping2D(1)(made.UpSampling2D(2)(net))
    net = made.MaxPooling2D(3, strides=2)(net)
    net = made.AveragePooling2D((2, 3), padding="same")(net)
    flat = made.Dense(3, name="flat")(made.Flatten()(net))
    mean = made.Dense(2, name="mean")(made.GlobalAveragePooling2D()(net))
    return keras.Model(image, [flat, mean], name="windows")


def recurrent(keras: Any) -> Any:
    """Sequences: both directions, wrapped layers, states as outputs."""
    made = keras.layers
    ids = made.Input((7,), dtype="int32", name="ids")
    net = made.Embedding(20, 6)(ids)
    net = made.Bidirectional(made.LSTM(3, return_sequences=True))(net)
    net = made.TimeDistributed(made.Dense(4))(net)
    net = made.Conv1D(5, 2, padding="causal", dilation_rate=2)(net)
    net = made.Permute((2, 1))(made.LayerNormalization()(net))
    net, first, second = made.LSTM(3, return_state=True)(net)
    more = made.GRU(2)(made.RepeatVector(3)(net))
    return keras.Model(ids, [made.Dense(1, name="score")(more), first, second], name="steps")


def nested(keras: Any) -> Any:
    """A model called twice inside of a model."""
    made = keras.layers
    inner = keras.Sequential([made.Input((4,)), made.Dense(3, name="low")], name="inner")
    given = made.Input((4,), name="given")
    tower = keras.Model(given, made.Dense(2, name="high")(inner(given)), name="tower")
    left, right = made.Input((4,), name="left"), made.Input((4,), name="right")
    both = made.Concatenate(name="both")([tower(left), tower(right)])
    return keras.Model([left, right], made.Dense(1, name="score")(both), name="twins")


def attentive(keras: Any) -> Any:
    """Attention layers, whose parts are layers of their own."""
    made = keras.layers
    text, image = made.Input((5, 6), name="text"), made.Input((4, 7), name="image")
    net = made.MultiHeadAttention(2, 3)(text, image)
    net = made.MultiHeadAttention(2, 3, use_bias=False, name="bare")(net, image, image)
    net = made.Attention(use_scale=True, score_mode="concat")([net, net])
    net = made.AdditiveAttention()([net, net])
    net = made.LayerNormalization(center=False)(net)
    return keras.Model([text, image], made.Dense(2, name="score")(net), name="attentive")


def wrapped(keras: Any) -> Any:
    """Layers in layers: of named ones, of others, of models, and of wrappers again."""
    made = keras.layers
    given = made.Input((5, 6), name="given")
    net = made.TimeDistributed(made.Dense(4))(given)
    net = made.TimeDistributed(made.Dense(4, name="hidden"), name="each")(net)
    net = made.TimeDistributed(made.BatchNormalization(scale=False))(net)
    net = made.Bidirectional(made.GRU(3, return_sequences=True, name="steps"), name="both")(net)
    cells = made.RNN([made.LSTMCell(2), made.GRUCell(3)], return_sequences=True)
    net = made.Bidirectional(cells)(net)
    back = made.GRU(2, return_sequences=True, go_backwards=True)
    net = made.Bidirectional(made.SimpleRNN(2, return_sequences=True), backward_layer=back)(net)
    net = made.TimeDistributed(made.TimeDistributed(made.Dense(2)))(made.Reshape((5, 2, 2))(net))
    net = made.TimeDistributed(made.Bidirectional(made.LSTM(2)))(net)
    return keras.Model(given, made.Dense(2, name="score")(net), name="wrapped")


def celled(keras: Any) -> Any:
    """Recurrent layers of every kind, and cells given by hand."""
    made = keras.layers
    given = made.Input((5, 6), name="given")
    net = made.GRU(3, return_sequences=True, reset_after=False)(given)
    net = made.LSTM(3, return_sequences=True, use_bias=False)(net)
    net = made.SimpleRNN(3, return_sequences=True, name="simple")(net)
    stack = [made.LSTMCell(2), made.GRUCell(3, name="middle"), made.SimpleRNNCell(2)]
    net = made.RNN(made.StackedRNNCells(stack), return_sequences=True)(net)
    net = made.RNN(made.LSTMCell(2), return_sequences=True)(net)
    two = [made.LSTMCell(2), made.LSTMCell(3)]
    net = made.RNN(two, return_sequences=True, name="two")(net)
    net = made.ConvLSTM2D(2, 2, padding="same")(made.Reshape((5, 3, 1, 1))(net))
    return keras.Model(given, net, name="celled")


def composed(keras: Any) -> Any:
    """A layer of its maker's own, with layers as attributes, in a list and in a dict."""
    made = keras.layers

    class Block(made.Layer):  # type: ignore[misc]
        def __init__(self, units: int, **more: Any) -> None:
            super().__init__(**more)
            self.units = units
            self.first = made.Dense(units)
            self.norms = [made.LayerNormalization(), made.BatchNormalization()]
            self.heads = {"a": made.Dense(4, name="low")}

        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(self.units,), name="scale")
            self.shift = self.add_weight(shape=(self.units + 1,), name="shift")
            super().build(shape)

        def call(self, given: Any) -> Any:
            net = self.first(given) * self.scale
            for norm in self.norms:
                net = norm(net)
            return self.heads["a"](net)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    given = made.Input((5, 6), name="given")
    net = Block(4, name="second")(Block(3)(given))
    return keras.Model(given, made.Dense(2, name="score")(net), name="composed")


PLAIN = [convolutional, recurrent, nested]
WRAPPED = [attentive, wrapped, celled]
MODELS = [*PLAIN, *WRAPPED]


def saved(keras: Any, make: Any, path: Path) -> tuple[Any, Model]:
    keras.backend.clear_session()
    model = make(keras)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=value.shape) for value in model.get_weights()])
    model.save_weights(path) if ".weights." in path.name else model.save(path)
    return model, load(path)


def shapes(layer: Any) -> list[Shape]:
    """Of a layer that is called once."""
    found = layer.output if isinstance(layer.output, (list, tuple)) else [layer.output]
    return [Shape(tuple(item.shape)) for item in found]


@pytest.mark.parametrize("ending", [".h5", ".keras", ".weights.h5"])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
def test_weights_have_the_values_of_keras_and_its_names(
    keras: Any, make: Any, ending: str, tmp_path: Path
) -> None:
    model, found = saved(keras, make, tmp_path / f"m{ending}")
    wanted = sorted(np.asarray(value).tobytes() for value in model.get_weights())
    assert sorted(item.numpy().tobytes() for item in found.variables.values()) == wanted
    assert found.warnings == ()
    if ending == ".h5":
        names = {item.path if hasattr(item, "path") else item.name for item in model.weights}
        assert set(found.variables) == names
    elif ending == ".keras":
        names = {_name(item) for item in model.weights}
        if make is nested:  # what lies in a model is named by that, as it is unique then
            names = {"score/kernel", "score/bias", *NESTED}
        assert set(found.variables) == names


def _name(weight: Any) -> str:
    """What Keras calls a weight: 2 puts the number of the tensor behind it."""
    found: str = weight.path if hasattr(weight, "path") else weight.name
    return found.removesuffix(":0")


NESTED = [f"tower/{name}/{kept}" for name in ("inner/low", "high") for kept in ("kernel", "bias")]


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("make", [*MODELS, composed])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
def test_each_layer_has_the_parameters_that_keras_counts(
    keras: Any, make: Any, ending: str, tmp_path: Path
) -> None:
    if make is composed and ending == ".h5" and keras.__name__ == "tf_keras":
        pytest.skip("Keras 2 cannot tell the weights of such layers apart there")
    model, found = saved(keras, make, tmp_path / f"m{ending}")
    counted = {
        layer.name: sum(found.variables[name].elements for name in own_names(found, node))
        for layer in model.layers
        for node in [found.graph.by_name[layer.name]]
    }
    assert counted == {layer.name: layer.count_params() for layer in model.layers}
    for name, inner in models_in(model, ""):
        for layer in inner.layers:
            node = describe_node(found, f"{name}/{layer.name}") if layer.weights else None
            kept = sum(found.variables[item].elements for item in node.own_weights) if node else 0
            assert kept == layer.count_params(), layer.name


def models_in(model: Any, above: str) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield f"{above}{layer.name}", layer
            yield from models_in(layer, f"{above}{layer.name}/")


def test_parts_of_a_layer_of_ones_own_have_the_names_that_the_file_has(tmp_path: Path) -> None:
    model, found = saved(pytest.importorskip("keras"), composed, tmp_path / "m.keras")
    own = {f"layers/{name}/vars/{number}" for name in ("block", "block_1") for number in (0, 1)}
    named = {_name(item) for item in model.weights}
    named -= {f"{name}/{kept}" for name in ("block", "second") for kept in ("scale", "shift")}
    assert set(found.variables) == own | named


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("make", PLAIN)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
def test_shapes_and_types_are_those_of_keras(
    keras: Any, make: Any, ending: str, tmp_path: Path
) -> None:
    model, found = saved(keras, make, tmp_path / f"m{ending}")
    for layer in model.layers:
        if layer.name in ("inner", "tower"):
            continue
        assert found.graph.by_name[layer.name].attrs["_output_shapes"] == shapes(layer), layer.name
    declared = found.meta_graphs[0].declared
    assert declared is not None
    for tensors, specs in ((model.inputs, declared.inputs), (model.outputs, declared.outputs)):
        assert [spec.shape for spec in specs.values()] == [Shape(tuple(t.shape)) for t in tensors]
        for item, spec in zip(tensors, specs.values(), strict=True):
            assert spec.dtype.name == getattr(item.dtype, "name", item.dtype)


@pytest.mark.parametrize("policy", ["bfloat16", "float16", "mixed_float16", "float64"])
def test_weights_of_every_float_type(policy: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")

    def make(keras: Any) -> Any:
        return keras.Sequential(
            [keras.layers.Input((4,)), keras.layers.Dense(3, dtype=policy, name="d")]
        )

    model, found = saved(keras, make, tmp_path / "m.keras")
    kept = "float32" if policy.startswith("mixed") else policy
    assert {item.dtype.name for item in found.variables.values()} == {kept}
    for ours, theirs in zip(found.variables.values(), model.weights, strict=True):
        array = importlib.import_module("keras").ops.convert_to_numpy(theirs.value)
        assert ours.numpy().tobytes() == array.tobytes()
        assert ours.numpy().dtype == array.dtype
    declared = found.meta_graphs[0].declared
    assert declared is not None
    assert declared.outputs["d"].dtype.name == policy.removeprefix("mixed_")


def test_what_the_optimizer_keeps_is_no_weight(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")

    def make(keras: Any) -> Any:
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")])
        model.compile("adam", "mse")
        model.fit(np.zeros((2, 4)), np.zeros((2, 2)), verbose=0)
        return model

    for ending in (".keras", ".h5"):
        _, found = saved(keras, make, tmp_path / f"m{ending}")
        assert len(found.variables) == 2
