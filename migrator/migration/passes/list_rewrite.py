"""The operations of TensorArrays, one by one, as those of tensor lists."""

from __future__ import annotations

from migrator.formats.tensors import constant_tensor
from migrator.migration.passes.functional.items import PASSING, Item, Tensor
from migrator.migration.passes.functional.library import Library
from migrator.migration.passes.functional.link import Linked
from migrator.migration.passes.functional.shapes import IF, WHILE, Shapes
from migrator.migration.passes.list_trace import (
    CLOSE,
    CONCAT,
    GATHER,
    READ,
    SCATTER,
    SIZE,
    SPLIT,
    WRITE,
    Array,
    Trace,
)
from migrator.model.dtypes import INT32, INT64, VARIANT
from migrator.model.graph import AttrValue, FunctionRef
from migrator.model.tensors import SCALAR, UNKNOWN_SHAPE
from migrator.shapes.facts import Dims

Size = tuple[object, ...]
_HOPS = 16


class Rewrite:
    """Rewrites scopes in place, those that are called before those that call."""

    def __init__(self, library: Library, trace: Trace, shapes: Shapes) -> None:
        self._library = library
        self._trace = trace
        self._shapes = shapes
        self._moved: dict[Tensor, Tensor] = {}

    def scope(self, scope: Linked) -> None:
        roles = self._trace.roles
        shared: dict[Array, Item] = {}
        for item in scope.items:
            array = self._trace.used.get(item)
            if (item, 1) in roles and item.op == "TensorArrayV3":
                self._reserve(item, roles[item, 1].array, shared)
            elif array is not None:
                self._operation(item, array, shared)
            elif item.op in WHILE:
                self._while(item)
            elif item.op in IF:
                self._if(item)
            elif item.op in PASSING and (item, 0) in roles:
                item.attrs = {**item.attrs, "T": VARIANT}
            elif item.op == "IdentityN" and any(
                (item, k) in roles for k in range(len(item.inputs))
            ):
                self._pick(item)
        for item in scope.items:
            item.inputs = [self._moved.get(tensor, tensor) for tensor in item.inputs]
        scope.results[:] = [
            self._moved.get(tensor, tensor)
            for tensor in scope.results
            if not self._is_handle(tensor)
        ]
        for source in [item for item in scope.sources if (item, 0) in roles]:
            if self._is_handle((source, 0)):
                del scope.sources[source]
            else:
                source.dtype = VARIANT

    def _is_handle(self, tensor: Tensor) -> bool:
        role = self._trace.roles.get(tensor)
        return role is not None and not role.is_flow

    def _element_shape(self, array: Array, shared: dict[Array, Item]) -> Tensor:
        """The element shape as a constant, one for each array and scope."""
        found = shared.get(array)
        if found is None:
            found = shared[array] = self._constant(
                f"{array.item.name}/element_shape", array.element
            )
        return found, 0

    def _constant(self, name: str, dims: Dims | None) -> Item:
        value: object = -1 if dims is None else [-1 if size is None else size for size in dims]
        attrs = {"dtype": INT32, "value": constant_tensor(value, INT32)}
        return self._library.item(name, "Const", attrs)

    def _reserve(self, item: Item, array: Array, shared: dict[Array, Item]) -> None:
        size = item.inputs[0]
        controls = item.controls
        attrs: dict[str, AttrValue] = {"element_dtype": array.dtype, "shape_type": INT32}
        shape = self._element_shape(array, shared)
        item.become("TensorListReserve", [shape, size], attrs)
        item.controls = controls
        self._moved[item, 1] = (item, 0)

    def _operation(self, item: Item, array: Array, shared: dict[Array, Item]) -> None:
        shape = self._element_shape(array, shared)
        kind: dict[str, AttrValue] = {"element_dtype": array.dtype}
        typed = {**kind, "shape_type": INT32}
        inputs = item.inputs
        controls = item.controls
        if item.op in READ:
            item.become("TensorListGetItem", [inputs[2], inputs[1], shape], kind)
        elif item.op in WRITE:
            resize = {"resize_if_index_out_of_bounds": True} if array.dynamic else {}
            item.become("TensorListSetItem", [inputs[3], inputs[1], inputs[2]], {**kind, **resize})
        elif item.op in GATHER:
            if self._is_whole(inputs[1], ("size", array)):
                stack = {**kind, "num_elements": -1}
                item.become("TensorListStack", [inputs[2], shape], stack)
            else:
                item.become("TensorListGather", [inputs[2], inputs[1], shape], kind)
        elif item.op in SCATTER:
            self._scatter(item, array, shape)
        elif item.op in SIZE:
            item.become("TensorListLength", [inputs[1]], {})
        elif item.op in CONCAT:
            self._concat(item, array)
        elif item.op in SPLIT:
            item.become("TensorListSplit", [inputs[1], shape, inputs[2]], typed)
        elif item.op in CLOSE:
            item.become("NoOp", [], {})
        item.controls = controls

    def _scatter(self, item: Item, array: Array, shape: Tensor) -> None:
        _, indices, value, flow = item.inputs
        kind: dict[str, AttrValue] = {"element_dtype": array.dtype}
        rows = self._size_of(value)
        whole = rows is not None and self._is_whole(indices, rows)
        size = self._original_size(array)
        fits = (size is not None and size == rows) or self._only_read(array)
        if whole and fits and flow in self._trace.fresh:
            typed = {**kind, "shape_type": INT32}
            item.become("TensorListFromTensor", [value, shape], typed)
        else:
            item.become("TensorListScatterIntoExistingList", [flow, value, indices], kind)

    def _only_read(self, array: Array) -> bool:
        """Whether an array is filled once and then read by index, so that its size is not asked."""
        return self._trace.operations[array] <= READ | SCATTER and self._trace.changes[array] == 1

    def _concat(self, item: Item, array: Array) -> None:
        dims = None if not array.element else (None, *array.element[1:])
        shape = self._constant(f"{item.name}/element_shape", dims)
        leading = self._library.item(
            f"{item.name}/leading_dims",
            "Const",
            {"dtype": INT64, "value": constant_tensor([], INT64)},
        )
        attrs = {"element_dtype": array.dtype, "shape_type": INT32}
        item.become("TensorListConcatV2", [item.inputs[1], (shape, 0), (leading, 0)], attrs)

    def _original_size(self, array: Array) -> Size | None:
        inputs = array.item.inputs
        return self._measure(inputs[-1]) if inputs else None

    def _is_whole(self, indices: Tensor, size: Size) -> bool:
        """Whether ``indices`` are sure to be range(size)."""
        item = _source(indices)[0]
        if item.op != "Range" or len(item.inputs) != 3:
            return False
        start, limit, step = (self._measure(tensor) for tensor in item.inputs)
        if start != ("value", 0) or step != ("value", 1) or limit is None:
            return False
        if limit == size:
            return True
        array = size[1]
        return (
            isinstance(array, Array) and limit == self._original_size(array) and (not array.dynamic)
        )

    def _measure(self, tensor: Tensor) -> Size | None:
        """A scalar size as something that two equal sizes compare equal by, None: not known."""
        item, port = _source(tensor)
        fact = self._shapes.of.get((item, port))
        if fact is not None and fact.values is not None and len(fact.values) == 1:
            value = fact.values[0]
            if value is not None:
                return ("value", value)
        if item.op in ("TensorArraySizeV3", "TensorListLength"):
            array = self._trace.used.get(item)
            return None if array is None else ("size", array)
        if item.op == "StridedSlice" and len(item.inputs) == 4:
            begin = self._shapes.of.get(item.inputs[1])
            source, _ = _source(item.inputs[0])
            shrinks = item.attrs.get("shrink_axis_mask") == 1
            if source.op == "Shape" and shrinks and begin is not None and begin.values == (0,):
                return self._size_of(source.inputs[0])
        return ("tensor", item, port)

    def _size_of(self, tensor: Tensor) -> Size | None:
        """The first size of a tensor, in the form of ``_measure``."""
        tensor = _source(tensor)
        dims = self._shapes.dims(tensor)
        if dims and dims[0] is not None:
            return ("value", dims[0])
        return ("rows", *tensor)

    def _while(self, item: Item) -> None:
        roles = self._trace.roles
        types = item.attrs.get("T")
        shapes = _shapes_of(item, types)
        if isinstance(types, list) and any((item, k) in roles for k in range(len(types))):
            kept = [k for k in range(len(types)) if not self._is_handle((item, k))]
            attrs = {
                **item.attrs,
                "T": [VARIANT if (item, k) in roles else types[k] for k in kept],
                "output_shapes": [SCALAR if (item, k) in roles else shapes[k] for k in kept],
            }
            if "_num_original_outputs" in attrs:
                attrs["_num_original_outputs"] = len(kept)
            item.attrs = attrs
            item.inputs = [item.inputs[k] for k in kept]
            self._renumber(item, kept)
        self._restate(item, "While")

    def _if(self, item: Item) -> None:
        roles = self._trace.roles
        given, types = item.attrs.get("Tin"), item.attrs.get("Tout")
        shapes = _shapes_of(item, types)
        if isinstance(given, list) and isinstance(types, list):
            inputs = [k for k in range(len(given)) if not self._is_handle(item.inputs[k + 1])]
            kept = [k for k in range(len(types)) if not self._is_handle((item, k))]
            item.attrs = {
                **item.attrs,
                "Tin": [VARIANT if item.inputs[k + 1] in roles else given[k] for k in inputs],
                "Tout": [VARIANT if (item, k) in roles else types[k] for k in kept],
                "output_shapes": [SCALAR if (item, k) in roles else shapes[k] for k in kept],
            }
            item.inputs = [item.inputs[0], *(item.inputs[k + 1] for k in inputs)]
            self._renumber(item, kept)
        self._restate(item, "If")

    def _renumber(self, item: Item, kept: list[int]) -> None:
        for port, old in enumerate(kept):
            if port != old:
                self._moved[item, old] = (item, port)

    def _restate(self, item: Item, name: str) -> None:
        """Without its arrays a body may be free of state."""
        called = [value.name for value in item.attrs.values() if isinstance(value, FunctionRef)]
        stateful = any(self._library.stateful(one, {}) for one in called)
        item.op = name if stateful else f"Stateless{name}"

    def _pick(self, item: Item) -> None:
        """An IdentityN that passes handles or flows on, without the handles."""
        roles = self._trace.roles
        types = item.attrs.get("T")
        kept = [k for k in range(len(item.inputs)) if not self._is_handle((item, k))]
        if isinstance(types, list):
            item.attrs = {"T": [VARIANT if (item, k) in roles else types[k] for k in kept]}
        item.inputs = [item.inputs[k] for k in kept]
        self._renumber(item, kept)


def _shapes_of(item: Item, types: AttrValue) -> list[AttrValue]:
    """The shapes that a While or an If says it gives, unknown where it says none."""
    count = len(types) if isinstance(types, list) else 0
    shapes = item.attrs.get("output_shapes")
    if isinstance(shapes, list) and len(shapes) == count:
        return shapes
    return [UNKNOWN_SHAPE] * count


def _source(tensor: Tensor) -> Tensor:
    """Past the nodes that only hand a tensor on."""
    for _ in range(_HOPS):
        if tensor[0].op not in PASSING or not tensor[0].inputs:
            break
        tensor = tensor[0].inputs[0]
    return tensor
