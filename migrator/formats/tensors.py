"""TensorProto to numpy, the way TensorFlow reads it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from migrator.errors import FormatError, LimitError
from migrator.formats.messages import message_class
from migrator.formats.spans import Spans
from migrator.formats.wire import LENGTH, VARINT, read_varint
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.dtypes import DType
from migrator.model.tensors import SCALAR, FileSpan, LazyTensor, Shape, nowhere
from migrator.places.source import ByteSource


def read_shape(message: Any) -> Shape:
    """A TensorShapeProto; any negative size counts as unknown, as TensorFlow writes it."""
    if message.unknown_rank:
        return Shape(None)
    dims = message.dim
    return Shape(tuple([None if dim.size < 0 else dim.size for dim in dims])) if dims else SCALAR


def lazy_tensor(
    message: Any, spans: Spans, limits: Limits, *, where: Callable[[], str]
) -> LazyTensor:
    """The tensor that ``message`` holds, or that its mark points to. ``where`` is for errors."""
    found = spans.find(message.span) if message.span else None
    if found is None:
        stored, read, place = message.ByteSize(), message.SerializeToString, nowhere
    else:
        stored, read = found.size, found.read
        place = partial(_content, spans.source, *found.wire) if found.wire is not None else nowhere

    def decode(tensor: LazyTensor) -> Any:
        return decode_tensor(tensor, limits, where=f"{spans.source.name}: {where()}")

    return LazyTensor(
        dtype=DType(message.dtype),
        shape=read_shape(message.tensor_shape),
        stored_bytes=stored,
        read=read,
        decode=decode,
        place=place,
    )


_CONTENT = 4
"""TensorProto.tensor_content: the array's own bytes."""
_FEW_STRINGS = 1 << 16
_HEADER_FIELDS = {1, 2, 3}
"""TensorProto's dtype, shape and version."""
_MOST_FIELDS = 8


def _content(source: ByteSource, offset: int, stored: int) -> FileSpan | None:
    """Where the array lies inside of a TensorProto, None where it is written as a list."""
    if source.on_disk(offset) is None:
        return None
    end = offset + stored
    position = offset
    found: FileSpan | None = None
    seen: set[int] = set()
    for _ in range(_MOST_FIELDS):
        if position >= end:
            return found
        head = source.read(position, min(24, end - position))
        try:
            key, after = read_varint(head, 0)
            value, after = read_varint(head, after)
        except ValueError:
            return None
        # Said twice, the last one counts: then decoding is safer than a span.
        if key & 7 not in (VARINT, LENGTH) or key >> 3 in seen:
            return None
        seen.add(key >> 3)
        if key >> 3 == _CONTENT:
            found = _span(source, position + after, value)
        elif key >> 3 not in _HEADER_FIELDS:
            return None  # values in a list of their own
        position += after + (value if key & 7 == LENGTH else 0)
    return None


def _span(source: ByteSource, offset: int, length: int) -> FileSpan | None:
    place = source.on_disk(offset)
    if place is None:
        return None
    return FileSpan(path=place.path, offset=place.offset, length=length, source=place.source)


def decode_tensor(tensor: LazyTensor, limits: Limits, *, where: str) -> Any:
    """Values of ``tensor``, equal to ``tf.make_ndarray``.

    A ``*_val`` list shorter than the shape repeats its last value; an empty one is zeros.
    Raises FormatError where content and shape do not agree, LimitError for an array that would
    be too large.
    """
    import numpy as np
    from google.protobuf.message import DecodeError

    dims = tensor.shape.dims
    if dims is None or any(dim is None for dim in dims):
        raise FormatError(f"a constant of shape {tensor.shape} has no values", where=where)
    shape = tuple(dim for dim in dims if dim is not None)
    count = tensor.shape.elements
    if count is None:
        raise LimitError(f"a shape of {len(shape):,} dimensions claims too much", where=where)
    try:
        numpy_type = tensor.dtype.numpy()
    except TypeError as error:
        raise FormatError(str(error), where=where) from None
    if tensor.dtype.kind == "s" and count > max(tensor.stored_bytes, _FEW_STRINGS):
        raise LimitError(
            f"a tensor of {count:,} strings claims to lie in {tensor.stored_bytes:,} bytes",
            where=where,
        )
    size = count * max(tensor.dtype.itemsize, 8 if tensor.dtype.kind == "s" else 1)
    if size > limits.tensor_bytes:
        raise LimitError(
            f"a tensor of shape {tensor.shape} takes {size:,} bytes, "
            f"the limit is {limits.tensor_bytes:,}",
            where=where,
        )
    try:
        message = message_class("TensorProto").FromString(tensor.read())
    except DecodeError:
        raise FormatError("its tensor is not well-formed", where=where) from None
    if message.dtype != tensor.dtype or read_shape(message.tensor_shape) != tensor.shape:
        raise FormatError("its tensor states dtype or shape twice, differently", where=where)
    if message.tensor_content and tensor.dtype.kind != "s":
        content = message.tensor_content
        if len(content) != count * numpy_type.itemsize:
            raise FormatError(
                f"tensor_content holds {len(content):,} bytes, {tensor.dtype} of shape "
                f"{tensor.shape} takes {count * numpy_type.itemsize:,}",
                where=where,
            )
        little = numpy_type.newbyteorder("<") if numpy_type.byteorder != "|" else numpy_type
        array = np.frombuffer(content, dtype=little).astype(numpy_type, copy=False)
        return shaped(array, shape, where).copy()
    values = listed_values(message, tensor.dtype, numpy_type)
    return _fill(values, count, shape, numpy_type, tensor.dtype, where)


def string_values(tensor: LazyTensor, limits: Limits, *, where: str) -> list[bytes]:
    """The elements of a string tensor row by row, as ``decode_tensor`` gives them, without numpy.

    Raises what ``decode_tensor`` raises.
    """
    from google.protobuf.message import DecodeError

    count = tensor.shape.elements
    if count is None or tensor.dtype.kind != "s":
        raise FormatError(f"{tensor.dtype} of shape {tensor.shape} is no strings", where=where)
    if count > max(tensor.stored_bytes, _FEW_STRINGS):
        raise LimitError(
            f"a tensor of {count:,} strings claims to lie in {tensor.stored_bytes:,} bytes",
            where=where,
        )
    limits.check("tensor_bytes", count * 8, where=where)
    try:
        message = message_class("TensorProto").FromString(tensor.read())
    except DecodeError:
        raise FormatError("its tensor is not well-formed", where=where) from None
    values = list(message.string_val)
    if len(values) > count:
        raise FormatError(
            f"holds {len(values):,} values, shape {tensor.shape} takes {count:,}", where=where
        )
    return values + [values[-1] if values else b""] * (count - len(values))


def listed_values(message: Any, dtype: DType, numpy_type: Any) -> Any:
    """What a TensorProto lists of a type, as a flat array of ``dtype.numpy()``."""
    import numpy as np

    name = dtype.values_field
    assert name is not None  # numpy() raised for types without one
    raw = getattr(message, name)
    if dtype.kind == "s":
        values = np.empty(len(raw), dtype=object)
        values[:] = list(raw)
        return values
    if name == "half_val":  # 16-bit patterns, one to an int32
        return np.array(raw, dtype=np.int64).astype(np.uint16).view(numpy_type)
    if name == "float8_val":  # one byte to an element
        return np.frombuffer(raw, dtype=np.uint8).view(numpy_type).copy()
    if dtype.kind == "c":  # real and imaginary part in turn
        part = np.float32 if name == "scomplex_val" else np.float64
        flat = np.array(raw, dtype=part)
        return flat[: len(flat) // 2 * 2].view(numpy_type)
    if dtype.kind == "q":
        base = numpy_type[0]
        return np.array(raw, dtype=np.int32).astype(base).view(numpy_type)
    if name == "int_val":  # narrower types keep the low bits
        wide = np.array(raw, dtype=np.int32)
        return (
            wide.astype(np.int8).astype(numpy_type) if _sub_byte(dtype) else wide.astype(numpy_type)
        )
    return np.array(raw, dtype=numpy_type)


def _sub_byte(dtype: DType) -> bool:
    return dtype.name in ("int4", "uint4", "int2", "uint2")


def _fill(
    values: Any, count: int, shape: tuple[int, ...], numpy_type: Any, dtype: DType, where: str
) -> Any:
    import numpy as np

    if len(values) > count:
        raise FormatError(
            f"holds {len(values):,} values, shape {list(shape)} takes {count:,}", where=where
        )
    if len(values) == count:
        return shaped(values, shape, where)
    if len(values):
        array = np.empty(count, dtype=numpy_type)
        array[: len(values)] = values
        array[len(values) :] = values[-1]
    elif dtype.kind == "s":
        array = np.empty(count, dtype=object)
        array[:] = b""
    else:
        array = np.zeros(count, dtype=numpy_type)
    return shaped(array, shape, where)


def shaped(array: Any, shape: tuple[int, ...], where: str) -> Any:
    """``array`` in that shape. Raises FormatError where numpy has none such."""
    try:
        return array.reshape(shape)
    except ValueError as error:  # more dimensions, or larger ones, than numpy has
        raise FormatError(
            f"its shape is none that an array can have: {error}", where=where
        ) from None


def constant_tensor(value: Any, dtype: DType) -> LazyTensor:
    """A tensor made from a Python scalar, a nested list, or a numpy array of ``dtype``.

    Raises ValueError where ``value`` has no such form.
    """
    import numpy as np

    message = message_class("TensorProto")(dtype=int(dtype))
    if dtype.kind == "s":
        array = np.array(value, dtype=object)
        flat = [item.encode() if isinstance(item, str) else item for item in array.ravel()]
        message.string_val.extend(flat)
    else:
        array = np.asarray(value).astype(dtype.numpy())
        message.tensor_content = array.tobytes()
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    data: bytes = message.SerializeToString()
    return LazyTensor(
        dtype=dtype,
        shape=Shape(tuple(array.shape)),
        stored_bytes=len(data),
        read=lambda: data,
        decode=lambda tensor: decode_tensor(tensor, DEFAULT_LIMITS, where="constant"),
    )
