"""What each layer of Keras' own keeps, in the order in which Keras numbers it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

State: TypeAlias = "tuple[str, str]"
_KERNEL, _BIAS = ("kernel", ""), ("bias", "use_bias")
_SCALE = ("scale", "use_scale")
_DENSE = (_KERNEL, _BIAS)
_RECURRENT = (_KERNEL, ("recurrent_kernel", ""), _BIAS)
_SEPARABLE = (("depthwise_kernel", ""), ("pointwise_kernel", ""), _BIAS)
_DEPTHWISE = (("depthwise_kernel", ""), _BIAS)
STORED_TWICE = ""
"""Stands for a weight that is the weight of a part, too."""
ATTENTION_PARTS = {
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "output_dense": "attention_output",
}
"""Group of a part of an attention layer -> what Keras calls that part."""
CELLS = {
    "lstm": "lstm_cell",
    "gru": "gru_cell",
    "simple_rnn": "simple_rnn_cell",
    **dict.fromkeys(("conv_lstm1d", "conv_lstm2d", "conv_lstm3d"), "conv_lstm_cell"),
}
"""Recurrent layer -> what Keras calls the cell that it makes itself."""
_STATES: dict[str, tuple[State, ...]] = {
    "batch_normalization": (
        ("gamma", "scale"),
        ("beta", "center"),
        ("moving_mean", ""),
        ("moving_variance", ""),
    ),
    "layer_normalization": (("gamma", "scale"), ("beta", "center")),
    "group_normalization": (("gamma", "scale"), ("beta", "center")),
    "rms_normalization": (("scale", ""),),
    "unit_normalization": (),
    "normalization": (("mean", ""), ("variance", ""), ("count", "")),
    "spectral_normalization": ((STORED_TWICE, ""), ("vector_u", "")),
    "embedding": (("embeddings", ""),),
    "p_re_lu": (("alpha", ""),),
    "attention": (_SCALE, ("concat_score_weight", "score_mode=concat")),
    "additive_attention": (_SCALE,),
    "seed_generator": (("seed_generator_state", ""),),
    **dict.fromkeys(("cell", *CELLS.values()), _RECURRENT),
    **dict.fromkeys(
        (
            "dense",
            "einsum_dense",
            "conv1d",
            "conv2d",
            "conv3d",
            "conv1d_transpose",
            "conv2d_transpose",
            "conv3d_transpose",
            "depthwise_conv1d",
            "depthwise_conv2d",
            *ATTENTION_PARTS,
        ),
        _DENSE,
    ),
    **dict.fromkeys(("separable_conv1d", "separable_conv2d"), _SEPARABLE),
}
"""By class, or by the name of a part of a layer: what it keeps, and the setting without which it
does not (``name``, or ``name=value``)."""
_KERAS_2 = {
    **_STATES,
    **dict.fromkeys(("depthwise_conv1d", "depthwise_conv2d"), _DEPTHWISE),
}
"""The same where it was Keras 2 that numbered them."""


def states_of(kind: str, is_of_2: bool) -> tuple[State, ...] | None:
    """What a layer of that kind keeps at most, None where it is not of Keras' own."""
    return (_KERAS_2 if is_of_2 else _STATES).get(kind)


def kept_names(
    states: tuple[State, ...], config: Mapping[str, Any], count: int, *, is_own: bool
) -> tuple[str, ...] | None:
    """The names of the ``count`` weights that a layer keeps, None where they are not known.

    ``config`` are its settings, or where ``is_own`` is false those of what it lies in, or none.
    """
    found = tuple(name for name, setting in states if _is_kept(setting, config))
    if len(found) == count:
        return found
    if is_own and any(setting in config for _, setting in states):
        return None
    names = tuple(name for name, _ in states)
    if count == len(names):
        return names
    is_prefix = states and states[-1] == _BIAS and count == len(names) - 1
    return names[:-1] if is_prefix else None


def _is_kept(setting: str, config: Mapping[str, Any]) -> bool:
    name, _, value = setting.partition("=")
    return config.get(name) == value if value else config.get(name) is not False


def snake_case(name: str) -> str:
    """As Keras writes a class: ``BatchNormalization`` is ``batch_normalization``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
