"""The files of a checkpoint, of either version: its index read, its values ready to be had."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.errors import MigratorError
from migrator.formats.checkpoint.entries import Index, VersionOne, read_index
from migrator.formats.checkpoint.locate import old_prefix
from migrator.formats.checkpoint.shards import Shards
from migrator.formats.checkpoint.stored import ShardValues
from migrator.formats.checkpoint.table import Table
from migrator.formats.checkpoint.table_values import TableValues
from migrator.formats.checkpoint.values import Values
from migrator.formats.checkpoint.version1 import (
    read_version_1,
    shard_places,
    starts_as_version_1,
)
from migrator.limits import Limits
from migrator.places.place import Place
from migrator.places.source import ByteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFiles:
    """``problems`` are what is wrong with single files of version 1, or with entries."""

    version: int
    prefix: Place
    index: Index
    values: Values
    problems: tuple[MigratorError, ...] = ()


def open_files(source: ByteSource, limits: Limits, place: Place) -> OpenFiles:
    """Open what ``place``, whose bytes are ``source``, belongs to. Raises MigratorError."""
    if starts_as_version_1(source, limits):
        return _version_1(source, limits, place)
    try:
        index = read_index(source, limits)
    except VersionOne:
        return _version_1(source, limits, place)
    prefix = place.sibling(place.base.removesuffix(".index") or place.base)
    values = ShardValues(Shards(prefix, index.shards), index, limits)
    return OpenFiles(version=2, prefix=prefix, index=index, values=values)


def _version_1(source: ByteSource, limits: Limits, place: Place) -> OpenFiles:
    places = shard_places(place)
    values = TableValues(places, limits)
    tables: list[Table | None] = []
    problems = []
    for shard, item in enumerate(places):
        table = None
        if str(item) == str(place) or item.is_file():
            try:
                own = source if str(item) == str(place) else item.open()
                own.deadline = source.deadline
                table = Table(own, limits)
                values.adopt(shard, table)
            except MigratorError as error:
                if len(places) == 1:
                    raise
                problems.append(error)
        tables.append(table)
    if problems and not any(tables):
        raise problems[0]
    index, more = read_version_1(tables, limits)
    for table in filter(None, tables):
        table.source.deadline = source.deadline if table.source is source else None
    return OpenFiles(
        version=1,
        prefix=old_prefix(place),
        index=index,
        values=values,
        problems=(*problems, *more),
    )
