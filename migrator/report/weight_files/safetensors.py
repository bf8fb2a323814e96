"""``.safetensors``. Format: https://github.com/huggingface/safetensors#format."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from migrator.errors import UsageError
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

_MOST_HEADER = 100_000_000
"""Bytes of a header that the safetensors library reads."""
_SAFE = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "complex64": "C64",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
"""numpy's name of a type -> what a safetensors file calls it."""


class SafetensorsWriter(Writer):
    """The header is written last, into space that is kept free for it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._entries: dict[str, Any] = {}
        self._space = 0
        self._end = 0

    def check(self, name: str, tensor: LazyTensor) -> None:
        check_shape(tensor)
        if tensor.dtype.kind == "s":
            raise LeftOut("strings have no place in such a file")
        self.target_type(tensor.dtype)
        if not is_text(name):
            raise LeftOut("its name is no text")
        if name == "__metadata__":
            raise LeftOut("its name means something else there")

    def target_type(self, dtype: DType) -> Any:
        plain = plain_type(dtype)
        target = plain if plain.name in _SAFE else known_to_numpy(plain)
        if target.name not in _SAFE:
            raise LeftOut(f"the format has no {dtype.name}")
        return target

    def ordered(self, kept: list[tuple[str, LazyTensor]]) -> list[tuple[str, LazyTensor]]:
        """Wide elements first, so that each lies where its type may lie."""
        return sorted(kept, key=lambda item: -self.target_type(item[1].dtype).itemsize)

    def begin(self, kept: list[tuple[str, LazyTensor]]) -> None:
        largest = {
            name: self._entry(tensor.dtype, fixed_shape(tensor), 1 << 62, 1 << 62)
            for name, tensor in kept
        }
        self._space = -(-len(_json(largest)) // 8) * 8
        if self._space > _MOST_HEADER:
            raise UsageError(
                f"{len(kept):,} names take {self._space:,} bytes, a .safetensors file has room "
                f"for {_MOST_HEADER:,}",
                hint="save them as .npz",
            )
        self._file.seek(8 + self._space)

    def _entry(self, dtype: DType, shape: tuple[int, ...], start: int, end: int) -> Any:
        kind = _SAFE[self.target_type(dtype).name]
        return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}

    def write(self, stored: Stored) -> None:
        for part in stored.parts:
            self._file.write(part)
        start, self._end = self._end, self._end + stored.bytes
        self._entries[stored.name] = {
            "dtype": _SAFE[stored.dtype.name],
            "shape": list(stored.shape),
            "data_offsets": [start, self._end],
        }

    def end(self) -> None:
        self._file.seek(0)
        self._file.write(self._space.to_bytes(8, "little"))
        self._file.write(_json(self._entries).ljust(self._space))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
