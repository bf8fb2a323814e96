"""Strings: joined, split, parsed to tensors; what is read from files; summaries."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import SCALAR, UNKNOWN, Dims, Fact, broadcast, meet_size
from migrator.shapes.rules.reading import MOST_OUTPUTS, Op, Table, named, number, shapes


def joined(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """StringJoin: scalars, and others that are all of one shape."""
    dims: Dims | None = ()
    for fact in facts:
        if fact.dims == ():
            continue
        dims = broadcast(dims, fact.dims)
    return [Fact(dims)]


def split(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """A sparse tensor of rank 2."""
    return [Fact((None, 2)), Fact((None,)), Fact((2,))]


def decoded(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """DecodeRaw: one more dimension, of unknown size."""
    dims = facts[0].dims
    return () if dims is None else [Fact((*dims, None))]


def columns(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """DecodeCSV: a tensor a column, each as large as the records."""
    return [Fact(facts[0].dims)] * min(max(len(facts) - 1, 0), MOST_OUTPUTS)


def parsed(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """ParseExample: indices, values and shapes of sparse features; then the dense ones."""
    sparse = _listed(op, "num_sparse" if op.op.endswith("V2") else "Nsparse")
    dims = facts[0].dims
    if dims is None:
        return ()
    rank = 1 + len(dims)
    found = [Fact((None, rank))] * sparse + [Fact((None,))] * sparse + [Fact((rank,))] * sparse
    for dense in shapes(op, "dense_shapes")[:MOST_OUTPUTS]:
        found.append(UNKNOWN if dense is None else Fact((*dims, *dense)))
    return found  # of ragged ones, which come last, nothing is told


def parsed_single(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    sparse = _listed(op, "num_sparse")
    found = [Fact((None, 1))] * sparse + [Fact((None,))] * sparse + [Fact((1,))] * sparse
    found += [Fact(dense) for dense in shapes(op, "dense_shapes")[:MOST_OUTPUTS]]
    return found


def _listed(op: Op, key: str) -> int:
    count = number(op, key)
    if not 0 <= count <= MOST_OUTPUTS:
        raise ValueError(key)
    return count


def scalar(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [SCALAR]


def two_scalars(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [SCALAR, SCALAR]


def two_vectors(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((None,)), Fact((None,))]


def vector(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((None,))]


def decoded_paths(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """CTC decoders: a sparse tensor for each of the paths, and how likely they are."""
    paths = 1 if op.op == "CTCGreedyDecoder" else number(op, "top_paths")
    if not 0 <= paths <= MOST_OUTPUTS:
        raise ValueError("paths")
    frames, lengths = facts[0].dims, facts[1].dims
    batch = meet_size(frames[1] if frames else None, lengths[0] if lengths else None)
    return [
        *[Fact((None, 2))] * paths,
        *[Fact((None,))] * paths,
        *[Fact((2,))] * paths,
        Fact((batch, paths)),
    ]


RULES: Table = {
    "StringJoin": joined,
    **named("StringSplit StringSplitV2", split),
    **named("DecodeRaw DecodePaddedRaw", decoded),
    "DecodeCSV": columns,
    **named("ParseExample ParseExampleV2", parsed),
    "ParseSingleExample": parsed_single,
    "ParseTensor": lambda op, facts: [UNKNOWN],
    **named(
        "ReadFile ShardedFilename ShardedFilespec ScalarSummary HistogramSummary ImageSummary"
        " AudioSummary AudioSummaryV2 MergeSummary TensorSummary TensorSummaryV2"
        " SerializeTensor Timestamp IteratorToStringHandle TemporaryFileName",
        scalar,
    ),
    **named("ReaderRead ReaderReadV2", two_scalars),
    **named("ReaderReadUpTo ReaderReadUpToV2", two_vectors),
    **named("MatchingFiles", vector),
    **named("CTCGreedyDecoder CTCBeamSearchDecoder", decoded_paths),
}
