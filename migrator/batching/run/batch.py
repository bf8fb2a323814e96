"""The public call: models from sources, tasks, a run, its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from migrator.batching.job.task_function import run_task
from migrator.batching.ledger.before import check_sources, with_decisions
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.ledger.lock import DestinationLock
from migrator.batching.ledger.recovery import catch_up, outcomes_here
from migrator.batching.ledger.source_stamps import stamps_of
from migrator.batching.run.events import Watcher
from migrator.batching.run.running import BatchResult as BatchResult
from migrator.batching.run.running import Run, Work
from migrator.batching.storage.stamps import Stamp
from migrator.batching.task import (
    DEFAULT_STEPS,
    Json,
    Task,
    name_clashes,
)
from migrator.errors import UsageError
from migrator.files import new_temporary_folder
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.options import Choice
from migrator.places.addresses import is_remote, local_path, protocol_of, shown

_MOST_SKIPPED = 1000


def batch(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    dest: str | os.PathLike[str],
    *,
    steps: Sequence[str] = DEFAULT_STEPS,
    executor: Executor | None = None,
    jobs: int | None = None,
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    choice: Choice | None = None,
    data: str | os.PathLike[str] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    seed: int = 0,
    trust: bool = False,
    retry: Collection[str] = (),
    overwrite: bool = False,
    watchers: Sequence[Watcher] = (),
    state: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] | None = None,
    options: Sequence[str] = (),
) -> BatchResult:
    """Bring all models of ``sources`` (trees, globs, files, manifests) into folder ``dest``.

    All of them may be addresses that fsspec knows, such as ``s3://bucket/zoo``.

    ``steps`` are of ``task.STEPS``; ``timeout`` (seconds) and ``memory_limit`` (bytes) bound
    one model, ``limits`` what reading one may take. ``choice``, ``data``, ``rtol``, ``atol``
    and ``seed`` are those of ``migrate``, for every model of which a manifest does not say
    otherwise; ``trust``: also run those that, as the audit finds, write files, use the network
    or run code. What is in the ledger and did not change is left as it is, but for the outcomes
    that ``retry`` names. What a manifest decided for a model holds for later runs as well.
    ``executor``: other than slots of this machine. ``overwrite``, ``state``, ``tell``: see
    ``run_tasks``. ``options``: how a command line would say all this; the page tells how to go
    on with them.

    Raises UsageError for sources and manifests with faults, and what ``run_tasks`` raises.
    """
    from migrator.auditing.discovery.globs import literal
    from migrator.batching.manifest.sources import list_sources
    from migrator.batching.run.orders import choice_arguments, limit_arguments, tasks_of
    from migrator.batching.storage.trees import RemoteTrees

    listed = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    names = [local_path(os.fspath(item)) for item in listed]
    dest = local_path(os.fspath(dest))
    trees = RemoteTrees(leave_out=dest, limits=limits)
    own = [] if is_remote(dest) else [literal(os.path.abspath(dest))]
    listing = list_sources(names, exclude=own, expand=trees, limits=limits)
    skipped = [*listing.skipped, *trees.skipped]
    tasks = tasks_of(
        listing.entries,
        dest,
        steps=steps,
        timeout=timeout,
        memory_limit=memory_limit,
        common={
            **choice_arguments(choice or Choice()),
            "data": "" if data is None else local_path(os.fspath(data)),
            "rtol": rtol,
            "atol": atol,
            "seed": seed,
            "trust": trust,
            "limits": limit_arguments(limits),
        },
    )
    return run_tasks(
        tasks,
        dest,
        executor=executor,
        jobs=jobs,
        retry=retry,
        overwrite=overwrite,
        watchers=watchers,
        state=state,
        tell=tell,
        stamps=trees.stamps,
        about={
            "sources": [shown(name) for name in names],
            "options": list(options),
            "left_out": len(skipped),
            "skipped": [
                {"source": item.source, "reason": item.reason} for item in skipped[:_MOST_SKIPPED]
            ],
        },
    )


def run_tasks(
    tasks: Iterable[Task],
    dest: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    retry: Collection[str] = (),
    watchers: Sequence[Watcher] = (),
    state: str | os.PathLike[str] | None = None,
    work: Work = run_task,
    overwrite: bool = False,
    about: Json | None = None,
    tell: Callable[[str], None] | None = None,
    stamps: Mapping[str, Stamp] | None = None,
) -> BatchResult:
    """Do those of ``tasks`` that need it, and keep the ledger and the results in ``dest``.

    ``state`` is a local folder for a copy of these where ``dest`` is an address; a temporary one
    where it is not given. ``about`` goes into the result's ``run``. ``tell`` is given a line when
    something has to be waited for. ``stamps`` are those of sources (by address) that are known
    already. ``overwrite`` replaces results of other sources that have the same names. An
    interruption ends the slots, writes the results of what was finished, and goes on
    as the exception that it is.

    Raises UsageError for names that clash, DestinationError where ``dest`` is taken by another
    run, holds something else or results of other sources, or takes no more (its hint: run again),
    StorageError where a store fails before anything runs or sources cannot be reached any more,
    and TensorFlowMissing.
    """
    listed = [_with_paths(task) for task in tasks]
    address = local_path(os.fspath(dest))
    _check_memory_store(address, listed, executor)
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs", hint="give one or more")
    if clashes := name_clashes(task.name for task in listed):
        told = "; ".join(
            f"{one!r} twice" if one == two else f"{one!r} and {two!r}" for one, two in clashes[:20]
        )
        raise UsageError(f"names that cannot lie beside each other in DEST: {told}")
    place = _state_folder(address, state)
    with ExitStack() as stack:
        lock = stack.enter_context(DestinationLock(place))
        desk = None
        if is_remote(address):
            from migrator.batching.ledger.desk import RemoteDesk

            desk = stack.enter_context(RemoteDesk(address, place, tell=tell))
        ledger = stack.enter_context(Ledger(place))
        if desk is not None:
            desk.begin(ledger, listed)
        elif lock.was_stopped:
            catch_up(ledger, outcomes_here(listed))
        if not overwrite:
            check_sources(listed, ledger, shown(address))
        listed = [with_decisions(task, ledger) for task in listed]
        known = stamps_of(listed, ledger, stamps or {})
        run = Run(
            listed,
            dest=address,
            place=place,
            ledger=ledger,
            watchers=watchers,
            work=work,
            about=about or {},
            lock=lock,
            desk=desk,
            stamps=known,
        )
        return run.result(executor, jobs, retry, lock.temporary)


def _with_paths(task: Task) -> Task:
    """``file:`` addresses as the paths that they are."""
    source, dest = local_path(task.source), local_path(task.dest)
    return (
        task
        if (source, dest) == (task.source, task.dest)
        else replace(task, source=source, dest=dest)
    )


def _state_folder(dest: str, state: str | os.PathLike[str] | None) -> Path:
    """Where the ledger is written. A temporary folder is gone with the process: who has the result
    reads its models from there.
    """
    if not is_remote(dest):
        return Path(dest)
    return new_temporary_folder() if state is None else Path(state)


def _check_memory_store(dest: str, tasks: Iterable[Task], executor: Executor | None) -> None:
    """Raise UsageError for the store in this process's memory, which slots do not see."""
    if executor is not None:
        return
    for address in (dest, *(task.source for task in tasks)):
        if is_remote(address) and protocol_of(address) == "memory":
            raise UsageError(
                "lies in the memory of this process, and others do the work", where=address
            )
