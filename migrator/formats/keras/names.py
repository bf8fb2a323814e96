"""Names for the weights of Keras 3, which numbers them: ``layers/dense_1/vars/0``.

Which layer that is, the file may say itself (newer releases), else the configuration does: layers
are called after their class there, in the model's order. What the weight is called, the class
tells for Keras' own layers. Where neither is known, the path stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from migrator.formats.hdf5.tree import Dataset, Group
from migrator.formats.keras.config import (
    body_of,
    class_name,
    config_of,
    is_model,
    layer_name,
    layers_of,
)

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_VARS = "vars"
METRICS = "metrics"
_OPTIMIZER = "optimizer"
_NUMBERED = re.compile(r"(.+?)_(\d+)")
_KERNEL, _BIAS = ("kernel", ""), ("bias", "use_bias")
_RECURRENT = (_KERNEL, ("recurrent_kernel", ""), _BIAS)
_SEPARABLE = (("depthwise_kernel", ""), ("pointwise_kernel", ""), _BIAS)
_States: TypeAlias = "Mapping[str, tuple[tuple[str, str], ...]]"
_STATES: _States = {
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
    "embedding": (("embeddings", ""),),
    "p_re_lu": (("alpha", ""),),
    "seed_generator": (("seed_generator_state", ""),),
    "cell": _RECURRENT,
    "lstm_cell": _RECURRENT,
    "gru_cell": _RECURRENT,
    "simple_rnn_cell": _RECURRENT,
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
            "query_dense",
            "key_dense",
            "value_dense",
            "output_dense",
        ),
        (_KERNEL, _BIAS),
    ),
    **dict.fromkeys(("separable_conv1d", "separable_conv2d"), _SEPARABLE),
}
"""By class, or by the name of a part of a layer: what it keeps, and the setting without which it
does not."""
_DEPTHWISE = (("depthwise_kernel", ""), _BIAS)
_KERAS_2 = {**_STATES, **dict.fromkeys(("depthwise_conv1d", "depthwise_conv2d"), _DEPTHWISE)}
"""The same where it was Keras 2 that numbered them."""


class NumberedWeight(NamedTuple):
    """``name`` is the path where nothing better is known; ``is_mapped`` says which."""

    name: str
    path: str
    item: Dataset
    is_mapped: bool


class _Part(NamedTuple):
    """A group that keeps weights: ``kind`` is what it is called by class, or as a part."""

    group: Group
    path: str
    label: str
    kind: str
    layer: Mapping[str, Any] | None


def numbered_weights(
    root: Group, model: Mapping[str, Any] | None, version: str = ""
) -> Iterator[NumberedWeight]:
    """The weights under ``root`` in the model's order; what the optimizer and metrics keep is left
    out. ``version`` is of the Keras that wrote them, where that is known: only 2 kept metrics.
    """
    states = _KERAS_2 if _is_of_2(root, version) else _STATES
    seen: set[int] = set()
    stack = [_Part(group=root, path="", label="", kind="", layer=model)]
    while stack:
        part = stack.pop()
        if id(part.group) in seen:
            continue
        seen.add(id(part.group))
        keeps = part.group.links.get(_VARS)
        if isinstance(keeps, Group) and id(keeps) not in seen:
            yield from _weights(keeps, part, states)
        stack += reversed(list(_parts(part, seen)))


def _weights(keeps: Group, part: _Part, states: _States) -> Iterator[NumberedWeight]:
    items = [(name, link) for name, link in keeps.links.items() if isinstance(link, Dataset)]
    items.sort(key=lambda item: _natural(item[0]))
    called = _called(part, len(items), states.get(part.kind))
    for number, (name, item) in enumerate(items):
        path = f"{part.path}/{_VARS}/{name}".lstrip("/")
        known = called[number] if called is not None and name == str(number) else None
        label = part.label
        if known is None and label and label != part.path:
            known = name if not name.isdigit() else None
        is_mapped = bool(known and label)
        yield NumberedWeight(
            name=f"{label}/{known}" if is_mapped else path,
            path=path,
            item=item,
            is_mapped=is_mapped,
        )


def _called(
    part: _Part, count: int, states: tuple[tuple[str, str], ...] | None
) -> tuple[str, ...] | None:
    """The names of the weights that a part keeps, None where they are not known."""
    if states is None:
        return None
    config = config_of(part.layer) if part.layer is not None else {}
    found = tuple(
        name for name, setting in states if not setting or config.get(setting) is not False
    )
    if len(found) == count:
        return found
    # The settings are not known, or are those of what it lies in: all but the last, or all.
    names = tuple(name for name, _ in states)
    if count == len(names):
        return names
    is_prefix = states and states[-1] == _BIAS and count == len(names) - 1
    return names[:-1] if is_prefix else None


def _parts(above: _Part, seen: set[int]) -> Iterator[_Part]:
    """What lies under a part, in the order of the model's layers where that is known."""
    model = above.layer if above.layer is not None and is_model(above.layer) else None
    for name, link in sorted(above.group.links.items(), key=lambda item: _natural(item[0])):
        if not isinstance(link, Group) or name == _VARS:
            continue
        if not above.path and (name == _OPTIMIZER or (name == METRICS and _are_metrics(link))):
            continue
        path = f"{above.path}/{name}".lstrip("/")
        if name in CONTAINERS:
            if id(link) in seen:
                continue
            seen.add(id(link))
            yield from _layers(link, path, above, model)
        else:
            inner = _inner(above.layer, name)
            is_own = inner is None or inner is above.layer
            kind = _kind(name) if is_own else _snake_case(class_name(inner or {}))
            yield _part(link, path, above, kind, name, inner)


def _are_metrics(group: Group) -> bool:
    """Whether a group called so is what metrics kept: a layer has ``vars`` or layers of its own."""
    return _VARS not in group.links and not any(name in group.links for name in CONTAINERS)


def _is_of_2(root: Group, version: str) -> bool:
    if version:
        return version.partition(".")[0] == "2"
    metrics = root.links.get(METRICS)
    return isinstance(metrics, Group) and _are_metrics(metrics)


def _layers(container: Group, path: str, above: _Part, model: Any) -> Iterator[_Part]:
    layers = dict(_by_group_name(model)) if model is not None else {}
    known = [name for name in layers if name in container.links]
    others = sorted((name for name in container.links if name not in layers), key=_natural)
    for name in (*known, *others):
        link = container.links[name]
        if isinstance(link, Group):
            layer = layers.get(name)
            label = layer_name(layer) if layer is not None else name
            yield _part(link, f"{path}/{name}", above, _kind(name), label, layer)


def _kind(name: str) -> str:
    """The class in a group's name: ``dense_2`` is the third ``dense``."""
    match = _NUMBERED.fullmatch(name)
    return name if name in _STATES or match is None else match[1]


def _part(
    group: Group,
    path: str,
    above: _Part,
    kind: str,
    label: str,
    layer: Mapping[str, Any] | None,
) -> _Part:
    keeps = group.links.get(_VARS)
    said = keeps.attrs.get("name") if isinstance(keeps, Group) else None
    label = said if isinstance(said, str) and said else label
    return _Part(
        group=group,
        path=path,
        label=f"{above.label}/{label}" if above.label else label,
        kind=kind,
        layer=layer,
    )


def _inner(layer: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    """The configuration of a part of a layer: what it wraps, else the layer's own."""
    if layer is None or is_model(layer):
        return None
    wrapped = config_of(layer).get(name)
    return wrapped if isinstance(wrapped, dict) and "class_name" in wrapped else layer


def _by_group_name(model: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of its group, layer): the class in lower case, numbered from the second one on."""
    used: dict[str, int] = {}
    for layer in layers_of(body_of(model)):
        name = _snake_case(class_name(layer))
        number = used.get(name)
        used[name] = 0 if number is None else number + 1
        yield (name if number is None else f"{name}_{number + 1}"), layer


def _snake_case(name: str) -> str:
    """As Keras writes a class: ``BatchNormalization`` is ``batch_normalization``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _natural(name: str) -> tuple[str, int, str]:
    match = _NUMBERED.fullmatch(name)
    if match and len(match[2]) < 18:
        return match[1], int(match[2]), name
    if name.isascii() and name.isdigit() and len(name) < 18:
        return "", int(name), name
    return name, -1, name
