"""Random numbers by distribution, quantised twins, recurrent cells in one op, sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import (
    SCALAR,
    UNKNOWN,
    Fact,
    broadcast,
    meet_size,
    scalar,
    sizes,
    with_rank,
)
from migrator.shapes.rules.moves import joined
from migrator.shapes.rules.reading import Op, Table, flag, named, number, text


def categorical(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Multinomial: so many samples of each row."""
    rows = facts[0].dims
    return [Fact((rows[0] if rows else None, scalar(facts[1])))]


def by_parameter(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """RandomGamma, RandomPoisson: samples of that shape for each of the parameters."""
    front, rest = sizes(facts[0]), facts[1].dims
    return () if front is None or rest is None else [Fact((*front, *rest))]


def candidates(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Sampled classes, and how often each of the true and of the sampled ones is expected."""
    sampled, batch = number(op, "num_sampled"), facts[0].dims
    true = Fact((batch[0] if batch else None, number(op, "num_true")))
    return [Fact((sampled,)), true, Fact((sampled,))]


# Quantised twins of other ops give their range as well.


def with_range(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims), SCALAR, SCALAR]


def quantized(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    axis = number(op, "axis", -1)
    dims = facts[0].dims
    if axis == -1:
        return [Fact(dims), SCALAR, SCALAR]
    size = dims[axis] if dims is not None else None
    return [Fact(dims), Fact((size,)), Fact((size,))]


def quantized_bias(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims), SCALAR, SCALAR]


def quantized_pair(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(broadcast(facts[0].dims, facts[1].dims)), SCALAR, SCALAR]


def quantized_concat(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    parts = number(op, "N")
    return [joined(facts[1 : 1 + parts], scalar(facts[0])), SCALAR, SCALAR]


def two_scalars(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [SCALAR, SCALAR]


# Recurrent cells


def block_lstm(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Seven tensors of (time, batch, units)."""
    frames, state = with_rank(facts[1].dims, 3), with_rank(facts[2].dims, 2)
    return [Fact((frames[0], meet_size(frames[1], state[0]), state[1]))] * 7


def lstm_cell(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    rows, state = with_rank(facts[0].dims, 2), with_rank(facts[1].dims, 2)
    return [Fact((meet_size(rows[0], state[0]), state[1]))] * 7


def gru_cell(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    rows, state = with_rank(facts[0].dims, 2), with_rank(facts[1].dims, 2)
    return [Fact((meet_size(rows[0], state[0]), state[1]))] * 4


def cudnn(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Frames (time, batch, units of all directions), then the states."""
    frames, state = with_rank(facts[0].dims, 3), with_rank(facts[1].dims, 3)
    both = 2 if text(op, "direction", "unidirectional") == "bidirectional" else 1
    units = None if state[2] is None else state[2] * both
    if not flag(op, "time_major", True):
        return [UNKNOWN, Fact(facts[1].dims)]
    hidden = Fact(facts[1].dims)
    cells = hidden if text(op, "rnn_mode", "lstm") == "lstm" else UNKNOWN
    return [Fact((frames[0], frames[1], units)), hidden, cells]


# Sparse tensors


def sparse_matmul(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    sparse, dense = facts[2].values or (None, None), with_rank(facts[3].dims, 2)
    rows = sparse[1] if flag(op, "adjoint_a") else sparse[0]
    return [Fact((rows, dense[0] if flag(op, "adjoint_b") else dense[1]))]


def dense_from(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(sizes(facts[1]))]


def sparse_reshaped(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    indices, wanted = facts[0].dims, facts[2].dims
    rank = wanted[0] if wanted else None
    return [Fact((indices[0] if indices else None, rank)), Fact((rank,))]


def sparse_ordered(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[0].dims), Fact(facts[1].dims)]


def sparse_filled(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    indices, whole = facts[0].dims, facts[2].values
    rank = indices[1] if indices is not None and len(indices) == 2 else None
    rows = Fact((whole[0] if whole else None,))
    places = facts[1].dims[0] if facts[1].dims else None
    return [Fact((None, rank)), Fact((None,)), rows, Fact((places,))]


def sparse_concat(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    parts = number(op, "N")
    ranks = [fact.dims[1] for fact in facts[:parts] if fact.dims and len(fact.dims) == 2]
    rank = next((size for size in ranks if size is not None), None)
    rows = [fact.dims[0] if fact.dims else None for fact in facts[:parts]]
    total: int | None = 0
    for size in rows:
        total = None if total is None or size is None else total + size
    return [Fact((total, rank)), Fact((total,)), Fact((rank,))]


def sparse_sliced(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    whole = facts[2].dims
    rank = whole[0] if whole else None
    return [Fact((None, rank)), Fact((None,)), Fact((rank,))]


def sparse_product(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(facts[1].dims)]


def edit_distance(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    one, two = facts[2].values, facts[5].values
    if one is None or two is None or len(one) != len(two):
        return ()
    found: list[int | None] = []
    for a, b in zip(one[:-1], two[:-1], strict=True):
        found.append(None if a is None or b is None else max(a, b))
    return [Fact(tuple(found))]


def counted(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Bincount: as many bins as it is told."""
    return [Fact((scalar(facts[1]),))]


def buckets(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """BoostedTreesBucketize: a bucket for each value of each feature."""
    return [Fact(fact.dims) for fact in facts[: number(op, "num_features")]]


RULES: Table = {
    "BoostedTreesBucketize": buckets,
    **named("Multinomial StatelessMultinomial", categorical),
    **named("RandomGamma RandomPoisson RandomPoissonV2", by_parameter),
    **named(
        "UniformCandidateSampler LogUniformCandidateSampler LearnedUnigramCandidateSampler"
        " FixedUnigramCandidateSampler AllCandidateSampler ThreadUnsafeUnigramCandidateSampler",
        candidates,
    ),
    **named(
        "QuantizedRelu QuantizedRelu6 QuantizedReluX Requantize QuantizeDownAndShrinkRange"
        " QuantizedInstanceNorm QuantizedBatchNormWithGlobalNormalization",
        with_range,
    ),
    "QuantizeV2": quantized,
    "QuantizedBiasAdd": quantized_bias,
    **named("QuantizedAdd QuantizedMul", quantized_pair),
    "QuantizedConcat": quantized_concat,
    "RequantizationRange": two_scalars,
    **named("BlockLSTM BlockLSTMV2", block_lstm),
    "LSTMBlockCell": lstm_cell,
    "GRUBlockCell": gru_cell,
    **named("CudnnRNN CudnnRNNV2 CudnnRNNV3", cudnn),
    "SparseTensorDenseMatMul": sparse_matmul,
    "SparseToDense": dense_from,
    "SparseReshape": sparse_reshaped,
    "SparseReorder": sparse_ordered,
    "SparseFillEmptyRows": sparse_filled,
    "SparseConcat": sparse_concat,
    "SparseSlice": sparse_sliced,
    **named(
        "SparseSoftmax SparseDenseCwiseAdd SparseDenseCwiseMul SparseDenseCwiseDiv",
        sparse_product,
    ),
    "EditDistance": edit_distance,
    "Bincount": counted,
}
