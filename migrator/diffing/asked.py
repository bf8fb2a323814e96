"""The scopes that were asked for: whether a name lies in one of them, and whether any does."""

from __future__ import annotations

from collections.abc import Collection, Container

from migrator.errors import UsageError, did_you_mean

_MOST = 2000
"""Names that a hint looks through."""


def within(name: str, scopes: Collection[str]) -> bool:
    """True where ``name`` is one of ``scopes`` or lies under it; of no scopes, everywhere."""
    return not scopes or any(
        name == scope.rstrip("/") or name.startswith(f"{scope.rstrip('/')}/") for scope in scopes
    )


def layer_of(weight: str, nodes: Container[str]) -> str:
    """The node of a weight that is called by its path: itself, or the layer that it lies in.

    Keras 3 may put the model's own name in front. Empty where there is none.
    """
    for name in (weight, weight.partition("/")[2]):
        while name:
            if name in nodes:
                return name
            name = name.rpartition("/")[0]
    return ""


def below(weight: str, layer: str) -> str:
    """What a weight is called in its layer, as ``layer_of`` finds that."""
    for name in (weight, weight.partition("/")[2]):
        if name.startswith(f"{layer}/"):
            return name[len(layer) + 1 :]
    return weight


def check_scope(scope: str, names: Collection[str]) -> None:
    """Raises UsageError where none of ``names`` lies in ``scope``."""
    if any(within(name, (scope,)) for name in names):
        return
    depth = scope.rstrip("/").count("/") + 1
    alike = {"/".join(name.split("/")[:depth]) for name in names}
    hint = did_you_mean(scope, sorted(alike)) if len(alike) <= _MOST else ""
    raise UsageError(f"neither side has a node in scope {scope!r}", hint=hint)
