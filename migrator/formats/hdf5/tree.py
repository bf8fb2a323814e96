"""What an HDF5 file holds: groups, attributes, data sets and where their bytes lie."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from migrator.errors import LimitError
from migrator.formats.hdf5.types import ElementType

Attribute: TypeAlias = "str | int | tuple[str, ...]"

PLAIN_ATTRIBUTES = (
    "backend",
    "dtype",
    "keras_version",
    "model_config",
    "name",
    "nb_layers",
    "training_config",
)
"""The attributes that are read, besides these lists, which a writer may cut into pieces."""
LISTED_ATTRIBUTES = ("layer_names", "weight_names")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """A group. Hard links can make circles: walk with ``visit``."""

    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict, repr=False)

    def names(self, attribute: str) -> tuple[str, ...] | None:
        """A list of names, put together where it was cut into pieces; None where there is none."""
        whole = self.attrs.get(attribute)
        if whole is not None:
            return whole if isinstance(whole, tuple) else (str(whole),)
        if f"{attribute}0" not in self.attrs:
            return None
        found: list[str] = []
        number = 0
        while (piece := self.attrs.get(f"{attribute}{number}")) is not None:
            found.extend(piece if isinstance(piece, tuple) else (str(piece),))
            number += 1
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """An array. ``storage`` says how its bytes lie in the file.

    - ``contiguous``: ``stored`` bytes from ``offset`` on; ``offset`` is None where none were ever
      written, and then each element is ``fill`` (zeros where that is empty)
    - ``inline``: ``fill`` is all of them
    - ``chunked``: in pieces, perhaps compressed, ``stored`` bytes
    - ``elsewhere``: in another file
    - ``unknown``: in a way that nobody here knows
    """

    type: ElementType
    dims: tuple[int, ...] | None
    """None for a data set that holds no value at all."""
    storage: str
    address: int
    """Where its object header lies in the file, by which it is told from all others."""
    offset: int | None = None
    stored: int = 0
    fill: bytes = field(default=b"", repr=False)
    attrs: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soft:
    """A link to a path in the same file."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A link to another file. Nobody follows it."""

    file: str
    target: str


Link: TypeAlias = "Group | Dataset | Soft | External | None"
"""None: something else, such as a type with a name."""
_MOST_HOPS = 16
_MOST_PATHS = 1 << 29
"""Bytes in memory of all paths of a file."""


def find(root: Group, path: str, start: Group | None = None) -> Link:
    """What lies at ``path`` under ``start`` (the root), soft links followed; None for nothing."""
    parts = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    here: Link = root if path.startswith("/") else start or root
    hops = 0
    while parts:
        if not isinstance(here, Group):
            return None
        group, here = here, here.links.get(parts.pop())
        if isinstance(here, Soft):
            hops += 1
            if hops > _MOST_HOPS:
                return None
            more = [part for part in reversed(here.target.split("/")) if part not in ("", ".")]
            here = root if here.target.startswith("/") else group
            parts += more
    return here


def visit(start: Group, name: str = "") -> Iterator[tuple[str, Link]]:
    """Everything under ``start`` with its path, groups themselves apart, each of them once.

    In the order of the links, depth first. Soft links are not followed. Raises LimitError where
    the paths come to more than a file should have.
    """
    total = 0
    seen = {id(start)}
    stack = [(name, iter(start.links.items()))]
    while stack:
        above, items = stack[-1]
        item = next(items, None)
        if item is None:
            stack.pop()
            continue
        path = f"{above}/{item[0]}" if above else item[0]
        link = item[1]
        total += sys.getsizeof(path)
        if total > _MOST_PATHS:
            raise LimitError(f"its paths take more than {_MOST_PATHS:,} bytes")
        if not isinstance(link, Group):
            yield path, link
        elif id(link) not in seen:
            seen.add(id(link))
            stack.append((path, iter(link.links.items())))
