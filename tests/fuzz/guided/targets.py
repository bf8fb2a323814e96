"""The targets: bytes to a parser, and its model to all that inspect does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from migrator.errors import MigratorError
from migrator.formats import graph_def, meta_graph, saved_model
from migrator.formats.checkpoint import model as checkpoint
from migrator.formats.checkpoint.snappy import decompress
from migrator.formats.checkpoint.table import read_table
from migrator.formats.sniff import sniff
from migrator.limits import Deadline, Limits
from migrator.model.graph import Graph
from migrator.model.model import Model
from migrator.model.tensors import LazyTensor
from migrator.places.source import ByteSource
from tests import tables, wire
from tests.corpus import FIXTURES
from tests.fuzz.survive import assert_clear, use

LIMITS = Limits(
    skeleton_bytes=16 << 20,
    nodes=20_000,
    functions=2_000,
    variables=20_000,
    tensor_bytes=4 << 20,
    decompressed_bytes=16 << 20,
    members=2_000,
    seconds=5.0,
)
_SEED = 32 << 10
"""Longer fixtures are no seeds: what the fuzzer changes in them is mostly weights."""
_DECODED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``run`` lets nothing but a bug's exception out; ``seeds`` are what the fuzzer begins with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def _guarded(work: Callable[[ByteSource], Model | None]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        source = ByteSource.of_bytes(data, name="fuzzed")
        source.deadline = Deadline(LIMITS)
        try:
            model = work(source)
            if model is not None:
                use(model)
                _decode(model)
        except MigratorError as error:
            assert_clear(error)

    return run


def _decode(model: Model) -> None:
    """The values of some small tensors."""
    found = [value for _, value in zip(range(_DECODED), model.variables.values(), strict=False)]
    for meta in model.meta_graphs:
        found += _constants(meta.graph)[:_DECODED]
    for value in found:
        if value.nbytes > 1 << 20:
            continue
        try:
            value.place()
            value.numpy()
        except MigratorError:
            continue


def _constants(graph: Graph) -> list[LazyTensor]:
    values = (node.attrs.get("value") for node in graph.all_nodes() if node.op == "Const")
    return [value for value in values if isinstance(value, LazyTensor)]


def _files(*patterns: str) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for pattern in patterns:
            for path in sorted(FIXTURES.glob(pattern)):
                if path.is_file() and path.stat().st_size <= _SEED:
                    yield path.read_bytes()

    return seeds


def _snappy_seeds() -> Iterator[bytes]:
    yield b"\x00"
    yield b"\x05\x10hello"
    yield b"\x0c\x00a\x15\x01\x0cbcde"


def _snappy(data: bytes) -> None:
    try:
        decompress(data)
    except MigratorError as error:
        assert error.what


def _sniffed(source: ByteSource) -> None:
    sniff(source, LIMITS)


_read_checkpoint = _guarded(lambda source: checkpoint.read(source, LIMITS))


def _one_block(data: bytes) -> bytes:
    """A checkpoint's index whose entries are ``data``: its checksums are right, so that the
    fuzzer comes past them."""
    block = tables.stored_block(data)
    handle = wire.varint(0) + wire.varint(len(data))
    handles = tables.stored_block(tables.entries_block([(b"\xff", handle)]))
    none = tables.stored_block(tables.entries_block([]))
    footer = wire.varint(len(block)) + wire.varint(len(none) - 5)
    footer += wire.varint(len(block) + len(none)) + wire.varint(len(handles) - 5)
    return block + none + handles + footer.ljust(40, b"\0") + tables.MAGIC


def _block_seeds() -> Iterator[bytes]:
    for data in _files("*/**/*.index")():
        yield tables.entries_block(list(read_table(ByteSource.of_bytes(data), LIMITS)))


TARGETS: dict[str, Target] = {
    "checkpoint": Target(run=_read_checkpoint, seeds=_files("*/**/*.index")),
    "checkpoint_entries": Target(
        run=lambda data: _read_checkpoint(_one_block(data)), seeds=_block_seeds
    ),
    "graph_def": Target(
        run=_guarded(lambda source: graph_def.read(source, LIMITS)),
        seeds=_files("tf*/*/*.pb", "dtypes/*.pb"),
    ),
    "meta_graph": Target(
        run=_guarded(lambda source: meta_graph.read(source, LIMITS)), seeds=_files("*/**/*.meta")
    ),
    "saved_model": Target(
        run=_guarded(lambda source: saved_model.read(source, LIMITS)),
        seeds=_files("*/**/saved_model.pb"),
    ),
    "sniff": Target(run=_guarded(_sniffed), seeds=_files("tf1.4.1/**/*")),
    "snappy": Target(run=_snappy, seeds=_snappy_seeds),
}
