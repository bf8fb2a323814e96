"""What a file says of itself: its metadata entries, and files zipped onto its end."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from migrator.errors import MigratorError
from migrator.formats.tflite.described import described
from migrator.formats.tflite.flat import Broken, Flat, Kind
from migrator.formats.tflite.schema import (
    CONVERSION,
    CONVERSION_OPTIONS,
    ENVIRONMENT,
    METADATA,
    MODEL_METADATA,
    MODEL_TYPES,
    OPTIMIZATIONS,
)
from migrator.formats.tflite.values import Buffers
from migrator.formats.tflite.warnings import Warnings
from migrator.limits import Limits
from migrator.model.tflite import TensorAbout
from migrator.places.packing import ZIP_END, ZIP_TAIL
from migrator.places.source import ByteSource

_MOST = 1000
_TEXT = 1 << 12
_DIRECTORY = 16 << 20


class Metadata:
    """``entries`` by name; the known ones decoded."""

    __slots__ = ("about", "converter", "entries", "min_runtime_version", "tensors")

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}
        self.min_runtime_version = ""
        self.converter: dict[str, str] = {}
        self.about: dict[str, str] = {}
        self.tensors: tuple[TensorAbout, ...] = ()


def read_metadata(flat: Flat, at: int, buffers: Buffers, warnings: Warnings) -> Metadata:
    """The entries of the vector at ``at``. What cannot be read of them is told and left out."""
    found = Metadata()
    if not at:
        return found
    try:
        start, count = flat.vector(at, 4, "metadata")
    except Broken as error:
        warnings.error("metadata that cannot be read", error)
        return found
    if count > _MOST:
        warnings.add("", f"metadata: {count:,} entries, the first {_MOST:,} are read")
    for number in range(min(count, _MOST)):
        part = f"metadata[{number}]"
        try:
            name_at, buffer = flat.table(METADATA, flat.follow(start + 4 * number, part), part)
            name = flat.text(name_at, f"{part}.name")
            offset, length = buffers.locate(buffer)
            if name in found.entries:
                name = f"{name}#{number}"
            found.entries[name] = length
            _known(name, flat, offset, length, found, part)
        except Broken as error:
            warnings.error("metadata that cannot be read", error)
    return found


def _known(name: str, flat: Flat, offset: int, length: int, found: Metadata, part: str) -> None:
    if name == "min_runtime_version" and length <= _TEXT:
        text = flat.source.read(offset, length).partition(b"\0")[0]
        found.min_runtime_version = text.decode("utf-8", "backslashreplace")
    elif name in ("CONVERSION_METADATA", "TFLITE_METADATA") and length:
        inner = Flat(flat.source.part(offset, length, name=flat.source.name), flat.limits)
        try:
            if name == "TFLITE_METADATA":
                root = inner.follow(0, "root")
                found.about = dict(_texts(inner, MODEL_METADATA, root))
                found.tensors = tuple(described(inner, inner.table(MODEL_METADATA, root)[3]))
            else:
                found.converter = _conversion(inner)
        except Broken as error:
            raise error.inside(f"{part} ({name})") from None


def _texts(flat: Flat, kind: Kind, at: int) -> Iterator[tuple[str, str]]:
    for field, value in zip(kind.fields, flat.table(kind, at), strict=True):
        if field is not None and field.away and not field.vector and value:
            text = flat.text(value, field.name)
            yield field.name, text if len(text) <= _TEXT else f"{text[:_TEXT]}..."


def _conversion(flat: Flat) -> dict[str, str]:
    environment, options = flat.table(CONVERSION, flat.follow(0, "root"))
    found: dict[str, str] = {}
    if environment:
        version, api, kind = flat.table(ENVIRONMENT, environment, "environment")
        texts = {
            "tensorflow_version": flat.text(version, "environment.tensorflow_version"),
            "api_version": str(api) if api else "",
            "converted_from": MODEL_TYPES[kind] if 0 <= kind < len(MODEL_TYPES) else "",
        }
        found |= {key: text for key, text in texts.items() if text}
    if options:
        modes, custom, select, forced = flat.table(CONVERSION_OPTIONS, options, "options")
        names = [
            OPTIMIZATIONS.get(mode, str(mode))
            for mode in flat.numbers(modes, "i", "options.model_optimization_modes")[:16]
        ]
        texts = {
            "optimizations": ", ".join(names),
            "custom_ops": "allowed" if custom else "",
            "select_ops": "forced" if forced else "allowed" if select else "",
        }
        found |= {key: text for key, text in texts.items() if text}
    return found


def associated_files(source: ByteSource, limits: Limits, warnings: Warnings) -> dict[str, int]:
    """Name -> bytes of the files in a zip archive that ends where the file does."""
    tail = source.read(max(0, source.size - ZIP_TAIL), min(source.size, ZIP_TAIL))
    place = tail.rfind(ZIP_END)
    if place < 0 or len(tail) - place < 22:
        return {}
    count, size, _, comment = struct.unpack_from("<HIIH", tail, place + 10)
    if place + 22 + comment != len(tail):
        return {}
    if size > _DIRECTORY or count > limits.members:
        warnings.add("", f"associated files: {count:,} in a directory of {size:,} bytes, not read")
        return {}
    import zipfile

    try:
        with zipfile.ZipFile(_Readable(source)) as archive:
            found = {item.filename: item.file_size for item in archive.infolist()}
    except MigratorError:
        raise
    except Exception as error:  # zipfile raises many kinds for damaged archives
        warnings.add("", f"associated files cannot be read: {error}")
        return {}
    return found


class _Readable(io.RawIOBase):
    """A source as the file that ``zipfile`` asks for."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._position, 2: self._source.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._source.size - self._position)
        found = self._source.read(self._position, left if count < 0 else min(count, left))
        self._position += len(found)
        return found
