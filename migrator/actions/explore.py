"""``explore``: what Model Explorer shows of a model or of two, as files in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.diffing.compare import are_of_one_kind, choose
from migrator.errors import DestinationError, UnsupportedFormat
from migrator.files import exists, folder_beside, is_taken, put_in_place
from migrator.formats.load import load
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model, tags_of
from migrator.places.addresses import is_remote
from migrator.report.explorer.files import Explored, explore_diff, explore_model, text
from migrator.report.json_diff import diff_result

if TYPE_CHECKING:
    from migrator.auditing.finding import Finding
    from migrator.diffing.result import Diff

PathLike = str | os.PathLike[str]


def explore(
    left: PathLike | Model,
    right: PathLike | Model | None = None,
    *,
    dest: PathLike | None = None,
    overwrite: bool = False,
    diff: Diff | None = None,
    ignore: Iterable[str] = (),
    only: Iterable[str] = (),
    weights: bool = False,
    tag_set: Iterable[str] | None = None,
    signature: str = "",
    audit: bool = True,
    same_ids: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Explored:
    """The graphs of one model or of two, their mapping, and data to colour their nodes with.

    With ``dest`` the files are put into that new folder, which appears whole or not at all.
    ``diff`` is what ``migrator.diff`` said of the two with the same ``tag_set``, where it was
    asked already; else it is asked with ``ignore``, ``only``, ``weights`` and ``signature``.
    Models that are given by their paths are audited too, unless ``audit`` is false. ``same_ids``
    gives both nodes of a pair one id, which takes the place of the mapping. What is read is read
    within ``limits``. Raises MigratorError for what cannot be read, UnsupportedFormat for a
    checkpoint, DestinationError where ``dest`` exists without ``overwrite``, or holds something
    else than such files.
    """
    if dest is not None:
        _check_folder(Path(dest), overwrite=overwrite)
    one = left if isinstance(left, Model) else load(left, limits=limits)
    if right is None:
        found = explore_model(one, findings=_findings(left, one, audit, limits))
    else:
        other = right if isinstance(right, Model) else load(right, limits=limits)
        one.require_graph()
        other.require_graph()
        if not are_of_one_kind(one, other):
            raise UnsupportedFormat(
                f"holds a graph of another kind than {one.source.path!a}: no two nodes are one",
                where=other.source.path,
                hint="diff compares their weights and endpoints",
            )
        tags = None if tag_set is None else tuple(tags_of(tag_set))
        if diff is None:
            from migrator.actions.diff import diff as compared

            diff = compared(
                one,
                other,
                ignore=ignore,
                only=only,
                weights=weights,
                tag_set=tags,
                signature=signature,
                limits=limits,
            )
        found = explore_diff(
            *choose(one, other, tags),
            diff_result(diff, matches=True),
            left_findings=_findings(left, one, audit, limits),
            right_findings=_findings(right, other, audit, limits),
            same_ids=same_ids,
        )
    if dest is not None:
        _write(found, Path(dest), overwrite=overwrite)
    return found


def _findings(
    source: PathLike | Model, model: Model, wanted: bool, limits: Limits
) -> tuple[Finding, ...]:
    """What an audit finds in the file of ``model``; nothing where its path is not known."""
    if isinstance(source, Model) or not wanted:
        return ()
    from migrator.actions.audit import audit
    from migrator.auditing.settings import AuditSettings

    # In a folder or an archive it is the one model. An address is shown without its secrets.
    asked = os.fspath(source) if is_remote(os.fspath(source)) else model.source.path
    found = audit(asked, settings=AuditSettings(jobs=1, limits=limits)).findings
    return tuple(item for item in found if item.location.source in (asked, model.source.path))


def _write(explored: Explored, target: Path, *, overwrite: bool) -> None:
    with folder_beside(target) as work:
        made = work / "made"
        made.mkdir()
        for name, content in explored.files.items():
            (made / name).write_text(text(content), "ascii")
        put_in_place(made, target, overwrite=overwrite)


def _check_folder(target: Path, *, overwrite: bool) -> None:
    """Raise DestinationError where something is at ``target`` that is not to be replaced.

    That is anything without ``overwrite``, and with it all but a folder such as we make.
    """
    if not is_taken(target):
        return
    if not overwrite:
        raise exists(target)
    try:
        is_ours = all(item.suffix == ".json" and item.is_file() for item in target.iterdir())
    except OSError:
        is_ours = False
    if not is_ours:
        raise DestinationError(
            "holds something else than files for Model Explorer",
            where=str(target),
            hint="name another folder",
        )
