"""Where the elements of a dataset come from, as far as one body shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.rules.security.attacks import Told, what_it_is_told
from migrator.auditing.strings.arguments import ASSET
from migrator.model.graph import Node
from migrator.ops.dangerous import DATASET, READ, dangerous_ops
from migrator.ops.registry import op_facts

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject

_MOST_STEPS = 1_000_000


class DatasetSources:
    """What datasets of a subject read. All its answers together take a bounded walk."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._nodes: dict[int, dict[str, Node]] = {}
        self._told: dict[tuple[int, str], Told | None] = {}
        self._left = _MOST_STEPS

    def told(self, place: Place) -> Told | None:
        """What the dataset of InitializeTableFromDataset reads; None where it lies in memory.

        A dataset that the body is given, or that comes from an unknown op, counts as reading.
        """
        refs = place.node.data_refs
        if len(refs) < 2:
            return Told()
        key = (id(place.body), refs[1].node)
        if key not in self._told:
            self._told[key] = self._read(place.body, refs[1].node)
        return self._told[key]

    def _read(self, body: Body, dataset: str) -> Told | None:
        nodes = self._nodes.get(id(body))
        if nodes is None:
            nodes = self._nodes[id(body)] = {node.name: node for node in body.nodes}
        stack, seen = [dataset], {dataset}
        asset: Told | None = None
        while stack:
            self._left -= 1
            node = nodes.get(stack.pop())
            if node is None or self._left < 0 or not _is_known(node):
                return Told()
            op = dangerous_ops().get(node.op)
            if op is not None and op.group in (DATASET, READ):
                told = what_it_is_told(self._subject, Place(body, node), op)
                if told.origin != ASSET:
                    return told
                asset = told
            for ref in node.data_refs:
                if ref.node not in seen:
                    seen.add(ref.node)
                    stack.append(ref.node)
        return asset


def _is_known(node: Node) -> bool:
    return op_facts(node.op) is not None and node.op not in (
        "Placeholder",
        "_Arg",
        "_DeviceArg",
        "OptionalGetValue",
        "IteratorGetNext",
    )
