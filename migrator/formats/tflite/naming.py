"""Names of nodes and tensors: TFLite's operators have none, and its tensors may share theirs."""

from __future__ import annotations

from migrator.formats.tflite.subgraphs import SubgraphRow
from migrator.model.tensors import TensorRef


class Names:
    """Names that are given once. A second one gets ``#`` and a number behind it."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, name: str, number: int | str) -> str:
        """``name``, or ``name#number`` where it is taken, ``tensor#number`` for none."""
        found = name or f"tensor#{number}"
        again = 0
        while found in self._taken:
            again += 1
            found = f"{name}#{number}" if again == 1 else f"{name}#{number}#{again}"
        self._taken.add(found)
        return found


def node_name(tensor: str) -> str:
    """A node's name for the tensor that it makes first: without ``:0``, and so that no reference
    to it can be read in two ways."""
    name = tensor.removesuffix(":0") if len(tensor) > 2 else tensor
    return name.replace(":", "_").lstrip("^") if ":" in name or name[:1] == "^" else name


def shown_name(tensor: str, node: str, port: int) -> str:
    """The tensor's own name where that leads to its node, else ``node:port``."""
    if TensorRef.parse(tensor) == TensorRef(node, port):
        return tensor
    return f"{node}:{port}"


def function_names(subgraphs: list[SubgraphRow]) -> list[str]:
    """A name for each subgraph: its own, made unique."""
    names = Names()
    return [names.give(row.name or f"subgraph_{row.index}", row.index) for row in subgraphs]
