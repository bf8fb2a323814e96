"""How much two networks have in common: the share of nodes, and of layers, with a counterpart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from migrator.diffing.changes.nodes import ALIKE_OPS
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.result import NodeChange
from migrator.ops.state import VARIABLE_OPS

LAYERS = frozenset(
    "Conv1D Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput MatMul BatchMatMul "
    "BatchMatMulV2 Einsum GatherV2 ResourceGather LSTMBlockCell BlockLSTM CudnnRNN".split()
)
"""Ops that have weights of their own."""
_HOMES = (
    frozenset(("ReadVariableOp", "Identity", "RefIdentity")),
    frozenset(("Const", *VARIABLE_OPS)),
)
"""Ops that hold a weight, or hand it on, whatever its home is."""
_FEWEST = 4
"""Layers, or weights, from which on a share of them says something."""


def likeness(both: Counterparts, loose: Iterable[NodeChange]) -> tuple[float, str]:
    """The smaller of both shares, from 0 to 1, and what it is of: ``nodes`` or ``layers``.

    ``loose`` are nodes that came or went for no reason that is known. A node that is of another op
    now, in the place of the old one, is no counterpart of it.
    """
    pairs: Counter[str] = Counter()
    alone = Counter(item.op for item in loose)
    for one, other in both.to_right.items():
        ops = both.left.nodes[one].op, both.right.nodes[other].op
        if _are_alike(*ops):
            pairs[ops[0]] += 1
        else:
            alone.update(ops)
    nodes = _share(pairs.total(), alone.total())
    layers = [sum(counts[op] for op in LAYERS) for counts in (pairs, alone)]
    if sum(layers) < _FEWEST:
        return nodes, "nodes"
    return min((nodes, "nodes"), (_share(*layers), "layers"))


def _are_alike(one: str, other: str) -> bool:
    if one == other or ALIKE_OPS.get(one, one) is ALIKE_OPS.get(other, other):
        return True
    return any(one in group and other in group for group in _HOMES)


def _share(pairs: int, alone: int) -> float:
    return 2 * pairs / (2 * pairs + alone) if pairs + alone else 1.0


def shape_share(same: int, others: int) -> float:
    """Of the weights with a counterpart, the share of those that are of one shape on both sides;
    1 where they are too few to say anything.
    """
    return same / (same + others) if same + others >= _FEWEST else 1.0
