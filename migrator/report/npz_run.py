"""The outputs of a run as an ``.npz`` that numpy reads without pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from migrator.errors import UsageError
from migrator.report.array_values import plain


def npz_bytes(outputs: Mapping[str, Any]) -> bytes:
    """Arrays by name; strings at a fixed width (numpy's ``S``), bfloat16 and its like as float32.

    Raises UsageError for a string that ends in a zero byte, which numpy would drop.
    """
    import numpy as np

    target = io.BytesIO()
    # Written by hand: np.savez takes no name that is one of its own arguments'.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        for name, array in outputs.items():
            stored = plain(np.asarray(array))
            if stored.dtype.kind == "O":
                stored = _fixed_width(name, stored)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with file.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(stored), allow_pickle=False)
    return target.getvalue()


def _fixed_width(name: str, array: Any) -> Any:
    import numpy as np

    items = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel()]
    if any(item.endswith(b"\0") for item in items):
        raise UsageError(
            f"output {name!r} holds a string that ends in a zero byte, which an .npz cannot keep",
            hint="write it as JSON: -o FILE.json --full",
        )
    width = max(map(len, items), default=0)
    return np.array(items, dtype=f"S{max(width, 1)}").reshape(array.shape)
