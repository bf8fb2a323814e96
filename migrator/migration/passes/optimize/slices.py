"""StridedSlice as an index into a numpy array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrator.model.graph import AttrValue


def strided_slice(
    value: Any,
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int],
    attrs: Mapping[str, AttrValue],
) -> Any:
    """The slice of ``value``. Raises ValueError or IndexError where TensorFlow would refuse.

    Bit i of each mask is about entry i of the bounds; where several hold, the ellipsis counts
    before a new axis, and that before a shrunken one.
    """
    masks = {
        name: int(attrs.get(f"{name}_mask", 0))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if len({len(begin), len(end), len(strides)}) != 1:
        raise ValueError("bounds of different lengths")
    index: list[Any] = []
    for bit, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        flags = {name: bool(mask >> bit & 1) for name, mask in masks.items()}
        if flags["ellipsis"]:
            if Ellipsis in index:
                raise ValueError("two ellipses")
            index.append(Ellipsis)
        elif flags["new_axis"]:
            index.append(None)
        elif flags["shrink_axis"]:
            if step <= 0:
                raise ValueError("only a positive stride can shrink an axis")
            index.append(start)
        elif not step:
            raise ValueError("a stride of zero")
        else:
            index.append(
                slice(
                    None if flags["begin"] else start,
                    None if flags["end"] else stop,
                    step,
                )
            )
    return value[tuple(index)]
