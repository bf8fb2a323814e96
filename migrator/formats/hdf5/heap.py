"""The global heap, in which HDF5 keeps texts of any length.

Source: the HDF5 file format specification, version 3.0, "Disk Format: Level 1E".
"""

from __future__ import annotations

from collections import OrderedDict
from struct import unpack_from

from migrator.errors import FormatError, LimitError
from migrator.formats.hdf5.pages import Pages

REFERENCE = 16
"""Bytes of a reference into a heap: length, address of the collection, number in it."""
_KEPT = 1_000_000
"""Objects of which it is known where they lie, of all collections."""
_OFTEN = 4
"""How often each byte may be gone through for that."""
_SPARE = 1 << 20
_MOST_OBJECTS = 65_536


class Heap:
    """Reads objects of a file's global heap, by reference."""

    __slots__ = ("_collections", "_known", "_pages", "_passed")

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._collections: OrderedDict[int, dict[int, tuple[int, int]]] = OrderedDict()
        self._known = 0
        self._passed = 0

    def begin(self) -> None:
        """From here on the collections may be gone through anew."""
        self._passed = 0

    def get(self, reference: bytes, *, most: int) -> bytes:
        """The text behind a reference, empty for an empty one. Raises FormatError; LimitError
        where the references since ``begin`` lead to and fro too often."""
        if len(reference) < REFERENCE:
            raise FormatError("a reference to a text is cut off")
        length, address, number = unpack_from("<IQI", reference)
        if not length or not address:
            return b""
        if length > most:
            raise FormatError(f"a text of {length:,} bytes, the limit is {most:,}")
        found = self._collection(address).get(number)
        if found is None or found[1] < length:
            raise FormatError(f"no text {number:,} in the heap at byte {address:,}")
        return self._pages.read(found[0], length)

    def _collection(self, address: int) -> dict[int, tuple[int, int]]:
        known = self._collections.get(address)
        if known is not None:
            self._collections.move_to_end(address)
            return known
        head = self._pages.read(address, 16)
        if head[:4] != b"GCOL":
            raise FormatError(f"no heap at byte {address:,}")
        (size,) = unpack_from("<Q", head, 8)
        if address + size > self._pages.end:
            size = self._pages.end - address  # cut off: what lies before is still there
        objects: dict[int, tuple[int, int]] = {}
        at = 16
        self._passed += 16
        while at + 16 <= size and len(objects) < _MOST_OBJECTS:
            number, length = unpack_from("<H6xQ", self._pages.read(address + at, 16))
            if not number:  # the rest is free
                break
            objects.setdefault(number, (address + at + 16, length))
            self._passed += 16
            at += 16 + (length + 7) // 8 * 8
        if self._passed > self._pages.end * _OFTEN + _SPARE:
            raise LimitError(
                "its texts lie in too many heaps, to and fro", where=self._pages.source.name
            )
        self._collections[address] = objects
        self._known += 1 + len(objects)
        while self._known > _KEPT and len(self._collections) > 1:
            self._known -= 1 + len(self._collections.popitem(last=False)[1])
        return objects
