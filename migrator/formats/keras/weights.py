"""The weights of a Keras file by name, as each generation of Keras stored them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from migrator.errors import first_few
from migrator.formats.hdf5.tree import Dataset, External, Group, find, visit
from migrator.formats.keras.layer_places import LayerPlaces
from migrator.formats.keras.names import CONTAINERS, numbered_weights

_WHOLE = "model_weights"
_TOP = "top_level_model_weights"
_MARKS = ("backend", "keras_version", "model_config", "nb_layers", "training_config")
_OFTEN = 256
_SHOWN = 3
_OPTIMIZERS = ("optimizer_weights", "optimizer", "_optimizer")


class StoredWeight(NamedTuple):
    """A weight and the path of its data set in the HDF5 file. ``layer`` is the one that it is of,
    behind the models that this is in; empty where its own name says so, or nothing does."""

    name: str
    path: str
    item: Dataset
    layer: str = ""


class Weights(NamedTuple):
    """The model's own; what the optimizer keeps is left out."""

    weights: tuple[StoredWeight, ...]
    warnings: tuple[str, ...]
    is_unmarked: bool = False
    """Whether nothing in the file is Keras's, so that these may be no weights at all."""


def find_weights(
    root: Group,
    model: Mapping[str, Any] | None,
    check: Callable[[int], None],
    version: str = "",
) -> Weights:
    """The weights under ``root``; ``model`` is the configuration, None where there is none, and
    ``version`` is of the Keras that wrote them, empty where that is not known.

    ``check`` is told how many names were looked up, now and then, and raises where that is too
    many or took too long.
    """
    warnings: list[str] = []
    is_unmarked = False
    whole = root.links.get(_WHOLE)
    base, prefix = (whole, f"{_WHOLE}/") if isinstance(whole, Group) else (root, "")
    if base.names("layer_names") is not None:
        found = list(_listed(root, base, prefix, LayerPlaces(model), warnings, check))
    elif _is_numbered(root):
        found = [
            StoredWeight(item.name, item.path, item.item, item.layer)
            for item in numbered_weights(root, model, check, version)
        ]
    else:
        is_unmarked = model is None and not _is_marked(root)
        if is_unmarked:
            warnings.append(
                "is HDF5 without any mark of Keras: its data sets are shown by their paths"
            )
        found = [
            StoredWeight(name=path, path=path, item=link)
            for path, link in visit(root)
            if isinstance(link, Dataset) and path.partition("/")[0] not in _OPTIMIZERS
        ]
    away = [path for path, link in visit(root) if isinstance(link, External)]
    if away:
        warnings.append(f"{_counted(away)} to other files, which are not read")
    return Weights(tuple(_unique(found)), tuple(warnings), is_unmarked)


def _is_numbered(root: Group) -> bool:
    """Whether it is Keras 3's: groups called ``vars`` hold the weights.

    A group called ``layers`` alone is no sign of it: other programs' files have one, with data
    sets in it.
    """
    if any(isinstance(group.links.get("vars"), Group) for group in _groups(root)):
        return True
    layers, *older = (root.links.get(name) for name in CONTAINERS)
    if any(isinstance(group, Group) for group in older):
        return True
    return isinstance(layers, Group) and next(visit(layers), None) is None


def _is_marked(root: Group) -> bool:
    """Whether an attribute is Keras's, of the file or of a group in it."""
    whole = root.links.get(_WHOLE)
    return (
        isinstance(whole, Group)
        or any(name in root.attrs for name in _MARKS)
        or any(group.names("weight_names") is not None for group in _groups(root))
    )


def _groups(root: Group) -> Iterator[Group]:
    """The groups of a file, each of them once."""
    seen = {id(root)}
    stack = [root]
    while stack:
        group = stack.pop()
        yield group
        for link in group.links.values():
            if isinstance(link, Group) and id(link) not in seen:
                seen.add(id(link))
                stack.append(link)


def _counted(paths: list[str]) -> str:
    lead = "links lead" if len(paths) > 1 else "link leads"
    return f"{len(paths):,} {lead} ({first_few(paths, _SHOWN)})"


def _listed(
    root: Group,
    base: Group,
    prefix: str,
    places: LayerPlaces,
    warnings: list[str],
    check: Callable[[int], None],
) -> Iterator[StoredWeight]:
    """Keras 1 and 2, and the ``.h5`` of Keras 3: attributes list the layers and their weights."""
    missing: list[str] = []
    count = 0
    layers = list(dict.fromkeys(base.names("layer_names") or ()))
    if _TOP in base.links and _TOP not in layers:
        layers.append(_TOP)
    for layer in layers:
        group = find(root, layer, base)
        if not isinstance(group, Group):
            missing.append(layer)
            continue
        for name in dict.fromkeys(group.names("weight_names") or ()):
            count += 1
            if count % _OFTEN == 0:
                check(count)
            item = find(root, name, group)
            if isinstance(item, Dataset):
                # Keras 1 leaves the layer out of the names, and so did early releases of Keras 3.
                called = name if "/" in name or layer == _TOP else f"{layer}/{name}"
                owner = "" if layer == _TOP else places.place(layer, name)
                yield StoredWeight(called, f"{prefix}{layer}/{name}", item, owner)
            else:
                missing.append(f"{layer}/{name}")
    if missing:
        some = first_few(missing, _SHOWN)
        warnings.append(f"{len(missing):,} of its weights are listed and not there: {some}")


def _unique(found: list[StoredWeight]) -> Iterator[StoredWeight]:
    """Of the same names, all but the first are called by their paths."""
    taken: set[str] = set()
    for item in found:
        name = item.name if item.name not in taken else item.path
        if name in taken:
            continue
        taken.add(name)
        is_told = name.startswith(f"{item.layer}/")
        yield item._replace(name=name, layer="" if is_told else item.layer)
