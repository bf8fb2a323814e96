"""Security: names and links by which the files of a model lead elsewhere."""

from __future__ import annotations

import ntpath
import os
import re
from collections.abc import Iterator
from pathlib import Path

from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.subject import Subject

_MOST_ENTRIES = 5000
_CACHE = re.compile(r"[/\\](?:[0-9a-f]{2}[/\\][0-9a-f]{30,62}|[^/\\]*[0-9a-f]{32,64}(?:\.\w+)*)$")
"""What Hugging Face, DVC and git-annex call a file that they store."""


@rule(
    code="S207",
    name="asset-outside",
    severity=Severity.HIGH,
    family="security",
    looks_at=("file names of assets",),
    since="0.1",
)
def asset_outside(subject: Subject) -> Iterator[Issue]:
    """An asset's file name leads out of the model's folder

    What it detects: assets of a SavedModel whose file name is absolute, holds `..`, a drive or a
    zero byte.

    Why it matters: the loader joins the name to the model's `assets` folder and hands the result
    to the graph, which reads it while the model is loaded: any file of the machine can be read
    as if it were a vocabulary.

    How to fix: Do not load the model; exporters write bare file names.

    Limits: links inside of the folder are reported by S208.
    """
    for meta in subject.meta_graphs:
        if subject.format not in ("saved_model", "saved_model_text", "hub_module"):
            continue
        for asset in meta.assets:
            if _leads_out(asset.filename):
                yield Issue(
                    message=f"the asset {asset.filename!r} of {asset.tensor!r} leads out of the "
                    "model's folder",
                    meta_graph=",".join(meta.tags),
                    detail={"argument": asset.filename, "tensor": asset.tensor},
                    key=f"{asset.tensor} {asset.filename}",
                )


def _leads_out(name: str) -> bool:
    if "\0" in name or name.startswith(("/", "\\", "~")) or "://" in name:
        return True
    return bool(ntpath.splitdrive(name)[0]) or ".." in re.split(r"[/\\]", name)


@rule(
    code="S208",
    name="link-outside",
    severity=Severity.LOW,
    family="security",
    looks_at=("symbolic links in the model's folder",),
    since="0.1",
)
def link_outside(subject: Subject) -> Iterator[Issue]:
    """Files of the model are links that lead out of its folder

    What it detects: symbolic links in a SavedModel's folder whose target lies outside of it. High
    for an asset, else low. Links into a store that names its files by hash are left out, and so
    are those that lead to where the link of `saved_model.pb` leads as well.

    Why it matters: an archive can bring such links along, and the loader follows them: the graph
    then reads another file of the machine as an asset or a checkpoint.

    How to fix: Replace the links by the files that belong there.

    Limits: looks at the first 5,000 entries of the folder.
    """
    folder = subject.folder
    if folder is None or not folder.is_dir():
        return
    homes = {os.path.realpath(folder), os.path.dirname(os.path.realpath(subject.file))}
    for path in _links(folder):
        target = os.path.realpath(path)
        if _CACHE.search(target) or any(
            target == home or target.startswith(home.rstrip(os.sep) + os.sep) for home in homes
        ):
            continue
        name = path.relative_to(folder).as_posix()
        yield Issue(
            message=f"{name!r} is a link that leads out of the model's folder, to {target!r}",
            severity=Severity.HIGH if name.split("/")[0] == "assets" else Severity.LOW,
            detail={"argument": target, "file": name},
            key=name,
        )


def _links(folder: Path) -> Iterator[Path]:
    left = _MOST_ENTRIES
    waiting = [folder]
    while waiting:
        try:
            entries = sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            left -= 1
            if left < 0:
                return
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
