"""Named arrays in a file, strings and the narrow float types included, without pickle.

What plain ``.npz`` cannot hold is stored as bytes beside a note of its type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from migrator.errors import FormatError

_NOTES = "__notes__"
_MOST_LISTS = 1024


def nested_list(array: Any) -> Any:
    """``array.tolist()``, but ``[]`` where that would be very many lists of nothing.

    A shape such as [1000000000, 0] takes no bytes in a file.
    """
    if not array.size:
        lists = 1
        for size in array.shape[: array.shape.index(0)]:
            lists *= size
        if lists > _MOST_LISTS:
            return []
    return array.tolist()


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name. Strings are object arrays of bytes."""
    import numpy as np

    notes: dict[str, dict[str, Any]] = {}
    stored: Any = {}
    for number, (name, value) in enumerate(arrays.items()):
        # numpy's own string types drop NULs at the end
        array = np.asarray(value, dtype=object if isinstance(value, (bytes, str)) else None)
        note: dict[str, Any] = {"name": name}
        if array.dtype.kind in "OSU":
            items = [_bytes(item) for item in array.ravel()]
            note |= {"strings": [len(item) for item in items], "shape": list(array.shape)}
            array = np.frombuffer(b"".join(items), dtype=np.uint8)
        elif not (
            np.issubdtype(array.dtype, np.number) or array.dtype == bool or array.dtype.names
        ):
            note["dtype"] = array.dtype.name  # of ml_dtypes, which numpy's own files do not know
            array = array.view(f"u{array.dtype.itemsize}")
        key = f"a{number}"
        notes[key] = note
        stored[key] = array
    text = np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        stored[_NOTES] = text
        np.savez(file, **stored)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read what ``save_arrays`` wrote."""
    import ml_dtypes
    import numpy as np

    found: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as file:
        notes = json.loads(file[_NOTES].tobytes())
        for key, note in notes.items():
            array = file[key]
            if "strings" in note:
                array = _strings(array.tobytes(), note["strings"], note["shape"])
            elif "dtype" in note:
                array = array.view(np.dtype(getattr(ml_dtypes, note["dtype"])))
            found[note["name"]] = array
    return found


def load_npz(path: str) -> dict[str, Any]:
    """A user's ``.npz``, never unpickled. Raises FormatError for what is none."""
    import numpy as np

    try:
        with open(path, "rb") as raw:  # numpy forgets to close what it cannot read
            file = np.load(raw, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise ValueError("it holds a single array")
            with file:
                arrays = {name: file[name] for name in file.files}
        other = [name for name, value in arrays.items() if not isinstance(value, np.ndarray)]
        if other:
            raise ValueError(f"{other[0]!r} in it is no array")
        return arrays
    except Exception as error:  # numpy parses a damaged header as Python, and raises what that does
        raise FormatError(
            f"cannot be read as an .npz of plain arrays: {error}",
            where=path,
            hint="make it with np.savez(FILE, NAME=array, ...); object arrays are not read",
        ) from None


def _bytes(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    return str(item).encode()


def _strings(data: bytes, lengths: list[int], shape: list[int]) -> Any:
    import numpy as np

    array = np.empty(len(lengths), dtype=object)
    start = 0
    for index, length in enumerate(lengths):
        array[index] = data[start : start + length]
        start += length
    return array.reshape(shape)
