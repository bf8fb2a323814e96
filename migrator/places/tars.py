"""Tar archives of every kind that Python reads. Members are read where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrator.errors import LimitError
from migrator.places.archive import Archive
from migrator.places.packing import BLOCK, SourceFile
from migrator.places.place import Place
from migrator.places.source import ByteSource
from migrator.places.tree import Member
from migrator.places.visit import Visit, damaged

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo

_MOST_HEADER = 64 << 10
"""Bytes of a long name or of extended headers. Their parser is quadratic in old Pythons."""
_MOST_GLOBAL = 256
"""Fields of global headers together: each member's header gets a copy of them all."""


class TarArchive(Archive):
    """Raises FormatError for what is damaged from its start on; a later end is in ``notes``."""

    kind = "tar"

    def __init__(self, outer: Place, source: ByteSource, visit: Visit) -> None:
        super().__init__(outer, visit)
        self._source = source
        self._list()

    def bytes_of(self, member: Member, name: str) -> ByteSource:
        start, length = member.entry
        if start + length > self._source.size:
            raise damaged(
                f"takes {length:,} bytes from byte {start:,} of an archive of "
                f"{self._source.size:,} bytes",
                name,
            )
        return self._source.part(start, length, name=name)

    def _list(self) -> None:
        from tarfile import TarError, TarFile

        name = self._source.name
        last = -1
        try:
            with TarFile(fileobj=SourceFile(self._source, most=_MOST_HEADER)) as archive:
                while (info := _next(archive)) is not None:
                    if info.offset <= last:
                        raise damaged("a tar archive whose entries lead back", name)
                    last = info.offset
                    self.visit.deadline.check(name)
                    if len(archive.pax_headers) > _MOST_GLOBAL:
                        self._ends(
                            f"behind byte {last:,}: global headers hold more than "
                            f"{_MOST_GLOBAL} fields"
                        )
                        return
                    self.tree.add(info.name, _member(info), replace=True)
                end = archive.offset
            if any(self._source.read(end, min(BLOCK, max(self._source.size - end, 0)))):
                self._ends(f"byte {end:,} starts no entry")
        except TarError as error:
            self._ends(f"behind byte {max(last, 0):,}: {error}")
        except LimitError as error:
            if not error.what.startswith("a header of"):
                raise
            self._ends(error.what)
        except RecursionError:
            self._ends(
                f"behind byte {max(last, 0):,}: more headers in a row than are followed, all of "
                "them for one member"
            )
        except (EOFError, ValueError, OverflowError, OSError) as error:
            self._ends(f"behind byte {max(last, 0):,}: {type(error).__name__}")

    def _ends(self, why: str) -> None:
        """What was listed so far can be read."""
        if not self.tree.top:
            raise damaged(f"a damaged tar archive: {why}", self._source.name)
        self.tree.add_note(f"is damaged or truncated and was not listed to its end ({why})")


def _next(archive: TarFile) -> TarInfo | None:
    found = archive.next()
    vars(archive)["members"] = []  # it keeps all of them
    return found


def _member(info: TarInfo) -> Member | None:
    if info.isdir():
        return None
    if info.issym():
        return Member(kind="link", target=info.linkname)
    if info.islnk():
        # From the top, where a symbolic link is from its folder.
        up = "../" * (len([part for part in info.name.split("/") if part not in ("", ".")]) - 1)
        return Member(kind="link", target=f"{up}{info.linkname.lstrip('/')}")
    if info.issparse():
        return Member(kind="stored with holes (a sparse file), which is not read")
    if not info.isreg():
        return Member(kind="a device, pipe or socket, not a regular file")
    if info.size < 0:
        return Member(kind="of a negative size")
    return Member(kind="file", size=info.size, entry=(info.offset_data, info.size))
