"""What is packed, told by its first bytes; and the unpacking of one compressed file."""

from __future__ import annotations

import errno
import io
import zlib
from collections.abc import Iterator
from typing import Any

from migrator.errors import LimitError
from migrator.places.source import ByteSource
from migrator.places.visit import PIECE, Visit, damaged

ZIP, TAR, GZIP, BZIP2, XZ = "zip", "tar", "gzip", "bzip2", "xz"
STREAMS = frozenset((GZIP, BZIP2, XZ))
"""Those that hold one file."""
ZIP_MAGIC = b"PK\x03\x04"
ZIP_END = b"PK\x05\x06"
"""Where the record at an archive's end begins; all of one without members."""
ZIP_TAIL = 22 + 0xFFFF
"""Bytes in which that record lies, the longest comment included."""
GZIP_MAGIC = b"\x1f\x8b"
BZIP2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\x00"
_MAGIC = (
    (ZIP_MAGIC, ZIP),
    (ZIP_END, ZIP),
    (b"PK\x07\x08", ZIP),  # the first of several volumes
    (GZIP_MAGIC + b"\x08", GZIP),  # deflated, as all are
    (BZIP2_MAGIC, BZIP2),
    (XZ_MAGIC, XZ),
)
BLOCK = 512
"""Bytes of a tar header."""
_XZ_MEMORY = 256 << 20
_READ = 1 << 18


def packing_of(source: ByteSource) -> str | None:
    """One of the above, None for anything else."""
    head = source.read(0, min(source.size, BLOCK))
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return TAR if is_tar(head) else None


def is_tar(block: bytes) -> bool:
    """True for a tar header of any age: only its checksum is in all of them."""
    if len(block) < BLOCK:
        return False
    try:
        told = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return told == sum(block) - sum(block[148:156]) + 8 * 32


class SourceFile(io.RawIOBase):
    """A source as a file of Python's. ``most``: a read of more raises LimitError."""

    def __init__(self, source: ByteSource, *, most: int | None = None) -> None:
        self._source = source
        self._most = most
        self._position = 0
        self.taken = 0
        """Bytes that were read."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = (0, self._position, self._source.size)[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "before the start")  # as files do, and zipfile expects
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._source.size - self._position, 0)
        count = left if size is None or size < 0 else min(size, left)
        if self._most is not None and count > self._most:
            raise LimitError(
                f"a header of {count:,} bytes (byte {self._position:,})", where=self._source.name
            )
        found = self._source.read(self._position, count) if count else b""
        self._position += count
        self.taken += count
        return found

    def readinto(self, buffer: Any, /) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def unpacked(source: ByteSource, kind: str, visit: Visit) -> ByteSource:
    """The file that ``source``, one of ``STREAMS``, holds.

    Raises FormatError for damage, LimitError past the visit's limits.
    """
    file = SourceFile(source)
    pieces = _gunzipped(file) if kind == GZIP else _decompressed(file, kind, source.name)
    return visit.keep(
        _told(pieces, kind, file, source.name), name=source.name, taken=lambda: file.taken
    )


def head_of(source: ByteSource, kind: str, count: int) -> bytes:
    """The first bytes of the file that ``source`` holds, as far as it decompresses."""
    file = SourceFile(source)
    pieces = _gunzipped(file) if kind == GZIP else _decompressed(file, kind, source.name)
    found = b""
    for piece in _told(pieces, kind, file, source.name):
        found += piece
        if len(found) >= count:
            break
    return found[:count]


def _told(pieces: Iterator[bytes], kind: str, file: SourceFile, name: str) -> Iterator[bytes]:
    """``pieces`` with the errors of Python's libraries told in our words."""
    import lzma

    done = 0
    try:
        for piece in pieces:
            done += len(piece)
            yield piece
    except EOFError:
        raise damaged(
            f"{kind}-compressed, and ends early: all of its {file.taken:,} bytes are read, and "
            "more should follow",
            name,
        ) from None
    except (OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        if "Memory usage limit" in str(error):
            raise LimitError(
                f"{kind}-compressed with a dictionary of more than {_XZ_MEMORY:,} bytes",
                where=name,
                hint="decompress it first",
            ) from None
        raise damaged(
            f"{kind}-compressed, and does not decompress behind byte {done:,}: {error}", name
        ) from None


def _gunzipped(file: SourceFile) -> Iterator[bytes]:
    import gzip

    with gzip.GzipFile(fileobj=io.BufferedReader(file, _READ)) as opened:
        while piece := opened.read(PIECE):
            yield piece


def _decompressed(file: SourceFile, kind: str, name: str) -> Iterator[bytes]:
    """Stream after stream, in pieces of bounded size whatever the input says."""
    import bz2
    import lzma

    def new() -> Any:
        if kind == BZIP2:
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    data = file.read(_READ)
    while data:
        stream = new()
        while not stream.eof:
            if stream.needs_input and not data:
                data = file.read(_READ)
                if not data:
                    raise EOFError
            piece = stream.decompress(data, PIECE)
            data = b""
            if piece:
                yield piece
        data = stream.unused_data.lstrip(b"\0") or file.read(_READ).lstrip(b"\0")
