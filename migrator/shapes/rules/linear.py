"""Products of matrices, and what is done to matrices."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import SCALAR, Dims, Fact, broadcast, meet_size, with_rank
from migrator.shapes.rules.reading import Op, Table, flag, named, text


def matmul(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    left, right = with_rank(facts[0].dims, 2), with_rank(facts[1].dims, 2)
    rows, columns = left[flag(op, "transpose_a")], right[not flag(op, "transpose_b")]
    return [Fact((rows, columns))]


def quantized_matmul(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [*matmul(op, facts), SCALAR, SCALAR]


def batch_matmul(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    left, right = facts[0].dims, facts[1].dims
    if left is None or right is None:
        return ()
    rows = left[-1] if flag(op, "adj_x") else left[-2]
    columns = right[-2] if flag(op, "adj_y") else right[-1]
    front = broadcast(left[:-2], right[:-2])
    return () if front is None else [Fact((*front, rows, columns))]


def bias_add(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, bias = facts[0].dims, facts[1].dims
    if dims is None or not bias:
        return [Fact(dims)]
    at = 1 if text(op, "data_format", "NHWC").startswith("NC") else len(dims) - 1
    if not 0 <= at < len(dims):
        return [Fact(dims)]
    return [Fact((*dims[:at], meet_size(dims[at], bias[0]), *dims[at + 1 :]))]


def bias_gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    channels_first = text(op, "data_format", "NHWC").startswith("NC")
    return [Fact((None if dims is None else dims[1 if channels_first else -1],))]


def einsum(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """By the equation. Source: the notation of ``tf.einsum``, with ``...`` for what broadcasts."""
    left, arrow, right = text(op, "equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow or len(terms) != len(facts):
        return ()
    sizes: dict[str, int | None] = {}
    front: Dims | None = ()
    for term, fact in zip(terms, facts, strict=True):
        before, dots, after = term.partition("...")
        if fact.dims is None:
            if dots:
                front = None
            for label in before + after:
                sizes.setdefault(label, None)
            continue
        dims = fact.dims
        middle = len(dims) - len(before) - len(after)
        if middle < 0 or (middle and not dots):
            return ()
        if dots:
            front = broadcast(front, dims[len(before) : len(before) + middle])
        for label, size in zip(
            before + after, dims[: len(before)] + dims[len(before) + middle :], strict=True
        ):
            sizes[label] = meet_size(sizes.get(label), size)
    before, dots, after = right.partition("...")
    if dots and front is None:
        return ()
    kept = front if dots and front is not None else ()
    return [Fact((*(sizes[label] for label in before), *kept, *(sizes[label] for label in after)))]


def diag(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    return () if dims is None else [Fact(dims + dims)]


def diag_part(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    if dims is None or len(dims) % 2:
        return ()
    half = len(dims) // 2
    pairs = zip(dims[:half], dims[half:], strict=True)
    return [Fact(tuple([meet_size(a, b) for a, b in pairs]))]


def matrix_diag(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    return [Fact((*dims, dims[-1]))] if dims else ()


def matrix_diag_part(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    if dims is None:
        return ()
    rows, columns = dims[-2], dims[-1]
    least = None if rows is None or columns is None else min(rows, columns)
    return [Fact((*dims[:-2], least))]


def solve(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """MatrixSolve, MatrixTriangularSolve: as large as what stands on the right."""
    left, right = facts[0].dims, facts[1].dims
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return ()
    front = broadcast(left[:-2], right[:-2])
    if front is None:
        return ()
    return [Fact((*front, meet_size(left[-1], left[-2]), right[-1]))]


def determinant(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    found = Fact(None if dims is None else dims[:-2])
    return [found, found] if op.op == "LogMatrixDeterminant" else [found]


def cross(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims if facts[0].dims is not None else facts[1].dims)]


RULES: Table = {
    **named("MatMul SparseMatMul _FusedMatMul", matmul),
    "QuantizedMatMul": quantized_matmul,
    **named("BatchMatMul BatchMatMulV2 BatchMatMulV3 _FusedBatchMatMulV2", batch_matmul),
    **named("BiasAdd BiasAddV1", bias_add),
    "BiasAddGrad": bias_gradient,
    "Einsum": einsum,
    "Diag": diag,
    "DiagPart": diag_part,
    "MatrixDiag": matrix_diag,
    "MatrixDiagPart": matrix_diag_part,
    **named("MatrixSolve MatrixTriangularSolve", solve),
    **named("MatrixDeterminant LogMatrixDeterminant", determinant),
    "Cross": cross,
}
