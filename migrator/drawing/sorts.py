"""What sort of work an op does: what a picture tells apart by colour."""

from __future__ import annotations

import re

from migrator.inspection.summary import FUNCTIONAL_CONTROL_FLOW, V1_CONTROL_FLOW

SORTS = (
    "other",
    "ends",
    "layer",
    "active",
    "norm",
    "pool",
    "shape",
    "flow",
    "call",
    "state",
    "data",
)
_FLOW = V1_CONTROL_FLOW | FUNCTIONAL_CONTROL_FLOW
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient"))
_RULES = tuple(
    (sort, re.compile(pattern))
    for sort, pattern in (
        ("ends", r"Placeholder|_Arg$|_Retval$|IteratorGetNext"),
        ("layer", r"Conv\d|Conv[23]D|MatMul|Einsum|LSTM|GRU|RNN|Embedding|Gather|BiasAdd"),
        ("norm", r"Norm|LRN$|Rsqrt$|Moments"),
        ("active", r"Relu|Elu$|Selu$|Sigmoid$|Tanh$|Softmax|Softplus|Softsign|Swish|Erf$"),
        ("pool", r"Pool|^Mean$|^Sum$|^Max$|^Min$|^Prod$|Resize|ArgM"),
        (
            "shape",
            r"Reshape|Shape|Transpose|Squeeze|ExpandDims|Slice|Concat|Pack|Split|Pad|Tile|Range|Cast|Fill",
        ),
        ("state", r"Variable|Assign|Save|Restore|Table|Queue|TensorArray|TensorList|Summary|Stack"),
        ("data", r"Decode|Parse|String|Regex|Dataset|Iterator|Sparse|Read|Hash|Bucket|Lookup"),
    )
)


def sort_of(op: str) -> str:
    """One of ``SORTS``."""
    if op in _FLOW:
        return "flow"
    if op in _CALLS:
        return "call"
    return next((sort for sort, rule in _RULES if rule.search(op[:80])), "other")
