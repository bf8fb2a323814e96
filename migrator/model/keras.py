"""What only a Keras file says, or an HDF5 file that may be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migrator.model.brief import brief


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingRisk:
    """What loading a Keras file would run, import or open, as its configuration says.

    ``kind`` is one of ``formats.keras.dangers``, ``argument`` the module, file or class.
    """

    layer: str
    kind: str
    argument: str = ""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KerasFile:
    """What a Keras file says beside its layers and weights."""

    owners: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The layers of those weights whose names do not begin with them: it may keep
    ``conv_1/kernel`` for its layer ``conv``."""
    is_unmarked: bool = False
    """Whether it is HDF5 with nothing in it that only Keras writes: it may be anybody's."""
    is_empty: bool = False
    """Whether it is HDF5 that holds no object at all."""
    risks: tuple[LoadingRisk, ...] = ()
    """What loading it would do besides."""
    untrained: frozenset[str] | None = field(default=None, repr=False)
    """The weights that training leaves as they are; None where the file does not tell."""

    __repr__ = brief
