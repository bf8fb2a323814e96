"""What a comparison says: pure data, drawn by ``report``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator.model.brief import brief
from migrator.model.model import Source

ADDED = "added"
REMOVED = "removed"
CHANGED = "changed"
RENAMED = "renamed"
REWIRED = "rewired"
KINDS = (REMOVED, ADDED, CHANGED, REWIRED, RENAMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two nodes that are one and the same. Names of a body's nodes are ``FUNCTION/NODE``."""

    left: str
    right: str
    confidence: float
    """From 0 to 1: 1 for what could not be otherwise."""
    why: str
    """The stage that found it: ``name``, ``weights``, ``structure``, ``surroundings``,
    ``functions``, ``neighbours``, ``twins``, ``scope``, ``assignment``, ``alone`` or
    ``computation``."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is another on the right. ``field`` is ``op``, ``name``, ``input 1``,
    ``attr strides``, ``dtype``, ``shape``, ``value``, ``scope`` ..."""

    field: str
    left: Any
    right: Any

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """What became of one node. ``left`` is empty for an added one, ``right`` for a removed one."""

    kind: str
    """The gravest of ``KINDS`` that applies: changed before rewired before renamed."""
    left: str
    right: str
    op: str
    confidence: float = 1.0
    changes: tuple[Change, ...] = ()
    why: str = ""
    """What explains it, one of the reasons of ``explain`` (``packaging``, ``unused``, ...), of
    pairs too. Empty for what nothing explains."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChange:
    """One weight (a constant or a variable) whose values, type or home are others."""

    left: str
    right: str
    kind: str
    """``values``, ``shape``, ``dtype``, ``home`` (constant to variable or back), ``added``,
    ``removed``."""
    elements: int = 0
    max_abs: float | None = None
    """Of the differences between finite elements, in their own unit; so is the mean."""
    mean_abs: float | None = None
    share: float | None = None
    """Of the elements, how many differ. None where values were not compared."""
    not_finite: int = 0
    """Elements that differ and are not finite on a side: they have no difference to tell."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRename:
    """A prefix of names that became another one, told once for all nodes under it."""

    left: str
    right: str
    nodes: int

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureChange:
    key: str
    kind: str
    """``added``, ``removed``, ``renamed``, ``changed``."""
    changes: tuple[Change, ...] = ()

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionChange:
    """A body that has no counterpart, or one under another name, or one that changed."""

    left: str
    right: str
    kind: str
    """``added``, ``removed``, ``renamed``, ``changed``."""
    nodes: int = 0
    """Of the body; of one that changed, those that are another."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """How ``right`` differs from ``left``."""

    left: Source
    right: Source
    identical: bool
    """Nothing differs that was not left out by ``ignored``."""
    same_computation: bool
    """The outputs are computed alike: only names, homes of weights and the like differ."""
    headline: tuple[str, ...]
    """What a person understands in ten seconds, the most important first."""
    nodes: tuple[NodeChange, ...]
    scopes: tuple[ScopeRename, ...] = ()
    weights: tuple[WeightChange, ...] = ()
    signatures: tuple[SignatureChange, ...] = ()
    functions: tuple[FunctionChange, ...] = ()
    others: tuple[Change, ...] = ()
    """Versions, tags, assets, formats."""
    matches: tuple[Match, ...] = field(repr=False, default=())
    """Every pair, unchanged ones too."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """``left_nodes``, ``right_nodes``, ``matched``, each of ``KINDS``, and pairs of weights:
    ``weights``, ``weights_equal``, ``weights_different``, ``weights_unknown``. Of two checkpoints
    those of weights alone."""
    ignored: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """The scopes that are told of; all where there are none."""

    __repr__ = brief
