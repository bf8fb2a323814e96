"""Where the layers of models inside of a model lie in the graph: ``tower/inner/low``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from migrator.formats.keras.config import body_of, config_of, is_model, layer_name, layers_of

WRAPPED = ("layer", "forward_layer", "backward_layer")
"""Settings of a layer that may hold a model."""
_LONGEST = 4096
"""Characters of a place: the graph has no longer ones."""


class LayerPlaces:
    """Finds the layer, inside of a layer that is a model or wraps one, that a weight is of."""

    __slots__ = ("_inside", "_layers")

    def __init__(self, model: Mapping[str, Any] | None) -> None:
        layers = layers_of(body_of(model)) if model is not None else []
        self._layers = {layer_name(layer): layer for layer in reversed(layers)}
        self._inside: dict[str, dict[str, str]] = {}

    def place(self, layer: str, weight: str) -> str:
        """Of a weight that a model's layer keeps: that layer, or the one inside of it whose name
        is in the weight's own.
        """
        inside = self._inside.get(layer)
        if inside is None:
            found = self._layers.get(layer)
            pairs = _inside(found, layer) if found is not None else ()
            inside = self._inside[layer] = dict(reversed(list(pairs)))
        if not inside:
            return layer
        *scopes, _ = weight.split("/")
        return next((inside[name] for name in reversed(scopes) if name in inside), layer)


def _inside(layer: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    """(name, place) of every layer of the models that a layer is or wraps."""
    stack = [(layer, place)]
    while stack:
        above, at = stack.pop()
        models = [(above, at)] if is_model(above) else []
        for key in WRAPPED if not models else ():
            inner = config_of(above).get(key)
            if isinstance(inner, dict) and is_model(inner):
                models.append((inner, f"{at}/{layer_name(inner)}"))
        for model, within in models:
            for item in layers_of(body_of(model)):
                name = layer_name(item)
                called = f"{within}/{name}"
                if name and len(called) <= _LONGEST:
                    yield name, called
                    stack.append((item, called))
