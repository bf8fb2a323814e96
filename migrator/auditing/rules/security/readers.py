"""Which files the readers of TensorFlow 1 read: a queue brings their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrator.auditing.contents.bodies import Place
from migrator.auditing.rules.security.attacks import Told
from migrator.auditing.strings.arguments import constant_texts
from migrator.model.graph import Node

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

_READS = ("ReaderRead", "ReaderReadV2", "ReaderReadUpTo", "ReaderReadUpToV2")
_FILLS = (
    "QueueEnqueue",
    "QueueEnqueueV2",
    "QueueEnqueueMany",
    "QueueEnqueueManyV2",
)
_PASSING = ("RandomShuffle", "Identity", "Shuffle", "RefIdentity")
_MOST_STEPS = 8


class ReaderFiles:
    """Reader -> what is put into its queue. Indexed on first use, linear."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._queues: dict[tuple[int, str], str] | None = None
        self._fills: dict[tuple[int, str], Place] = {}
        self._nodes: dict[int, dict[str, Node]] = {}

    def told(self, place: Place) -> Told | None:
        """The files of the reader at ``place``; None for another op, or where none are known."""
        if "Reader" not in place.node.op:
            return None
        if self._queues is None:
            self._queues = self._index()
        queue = self._queues.get((id(place.body), place.node.name))
        fill = self._fills.get((id(place.body), queue or ""))
        if fill is None:
            return None
        found, slot = fill, 1
        nodes = self._nodes.get(id(place.body))
        if nodes is None:
            nodes = self._nodes[id(place.body)] = {node.name: node for node in place.body.nodes}
        for _ in range(_MOST_STEPS):
            text = constant_texts(self._subject, found, slot)
            if text.text:
                return Told(parts={"files": text.text}, origin=text.origin)
            refs = found.node.data_refs
            if slot >= len(refs):
                return None
            producer = nodes.get(refs[slot].node)
            if producer is None or producer.op not in _PASSING:
                return Told(parts={}, origin=text.origin)
            found, slot = Place(found.body, producer), 0
        return None

    def _index(self) -> dict[tuple[int, str], str]:
        for place in self._subject.places(_FILLS):
            refs = place.node.data_refs
            if len(refs) > 1:
                self._fills.setdefault((id(place.body), refs[0].node), place)
        found: dict[tuple[int, str], str] = {}
        for place in self._subject.places(_READS):
            refs = place.node.data_refs
            if len(refs) > 1:
                found.setdefault((id(place.body), refs[0].node), refs[1].node)
        return found
