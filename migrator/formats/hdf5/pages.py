"""Small positioned reads of an HDF5 file, a page at a time: a remote file answers slowly."""

from __future__ import annotations

from collections import OrderedDict

from migrator.errors import FormatError, LimitError
from migrator.places.source import ByteSource

UNDEFINED = (1 << 64) - 1
"""An address that leads nowhere."""
_PAGE = 16 << 10
_KEPT = 64
_SPARE = 1 << 20


class Pages:
    """Bytes of a source from ``base`` on, by the addresses that the file uses."""

    __slots__ = ("_pages", "_taken", "base", "end", "source")

    def __init__(self, source: ByteSource, base: int) -> None:
        self.source = source
        self.base = base
        self.end = source.size - base
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._taken = 0

    def take(self, size: int) -> None:
        """Count bytes of headers and groups, of which each belongs to one object.

        Raises LimitError where they come to more than the file has: objects share them, and each
        new one would cost as much as all.
        """
        self._taken += size
        if self._taken > self.end + _SPARE:
            raise LimitError(
                f"its objects take more than its {self.end:,} bytes: they lie in each other",
                where=self.source.name,
            )

    def read(self, address: int, length: int) -> bytes:
        """Raises FormatError where the bytes are not there."""
        if address < 0 or length < 0 or address + length > self.end:
            raise FormatError(
                f"{length:,} bytes at byte {address + self.base:,} pass the end of the file "
                f"({self.source.size:,} bytes)",
                where=self.source.name,
            )
        number, start = divmod(address, _PAGE)
        if start + length > _PAGE:
            return self.source.read(address + self.base, length)
        page = self._pages.get(number)
        if page is None:
            first = number * _PAGE
            page = self.source.read(first + self.base, min(_PAGE, self.end - first))
            self._pages[number] = page
            if len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(number)
        return page[start : start + length]
