"""Which weights of a Keras file training leaves as they are, as far as the file tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from migrator.formats.keras.config import class_name, config_of, is_model, layer_name
from migrator.formats.keras.layer_states import CELLS, snake_case, states_of
from migrator.model.tensors import LazyTensor

_STATISTICS = frozenset(
    """
    moving_mean moving_variance moving_stddev renorm_mean renorm_stddev running_mean running_std
    """.split()
)
"""What batch norms keep of what passed them."""
_NEVER = {
    "normalization": None,
    "spectral_normalization": frozenset(("vector_u", "sn_u")),
    "batch_normalization": _STATISTICS,
    "sync_batch_normalization": _STATISTICS,
}
"""Kind of layer -> the weights of it that are never trained, None for all."""
_FURTHER = frozenset(
    """
    atrous_convolution1_d bidirectional convolution1_d convolution2_d convolution3_d cu_dnngru
    cu_dnnlstm deconvolution2_d group_query_attention
    grouped_query_attention locally_connected1d locally_connected2d
    multi_head_attention rnn separable_convolution2_d stacked_rnn_cells sync_batch_normalization
    time_distributed time_distributed_dense
    """.split()
)
"""Kinds of layers of Keras' own with weights, beside those that have states of their own."""
_FIXED = "trainable"
_COMPILED = "compile_config"
_NO_LAYERS = frozenset(("inbound_nodes", "build_config", "dtype"))
_CHANGED = ("lora_rank", "quantization_config")
"""Settings with which some of a layer's weights are fixed, and others not."""


def untrained_weights(
    config: Mapping[str, Any] | None,
    variables: Mapping[str, LazyTensor],
    owners: Mapping[str, str],
) -> frozenset[str] | None:
    """The names of those weights that training leaves as they are: statistics, frozen layers.

    None where the file does not tell: layers or weights of its maker's own, weights that were
    quantised or are trained by way of others, names that stand for two layers. Linear.
    """
    if config is None:
        return None
    kinds: dict[str, str] = {}
    fixed: dict[str, bool] = {}
    strange: set[str] = set()
    for layer in _layers(config):
        name, own = layer_name(layer), config_of(layer)
        kind = snake_case(class_name(layer))
        if any(own.get(key) for key in _CHANGED):
            return None
        if not _is_known(layer, kind):
            strange.add(name)
        frozen = own.get(_FIXED) is False
        # An inner layer of a wrapper may have the wrapper's name.
        if fixed.setdefault(name, frozen) != frozen:
            return None
        if kind in _NEVER and kinds.setdefault(name, kind) != kind:
            return None
    found = set()
    for weight, tensor in variables.items():
        parts = weight.removesuffix(":0").split("/")
        if "vars" in parts or tensor.dtype.base.kind not in "fc":
            if not _is_statistic(parts, kinds):
                return None
            found.add(weight)
            continue
        around = {*parts[:-1], *owners.get(weight, "").split("/")}
        if not strange.isdisjoint(around) or fixed.keys().isdisjoint(around):
            return None
        if any(fixed.get(name) for name in around) or any(
            _is_never(kinds[name], parts[-1]) for name in around if name in kinds
        ):
            found.add(weight)
    return frozenset(found)


def _is_statistic(parts: list[str], kinds: Mapping[str, str]) -> bool:
    return any(kinds.get(name) == "normalization" for name in parts[:-1])


def _is_never(kind: str, name: str) -> bool:
    names = _NEVER[kind]
    return names is None or name in names


def _layers(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every layer of a model, those of models and of wrappers inside of it, too."""
    stack: list[Any] = [{"layers": [{key: config[key] for key in config if key != _COMPILED}]}]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(item for key, item in value.items() if key not in _NO_LAYERS)
            # Objects of other kinds (initialisers) have no name of their own.
            if (
                "class_name" in value
                and isinstance(value.get("config"), dict)
                and (_FIXED in value["config"] or is_model(value))
            ):
                yield value
        elif isinstance(value, list):
            stack.extend(item for item in value if isinstance(item, (dict, list)))


def _is_known(layer: Mapping[str, Any], kind: str) -> bool:
    """Whether a layer's class is of Keras' own, or a model without weights of its own."""
    if layer.get("registered_name") or ">" in str(layer.get("class_name")):
        return is_model(layer) and class_name(layer) in ("Functional", "Sequential", "Model")
    module = layer.get("module")
    if isinstance(module, str):
        return module.split(".")[0] in ("keras", "tf_keras", "tensorflow")
    if is_model(layer):
        return class_name(layer) in ("Functional", "Sequential", "Model")
    return kind in _FURTHER or kind in CELLS or states_of(kind, is_of_2=True) is not None
