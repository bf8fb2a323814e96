"""Whether a name lies in one of the scopes that were asked for."""

from __future__ import annotations

from collections.abc import Collection


def within(name: str, scopes: Collection[str]) -> bool:
    """True where ``name`` is one of ``scopes`` or lies under it; of no scopes, everywhere."""
    return not scopes or any(
        name == scope.rstrip("/") or name.startswith(f"{scope.rstrip('/')}/") for scope in scopes
    )
