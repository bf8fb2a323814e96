"""Zip archives. Stored members are read where they lie, others are decompressed when asked for."""

from __future__ import annotations

import bisect
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.places.archive import Archive
from migrator.places.packing import SourceFile
from migrator.places.place import Place
from migrator.places.source import ByteSource
from migrator.places.tree import Member
from migrator.places.visit import PIECE, Visit, damaged

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_CENTRAL = b"PK\x01\x02"
_CENTRAL_BYTES = 46
_LOCAL_BYTES = 30
_HEAD = 16 << 10
"""Bytes of a compressed member that are had without decompressing all of it."""
_UNBOUNDED_PIECE = 4096
"""Input at a time of what zipfile decompresses without a bound on the output."""
_CHECKED = 16 << 20
_CHECKED_AFAR = 1 << 20
"""Up to so many bytes, a stored member's checksum is looked at when it is opened."""
_LINK = 4096
_QUOTED = 200
_ENCRYPTED, _STRONG = 1, 64
_WINDOWS = 0


class ZipArchive(Archive):
    """Raises FormatError for an archive whose directory is damaged, LimitError for a huge one."""

    kind = "zip"

    def __init__(self, outer: Place, source: ByteSource, visit: Visit) -> None:
        super().__init__(outer, visit)
        self._zip = _Zip(source, visit)
        for info in self._zip.opened.infolist():
            name = info.orig_filename
            if info.create_system == _WINDOWS:  # some tools there write their own separator
                name = name.replace("\\", "/")
            node = None if name.endswith("/") else self._zip.member(info)
            self.tree.add(name, node)

    def bytes_of(self, member: Member, name: str) -> ByteSource:
        return self._zip.open(member.entry[1], name)


class _Zip:
    """The archive's own bytes, and Python's reader of its directory."""

    def __init__(self, source: ByteSource, visit: Visit) -> None:
        from zipfile import BadZipFile, ZipFile

        self.source = source
        self.visit = visit
        file = _DirectoryFile(source, visit)
        try:
            self.opened: ZipFile = ZipFile(file)
        except BadZipFile as error:
            what = "a zip archive whose directory, at its end, is missing or damaged"
            raise damaged(f"{what}: {error}", source.name) from None
        except NotImplementedError as error:
            raise UnsupportedFormat(
                f"a zip archive of a kind that is not read: {error}", where=source.name
            ) from None
        except (ValueError, OSError, struct.error, OverflowError, IndexError) as error:
            raise damaged(
                f"a zip archive whose directory makes no sense: {error}", source.name
            ) from None
        self._starts = sorted({info.header_offset for info in self.opened.infolist()})
        self._end = self.opened.start_dir

    def member(self, info: ZipInfo) -> Member:
        mode = info.external_attr >> 16
        entry = (info.CRC, info)
        if stat.S_ISLNK(mode):
            try:
                with self.reading(info, info.orig_filename) as file:
                    target = file.read(_LINK + 1).decode("utf-8", "replace")
            except MigratorError as error:
                return Member(kind=f"a link that cannot be read: {error.what}"[:300], entry=entry)
            return Member(kind="link", target=target, entry=entry)
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            return Member(kind="a device, pipe or socket, not a regular file", entry=entry)
        return Member(kind="file", size=info.file_size, entry=entry)

    def open(self, info: ZipInfo, name: str) -> ByteSource:
        from zipfile import ZIP_STORED

        if info.compress_type != ZIP_STORED or info.flag_bits & (_ENCRYPTED | _STRONG):
            packed = _Packed(self, info, name)
            packed.look()
            return ByteSource(packed, name=name, size=info.file_size)
        with self.reading(info, name):
            pass  # looks at its header
        found = self.source.part(self._data_at(info, name), info.file_size, name=name)
        if info.file_size != info.compress_size:
            raise damaged(
                f"is stored as it is, in {info.compress_size:,} bytes, and said to be of "
                f"{info.file_size:,}",
                name,
            )
        is_near = self.source.on_disk(0) is not None
        if info.file_size <= (_CHECKED if is_near else _CHECKED_AFAR):
            self._check_sum(found, info)
        return found

    def reading(self, info: ZipInfo, name: str) -> _Reading:
        return _Reading(self, info, name)

    def _data_at(self, info: ZipInfo, name: str) -> int:
        """Where its bytes begin. Raises FormatError where they run into another member's."""
        at = info.header_offset
        header = self.source.read(at, _LOCAL_BYTES)
        of_name, of_extra = struct.unpack("<HH", header[26:30])
        start: int = at + _LOCAL_BYTES + of_name + of_extra
        self.check_room(info, start, name)
        return start

    def check_room(self, info: ZipInfo, start: int, name: str) -> None:
        """Raise FormatError where a member's bytes run into what comes behind it."""
        index = bisect.bisect_right(self._starts, info.header_offset)
        end = self._starts[index] if index < len(self._starts) else self._end
        if start + info.compress_size > max(end, info.header_offset):
            raise FormatError(
                f"overlaps what comes behind it in the archive (byte {end:,})",
                where=name,
                hint="no tool makes such archives, but attacks do",
            )

    def _check_sum(self, source: ByteSource, info: ZipInfo) -> None:
        found = 0
        for at in range(0, source.size, PIECE):
            found = zlib.crc32(source.read(at, min(PIECE, source.size - at)), found)
        if found != info.CRC:
            raise damaged(
                f"has the checksum (CRC-32) {found:08x}, its archive says {info.CRC:08x}",
                source.name,
            )


class _Reading:
    """A member opened by zipfile, whose errors become ours."""

    def __init__(self, archive: _Zip, info: ZipInfo, name: str) -> None:
        self._zip = archive
        self._info = info
        self._name = name
        self._file: Any = None

    def __enter__(self) -> _Reading:
        info = self._info
        if info.flag_bits & (_ENCRYPTED | _STRONG):
            raise UnsupportedFormat(
                "is encrypted", where=self._name, hint="unpack the archive with its password"
            )
        self._zip.check_room(info, info.header_offset, self._name)
        self._file = self._told(lambda: self._zip.opened.open(info))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, count: int) -> bytes:
        from zipfile import ZIP_DEFLATED, ZIP_STORED

        if self._info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            count = min(count, _UNBOUNDED_PIECE)
        found: bytes = self._told(lambda: self._file.read1(count))
        return found

    def _told(self, what: Callable[[], Any]) -> Any:
        import lzma
        from zipfile import BadZipFile

        try:
            return what()
        except NotImplementedError as error:
            raise UnsupportedFormat(
                f"is packed in a way that is not read (method {self._info.compress_type}): {error}",
                where=self._name,
                hint="unpack the archive, or pack it anew with deflate",
            ) from None
        except BadZipFile as error:
            text = str(error)
            if "CRC" in text:
                text = "its checksum (CRC-32) is not what the archive says"
            # It may quote a name of the archive's, of up to 64 kB.
            raise damaged(
                f"{text[:_QUOTED]}..." if len(text) > _QUOTED else text, self._name
            ) from None
        except EOFError:
            raise damaged("ends early in its archive", self._name) from None
        except (OSError, ValueError, RuntimeError, zlib.error, lzma.LZMAError) as error:
            raise damaged(f"does not decompress: {error}", self._name) from None


class _Packed:
    """A compressed member as a file: its head at once, the whole of it when more is asked for."""

    def __init__(self, archive: _Zip, info: ZipInfo, name: str) -> None:
        self._zip = archive
        self._info = info
        self._name = name
        self._head = b""
        self._whole: ByteSource | None = None
        self._position = 0

    def look(self) -> None:
        """Decompress the first bytes. Raises MigratorError where that fails."""
        with self._zip.reading(self._info, self._name) as file:
            while len(self._head) < min(_HEAD, self._info.file_size):
                piece = file.read(_HEAD)
                if not piece:
                    raise self._short(len(self._head))
                self._head += piece

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, count: int) -> bytes:
        at = self._position
        if at + count <= len(self._head):
            found = self._head[at : at + count]
        else:
            found = self._all().read(at, count)
        self._position += len(found)
        return found

    def readinto(self, buffer: memoryview) -> int:
        self._all().read_into(self._position, buffer)
        self._position += len(buffer)
        return len(buffer)

    def close(self) -> None:
        pass

    def _all(self) -> ByteSource:
        if self._whole is None:
            info, visit = self._info, self._zip.visit
            visit.limits.check("decompressed_bytes", info.file_size, where=self._name)
            self._whole = visit.keep(
                self._pieces(), name=self._name, taken=lambda: info.compress_size
            )
        return self._whole

    def _pieces(self) -> Iterator[bytes]:
        size = 0
        with self._zip.reading(self._info, self._name) as file:
            while piece := file.read(PIECE):
                size += len(piece)
                yield piece
        if size != self._info.file_size:
            raise self._short(size)

    def _short(self, size: int) -> MigratorError:
        return damaged(
            f"decompresses to {size:,} bytes, its archive says {self._info.file_size:,}", self._name
        )


class _DirectoryFile(SourceFile):
    """What zipfile reads from. The directory comes in one read, and is looked at before it makes
    an object of each entry."""

    def __init__(self, source: ByteSource, visit: Visit) -> None:
        super().__init__(source)
        self._limits = visit.limits
        self._name = source.name

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > PIECE:
            self._limits.check("skeleton_bytes", size, where=self._name)
        found = super().read(size)
        if found.startswith(_CENTRAL):
            self._limits.check("members", _entries(found), where=self._name)
        return found


def _entries(directory: bytes) -> int:
    count = at = 0
    while directory.startswith(_CENTRAL, at) and at + _CENTRAL_BYTES <= len(directory):
        at += _CENTRAL_BYTES + sum(struct.unpack_from("<HHH", directory, at + 28))
        count += 1
    return count
