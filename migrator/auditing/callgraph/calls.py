"""Which node calls which function, and which operand of the call each argument takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from migrator.formats.nodes import WireAttrs
from migrator.model.graph import AttrValue, Function, FunctionRef, Node
from migrator.ops.registry import op_facts

COMMON_ATTRS = frozenset(
    """
    DstT Index N SrcT T Tdim Tidx Tin Tindices Tout Tparams Tperm Tshape U _class _output_shapes
    axis begin_mask container data_format dilations dtype dtypes ellipsis_mask end_mask epsilon
    explicit_paddings is_training keep_dims ksize new_axis_mask out_type output_shapes output_types
    padding shape shapes shared_name shrink_axis_mask strides transpose_a transpose_b
    use_cudnn_on_gpu use_locking validate_shape
    """.split()
)
"""Attributes that no registered op takes a function or a serialised message from."""

SYMBOLIC_GRADIENT = "SymbolicGradient"
"""Runs the gradient of the function that it names, and of those that this one calls."""
_ALL_OPERANDS = frozenset(
    """
    BatchFunction PartitionedCall StatefulPartitionedCall StatelessWhile SymbolicGradient
    TPUPartitionedCall While XlaLaunch _While
    """.split()
)
_AFTER_FIRST = frozenset({"Case", "If", "RemoteCall", "StatelessCase", "StatelessIf", "_If"})
_CAPTURES = {
    "finalize_func": "Tfinalize_func_args",
    "init_func": "Tinit_func_args",
    "next_func": "Tnext_func_args",
    "key_func": "Tkey_func_other_arguments",
    "reduce_func": "Treduce_func_other_arguments",
    "window_size_func": "Twindow_size_func_other_arguments",
}
"""Function attribute -> the list of types of what it captures; ``Targuments`` for the others."""


@dataclass(frozen=True, slots=True)
class Named:
    """A function that a node names."""

    function: str
    attr: str = ""
    """Empty where the node's op is the function itself."""
    nested: bool = False
    """Named by an attribute of a function that the node names: nothing is known of operands."""


def holding(
    attrs: Mapping[str, AttrValue],
    kind: str,
    types: tuple[type, ...],
    skip: Collection[str] = COMMON_ATTRS,
) -> list[tuple[str, AttrValue]]:
    """Attributes of a node that hold values of wire kind ``kind``, or lists of them."""
    if isinstance(attrs, WireAttrs):
        return attrs.holding(kind, skip)
    return [
        (key, value)
        for key, value in attrs.items()
        if isinstance(value[0] if isinstance(value, list) and value else value, types)
    ]


def functions_named(node: Node, library: Mapping[str, Function]) -> Iterator[Named]:
    """Functions of ``library`` that ``node`` names, those in attributes of functions too."""
    skip: Collection[str] = COMMON_ATTRS
    if node.op in library:
        yield Named(node.op)
        skip = ()  # a function calls its attributes as it likes
    stack: list[tuple[str, AttrValue, bool]] = [
        (key, value, False) for key, value in holding(node.attrs, "func", (FunctionRef,), skip)
    ]
    while stack:
        attr, value, nested = stack.pop()
        if isinstance(value, list):
            stack.extend((attr, item, nested) for item in reversed(value))
        elif isinstance(value, FunctionRef):
            if value.name in library:
                yield Named(value.name, attr, nested)
                gradient = library[value.name].gradient
                if node.op == SYMBOLIC_GRADIENT and gradient in library:
                    yield Named(gradient, attr, nested)
            inner = holding(value.attrs, "func", (FunctionRef,), ())
            stack.extend((attr, item, True) for _, item in inner)


def interfaces(library: Mapping[str, Function]) -> dict[str, bytes]:
    """Function -> the interface that it shares with others.

    TensorFlow's optimizer runs any of these in place of the one that is called, by the device.
    """
    found = {}
    for name, function in library.items():
        value = function.attrs.get("api_implements")
        if isinstance(value, bytes) and value:
            found[name] = value
    return found


def operand(node: Node, named: Named, function: Function, argument: int) -> int | None:
    """The data input slot of the call ``node`` that an argument of ``function`` takes.

    None where the argument is no operand of the node (an element of a dataset), or not known.
    """
    if named.nested:
        return None
    count = sum(text[:1] != "^" for text in node.inputs)
    slot: int | None
    if not named.attr or node.op in _ALL_OPERANDS:
        slot = argument
    elif node.op in _AFTER_FIRST:
        slot = argument + 1
    else:
        slot = _captured(node, named.attr, function, argument)
    return slot if slot is not None and slot < count else None


def _captured(node: Node, attr: str, function: Function, argument: int) -> int | None:
    """What a dataset op's function captures comes behind the elements that it is given."""
    key = _CAPTURES.get(attr, "Targuments")
    types = node.attrs.get(key)
    facts = op_facts(node.op)
    if not isinstance(types, list) or facts is None:
        return None
    index = argument - (len(function.inputs) - len(types))
    if not 0 <= index < len(types):
        return None
    slot = 0
    for item in facts.inputs:
        if item.type_attr == key:
            return slot + index
        size = node.attrs.get(item.type_attr) if item.is_list else None
        if item.is_list:
            slot += len(size) if isinstance(size, list) else 0
        elif item.number_attr:
            number = node.attrs.get(item.number_attr)
            slot += number if isinstance(number, int) else 0
        else:
            slot += 1
    return None
