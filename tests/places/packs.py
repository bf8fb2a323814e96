"""Archives, sound and hostile, made byte by byte where Python's own writers are too honest."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path


def zipped(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def tarred(members: Mapping[str, bytes], *, more: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """``more`` are entries without content: links, devices."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
        for info in more:
            file.addfile(info)
    return out.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def tree(folder: Path, top: str = "") -> dict[str, bytes]:
    """Every file below ``folder`` by its name below ``top``."""
    head = f"{top}/" if top else ""
    return {
        f"{head}{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class Zip:
    """A zip archive written field by field: its headers may state anything."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.directory = bytearray()
        self.count = 0

    def add(
        self,
        name: str,
        data: bytes,
        *,
        method: int = 0,
        size: int | None = None,
        crc: int | None = None,
        flags: int = 0,
        at: int | None = None,
        packed: bytes | None = None,
        mode: int = 0,
    ) -> int:
        """``at``: the directory points there, and nothing is written. Where its header is."""
        raw = name.encode()
        size = len(data) if size is None else size
        crc = zlib.crc32(data) if crc is None else crc
        packed = data if packed is None else packed
        start = len(self.body) if at is None else at
        head = struct.pack("<HHHHHIII", 20, flags, method, 0, 33, crc, len(packed), size)
        if at is None:
            self.body += b"PK\x03\x04" + head + struct.pack("<HH", len(raw), 0) + raw + packed
        self.directory += b"PK\x01\x02" + struct.pack("<H", 3 << 8 | 20) + head
        self.directory += struct.pack("<HHHHHII", len(raw), 0, 0, 0, 0, mode << 16, start) + raw
        self.count += 1
        return start

    def bytes(self) -> bytes:
        end = struct.pack(
            "<HHHHIIH", 0, 0, self.count, self.count, len(self.directory), len(self.body), 0
        )
        return bytes(self.body + self.directory + b"PK\x05\x06" + end)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zeros_deflated(count: int) -> bytes:
    """``count`` zero bytes, deflated without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = bytes(1 << 20)
    parts = [packer.compress(piece) for _ in range(count >> 20)]
    return b"".join([*parts, packer.flush()])


def put(folder: Path, data: bytes, name: str = "model.pb") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
