"""Which saving and restoring ops serve the model's own checkpoint and nothing else.

Every SavedModel with variables holds such ops. They are harmless where the path that they are
given begins with the tensor that the loaders feed the checkpoint's path to, nothing behind it
leads out of its folder, and nothing but saving (restoring) runs them: what runs at load or by a
signature is not fed, and takes the path that stands in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.strings.parts import (
    ARGUMENT,
    CHECKPOINT,
    CONSTANT,
    DEFAULT,
    PLACEHOLDER,
    Part,
    Value,
    stays_inside,
)
from migrator.graph.wiring import Wiring
from migrator.ops.state import ASSIGN_OPS

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

OWN = "own"
UNUSED_SAVER = "unused_saver"
INITIALIZER = "initializer"
FOREIGN = "foreign"

_READS: Mapping[str, tuple[int, ...]] = {"Restore": (0,), "RestoreSlice": (0,), "RestoreV2": (0,)}
_WRITES = {"MergeV2Checkpoints": (0, 1), "Save": (0,), "SaveSlices": (0,), "SaveV2": (0,)}
_NAMES = {"ShardedFilename": (0,), "ShardedFilespec": (0,)}
_PATHS: Mapping[str, tuple[int, ...]] = {**_READS, **_WRITES, **_NAMES}
"""Op -> the operands that are paths."""
CHECKPOINT_OPS = tuple(sorted(_PATHS))

_UNUSED = frozenset({"gradient", "init", "nothing", "train"})
"""Ways to be reached that TensorFlow itself never takes, and no caller of a signature."""
_USUAL_NAME = b"model"
"""The file name that every TF1 Saver puts in its graph where it was given none."""
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_PASS_ON = frozenset(
    """
    Cast ConcatV2 Enter ExpandDims Identity Merge Pack RefSwitch Reshape Slice Split SplitV Squeeze
    StridedSlice Switch Transpose Unpack
    """.split()
)
_MOST_CONSUMERS = 2000


def is_own_checkpoint(subject: Subject, place: Place) -> bool:
    """True for an op of ``CHECKPOINT_OPS`` that serves the model's own checkpoint alone."""
    return checkpoint_use(subject, place) == OWN


def checkpoint_use(subject: Subject, place: Place) -> str:
    """What one of ``CHECKPOINT_OPS`` is for.

    ``own``: saves or restores the model's own checkpoint. ``unused_saver``: of a saver that
    nothing runs and that names no file but by its caller or as every Saver does.
    ``initializer``: reads a variable's first value from a checkpoint by a constant path, and
    neither loading nor a signature runs it. ``foreign``: anything else.
    """
    return subject.checkpoints.use(place)


class Checkpoints:
    """Answers for one subject."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._wirings: dict[int, Wiring] = {}

    def use(self, place: Place) -> str:
        """As ``checkpoint_use``."""
        op = place.node.op
        if op not in _PATHS or place.body.depth:
            return FOREIGN
        value = self._paths(place)
        kinds = {label.partition(":")[0] for label in self._subject.reached(place)}
        # Asked for by another than the loader, the path is what the file says.
        if (
            all(_is_own(parts) for parts in value)
            and _runs_as_own(op, kinds)
            and (kinds <= {"restore", "save"} or all(_is_plain(parts[0]) for parts in value))
        ):
            return OWN
        if kinds <= _UNUSED:
            if all(self._is_saver(parts) for parts in value):
                return UNUSED_SAVER
            if op in _READS and self._initializes(place, value):
                return INITIALIZER
        # A graph cut out of a TF2 SavedModel ends in its saver, as in any other call.
        if kinds == {"output"} and all(self._is_fed_saver(parts) for parts in value):
            return UNUSED_SAVER
        return FOREIGN

    def _paths(self, place: Place) -> Value:
        sources = self._subject.sources
        return tuple(
            parts for slot in _PATHS[place.node.op] for parts in sources.operand(place, slot)
        )

    def _is_saver(self, parts: tuple[Part, ...]) -> bool:
        """True where a caller gives the path, or it is one that Savers have."""
        head = parts[0]
        if not stays_inside(parts[1:]):
            return False
        if head.kind in (PLACEHOLDER, ARGUMENT) or (head.kind == CHECKPOINT and head.data is None):
            return True
        if head.kind not in (CHECKPOINT, CONSTANT, DEFAULT) or not _is_plain(head):
            return False
        return head.data == _USUAL_NAME or head.data in self._both_ways

    def _is_fed_saver(self, parts: tuple[Part, ...]) -> bool:
        """True where the path begins with a placeholder that saving and restoring share."""
        head = parts[0]
        if head.kind != PLACEHOLDER or head.place is None:
            return False
        return id(head.place.node) in self._both_ways and stays_inside(parts[1:])

    @cached_property
    def _both_ways(self) -> frozenset[object]:
        """File names (placeholders' ids) that the model both saves to and restores from, as a
        Saver does.
        """
        found: list[set[object]] = [set(), set()]
        for names, ops in zip(found, (_READS, _WRITES), strict=True):
            for place in self._subject.places(ops):
                for parts in self._paths(place):
                    head = parts[0]
                    if head.data is not None:
                        names.add(head.data)
                    elif head.place is not None:
                        names.add(id(head.place.node))
        return frozenset(found[0] & found[1])

    def _initializes(self, place: Place, value: Value) -> bool:
        """True where all that comes of a read is assigned to variables."""
        known = all(part.kind == CONSTANT and part.data for parts in value for part in parts)
        if not known or place.body.function is not None:
            return False
        wiring = self._wiring(place.body)
        number = wiring.index[place.node.name]
        seen = {number}
        stack = [number]
        while stack:
            for consumer in wiring.consumers[stack.pop()]:
                op = wiring.nodes[consumer].op
                if consumer in seen or op in ASSIGN_OPS:
                    continue
                if op not in _PASS_ON or len(seen) > _MOST_CONSUMERS:
                    return False
                seen.add(consumer)
                stack.append(consumer)
        return True

    def _wiring(self, body: Body) -> Wiring:
        found = self._wirings.get(id(body))
        if found is None:
            found = self._wirings[id(body)] = Wiring(body.graph)
        return found


def _runs_as_own(op: str, kinds: set[str]) -> bool:
    if kinds & {"call", "load", "signature"}:
        return False
    if op in _READS:
        return "restore" in kinds and "save" not in kinds
    if op in _WRITES:
        return "save" in kinds and "restore" not in kinds
    return bool(kinds & {"restore", "save"})


def _is_own(parts: tuple[Part, ...]) -> bool:
    return parts[0].kind == CHECKPOINT and stays_inside(parts[1:])


def _is_plain(part: Part) -> bool:
    """True for one component of a relative path, or none that the file tells."""
    if part.data is None:
        return part.kind in (CHECKPOINT, PLACEHOLDER, ARGUMENT)
    text = part.data.decode("utf-8", "replace")
    return part.whole and _PLAIN.fullmatch(text) is not None
