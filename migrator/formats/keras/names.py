"""Names for the weights of Keras 3, which numbers them: ``layers/dense_1/vars/0``.

Which layer that is, the file may say itself (newer releases), else the configuration does: layers
are called after their class there, in the model's order, and the layers inside of a layer (what a
wrapper wraps, the cells of a recurrent layer) after what the layer calls them. What the weight is
called, the class tells for Keras' own layers. Where that is not known, the path stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from migrator.formats.keras.layer_states import (
    ATTENTION_PARTS,
    CELLS,
    STORED_TWICE,
    kept_names,
    snake_case,
    states_of,
)

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_VARS = "vars"
METRICS = "metrics"
_OPTIMIZER = "optimizer"
_NUMBERED = re.compile(r"(.+?)_(\d+)")
_NAMELESS = ("TimeDistributed", "SpectralNormalization")
"""Wrappers that left their own name alone on the weights of what they wrap, in Keras 2."""


class NumberedWeight(NamedTuple):
    """``name`` is the path where nothing better is known. ``layer`` is the layer that it is of,
    behind the models that this is in; empty where nothing tells."""

    name: str
    path: str
    item: Dataset
    layer: str


class _Part(NamedTuple):
    """A group that keeps weights, or groups of them: ``kind`` is what it is called by class, or as
    a part. ``layer`` is its configuration, ``around`` the one of what it lies in; ``place`` is the
    layer of the model's graph, behind the models that this is in."""

    group: Group
    path: str = ""
    label: str = ""
    kind: str = ""
    layer: Mapping[str, Any] | None = None
    around: Mapping[str, Any] | None = None
    place: str = ""


def numbered_weights(
    root: Group,
    model: Mapping[str, Any] | None,
    check: Callable[[int], None],
    version: str = "",
) -> Iterator[NumberedWeight]:
    """The weights under ``root`` in the model's order; what the optimizer and metrics keep is left
    out. ``check`` is called for each group, and raises where all of it took too long.
    ``version`` is of the Keras that wrote them, where that is known: only 2 kept metrics.
    """
    is_of_2 = _is_of_2(root, version)
    listed = _Listed()
    seen: set[int] = set()
    stack = [_Part(root, layer=model)]
    while stack:
        part = stack.pop()
        if id(part.group) in seen:
            continue
        seen.add(id(part.group))
        check(0)
        keeps = part.group.links.get(_VARS)
        if isinstance(keeps, Group) and id(keeps) not in seen:
            yield from _weights(keeps, part, is_of_2)
        stack += reversed(list(_parts(part, seen, listed, is_of_2)))


def _weights(keeps: Group, part: _Part, is_of_2: bool) -> Iterator[NumberedWeight]:
    items = [(name, link) for name, link in keeps.links.items() if isinstance(link, Dataset)]
    items.sort(key=lambda item: _natural(item[0]))
    called = _called(part, len(items), is_of_2)
    for number, (name, item) in enumerate(items):
        path = f"{part.path}/{_VARS}/{name}".lstrip("/")
        known = called[number] if called is not None and name == str(number) else None
        if known == STORED_TWICE and "layer" in part.group.links:
            continue
        if known is None and part.label and part.label != part.path and not name.isdigit():
            known = name
        shown = f"{part.label}/{known}" if known and part.label else path
        yield NumberedWeight(shown, path, item, part.place)


def _called(part: _Part, count: int, is_of_2: bool) -> tuple[str, ...] | None:
    """The names of the weights that a part keeps, None where they are not known."""
    states = states_of(part.kind, is_of_2)
    if states is None:
        return None
    config = config_of(part.layer or part.around or {})
    return kept_names(states, config, count, is_own=part.layer is not None)


def _parts(above: _Part, seen: set[int], listed: _Listed, is_of_2: bool) -> Iterator[_Part]:
    """What lies under a part, in the order of the model's layers where that is known."""
    model = above.layer if above.layer is not None and is_model(above.layer) else None
    own = above.layer if model is None else None
    for name, link in sorted(above.group.links.items(), key=lambda item: _natural(item[0])):
        if not isinstance(link, Group) or name == _VARS:
            continue
        if not above.path and (name == _OPTIMIZER or (name == METRICS and _are_metrics(link))):
            continue
        path = f"{above.path}/{name}".lstrip("/")
        inside = listed.inside(own, name)
        if name in CONTAINERS or inside:
            if id(link) in seen:
                continue
            seen.add(id(link))
            layers = inside or listed.of_model(model)
            yield from _numbered(link, path, above, layers, is_inside=bool(inside))
        else:
            yield _part(link, path, above, name, _inner(own, name), is_of_2)


def _are_metrics(group: Group) -> bool:
    """Whether a group called so is what metrics kept: a layer has ``vars`` or layers of its own."""
    return _VARS not in group.links and not any(name in group.links for name in CONTAINERS)


def _is_of_2(root: Group, version: str) -> bool:
    if version:
        return version.partition(".")[0] == "2"
    metrics = root.links.get(METRICS)
    return isinstance(metrics, Group) and _are_metrics(metrics)


_Layers: TypeAlias = "dict[str, tuple[int, dict[str, Any]]]"
"""Name of a group -> the layer that is stored there, and its number."""


class _Listed:
    """Layers that a configuration lists, by the names of their groups. Each list is gone through
    once, however many groups are of it."""

    def __init__(self) -> None:
        self._known: dict[int, _Layers] = {}

    def of_model(self, model: Mapping[str, Any] | None) -> _Layers:
        body = body_of(model) if model is not None else {}
        return self._named(body.get("layers"), layers_of(body)) if "layers" in body else {}

    def inside(self, layer: Mapping[str, Any] | None, name: str) -> _Layers:
        """What a layer's own configuration lists by that name: its ``cells``, for one."""
        listed = config_of(layer).get(name) if layer is not None else None
        if isinstance(listed, dict) and "class_name" not in listed:
            return self._named(listed, list(listed.values()))
        return self._named(listed, listed) if isinstance(listed, list) else {}

    def _named(self, key: Any, items: list[Any]) -> _Layers:
        found = self._known.get(id(key))
        if found is None:
            are_layers = all(isinstance(item, dict) and "class_name" in item for item in items)
            found = self._known[id(key)] = {}
            if are_layers:
                for number, (name, layer) in enumerate(_by_group_name(items)):
                    found[name] = number, layer
        return found


def _numbered(
    container: Group,
    path: str,
    above: _Part,
    layers: _Layers,
    *,
    is_inside: bool,
) -> Iterator[_Part]:
    """The layers of a model, or those that a layer lists: then ``is_inside``."""
    known = {name for name in container.links if name in layers}
    others = sorted((name for name in container.links if name not in known), key=_natural)
    ordered = sorted(known, key=lambda name: layers[name][0])
    for name in (*ordered, *others):
        link = container.links[name]
        if not isinstance(link, Group):
            continue
        layer = layers[name][1] if name in known else None
        called = layer_name(layer) if layer is not None else ""
        place = above.place if is_inside or not called else _under(above.place, called)
        yield _Part(
            group=link,
            path=f"{path}/{name}",
            label=_under(above.label, _said(link) or called or name),
            kind=_kind(name, layer, link),
            layer=layer,
            around=above.layer or above.around,
            place=place,
        )


def _part(
    group: Group,
    path: str,
    above: _Part,
    name: str,
    inner: Mapping[str, Any] | None,
    is_of_2: bool,
) -> _Part:
    """A layer inside of a layer, of the configuration ``inner``, or what holds several of them."""
    said = _said(group)
    if said:
        called = said
    elif _VARS not in group.links and any(
        _said(link) for link in group.links.values() if isinstance(link, Group)
    ):
        called = ""  # a list or a dict of layers, which Keras' names leave out
    else:
        called = _part_name(above, name, inner, is_of_2)
    is_inner_model = inner is not None and is_model(inner)
    return _Part(
        group=group,
        path=path,
        label=_under(above.label, called),
        kind=_kind(name.lstrip("_"), inner, group),
        layer=inner,
        around=above.layer or above.around,
        place=_under(above.place, layer_name(inner)) if inner and is_inner_model else above.place,
    )


def _part_name(above: _Part, name: str, inner: Mapping[str, Any] | None, is_of_2: bool) -> str:
    """What Keras calls a layer inside of a layer, else how that calls it."""
    if inner is not None:
        called = layer_name(inner)
        if is_of_2 and not is_model(inner) and class_name(above.layer or {}) in _NAMELESS:
            return ""
        way = name.partition("_")[0]
        if name in _WAYS and (is_of_2 or above.layer is None) and called:
            return called if called.startswith(f"{way}_") else f"{way}_{called}"
        return called or name
    if name == "cell" and above.kind in CELLS:
        cell = CELLS[above.kind]
        return "" if is_of_2 and cell == "conv_lstm_cell" else cell
    part = name.removeprefix("_")
    if part in ATTENTION_PARTS and "query_dense" in _plain(above.group.links):
        return ATTENTION_PARTS[part]
    return name


_WAYS = ("forward_layer", "backward_layer")


def _inner(layer: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    """The configuration of a layer inside of a layer, where that layer's own has it."""
    if layer is None:
        return None
    config = config_of(layer)
    names = (name, "layer") if name in _WAYS else (name,)
    for key in names:
        found = config.get(key)
        if isinstance(found, dict) and "class_name" in found:
            return found
    return None


def _kind(name: str, layer: Mapping[str, Any] | None, group: Group) -> str:
    """The class of a layer as its configuration has it, else as names tell: ``dense_2`` is the
    third ``dense``."""
    if layer is not None:
        return snake_case(class_name(layer))
    for called in (name, _said(group)):
        match = _NUMBERED.fullmatch(called)
        for kind in (called, match[1] if match else called):
            if kind in CELLS or states_of(kind, False) is not None:
                return kind
    return name


def _said(group: Group) -> str:
    """The name of a layer as the file itself has it; empty where it has none."""
    keeps = group.links.get(_VARS)
    said = keeps.attrs.get("name") if isinstance(keeps, Group) else None
    return said if isinstance(said, str) else ""


def _plain(names: Iterable[str]) -> set[str]:
    return {name.removeprefix("_") for name in names}


def _under(above: str, name: str) -> str:
    return f"{above}/{name}" if above and name else above or name


def _by_group_name(layers: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of its group, layer): the class in lower case, numbered from the second one on."""
    used: dict[str, int] = {}
    for layer in layers:
        name = snake_case(class_name(layer))
        number = used.get(name)
        used[name] = 0 if number is None else number + 1
        yield (name if number is None else f"{name}_{number + 1}"), layer


def _natural(name: str) -> tuple[str, int, str]:
    match = _NUMBERED.fullmatch(name)
    if match and len(match[2]) < 18:
        return match[1], int(match[2]), name
    if name.isascii() and name.isdigit() and len(name) < 18:
        return "", int(name), name
    return name, -1, name
