"""What is kept of a tensor whose values are left in the file."""

from __future__ import annotations

from migrator.formats.spans import INLINE
from migrator.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, read_varint

_HEADER = {1, 2}
"""Its dtype and its shape."""


class LargeTensor:
    """A tensor whose text is being read, from ``begin`` on; it may turn out to be large.

    ``dropped``: some of its values were left in the file.
    """

    __slots__ = ("_least", "begin", "dropped")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.dropped = False
        self._least = INLINE
        """So long, what is kept of it is reduced to its header."""

    def drop(self, out: bytearray) -> None:
        """Keep no more of it than its header, but for what is little."""
        self.dropped = True
        if len(out) > self._least:
            self.reduce(out)
            # Before the next time: a header may be long itself.
            self._least = 2 * len(out) + INLINE

    def reduce(self, out: bytearray) -> None:
        """Reduce its fields to dtype and shape."""
        kept = bytearray()
        view = bytes(out)
        index = 0
        while index < len(view):
            key, after = read_varint(view, index)
            wire = key & 7
            if wire == VARINT:
                _, after = read_varint(view, after)
            elif wire == LENGTH:
                length, after = read_varint(view, after)
                after += length
            else:
                after += {FIXED32: 4, FIXED64: 8}[wire]
            if key >> 3 in _HEADER:
                kept += view[index:after]
            index = after
        out[:] = kept
