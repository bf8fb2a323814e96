"""Plan: what a migration will do. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from migrator.model.dtypes import DType
from migrator.model.graph import Function, Node, Versions
from migrator.model.model import Source
from migrator.model.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One input or output of the signature to be. ``name`` is its key, ``tensor`` the source's."""

    name: str
    tensor: str
    dtype: DType | None
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A placeholder that is fixed to ``value`` (a Python scalar or nested list)."""

    tensor: str
    dtype: DType
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change on the way, and why. ``code`` names its kind, ``count`` how often."""

    code: str
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something that stops the migration. ``node`` is the first place, ``fix`` the way out."""

    code: str
    text: str
    node: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subgraph:
    """The nodes that the result will hold, rewritten, in an order of their own."""

    nodes: tuple[Node, ...] = field(repr=False)
    functions: tuple[Function, ...] = field(repr=False)
    versions: Versions
    constant_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Everything that ``migrate`` will do with a source."""

    source: Source
    nodes: int
    """Nodes of the source's graph."""
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    feeds: tuple[Feed, ...]
    steps: tuple[Step, ...]
    blockers: tuple[Blocker, ...]
    notes: tuple[str, ...]
    weights: str
    """How weights are kept: ``constants``."""
    subgraph: Subgraph
