"""The names in an archive as folders and files. Every name is hostile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from migrator.errors import FormatError, MigratorError
from migrator.limits import Limits

_MOST_PARTS = 100
_MOST_NAME = 4096
_MOST_HOPS = 40
"""Links behind links; Linux stops there too."""
_SHOWN = 3
_WHY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Something in an archive that is no folder.

    ``kind`` is ``file``, ``link`` or, for what is neither, a few words that say what it is.
    ``target`` is where a link leads: from the top with a leading slash, else from its folder.
    ``entry`` is what its archive reads it by.
    """

    kind: str
    size: int = 0
    target: str = ""
    entry: Any = None


Node = Union[Member, "dict[str, Node]"]


class Tree:
    """Folders are dicts, anything else is a Member."""

    __slots__ = (
        "_count",
        "_limits",
        "_notes",
        "_odd",
        "_odd_names",
        "_unreadable",
        "_where",
        "top",
    )

    def __init__(self, limits: Limits, where: str) -> None:
        self.top: dict[str, Node] = {}
        self._limits = limits
        self._where = where
        self._count = 0
        self._odd: dict[str, int] = {}
        self._odd_names: dict[str, list[str]] = {}
        self._notes: list[str] = []
        self._unreadable: dict[str, str] = {}

    def add(self, name: str, node: Member | None, *, replace: bool = False) -> None:
        """Put ``node`` there, None for a folder. What has an impossible name is left out.

        Of two of one name the later counts where ``replace``; else neither, unless they are equal
        but for their ``entry``.

        Raises LimitError for more than ``Limits.members``, folders on the way to them included.
        """
        self._grow()
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts and node is None:
            return
        if ".." in parts:
            self._leave_out("leads out of it", name)
            return
        if not parts or "\0" in name or len(name) > _MOST_NAME or len(parts) > _MOST_PARTS:
            self._leave_out("has an impossible name", name)
            return
        if name.startswith("/"):
            self._note("has an absolute name, which is taken as one below its top", name)
        folder = self.top
        for part in parts[: None if node is None else -1]:
            inner = folder.get(part)
            if inner is None:
                inner = folder[part] = {}
                self._grow()
            if not isinstance(inner, dict):
                self._leave_out("has a file's or link's name for its folder", name)
                return
            folder = inner
        if node is None:
            return
        before = folder.get(parts[-1])
        if isinstance(before, dict):
            self._leave_out("has a folder's name", name)
        elif before is None or replace:
            folder[parts[-1]] = node
        elif _differ(before, node):
            folder[parts[-1]] = Member(kind="there twice, with different contents")

    def find(self, parts: Sequence[str]) -> Node | None:
        """What lies there, links followed; None where nothing does.

        Raises FormatError for links in a circle, and for one that leads out of the archive.
        """
        found = self._walk(parts)
        return None if found is None else found[1]

    def _walk(self, parts: Sequence[str]) -> tuple[list[str], Node] | None:
        left = list(reversed(parts))
        at: list[tuple[str, dict[str, Node]]] = []
        folder = self.top
        hops = 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not at:
                    raise self._bad("is reached by a link that leads out of the archive", parts)
                at.pop()
                folder = at[-1][1] if at else self.top
                continue
            node = folder.get(part)
            if node is None:
                return None
            if isinstance(node, Member) and node.kind == "link":
                hops += 1
                if hops > _MOST_HOPS:
                    raise self._bad("is reached by links that lead in a circle", parts)
                if len(node.target) > _MOST_NAME:
                    raise self._bad("is reached by a link of impossible length", parts)
                if node.target.startswith("/"):
                    raise self._bad("is reached by a link that leads out of the archive", parts)
                left += reversed(node.target.split("/"))
                continue
            if isinstance(node, Member):
                if any(item not in ("", ".") for item in left):
                    return None
                return [*(name for name, _ in at), part], node
            at.append((part, node))
            folder = node
        return [name for name, _ in at], folder

    def files(
        self, parts: Sequence[str] = ()
    ) -> Iterator[tuple[tuple[str, ...], Mapping[str, Node]]]:
        """Each folder at and below ``parts`` with what is in it; links are not followed."""
        start = self.find(parts)
        if not isinstance(start, dict):
            return
        stack = [(tuple(parts), start)]
        while stack:
            at, folder = stack.pop()
            yield at, folder
            inner = [(name, node) for name, node in folder.items() if isinstance(node, dict)]
            stack += [((*at, name), node) for name, node in sorted(inner, reverse=True)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the names."""
        found = []
        for what, count in self._odd.items():
            names = ", ".join(ascii(name)[:100] for name in self._odd_names[what])
            more = f" and {count - _SHOWN:,} more" if count > _SHOWN else ""
            found.append(f"{self._where}: an entry {what}: {names}{more}")
        if self._unreadable:
            shown = list(self._unreadable.items())[:_SHOWN]
            names = ", ".join(f"{ascii(name)[:100]} ({what})" for name, what in shown)
            rest = len(self._unreadable) - len(shown)
            found.append(
                f"{self._where}: an entry cannot be read: {names}"
                + (f" and {rest:,} more" if rest else "")
            )
        return (*found, *self._notes)

    def note_unreadable(self, name: str, why: str) -> None:
        """A file of the archive that was asked for, and is damaged, encrypted or the like."""
        self._unreadable[name] = why[:_WHY]

    def add_note(self, what: str) -> None:
        note = f"{self._where}: {what}"
        if note not in self._notes:
            self._notes.append(note)

    def _grow(self) -> None:
        self._count += 1
        if self._count > self._limits.members:
            self._limits.check("members", self._count, where=self._where)

    def _leave_out(self, why: str, name: str) -> None:
        self._note(f"{why} and is left out", name)

    def _note(self, what: str, name: str) -> None:
        self._odd[what] = self._odd.get(what, 0) + 1
        names = self._odd_names.setdefault(what, [])
        if len(names) < _SHOWN:
            names.append(name)

    def _bad(self, what: str, parts: Sequence[str]) -> MigratorError:
        where = ascii("/".join((self._where, *parts)))[1:-1]
        return FormatError(what, where=where[:1000])


def _differ(one: Node, other: Node) -> bool:
    """Whether two of one name are not the same file twice; ``entry`` has a checksum in front."""
    if not isinstance(one, Member) or not isinstance(other, Member):
        return True
    if (one.kind, one.size) != (other.kind, other.size):
        return True
    return bool(one.entry[0] != other.entry[0])
