"""The stamps of many sources at addresses, asked for at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrator.batching.ledger.ledger import Ledger
from migrator.batching.storage.stamps import Stamp, has_others, stamp_of
from migrator.batching.storage.stores import each
from migrator.batching.task import Task
from migrator.places.addresses import is_remote

_AT_A_TIME = 32


def stamps_of(
    tasks: Iterable[Task], ledger: Ledger, known: Mapping[str, Stamp]
) -> dict[str, Stamp]:
    """Name -> stamp for those tasks whose sources lie at addresses, and that the ledger knows.

    ``known`` has stamps by source, as a listing told them. Raises StorageError.
    """
    found = {}
    unknown = []
    for task in tasks:
        if not is_remote(task.source) or not ledger.outcome_of(task.name):
            continue
        if task.source in known and not has_others(task):
            found[task.name] = known[task.source]
        else:
            unknown.append(task)
    for task, stamp in each(stamp_of, unknown, jobs=_AT_A_TIME):
        found[task.name] = stamp
    return found
