"""A user's own inputs (``--data FILE.npz``) as a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from migrator.arrays import load_npz
from migrator.errors import UsageError
from migrator.verification.cases import Case, InputSpec


def data_case(where: str, specs: Sequence[InputSpec]) -> Case:
    """Read file ``where``: match its arrays to inputs by name or by tensor, bring each to type.

    Raises FormatError for a file that is no .npz, UsageError for an input without an array, an
    array without an input, and a shape or type that does not fit.
    """
    import numpy as np

    arrays = load_npz(where)
    inputs = {item.name: item for item in specs}
    by_tensor = {item.tensor: name for name, item in inputs.items()}
    by_tensor |= {item.tensor.removesuffix(":0"): name for name, item in inputs.items()}
    found: dict[str, Any] = {}
    for key, array in arrays.items():
        name = key if key in inputs else by_tensor.get(key)
        if name is None:
            raise UsageError(
                f"holds {key!r}, which is no input",
                where=where,
                hint=f"inputs: {', '.join(inputs)}",
            )
        found[name] = array
    missing = [name for name in inputs if name not in found]
    if missing:
        raise UsageError(
            f"has no array for {', '.join(missing)}",
            where=where,
            hint=f"np.savez({where!r}, {', '.join(f'{name}=...' for name in inputs)})",
        )
    for name, item in inputs.items():
        array = found[name]
        _check_shape(name, item, array, where)
        if item.dtype.kind == "s":
            found[name] = array.astype(object) if array.dtype.kind in "SU" else array
            continue
        wanted = item.dtype.numpy()
        if array.dtype != wanted:
            if not np.can_cast(array.dtype, wanted, casting="same_kind"):
                raise UsageError(
                    f"{name!r} is {array.dtype}, the input is {item.dtype}", where=where
                )
            found[name] = array.astype(wanted)
    return Case(name="data", about=where, arrays=found)


def _check_shape(name: str, item: InputSpec, array: Any, where: str) -> None:
    dims = item.shape.dims
    if dims is None:
        return
    fits = len(dims) == array.ndim and all(
        dim is None or dim == size for dim, size in zip(dims, array.shape, strict=True)
    )
    if not fits:
        raise UsageError(
            f"{name!r} has shape {list(array.shape)}, the input takes {item.shape}", where=where
        )
