"""``batch --plan``: a manifest for models as they are, to edit and feed back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from migrator.actions.crew import Crew
from migrator.batching.manifest.blocks import Block, Section
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.sources import list_sources
from migrator.batching.manifest.survey import (
    DECIDE,
    READY,
    STUCK,
    Surveyed,
    survey,
    surveyed_failed,
)
from migrator.batching.manifest.writing import manifest_text
from migrator.collector import collector_paused
from migrator.errors import UsageError
from migrator.limits import DEFAULT_LIMITS, Limits

Progress = Callable[[int, int, str], None]
"""Told how many models are done, of how many, and the name of the last."""
Tell = Callable[[str], None]
_TIMEOUT = 300.0
_MOST_LEFT_OUT = 1000
_HEAD = (
    "The models of a batch. Take out the `#` before what is right, strike what is wrong, then run",
    "`migrator batch THIS-FILE --dest DIR`; `migrator batch --plan THIS-FILE` says what is still",
    "open. Relative paths are taken from the folder of this file.",
)


def plan_manifest(
    sources: Sequence[str | os.PathLike[str]],
    *,
    format: str = "yaml",
    folder: str = "",
    exclude: Sequence[str] = (),
    jobs: int | None = None,
    progress: Progress | None = None,
    timeout: float = _TIMEOUT,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    tell: Tell | None = None,
) -> str:
    """``make_manifest`` of all models of ``sources``. Raises ManifestError, UsageError."""
    from migrator.batching.storage.trees import RemoteTrees

    trees = RemoteTrees(limits=limits)
    listing = list_sources(sources, exclude=exclude, expand=trees, jobs=jobs or 1, limits=limits)
    skipped = [*listing.skipped, *trees.skipped]
    left_out = [f"{item.source}: {item.reason}" for item in skipped[:_MOST_LEFT_OUT]]
    more = len(skipped) - len(left_out)
    return make_manifest(
        listing.entries,
        format=format,
        folder=folder,
        jobs=jobs,
        progress=progress,
        timeout=timeout,
        memory_limit=memory_limit,
        limits=limits,
        left_out=[*left_out, f"and {more:,} more"] if more else left_out,
        tell=tell,
    )


def make_manifest(
    entries: Iterable[Entry],
    *,
    format: str = "yaml",
    folder: str = "",
    jobs: int | None = None,
    progress: Progress | None = None,
    timeout: float = _TIMEOUT,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    left_out: Sequence[str] = (),
    tell: Tell | None = None,
) -> str:
    """A manifest of ``entries``, to lie in ``folder``: yaml, toml, csv or jsonl.

    On top what needs a decision, with the candidates as comments; then what is ready; then, as
    comments, what cannot be migrated, and why. What is no comment reads back as it was given.
    Runs no TensorFlow. Each model is read in a process of its own, for ``timeout`` seconds and
    with ``memory_limit`` bytes at most. ``left_out`` are lines for its end. ``tell`` is given a
    line for each of these groups.

    Raises UsageError for a format that is none.
    """
    if format not in ("yaml", "toml", "csv", "jsonl"):
        raise UsageError(f"there is no format {format!r}", hint="yaml, toml, csv or jsonl")
    found = survey_all(
        entries,
        jobs=jobs,
        progress=progress,
        timeout=timeout,
        memory_limit=memory_limit,
        limits=limits,
    )
    by_kind: dict[str, list[Block]] = {DECIDE: [], READY: [], STUCK: []}
    for item in found:
        block = Block(
            entry=item.entry,
            notes=item.notes,
            suggestions=item.suggestions,
            off=item.kind == STUCK,
        )
        by_kind[item.kind].append(block)
    sections = [
        Section(title=_title(kind, len(blocks)), blocks=blocks) for kind, blocks in by_kind.items()
    ]
    if tell is not None:
        for section in sections:
            if section.blocks:
                tell(section.title)
    tail = ["---- files that are no model to migrate ----", *left_out] if left_out else []
    return manifest_text(sections, format, folder=folder, head=_HEAD, tail=tail)


def survey_all(
    entries: Iterable[Entry],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    timeout: float = _TIMEOUT,
    memory_limit: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Surveyed]:
    """Each entry planned, in their order; one that crashes, hangs or grows costs no other."""
    listed = list(entries)
    if not listed:
        return
    size = min(len(listed), jobs or _cores())
    with Crew(
        _look, limits, surveyed_failed, size=size, timeout=timeout, memory=memory_limit
    ) as crew:
        for done, item in enumerate(crew.results(listed), 1):
            if progress is not None:
                progress(done, len(listed), item.entry.name)
            yield item


def _look(entry: Entry, limits: Limits) -> Surveyed:
    with collector_paused():
        return survey(entry, limits)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _title(kind: str, count: int) -> str:
    if kind == DECIDE:
        whose = "model needs" if count == 1 else "models need"
        return f"{count:,} {whose} a decision, or something that is not in the file"
    if kind == READY:
        return f"{count:,} {'model is' if count == 1 else 'models are'} ready"
    whose = "model cannot be migrated as it stands" if count == 1 else "models cannot be migrated"
    return f"{count:,} {whose}: comments, to take in where you know better"
