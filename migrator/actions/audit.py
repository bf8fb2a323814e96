"""``audit``: models, folders and trees against the rules, without TensorFlow."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice

from migrator.actions.crew import Crew
from migrator.auditing.discovery.discover import Found, check_paths, discover
from migrator.auditing.discovery.globs import PathGlobs
from migrator.auditing.examine import Order, examine
from migrator.auditing.finding import Audit, AuditedModel, Skipped
from migrator.auditing.policy.baseline import Baseline, Stale, read_baseline
from migrator.auditing.policy.selection import rules_called, select_rules
from migrator.auditing.rules.health.twins import same_file, same_graph, same_model, same_weights
from migrator.auditing.settings import AuditSettings
from migrator.auditing.twins.kin import find_twins
from migrator.formats.keras.facts import holds_hdf5
from migrator.formats.staging import is_packed
from migrator.places.resolve import path_text

Outcome = AuditedModel | Skipped | None
_TWINS = frozenset(rule.code for rule in (same_file, same_model, same_graph, same_weights))
_TIMEOUT = 600.0
"""Seconds for a model that another process reads, where no others are given."""
_FEW = 8
_SMALL = 4 << 20
"""So many models, of so many bytes together, take less time than starting processes."""
_LARGE = 100_000
"""Nodes of a model after which it pays to collect what is left of it."""


def audit(
    *paths: str | os.PathLike[str],
    settings: AuditSettings | None = None,
    on_progress: Callable[[int, str], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Audit:
    """Audit every model in ``paths``: files, SavedModel folders, checkpoints, whole trees.

    ``on_progress`` is told the number of models done and the path of the last; ``on_note`` what
    the user should know of the settings, such as entries of a baseline that are found no more.
    What cannot be read is in the result as skipped. Raises UsageError for settings that make no
    sense, rules and paths that do not exist, and a baseline that is none.
    """
    settings = settings or AuditSettings()
    note = on_note or (lambda text: None)
    selection = select_rules(settings.select, settings.ignore, deep=settings.deep)
    ignores = _ignores(settings)
    baseline = read_baseline(settings.baseline) if settings.baseline else None
    names = ["" if path == "" else path_text(path) for path in paths]
    check_paths(names)
    for text in selection.notes:
        note(text)
    order = Order(
        codes=selection.codes,
        deep=settings.deep,
        sketch=not _TWINS.isdisjoint(selection.codes),
        limits=settings.limits,
    )
    models: list[AuditedModel] = []
    skipped: list[Skipped] = []
    items = discover(names, exclude=PathGlobs(settings.exclude), limits=settings.limits)
    with closing(_outcomes(items, order, settings)) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, AuditedModel):
                models.append(outcome)
            elif outcome is not None:
                skipped.append(outcome)
            if on_progress is not None and outcome is not None:
                on_progress(len(models), outcome.source)
    found = Audit(models=tuple(models), skipped=tuple(skipped), deep=settings.deep)
    found = _keep_back(_with_twins(found, selection.codes), ignores)
    if baseline is not None:
        found = accept(found, baseline, selection.codes, note)
    return found


def accept(
    found: Audit, baseline: Baseline, codes: Collection[str], note: Callable[[str], None]
) -> Audit:
    """``found`` without what ``baseline`` holds; what it holds in vain goes to ``note``.

    ``codes`` are the rules that ran. A model's twins may lie where nobody looked this time.
    """
    found, stale = baseline.keep_back(found, frozenset(codes) - _TWINS)
    for text in _stale_notes(stale):
        note(text)
    return found


def _stale_notes(stale: tuple[Stale, ...]) -> Iterator[str]:
    for item in stale:
        if item.known is None:
            yield f"the baseline holds {item.model}, which is gone"
        else:
            known = item.known
            yield f"the baseline holds {known.code} of {item.model}, found no more: {known.message}"


def _ignores(settings: AuditSettings) -> list[tuple[PathGlobs, frozenset[str]]]:
    return [
        (
            PathGlobs([pattern]),
            frozenset(rule.code for word in words for rule in rules_called(word)),
        )
        for pattern, words in settings.per_path_ignores.items()
    ]


def _keep_back(found: Audit, ignores: list[tuple[PathGlobs, frozenset[str]]]) -> Audit:
    """Without the findings that are ignored in the paths of their models."""
    models = []
    accepted = found.accepted
    for model in found.models:
        codes: set[str] = set()
        codes = codes.union(*(codes for globs, codes in ignores if globs.fits(model.source)))
        findings = tuple(item for item in model.findings if item.code not in codes)
        accepted += len(model.findings) - len(findings)
        models.append(replace(model, findings=findings) if codes else model)
    return replace(found, models=tuple(models), accepted=accepted)


def _with_twins(found: Audit, codes: Collection[str]) -> Audit:
    """With what is known of a model only beside the others."""
    twins = find_twins(found.models)
    models = []
    for model in found.models:
        more = [item for item in twins.get(model.source, ()) if item.code in codes]
        findings = sorted((*model.findings, *more), key=lambda item: (-item.severity, item.code))
        models.append(replace(model, findings=tuple(findings)) if more else model)
    return replace(found, models=tuple(models))


def _outcomes(
    items: Iterator[Found | Skipped], order: Order, settings: AuditSettings
) -> Generator[Outcome, None, None]:
    """What became of each item, in order; a few small models are read in this process."""
    jobs = settings.jobs or _cores()
    first = list(islice(items, _FEW + 1))
    items = chain(first, items)
    if len(first) < 2:
        order = replace(order, sketch=False)
    is_bounded = settings.timeout is not None or settings.memory_limit is not None
    is_short = len(first) < 2 or (settings.jobs in (None, 1) and _is_short(first, settings))
    if not is_bounded and is_short and not any(map(_can_hang, first)):
        yield from (_here(item, order) for item in items)
        return
    with Crew(
        _elsewhere,
        order,
        _failed,
        size=jobs,
        timeout=_TIMEOUT if settings.timeout is None else settings.timeout,
        memory=settings.memory_limit,
    ) as crew:
        yield from crew.results(items)


def _is_short(items: list[Found | Skipped], settings: AuditSettings) -> bool:
    """Whether starting processes would take longer than the work itself."""
    if settings.deep or len(items) > _FEW:
        return False
    try:
        return sum(os.path.getsize(item.path) for item in items if isinstance(item, Found)) < _SMALL
    except OSError:
        return False


def _can_hang(item: Found | Skipped) -> bool:
    """True for what only another process can be stopped at."""
    if not isinstance(item, Found):
        return False
    return is_packed(item.path) or (os.path.isfile(item.path) and holds_hdf5(item.path))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _here(item: Found | Skipped, order: Order) -> Outcome:
    return item if isinstance(item, Skipped) else examine(item, order)


def _elsewhere(item: Found | Skipped, order: Order) -> Outcome:
    """The same in a process that reads model after model."""
    outcome = _here(item, order)
    if isinstance(outcome, AuditedModel) and outcome.nodes > _LARGE:
        gc.collect()
    return outcome


def _failed(item: Found | Skipped, reason: str) -> Outcome:
    return Skipped(source=item.path if isinstance(item, Found) else item.source, reason=reason)
