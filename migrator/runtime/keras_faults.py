"""What Keras itself gets wrong when a model is traced, made right for its export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_TIME_DISTRIBUTED = "TimeDistributed"
_EXAMPLES, _STEPS = 2, 3
"""Of the probe: two numbers that cannot be taken for each other."""


@contextmanager
def mended_layers(tf: Any, keras: Any, model: Any) -> Iterator[list[str]]:
    """While open, layers of ``model`` compute in a graph what they compute when called.

    Some releases of Keras 3 trace TimeDistributed over an unknown number of time steps to a loop
    over as many steps as there are examples; ``Model.export`` writes such a graph, too. Gives
    the names of the layers that this was changed for, known after tracing.
    """
    changed: list[str] = []
    kind = getattr(keras.layers, _TIME_DISTRIBUTED, None)
    layers = [
        layer
        for layer in model._flatten_layers()
        if kind is not None and isinstance(layer, kind) and type(layer).call is kind.call
    ]
    if not layers or not hasattr(keras, "ops") or not _is_wrong(tf, keras):
        yield changed
        return
    for layer in layers:
        # Keras' own way of setting attributes would track it.
        object.__setattr__(layer, "call", _over_steps(tf, layer, changed))
    try:
        yield changed
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")


def _is_wrong(tf: Any, keras: Any) -> bool:
    layer = keras.layers.TimeDistributed(keras.layers.Identity())
    spec = tf.TensorSpec((None, None, 1), tf.float32)
    traced = tf.function(layer, autograph=False).get_concrete_function(spec)
    return int(traced(tf.zeros((_EXAMPLES, _STEPS, 1))).shape[1]) != _STEPS


def _over_steps(tf: Any, layer: Any, changed: list[str]) -> Callable[..., Any]:
    plain = layer.call

    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if inputs.shape[1] is not None:
            return plain(inputs, training=training, mask=mask)
        if layer.name not in changed:
            changed.append(layer.name)
        by_step = _swapped(tf, inputs)
        masks = None if mask is None else _swapped(tf, mask)

        def step(number: Any) -> Any:
            given: dict[str, Any] = {}
            if layer.layer._call_has_mask_arg and masks is not None:
                given["mask"] = masks[number]
            if layer.layer._call_has_training_arg:
                given["training"] = training
            return layer.layer.call(by_step[number], **given)

        steps = tf.range(tf.shape(inputs)[1])
        return _swapped(tf, tf.vectorized_map(step, steps))

    return call


def _swapped(tf: Any, value: Any) -> Any:
    """With examples and time steps in each other's place."""
    return tf.transpose(value, [1, 0, *range(2, len(value.shape))])
