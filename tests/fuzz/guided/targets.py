"""The targets: bytes to a parser, and its model to all that inspect does."""

from __future__ import annotations

import bz2
import gzip
import io
import shlex
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn
from unittest.mock import patch

from migrator.errors import MigratorError, NeedsDecision
from migrator.formats import graph_def, meta_graph, saved_model
from migrator.formats.checkpoint import model as checkpoint
from migrator.formats.checkpoint.snappy import decompress
from migrator.formats.checkpoint.table import read_table
from migrator.formats.hdf5 import apart
from migrator.formats.keras import model as keras
from migrator.formats.load import load
from migrator.formats.messages import message_class
from migrator.formats.sniff import sniff
from migrator.formats.tflite import model as tflite
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


def _texts(kind: str, *patterns: str) -> Callable[[], Iterator[bytes]]:
    """Binary fixtures as text, by protobuf's own writer."""

    def seeds() -> Iterator[bytes]:
        from google.protobuf import text_format

        for data in _files(*patterns)():
            text: str = text_format.MessageToString(message_class(kind).FromString(data))
            if len(text) <= _SEED:
                yield text.encode()

    return seeds


def _without_library(read: Callable[[ByteSource, Limits], Model]) -> Callable[[bytes], None]:
    """``read`` without the processes that ask h5py: a fuzzer sees nothing of them, and they cost
    too much."""

    def refused(*_: object) -> NoReturn:
        raise MigratorError("is not asked here", where="fuzzed")

    guarded = _guarded(lambda source: read(source, LIMITS))

    def run(data: bytes) -> None:
        with patch.object(apart, "describe", refused), patch.object(apart, "fetch", refused):
            guarded(data)

    return run


def _archives() -> Iterator[bytes]:
    """A model, a SavedModel and an archive in each kind of archive."""
    graph = (FIXTURES / "tf1.4.1/mlp/model.pb").read_bytes()
    names = ("model.pb", "folder/saved_model.pb", "folder/tfhub_module.pb")
    inner = gzip.compress(graph, mtime=0)
    yield inner
    yield bz2.compress(graph)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), graph)
            archive.writestr(zipfile.ZipInfo("model.pb.gz"), inner)
        yield out.getvalue()
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(graph)
                tar.addfile(info, io.BytesIO(graph))
            link = tarfile.TarInfo("link.pb")
            link.type, link.linkname = tarfile.SYMTYPE, "model.pb"
            tar.addfile(link)
        yield out.getvalue()
        yield gzip.compress(out.getvalue(), mtime=0)


def _archive(data: bytes) -> None:
    """Whatever ``load`` finds in it, one member or one of several."""
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(data)
        file.flush()
        try:
            try:
                model = load(file.name, limits=LIMITS)
            except NeedsDecision as decision:
                assert decision.options
                model = load(shlex.split(decision.options[0])[0], limits=LIMITS)
            use(model)
        except MigratorError as error:
            assert_clear(error)


TARGETS: dict[str, Target] = {
    "archive": Target(run=_archive, seeds=_archives),
    "checkpoint": Target(
        run=_read_checkpoint, seeds=_files("*/**/*.index", "*/mg_version_1/**/model.ckpt-10")
    ),
    "checkpoint_entries": Target(
        run=lambda data: _read_checkpoint(_one_block(data)), seeds=_block_seeds
    ),
    "graph_def": Target(
        run=_guarded(lambda source: graph_def.read(source, LIMITS)),
        seeds=_files("tf*/*/*.pb", "dtypes/*.pb"),
    ),
    "graph_def_text": Target(
        run=_guarded(lambda source: graph_def.read(source, LIMITS, text=True)),
        seeds=_texts("GraphDef", "tf1.4.1/*/*.pb"),
    ),
    "keras_h5": Target(run=_without_library(keras.read_h5), seeds=_files("*/*/*.h5")),
    "keras_zip": Target(run=_without_library(keras.read_zip), seeds=_files("*/*/*.keras")),
    "meta_graph": Target(
        run=_guarded(lambda source: meta_graph.read(source, LIMITS)), seeds=_files("*/**/*.meta")
    ),
    "saved_model": Target(
        run=_guarded(lambda source: saved_model.read(source, LIMITS)),
        seeds=_files("*/**/saved_model.pb"),
    ),
    "saved_model_text": Target(
        run=_guarded(lambda source: saved_model.read(source, LIMITS, text=True)),
        seeds=_texts("SavedModel", "tf*/*/saved_model/saved_model.pb"),
    ),
    "sniff": Target(run=_guarded(_sniffed), seeds=_files("tf1.4.1/**/*")),
    "snappy": Target(run=_snappy, seeds=_snappy_seeds),
    "tflite": Target(
        run=_guarded(lambda source: tflite.read(source, LIMITS)), seeds=_files("*/*.tflite")
    ),
}
