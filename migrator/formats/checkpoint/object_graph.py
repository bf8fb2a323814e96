"""The object graph inside of a TensorFlow 2 checkpoint: which variable lies under which key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator.errors import FormatError
from migrator.formats.messages import message_class

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckpointObjects:
    """What an object-based checkpoint says of its objects.

    ``names`` gives the key for a variable's full name (``dense/kernel``), of the first of
    several with one name; ``ambiguous`` are the names that came again. ``slots`` gives the
    optimizer's variables, (key of the variable, name of the slot) -> key of the slot.
    ``message`` is the parsed TrackableObjectGraph.
    """

    names: Mapping[str, str]
    ambiguous: frozenset[str]
    slots: Mapping[tuple[str, str], str]
    message: Any = field(repr=False)


def read_object_graph(data: bytes, where: str) -> CheckpointObjects:
    """Parse the value of ``_CHECKPOINTABLE_OBJECT_GRAPH``. Raises FormatError."""
    from google.protobuf.message import DecodeError

    try:
        message = message_class("TrackableObjectGraph").FromString(data)
    except DecodeError:
        raise FormatError("its object graph is not well-formed", where=where) from None
    names: dict[str, str] = {}
    ambiguous = set()
    keys: list[str] = []  # of each node's first tensor
    for node in message.nodes:
        keys.append(node.attributes[0].checkpoint_key if node.attributes else "")
        for item in node.attributes:
            if item.full_name and names.setdefault(item.full_name, item.checkpoint_key) != (
                item.checkpoint_key
            ):
                ambiguous.add(item.full_name)
    slots: dict[tuple[str, str], str] = {}
    for node in message.nodes:
        for slot in node.slot_variables:
            owner, own = slot.original_variable_node_id, slot.slot_variable_node_id
            if 0 <= owner < len(keys) and 0 <= own < len(keys) and keys[owner] and keys[own]:
                slots[keys[owner], slot.slot_name] = keys[own]
    return CheckpointObjects(
        names=names, ambiguous=frozenset(ambiguous), slots=slots, message=message
    )
