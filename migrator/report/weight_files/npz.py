"""``.npz``: what ``numpy.load`` reads. Format: numpy's NEP 1 inside of a ZIP."""

from __future__ import annotations

import zipfile
from typing import Any, BinaryIO

from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor
from migrator.report.weight_files.writer import (
    LeftOut,
    Stored,
    Writer,
    check_shape,
    fixed_shape,
    is_text,
    known_to_numpy,
    plain_type,
)

_MOST_NAME = 60_000
"""A ZIP's name has 65,535 bytes at most."""
_MOST_PADDING = 1 << 26
"""Bytes to which strings of unlike length may grow when they get one width."""


class NpzWriter(Writer):
    """``numpy.load`` gives the arrays back under their names, without pickle."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def check(self, name: str, tensor: LazyTensor) -> None:
        check_shape(tensor)
        if not is_text(name) or "\0" in name:
            raise LeftOut("its name is none that a ZIP can hold")
        if len(name.encode()) > _MOST_NAME:
            raise LeftOut("its name is too long for a ZIP")
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise LeftOut("its name leads out of a folder")

    def target_type(self, dtype: DType) -> Any:
        return known_to_numpy(plain_type(dtype))

    def stored_strings(self, name: str, tensor: LazyTensor) -> Stored:
        import numpy as np

        items = [_as_bytes(item) for item in tensor.numpy().ravel()]
        if any(item.endswith(b"\0") for item in items):
            raise LeftOut("a string ends in a zero byte, which numpy drops")
        width = max(map(len, items), default=0) or 1
        if width * len(items) > max(_MOST_PADDING, 4 * sum(map(len, items))):
            raise LeftOut(f"its strings are of too unlike length: the longest has {width:,} bytes")
        array = np.array(items, dtype=f"S{width}")
        parts = iter([array.view(np.uint8).data] if items else [])
        return Stored(name, array.dtype, fixed_shape(tensor), parts, width * len(items))

    def write(self, stored: Stored) -> None:
        import numpy as np

        entry = zipfile.ZipInfo(f"{stored.name}.npy", (1980, 1, 1, 0, 0, 0))
        entry.filename = f"{stored.name}.npy"  # as it is: ZipInfo would put / for a backslash
        with self._zip.open(entry, "w", force_zip64=True) as member:
            header = {
                "descr": np.lib.format.dtype_to_descr(stored.dtype),
                "fortran_order": False,
                "shape": stored.shape,
            }
            np.lib.format.write_array_header_1_0(member, header)
            for part in stored.parts:
                member.write(part)

    def end(self) -> None:
        self._zip.close()


def _as_bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()
