"""What a worker must have to do a task, asked of all before anything runs, and of each later."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrator._version import __version__
from migrator.batching.executors.cluster.scheduler import Scheduler
from migrator.batching.job.places import unwritable, working_folder
from migrator.batching.storage.stores import PATIENCE, Store
from migrator.batching.task import WITH_TENSORFLOW, Json, task_from_json
from migrator.errors import MigratorError
from migrator.places.addresses import is_remote

_SHOWN = 5
_SEEN_LATE = 3.0
"""Seconds that a new file may take to be seen over a network."""
_STORE = 20.0
"""Seconds for a store to answer."""


def with_tensorflow(task: Json) -> bool:
    return not WITH_TENSORFLOW.isdisjoint(task["steps"])


class Fitness:
    """What the workers of ``scheduler`` must have for the tasks of one run.

    ``begin`` before the first of them, ``close`` after the last.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._common: Json = {}
        self._probe: Path | None = None

    def begin(self, task: Json) -> None:
        """See that all workers that there are can do ``task``, and so its like.

        Raises MigratorError where one cannot, DestinationError for DEST.
        """
        self._common = {
            "version": __version__,
            "probe": self._make_probe(task),
            "stores": [
                address
                for address in (task["dest"], task["source"])
                if is_remote(address) and not _unreachable(address)
            ],
        }
        source = task["source"]
        is_here = not is_remote(source) and os.path.exists(source)
        faults = dict(self._faults({**self.of(task), "source": source if is_here else ""}))
        if faults:
            told = "; ".join(f"{who} {why}" for who, why in sorted(faults.items())[:_SHOWN])
            more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
            raise MigratorError(
                f"it is not fit for these tasks: {told}{more}",
                where=self._scheduler.cluster,
                hint="give scheduler and workers the same migrator as here, TensorFlow, and the "
                "same files",
            )

    def of(self, task: Json) -> Json:
        """What ``unfitness`` is to look at for ``task``."""
        return {**self._common, "tensorflow": with_tensorflow(task), "source": ""}

    def close(self) -> None:
        if self._probe is not None:
            with contextlib.suppress(OSError):
                self._probe.unlink()

    def _faults(self, needs: Json) -> Iterator[tuple[str, str]]:
        """Who is not fit, and why."""
        told = {
            **self._scheduler.client.run(unfitness, needs, on_error="return"),
            "the scheduler": self._on_scheduler(needs),
        }
        for who, found in told.items():
            if isinstance(found, ImportError):
                yield who, f"cannot import it: {found}"
            elif isinstance(found, OSError):
                continue  # it left while it was asked; who comes is asked with each task
            elif isinstance(found, BaseException):
                yield who, f"cannot tell: {type(found).__name__}: {found}"
            elif found:
                yield who, str(found)

    def _on_scheduler(self, needs: Json) -> Any:
        """It reads tasks, so it needs the same version; but neither TensorFlow nor files."""
        alone = {**needs, "tensorflow": False, "probe": "", "stores": [], "source": ""}
        try:
            return self._scheduler.client.run_on_scheduler(unfitness, alone)
        except Exception as error:
            return error

    def _make_probe(self, task: Json) -> str:
        """A new file in DEST, that all workers must see."""
        if is_remote(task["dest"]):
            return ""
        folder = Path(os.path.abspath(working_folder(task_from_json(task)).parent))
        self._probe = folder / f"probe-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._probe.write_bytes(b"")
        except OSError as error:
            raise unwritable(error, folder) from None
        return str(self._probe)


def unfitness(needs: Json) -> str:
    """Why nothing can be done here, empty where it can.

    ``needs``: ``version`` of migrator; ``tensorflow``: that there is one; ``probe`` and
    ``source``: files that must be seen from here, empty for none; ``stores``: addresses that must
    be reached from here.
    """
    try:
        _check_here(json.dumps(needs, sort_keys=True))
    except _Unfit as why:
        return str(why)
    return ""


class _Unfit(Exception):
    pass


@functools.lru_cache(maxsize=64)
def _check_here(told: str) -> None:
    """Raises _Unfit. Only what is well is kept in mind: what is missing may come."""
    import importlib.util

    needs = json.loads(told)
    if needs["version"] != __version__:
        raise _Unfit(f"has migrator {__version__}, and {needs['version']} is asked for")
    if needs["tensorflow"] and importlib.util.find_spec("tensorflow") is None:
        raise _Unfit("has no TensorFlow")
    if needs["probe"] and not _is_seen(needs["probe"]):
        folder = os.path.dirname(os.path.dirname(needs["probe"]))
        raise _Unfit(
            f"does not see the files of {folder}, which must be on a file system that all share"
        )
    if needs["source"] and not _is_seen(needs["source"]):
        raise _Unfit(f"does not see the source {needs['source']}")
    for address in needs["stores"]:
        if why := _unreachable(address):
            raise _Unfit(f"does not reach what we reach: {why}")


def _unreachable(address: str) -> str:
    """Why nothing can be read or listed there; empty where it can, if there is nothing too."""
    try:
        store = Store(address, replace(PATIENCE, whole=_STORE))
        store.info(store.path)
    except MigratorError as error:
        return str(error)
    return ""


def _is_seen(path: str) -> bool:
    deadline = time.monotonic() + _SEEN_LATE
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
