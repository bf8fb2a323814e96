"""What a node says of itself, as short texts: attributes, and what a constant holds."""

from __future__ import annotations

from migrator.arrays import nested_list
from migrator.errors import MigratorError
from migrator.model.dtypes import DType
from migrator.model.graph import AttrPlaceholder, AttrValue, FunctionRef, Node
from migrator.model.tensors import LazyBytes, LazyTensor, Shape, TensorSpec

_LONGEST = 160
_TIMES = "\N{MULTIPLICATION SIGN}"
_MANY = 12
_SMALL = 8
"""Elements up to which a constant's values are told."""
_STORED = 256
_DECLARING = ("Placeholder", "PlaceholderWithDefault", "PlaceholderV2")
_TABLE = 1024
"""Elements from which on integers and texts are a table, not a setting."""


def attributes(node: Node | None, spec: TensorSpec | None) -> tuple[str, ...]:
    """Keys and values by turns, sorted by key. Reads small constants only."""
    if node is None:
        return ("dtype", spec.dtype.name) if spec is not None else ()
    found: list[str] = []
    attrs = node.attrs
    for key in sorted(attrs):
        if key == "_class":
            continue
        value = attrs[key]
        found += [_cut(key), _cut(_said(value))]
    if node.device:
        found += ["device", _cut(node.device)]
    return tuple(found)


def badge(node: Node | None) -> str:
    """A constant or a variable in a few characters: its shape, or ``= 1`` of a setting."""
    if node is None:
        return ""
    value = node.attrs.get("value")
    if isinstance(value, LazyTensor):
        setting = value.dtype.kind not in "fcq" and value.elements < _TABLE
        if value.elements == 1 or setting:
            said = _values(value)
            return _cut(f"= {said}", 40) if said else ""
        return dims_text(value.shape)
    shape = node.attrs.get("shape")
    return dims_text(shape) if isinstance(shape, Shape) else ""


def output_shape(node: Node | None, spec: TensorSpec | None) -> str:
    """What the graph itself says of a node's output 0: type and sizes, or nothing."""
    if node is None:
        return _typed(spec.dtype, spec.shape) if spec is not None else ""
    shapes = node.attrs.get("_output_shapes")
    told = shapes[0] if isinstance(shapes, list) and shapes else node.attrs.get("shape")
    shape = told if isinstance(told, Shape) else Shape(dims=None)
    dtype = node.attrs.get("dtype")
    if node.op in _DECLARING:
        return _typed(dtype, shape) if isinstance(dtype, DType) else ""
    return dims_text(shape) if shapes else ""


def _typed(dtype: DType, shape: Shape) -> str:
    return f"{dtype.name} {dims_text(shape)}".rstrip()


def dims_text(shape: Shape) -> str:
    if shape.dims is None:
        return ""
    return _TIMES.join("?" if dim is None else str(dim) for dim in shape.dims[:8]) or "scalar"


def _said(value: AttrValue) -> str:
    kind = type(value)
    if kind is DType:
        return str(value.name)
    if kind is bool:
        return "true" if value else "false"
    if kind is bytes:
        return str(value[:_LONGEST].decode("utf-8", "backslashreplace"))
    if isinstance(value, list):
        shown = ", ".join(_said(item) for item in value[:_MANY])
        return f"[{shown}{', …' if len(value) > _MANY else ''}]"
    if isinstance(value, LazyTensor):
        return f"{value.dtype.name} {value.shape} {_values(value)}".rstrip()
    if isinstance(value, FunctionRef):
        return value.name
    if isinstance(value, LazyBytes):
        return f"{value.size:,} bytes"
    if isinstance(value, AttrPlaceholder):
        return f"${value.name}"
    return "" if value is None else str(value)


def _values(value: LazyTensor) -> str:
    if value.elements > _SMALL or value.stored_bytes > _STORED or value.dtype.kind not in "fiubs":
        return ""
    try:
        array = value.numpy()
    except MigratorError:
        return ""
    if value.dtype.kind == "s":
        texts = [item.decode("utf-8", "backslashreplace") for item in array.ravel().tolist()]
        return "[" + ", ".join(repr(text[:60]) for text in texts) + "]"
    if not value.shape.rank:
        return f"{array.item():.6g}" if value.dtype.kind == "f" else str(array.item())
    return str(
        [float(f"{item:.6g}") if isinstance(item, float) else item for item in nested_list(array)]
    )


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
