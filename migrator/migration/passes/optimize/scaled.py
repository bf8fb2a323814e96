"""Weights times a factor, made when somebody asks for them, so that memory holds one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrator.errors import MigratorError
from migrator.formats.messages import message_class
from migrator.formats.tensors import constant_tensor
from migrator.model.tensors import LazyTensor

_AT_ONCE = 1 << 20
"""Bytes up to which the product is made and kept."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Product:
    base: LazyTensor
    factor: Any

    def __call__(self, tensor: LazyTensor) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            wide = self.base.numpy().astype(np.float64) * self.factor
            return wide.astype(tensor.dtype.numpy())


def scaled_tensor(base: LazyTensor, factor: Any) -> LazyTensor | None:
    """``base`` times ``factor``, a float64 array that broadcasts to its shape.

    Worked out in float64. None where a value is not finite, or ``base`` does not read.
    """
    import numpy as np

    made = base.decode
    if isinstance(made, _Product):  # not a product of products
        base, factor = made.base, made.factor * factor
    product = _Product(base=base, factor=factor)
    try:
        array = product(base)
    except MigratorError:
        return None
    if array.shape != base.shape.dims or not bool(np.all(np.isfinite(array))):
        return None
    if array.nbytes <= _AT_ONCE:
        return constant_tensor(array, base.dtype)
    dtype = base.dtype

    def read() -> bytes:
        return constant_tensor(product(base), dtype).read()

    return LazyTensor(
        dtype=dtype,
        shape=base.shape,
        stored_bytes=_stored(base),
        read=read,
        decode=product,
    )


def _stored(base: LazyTensor) -> int:
    """Size of the TensorProto with the values in ``tensor_content``."""
    message = message_class("TensorProto")(dtype=int(base.dtype))
    for size in base.shape.dims or ():
        message.tensor_shape.dim.add(size=size)
    length = base.nbytes
    return int(message.ByteSize()) + 1 + (length.bit_length() + 6) // 7 + length
