"""What the graphs inside of a model's strings hold."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from migrator.auditing.contents.bodies import Body
from migrator.model.graph import Node
from migrator.ops.dangerous import dangerous_ops

if TYPE_CHECKING:
    from migrator.auditing.subject import Subject


class NestedGraphs:
    """The graphs inside of a subject's strings."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._seen: dict[int, frozenset[str]] = {}

    @cached_property
    def roots(self) -> tuple[Body, ...]:
        """Top levels of the hidden graphs."""
        return tuple(
            body
            for body in self._subject.bodies
            if body.holder is not None and body.function is None
        )

    @cached_property
    def _inside(self) -> dict[int, list[Body]]:
        """Hidden graph -> all bodies in it, those hidden deeper too."""
        found: dict[int, list[Body]] = {}
        root_of = {id(body.graph): body for body in self.roots}
        for body in self._subject.bodies:
            outer: Body | None = body
            while outer is not None and outer.holder is not None:
                found.setdefault(id(root_of[id(outer.graph)]), []).append(body)
                outer = outer.holder.body
        return found

    def dangerous_ops_in(self, roots: Iterable[Body]) -> list[str]:
        """Dangerous ops of the hidden graphs, each once, in the table's order."""
        there = frozenset().union(*map(self._dangerous, roots))
        return [op for op in dangerous_ops() if op in there]

    def _dangerous(self, root: Body) -> frozenset[str]:
        """Worked out once: many nodes may run one graph."""
        found = self._seen.get(id(root))
        if found is None:
            found = self._seen[id(root)] = frozenset(
                node.op
                for body in self._inside.get(id(root), ())
                for node in body.nodes
                if _is_dangerous(node)
            )
        return found


def _is_dangerous(node: Node) -> bool:
    op = dangerous_ops().get(node.op)
    if op is None or node.op in ("ShardedFilename", "ShardedFilespec"):
        return False
    if op.optional and op.attrs:
        value = node.attrs.get(op.attrs[0])
        if node.op == "PrintV2":
            return not isinstance(value, bytes) or value.startswith(b"file://")
        return value not in (None, b"", [], [b""])
    return not op.optional
