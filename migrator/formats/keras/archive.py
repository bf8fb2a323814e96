"""A ``.keras`` archive: a zip with ``config.json`` at its root and the weights as HDF5."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from struct import unpack_from
from typing import IO

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.keras.config import MOST_CONFIG
from migrator.limits import TRUST_HINT, Limits
from migrator.places.packing import ZIP_END, ZIP_TAIL
from migrator.places.python_file import SourceFile
from migrator.places.source import ByteSource

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_END_64 = b"PK\x06\x07"
_MOST_DIRECTORY = 64 << 20
_PART = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    zlib.error,
)


class _Unpacked:
    """A temporary file without a name; it goes when the last tensor lets go of it."""

    __slots__ = ("_file",)

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seek(self, position: int) -> object:
        return self._file.seek(position)

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def readinto(self, buffer: memoryview) -> int:
        found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()


def holds_config(source: ByteSource) -> bool:
    """Whether a zip archive is a ``.keras`` file: with ``config.json`` and what goes with it at its
    root, as many another archive of a model has the one. False for one that is damaged.
    """
    try:
        with _opened(source) as archive:
            names = archive.NameToInfo
            return CONFIG in names and (METADATA in names or WEIGHTS in names)
    except MigratorError:
        return False


class KerasArchive:
    """The members of a ``.keras`` file that matter."""

    __slots__ = ("_archive", "_limits", "_source")

    def __init__(self, archive: zipfile.ZipFile, source: ByteSource, limits: Limits) -> None:
        self._archive = archive
        self._source = source
        self._limits = limits

    def text(self, name: str) -> str | None:
        """A member of JSON, None where there is none. Raises FormatError, LimitError."""
        if name not in self._archive.NameToInfo:
            return None
        where = f"{self._source.name}: {name}"
        with _damage_told(where), self._archive.open(name) as member:
            data = member.read(MOST_CONFIG + 1)
        if len(data) > MOST_CONFIG:
            raise LimitError(f"takes more than {MOST_CONFIG:,} bytes", where=where)
        try:
            return data.decode(json.detect_encoding(data), "replace")
        except UnicodeError:
            return data.decode("utf-8", "replace")

    def names(self) -> list[str]:
        return list(self._archive.NameToInfo)

    def member(self, name: str) -> ByteSource | None:
        """A member: a part of the archive, or a bounded temporary file where it is packed.

        None where there is none. Raises FormatError, LimitError.
        """
        info = self._archive.NameToInfo.get(name)
        if info is None:
            return None
        where = f"{self._source.name}: {ascii(name)[1:-1][:300]}"
        if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:
            with _damage_told(where), self._archive.open(info):
                pass  # which looks at its header
            head = self._source.read(info.header_offset, 30)
            before = 30 + sum(unpack_from("<HH", head, 26))
            part = self._source.part(info.header_offset + before, info.file_size, name=where)
            part.deadline = self._source.deadline
            return part
        return self._unpacked(info, where)

    def _unpacked(self, info: zipfile.ZipInfo, where: str) -> ByteSource:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this call
        total = 0
        try:
            with _damage_told(where), self._archive.open(info) as member:
                while part := member.read(_PART):
                    total += len(part)
                    self._limits.check("decompressed_bytes", total, where=where)
                    file.write(part)
            file.flush()
        except BaseException:
            file.close()
            raise
        return ByteSource(_Unpacked(file), name=where, size=total)


@contextmanager
def keras_archive(source: ByteSource, limits: Limits) -> Iterator[KerasArchive]:
    """Open a ``.keras`` file. Raises FormatError, LimitError."""
    with _opened(source) as archive:
        limits.check("members", len(archive.filelist), where=source.name)
        yield KerasArchive(archive, source, limits)


@contextmanager
def _opened(source: ByteSource) -> Iterator[zipfile.ZipFile]:
    _check_directory(source)
    with _damage_told(source.name):
        archive = zipfile.ZipFile(io.BufferedReader(SourceFile(source), 1 << 16))
    with archive:
        yield archive


@contextmanager
def _damage_told(where: str) -> Iterator[None]:
    try:
        yield
    except MigratorError:
        raise
    except _DAMAGE as error:
        raise FormatError(
            f"cannot be read as a zip archive: {ascii(str(error))[1:-1]}", where=where
        ) from None


def _check_directory(source: ByteSource) -> None:
    """Raise LimitError for a list of members that would take too much: Python reads it whole."""
    start = max(0, source.size - ZIP_TAIL)
    tail = source.read(start, source.size - start)
    at = tail.rfind(ZIP_END)
    if at < 0 or len(tail) < at + 22:
        return  # no archive, as Python then says
    (size,) = unpack_from("<I", tail, at + 12)
    if size == 0xFFFFFFFF and at >= 20 and tail[at - 20 : at - 16] == _END_64:
        (end,) = unpack_from("<Q", tail, at - 12)
        if end + 56 <= source.size:
            (size,) = unpack_from("<Q", source.read(end, 56), 40)
    if size > _MOST_DIRECTORY:
        raise LimitError(
            f"its list of members takes {size:,} bytes, the limit is {_MOST_DIRECTORY:,}",
            where=source.name,
            hint=TRUST_HINT,
        )
