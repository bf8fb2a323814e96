"""The files that models bring along, by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from migrator.diffing.result import Change
from migrator.formats.beside import folder_of
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import TensorRef

_PIECE = 1 << 20
_MOST_TEXT = 4 << 20
"""Bytes of a file up to which lines are compared."""


class Assets:
    """The assets of one model. None is read from anywhere else than beside the model."""

    def __init__(self, model: Model, meta: MetaGraph) -> None:
        self._digests: dict[str, str] = {}
        self.names = sorted({item.filename for item in meta.assets})
        # Where the model lies in an archive they are copied, so not without need.
        self._folder = folder_of(model) / "assets" if self.names else Path()
        self._fed = {TensorRef.parse(item.tensor).node: item.filename for item in meta.assets}

    def fed(self, node: str) -> str:
        """The file whose path a node of the top level is given; empty for other nodes."""
        return self._fed.get(node, "")

    def file(self, name: str) -> Path | None:
        """Where a file is; None for one that is not there."""
        base = name.replace("\\", "/").rsplit("/", 1)[-1]
        if base in ("", ".", "..") or not self.names:
            return None
        try:
            file = self._folder / base
            inside = file.resolve().parent == self._folder.resolve()
            return file if inside and file.is_file() else None
        except (OSError, ValueError):
            return None

    def content(self, name: str) -> str:
        """Size and hash of a file, as a person can compare them; why there is none else."""
        found = self._digests.get(name)
        if found is None:
            found = self._digests[name] = self._read(name)
        return found

    def _read(self, name: str) -> str:
        file = self.file(name)
        if file is None:
            return "not there"
        digest = hashlib.sha256()
        size = 0
        try:
            with file.open("rb") as stream:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    digest.update(piece)
        except OSError:
            return "cannot be read"
        return f"{size:,} bytes, sha256 {digest.hexdigest()[:16]}"

    def lines(self, name: str) -> list[bytes] | None:
        """The lines of a small text; None for other files."""
        file = self.file(name)
        try:
            if file is None or file.stat().st_size > _MOST_TEXT:
                return None
            data = file.read_bytes()
            data.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return None if b"\0" in data else data.splitlines()


def asset_changes(left: Assets, right: Assets) -> Iterator[Change]:
    """Which files there are, and those of one name with other content."""
    if left.names != right.names:
        yield Change(field="assets", left=left.names, right=right.names)
    for name in sorted({*left.names} & {*right.names}):
        ours, theirs = left.content(name), right.content(name)
        if ours == theirs:
            continue
        yield Change(field=f"asset {name}", left=ours, right=theirs)
        before, after = left.lines(name), right.lines(name)
        if before is not None and after is not None:
            count = sum(a != b for a, b in zip_longest(before, after))
            yield Change(
                field=f"asset {name} lines that differ",
                left=f"{count:,} of {len(before):,}",
                right=f"{count:,} of {len(after):,}",
            )


def same_asset(left: Assets, right: Assets, one: str, other: str) -> bool:
    """Whether two nodes are given the path of files with the same content."""
    names = left.fed(one), right.fed(other)
    if not all(names) or left.file(names[0]) is None:
        return False
    return left.content(names[0]) == right.content(names[1])
