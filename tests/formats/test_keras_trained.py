"""What training changes of a Keras file's weights, and where that is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.formats.keras.trained import untrained_weights
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from migrator.inspection.summary import summarize
from migrator.inspection.weights import is_carried_weight
from migrator.model.dtypes import dtype_named
from migrator.report import json_v1
from migrator.report.text import inspect_text
from tests.corpus import sample
from tests.schemas import validate


def layer(kind: str, name: str, trainable: bool = True, **more: Any) -> dict[str, Any]:
    own = {"name": name, "trainable": trainable, **more.pop("config", {})}
    return {"class_name": kind, "config": own, **more}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


def untrained(config: dict[str, Any] | None, *names: str, dtype: str = "float32") -> Any:
    tensor = constant_tensor(np.zeros(3, dtype), dtype_named(dtype))
    return untrained_weights(config, dict.fromkeys(names, tensor), {})


def test_statistics_and_frozen_layers_are_not_trained() -> None:
    inner = sequential(layer("Dense", "low"), layer("Dense", "high", trainable=False))
    config = sequential(
        layer("BatchNormalization", "bn"),
        layer("Bidirectional", "both", config={"layer": layer("LSTM", "lstm")}),
        {**inner, "config": {**inner["config"], "name": "tower"}},
        layer("SpectralNormalization", "norm", config={"layer": layer("Dense", "held")}),
        layer("Dropout", "off", trainable=False),
    )
    names = ["bn/gamma:0", "bn/moving_mean:0", "both/forward_lstm/lstm_cell/kernel:0"]
    names += ["tower/low/kernel", "tower/high/kernel", "high/bias:0", "norm/vector_u"]
    expected = {"bn/moving_mean:0", "tower/high/kernel", "high/bias:0", "norm/vector_u"}
    assert untrained(config, *names) == expected


def test_a_dense_layer_that_is_called_as_a_statistic_is_trained() -> None:
    config = sequential(layer("Dense", "moving_mean"), layer("Dense", "count"))
    assert untrained(config, "moving_mean/kernel", "count/bias") == frozenset()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        pytest.param(None, "dense/kernel", id="weights-alone"),
        pytest.param(sequential(layer("Mine", "own")), "own/scale", id="own-class"),
        pytest.param(
            sequential(layer("Dense", "own", module="my.layers", registered_name="my>Dense")),
            "own/kernel",
            id="own-class-of-a-known-name",
        ),
        pytest.param(
            sequential(layer("Dense", "d", config={"lora_rank": 2})), "d/kernel", id="lora"
        ),
        pytest.param(sequential(layer("Dense", "d")), "other/kernel", id="of-no-layer"),
        pytest.param(sequential(layer("Dense", "d")), "layers/d/vars/0", id="numbered"),
        pytest.param(
            sequential(layer("Dense", "d"), sequential(layer("Dense", "d", trainable=False))),
            "d/kernel",
            id="two-of-one-name",
        ),
    ],
)
def test_what_the_file_does_not_tell_is_not_told(config: dict[str, Any] | None, name: str) -> None:
    assert untrained(config, name) is None


def test_quantised_weights_are_not_told() -> None:
    assert untrained(sequential(layer("Dense", "d")), "d/kernel", dtype="int8") is None


def test_layers_of_ones_own_without_weights_do_no_harm() -> None:
    config = sequential(layer("Mine", "own"), layer("Dense", "d", trainable=False))
    assert untrained(config, "d/kernel") == {"d/kernel"}


@pytest.mark.parametrize("name", ["keras_h5", "keras_zip"])
def test_the_summary_says_how_many(name: str) -> None:
    model = load(sample(f"tf2.21.0/{name}").path)
    summary = summarize(model)
    moving = [
        tensor.elements
        for key, tensor in model.variables.items()
        if key.rpartition("/")[2] in ("moving_mean", "moving_variance")
    ]
    assert sum(moving) > 0
    assert summary.untrained_parameters == sum(moving)
    assert f", {sum(moving):,} of them not trained" in inspect_text(summary)
    result = json_v1.inspect_result([summary])
    validate(result)
    assert result["untrained_parameters"] == sum(moving)


def test_numbers_without_dimensions_count_in_keras_files_alone() -> None:
    number = constant_tensor(np.zeros((), np.int64), dtype_named("int64"))
    assert is_carried_weight(number, "keras_zip", "normalization/count")
    assert not is_carried_weight(number, "keras_zip", "dropout/seed_generator/seed_generator_state")
    assert not is_carried_weight(number, "keras_h5", "optimizer/iteration")
    assert not is_carried_weight(number, "checkpoint", "normalization/count")
