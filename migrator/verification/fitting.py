"""A user's array brought to what an input takes: its type, and its shape."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from migrator.errors import UsageError
from migrator.verification.cases import InputSpec
from migrator.verification.literals import array_of


def fitted(item: InputSpec, value: Any, *, where: str) -> tuple[Any, str]:
    """``value`` as an array that input ``item`` takes, and a note where it was changed to fit.

    ``value`` is an array, or nested lists, numbers, texts, bytes. Types are cast within their
    kind (int64 to int32 where the values allow it, integers to floats); nothing is broadcast, but
    a missing batch dimension is added.

    Raises UsageError where type or shape do not fit.
    """
    array = value
    if not _is_array(value):
        array = array_of(value, item.dtype, where=where)
    array = _typed(item, array, where)
    return _shaped(item, array, where)


def find_input(specs: Sequence[InputSpec], name: str) -> InputSpec | None:
    """The input called ``name``, or whose tensor is."""
    for item in specs:
        if item.name == name:
            return item
    tensor = name if ":" in name else f"{name}:0"
    return next((item for item in specs if item.tensor == tensor), None)


def no_such_input(specs: Sequence[InputSpec], name: str, *, where: str) -> UsageError:
    """The error for a name that is no input's, with the nearest ones that are."""
    names = [item.name for item in specs]
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"inputs: {', '.join(names) or 'none'}"
    return UsageError(f"there is no input {name!r}", where=where, hint=hint)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__")


def _typed(item: InputSpec, value: Any, where: str) -> Any:
    import numpy as np

    array = np.asarray(value)
    if item.dtype.kind == "s":
        return _strings(item, array, where)
    try:
        wanted = item.dtype.numpy()
    except TypeError as error:
        raise UsageError(f"no value can be given: {error}", where=where) from None
    if array.dtype == wanted:
        return array
    target = wanted[0] if item.dtype.kind == "q" else wanted
    if not _is_castable(array.dtype, target):
        raise UsageError(
            f"the array is {array.dtype}, input {item.name!r} takes {item.dtype}", where=where
        )
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(target)
    if not _same_values(array, cast):
        raise UsageError(
            f"values of the {array.dtype} array do not fit into {item.dtype}", where=where
        )
    return cast.astype(wanted)


def _is_castable(dtype: Any, target: Any) -> bool:
    """Whether numbers of ``dtype`` may stand for ``target``, as far as their values fit."""
    import numpy as np

    if dtype.kind in "iu" and target.kind in "iu":
        return True
    # numpy knows no kinds for the narrow types of ml_dtypes.
    narrow = target.kind not in "fiubc" and "int" not in target.name
    return np.can_cast(dtype, target, casting="same_kind") or (narrow and dtype.kind in "fiub")


def _same_values(array: Any, cast: Any) -> bool:
    """False where a cast went past the range of the type; rounding is no matter."""
    import numpy as np

    if cast.dtype.kind in "iu" and array.dtype.kind in "iu":
        return bool((cast == array).all())
    if array.dtype.kind == "f" and cast.dtype.kind == "f":
        return bool((np.isfinite(cast) == np.isfinite(array)).all())
    return True


def _strings(item: InputSpec, array: Any, where: str) -> Any:
    import numpy as np

    if array.dtype.kind not in "OSU":
        raise UsageError(
            f"the array is {array.dtype}, input {item.name!r} takes strings", where=where
        )
    return array_of(array.astype(object).tolist(), item.dtype, where=where).reshape(np.shape(array))


def _shaped(item: InputSpec, array: Any, where: str) -> tuple[Any, str]:
    dims = item.shape.dims
    if dims is None or _fits(dims, array.shape):
        return array, ""
    if dims[:1] in ((None,), (1,)) and _fits(dims[1:], array.shape):
        return array[None], f"{item.name}: a batch of one was made of {list(array.shape)}"
    raise UsageError(
        f"has shape {list(array.shape)}, input {item.name!r} takes {item.shape}", where=where
    )


def _fits(dims: Sequence[int | None], shape: Sequence[int]) -> bool:
    return len(dims) == len(shape) and all(
        dim is None or dim == size for dim, size in zip(dims, shape, strict=True)
    )
