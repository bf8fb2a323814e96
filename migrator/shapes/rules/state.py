"""Variables, lists and arrays of tensors, queues, tables, iterators: what a handle stands for."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.tensors import Shape
from migrator.shapes.facts import SCALAR, UNKNOWN, Dims, Fact, join, meet, scalar, sizes
from migrator.shapes.rules.reading import (
    MOST_OUTPUTS,
    Op,
    Table,
    flag,
    named,
    number,
    shape,
    shapes,
)


def variable(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(shape(op, "shape"))]


def old_variable(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """In its time a shape that was unknown was written as that of a scalar."""
    return [Fact(shape(op, "shape") or None)]


def handle(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((), held=(shape(op, "shape"),))]


def read(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    held = facts[0].held
    return [Fact(held[0])] if held else ()


def assigned(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """A reference variable after it was written."""
    old, new = facts[0].dims, facts[1].dims
    if op.op == "Assign":
        return [Fact(meet(new, old) if flag(op, "validate_shape", True) else new)]
    return [Fact(meet(old, new))]


def same(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims)]


def scalar_(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [SCALAR]


# Arrays of tensors (TensorFlow 1)


def array(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """The handle, whose own shape differs by version, and the flow, which saw no writing yet."""
    return [Fact(None, held=(shape(op, "element_shape"),)), _WRITTEN_NOTHING]


_WRITTEN_NOTHING = Fact((), held=())


def _wrote(flow: Fact, element: Dims | None) -> Sequence[Fact]:
    """The flow after elements of that shape were written as well."""
    return [join(flow, Fact((), held=(element,)))] if flow.dims == () else [SCALAR]


def array_write(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return _wrote(facts[3], facts[2].dims)


def array_scatter(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """TensorArrayScatter, and TensorArrayUnpack, which names no indices."""
    rows = facts[-2].dims
    return _wrote(facts[-1], rows[1:] if rows else None)


def array_split(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    rows = facts[1].dims
    return _wrote(facts[3], (None, *rows[1:]) if rows else None)


def _element(op: Op, fact: Fact, flow: Fact) -> Dims | None:
    """The shape of what was written, and of what the array was made for."""
    told = shape(op, "element_shape")
    told = meet(fact.held[0] if fact.held else None, told)
    return meet(told, flow.held[0] if flow.held else None)


def array_read(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(_element(op, facts[0], facts[2]))]


def array_gather(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    element, indices = _element(op, facts[0], facts[2]), facts[1].dims
    if element is None:
        return ()
    return [Fact((indices[0] if indices else None, *element))]


def array_pack(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    element = _element(op, facts[0], facts[1])
    return () if element is None else [Fact((None, *element))]


def array_concat(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    rest = shape(op, "element_shape_except0")
    element = _element(op, facts[0], facts[1])
    rest = meet(rest, element[1:] if element else None)
    return [UNKNOWN if rest is None else Fact((None, *rest)), Fact((None,))]


def array_gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(None, held=facts[0].held), SCALAR]


# Lists of tensors (TensorFlow 2)


def _shape_value(fact: Fact) -> Dims | None:
    """An element shape as an input: a vector, or -1 for an unknown one."""
    return None if fact.dims == () else sizes(fact)


def _list(element: Dims | None) -> Fact:
    return Fact((), held=(element,))


def _listed(fact: Fact) -> Dims | None:
    return fact.held[0] if fact.held else None


def list_reserve(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [_list(_shape_value(facts[0]))]


def list_from(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    element = facts[1] if op.op == "TensorListFromTensor" else facts[2]
    return [_list(meet(dims[1:] if dims else None, _shape_value(element)))]


def list_kept(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((), held=facts[0].held)]


def list_split(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [_list(_shape_value(facts[1]))]


def list_item(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(meet(_listed(facts[0]), _shape_value(facts[2])))]


def list_pop(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((), held=facts[0].held), Fact(meet(_listed(facts[0]), _shape_value(facts[1])))]


def list_stack(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    element = meet(_listed(facts[0]), _shape_value(facts[1]))
    parts = number(op, "num_elements", -1)
    return () if element is None else [Fact((parts if parts >= 0 else None, *element))]


def list_gather(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    element, indices = meet(_listed(facts[0]), _shape_value(facts[2])), facts[1].dims
    return () if element is None else [Fact((indices[0] if indices else None, *element))]


def list_concat(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    element = _listed(facts[0])
    told = shape(op, "element_shape")
    if op.op.endswith("V2"):
        told = _shape_value(facts[1])
    element = meet(element, told)
    return [Fact((None, *element[1:])) if element else UNKNOWN, Fact((None,))]


def list_shape(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    held = _listed(facts[0])
    if held is None:
        return ()  # a vector, or the scalar -1
    return [Fact((len(held),), held if None not in held else None)]


# Queues and pipelines


def _handle(op: Op) -> Dims:
    """A resource is a scalar; before there were any, two strings named one."""
    return () if op.op.endswith("V2") else (2,)


def queue(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(_handle(op), held=tuple(shapes(op, "shapes")) or None)]


def dequeue(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    held = facts[0].held or ()
    if "Many" in op.op:
        batch = scalar(facts[1])
        return [UNKNOWN if dims is None else Fact((batch, *dims)) for dims in held]
    if "UpTo" in op.op:
        return [UNKNOWN if dims is None else Fact((None, *dims)) for dims in held]
    return [Fact(dims) for dims in held]


def pipeline(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """As large as the node's own attribute says; TensorFlow holds elements against it."""
    return [Fact(dims) for dims in shapes(op, "output_shapes")[:MOST_OUTPUTS]]


# Tables


def table(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Single keys; each stands for a single value, or for a tensor of ``value_shape``."""
    value: Dims | None = ()
    if "Tensors" in op.op or "Dense" in op.op:
        told = op.attrs.get("value_shape")
        value = told.dims if isinstance(told, Shape) else None
    if "Dense" in op.op and facts[0].dims != ():  # keys that are tensors themselves
        value = None
    return [Fact(_handle(op), held=(value,))]


def look_up(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    keys, held = facts[1].dims, facts[0].held
    if keys is None or not held or held[0] is None:
        return ()
    return [Fact((*keys, *held[0]))]


def exported(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((None,)) if facts[0].held == ((),) else UNKNOWN] * 2


_TABLES = (
    "HashTable HashTableV2 MutableHashTable MutableHashTableV2 MutableHashTableOfTensors"
    " MutableHashTableOfTensorsV2 MutableDenseHashTable MutableDenseHashTableV2"
)
_ASSIGNED = "Assign AssignAdd AssignSub"
_KEPT = (
    "CountUpTo ScatterAdd ScatterDiv ScatterMax ScatterMin ScatterMul ScatterNdAdd"
    " ScatterNdSub ScatterNdUpdate ScatterSub ScatterUpdate ApplyGradientDescent ApplyMomentum"
    " ApplyAdam ApplyRMSProp ApplyAdagrad ApplyFtrl ApplyFtrlV2 ApplyProximalAdagrad"
    " ApplyCenteredRMSProp ApplyAdadelta DestroyTemporaryVariable"
)
_SCALARS = (
    "IsVariableInitialized VarIsInitializedOp LookupTableSize LookupTableSizeV2 QueueSize"
    " QueueSizeV2 QueueIsClosed QueueIsClosedV2 TensorListLength ReaderNumRecordsProduced"
    " ReaderNumRecordsProducedV2 TensorArraySize TensorArraySizeV2 TensorArraySizeV3"
    " OptionalHasValue"
)

RULES: Table = {
    **named("VariableV2 TemporaryVariable", variable),
    "Variable": old_variable,
    "VarHandleOp": handle,
    "ReadVariableOp": read,
    **named(_ASSIGNED, assigned),
    **named(_KEPT, same),
    **named(_SCALARS, scalar_),
    "TensorArray": array,
    **named("TensorArrayV2 TensorArrayV3", array),
    **named("TensorArrayWrite TensorArrayWriteV2 TensorArrayWriteV3", array_write),
    **named(
        "TensorArrayScatter TensorArrayScatterV2 TensorArrayScatterV3 TensorArrayUnpack",
        array_scatter,
    ),
    **named("TensorArraySplit TensorArraySplitV2 TensorArraySplitV3", array_split),
    **named("TensorArrayRead TensorArrayReadV2 TensorArrayReadV3", array_read),
    **named("TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3", array_gather),
    "TensorArrayPack": array_pack,
    **named("TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3", array_concat),
    **named("TensorArrayGrad TensorArrayGradV2 TensorArrayGradV3", array_gradient),
    **named("TensorListReserve EmptyTensorList", list_reserve),
    **named("TensorListFromTensor TensorListScatter TensorListScatterV2", list_from),
    **named(
        "TensorListSetItem TensorListPushBack TensorListResize TensorListScatterIntoExistingList",
        list_kept,
    ),
    "TensorListSplit": list_split,
    "TensorListGetItem": list_item,
    "TensorListPopBack": list_pop,
    "TensorListStack": list_stack,
    "TensorListGather": list_gather,
    **named("TensorListConcat TensorListConcatV2", list_concat),
    "TensorListElementShape": list_shape,
    **named(
        "FIFOQueue FIFOQueueV2 RandomShuffleQueue RandomShuffleQueueV2 PaddingFIFOQueue"
        " PaddingFIFOQueueV2",
        queue,
    ),
    **named(
        "QueueDequeue QueueDequeueV2 QueueDequeueMany QueueDequeueManyV2 QueueDequeueUpTo"
        " QueueDequeueUpToV2",
        dequeue,
    ),
    **named("IteratorGetNext IteratorGetNextSync OptionalGetValue", pipeline),
    **named(_TABLES, table),
    **named("LookupTableFind LookupTableFindV2", look_up),
    **named("LookupTableExport LookupTableExportV2", exported),
}
