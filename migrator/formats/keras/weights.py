"""The weights of a Keras file by name, as each generation of Keras stored them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from migrator.formats.hdf5.tree import Dataset, External, Group, find, visit
from migrator.formats.keras.names import CONTAINERS, numbered_weights

_WHOLE = "model_weights"
_TOP = "top_level_model_weights"
_OPTIMIZERS = ("optimizer_weights", "optimizer", "_optimizer")


class StoredWeight(NamedTuple):
    """A weight and the path of its data set in the HDF5 file."""

    name: str
    path: str
    item: Dataset


class Weights(NamedTuple):
    """``optimizer`` counts what the optimizer keeps, which is no part of the model."""

    weights: tuple[StoredWeight, ...]
    optimizer: int
    warnings: tuple[str, ...]


def find_weights(root: Group, model: Mapping[str, Any] | None) -> Weights:
    """The weights under ``root``; ``model`` is the configuration, None where there is none."""
    warnings: list[str] = []
    whole = root.links.get(_WHOLE)
    base, prefix = (whole, f"{_WHOLE}/") if isinstance(whole, Group) else (root, "")
    if base.names("layer_names") is not None:
        found = list(_listed(root, base, prefix, warnings))
    elif any(isinstance(root.links.get(name), Group) for name in (*CONTAINERS, "vars")):
        found = [
            StoredWeight(name=item.name, path=item.path, item=item.item)
            for item in numbered_weights(root, model)
        ]
    else:
        if model is None and "nb_layers" not in root.attrs:
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
    optimizer = 0
    for name in _OPTIMIZERS:
        group = root.links.get(name)
        if isinstance(group, Group):
            optimizer += sum(isinstance(link, Dataset) for _, link in visit(group))
    return Weights(weights=tuple(_unique(found)), optimizer=optimizer, warnings=tuple(warnings))


def _counted(paths: list[str]) -> str:
    shown = ", ".join(ascii(path)[:100] for path in paths[:3])
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return f"{len(paths):,} link{'s lead' if len(paths) > 1 else ' leads'} ({shown}{more})"


def _listed(root: Group, base: Group, prefix: str, warnings: list[str]) -> Iterator[StoredWeight]:
    """Keras 1 and 2, and the ``.h5`` of Keras 3: attributes list the layers and their weights."""
    missing: list[str] = []
    layers = list(dict.fromkeys(base.names("layer_names") or ()))
    if _TOP in base.links and _TOP not in layers:
        layers.append(_TOP)
    for layer in layers:
        group = find(root, layer, base)
        if not isinstance(group, Group):
            missing.append(layer)
            continue
        for name in dict.fromkeys(group.names("weight_names") or ()):
            item = find(root, name, group)
            if isinstance(item, Dataset):
                # Keras 1 leaves the layer out of the names, and so did early releases of Keras 3.
                called = name if "/" in name or layer == _TOP else f"{layer}/{name}"
                yield StoredWeight(name=called, path=f"{prefix}{layer}/{name}", item=item)
            else:
                missing.append(f"{layer}/{name}")
    if missing:
        shown = ", ".join(ascii(name)[:100] for name in missing[:3])
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        warnings.append(f"{len(missing):,} of its weights are listed and not there: {shown}{more}")


def _unique(found: list[StoredWeight]) -> Iterator[StoredWeight]:
    """Of the same names, all but the first are called by their paths."""
    taken: set[str] = set()
    for item in found:
        name = item.name if item.name not in taken else item.path
        if name in taken:
            continue
        taken.add(name)
        yield item if name == item.name else StoredWeight(name=name, path=item.path, item=item.item)
