"""What cheap ops give for constants, worked out in numpy bit for bit as TensorFlow's kernels do.

Where the two could part (NaN, subnormal numbers, which the kernels flush to zero, signed zeros,
integer division by zero, casts out of range) or where TensorFlow would refuse, there is no
answer and the node stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from migrator.errors import MigratorError
from migrator.migration.passes.optimize.arithmetic import ARITHMETIC, ROUNDED
from migrator.migration.passes.optimize.bounds import Evaluator, NoAnswer
from migrator.migration.passes.optimize.moves import MOVES
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor
from migrator.ops.registry import input_dtypes, output_dtypes


def evaluate(
    node: Node, inputs: Sequence[LazyTensor], most: int, *, rounded: bool = False
) -> Any | None:
    """The one output of ``node`` as an array of at most ``most`` bytes, None where unknown.

    ``rounded`` allows ops whose kernels differ from machine to machine in their last bit.
    """
    import numpy as np

    known = node.op in EXACT or (rounded and node.op in ROUNDED)
    if not known or not _types_hold(node, inputs):
        return None
    made = output_dtypes(node)
    if made is None or len(made) != 1 or made[0].kind not in _KINDS:
        return None
    try:
        if node.op in _SHAPE_ONLY:
            found = _about_shape(node, inputs[0])
        else:
            with np.errstate(all="ignore"):
                function = EXACT.get(node.op) or ROUNDED[node.op]
                found = function(node, [value.numpy() for value in inputs], most)
        found = np.asarray(found)
    except (
        NoAnswer,
        MigratorError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
    ):
        return None  # what TensorFlow would refuse, too
    if found.dtype != made[0].numpy() or found.nbytes > most:
        return None
    return np.ascontiguousarray(found).reshape(found.shape)


_KINDS = frozenset("fiubc")
"""No strings, handles or quantised types."""
_SHAPE_ONLY = frozenset(("Shape", "Size", "Rank"))


def _types_hold(node: Node, inputs: Sequence[LazyTensor]) -> bool:
    """The graph may lie about types; TensorFlow would then refuse it."""
    taken = input_dtypes(node)
    if taken is None or len(taken) != len(inputs):
        return False
    return all(
        dtype == value.dtype and dtype.kind in _KINDS and value.shape.elements is not None
        for dtype, value in zip(taken, inputs, strict=True)
    )


def _about_shape(node: Node, value: LazyTensor) -> Any:
    import numpy as np

    (dtype,) = output_dtypes(node) or (None,)
    dims = value.shape.dims
    if dtype is None or dims is None:
        raise NoAnswer
    found: Any = {"Shape": dims, "Size": value.elements, "Rank": len(dims)}[node.op]
    array = np.array(found, dtype=np.int64)
    if array.size and int(array.max()) > np.iinfo(dtype.numpy()).max:
        raise NoAnswer
    return array.astype(dtype.numpy())


def _unread(_: Node, inputs: Sequence[Any], most: int) -> Any:
    raise NoAnswer  # evaluate() takes these from the shape alone


EXACT: dict[str, Evaluator] = {
    **dict.fromkeys(_SHAPE_ONLY, _unread),
    **MOVES,
    **ARITHMETIC,
}
"""Ops of one output whose results are the same on every machine."""
