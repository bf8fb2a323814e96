"""Rules on the files of a model: assets, fingerprints, and what lies about in its folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from migrator.auditing.contents.stored import stored
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import MOST_NAMES, first_names
from migrator.auditing.subject import Subject
from migrator.errors import MigratorError
from migrator.formats.farmhash import fingerprint64
from migrator.formats.fingerprint import Fingerprint, deterministic_form, parse_fingerprint
from migrator.places.source import ByteSource

_FINGERPRINT = "fingerprint.pb"
_LARGEST_FINGERPRINT = 1 << 16
_LARGEST_INDEX = 4 << 20
"""Bytes of an index that are hashed without --deep: a fifth of a second."""
_LARGEST_MODEL = 64 << 20
_MOST_ENTRIES = 20_000
_OWN = frozenset(
    (
        "saved_model.pb",
        "saved_model.pbtxt",
        "saved_model.cpb",
        _FINGERPRINT,
        "keras_metadata.pb",
        "variables",
        "assets",
        "assets.extra",
        "debug",
        "tfhub_module.pb",
    )
)
"""What TensorFlow itself puts into a SavedModel's folder."""
_ABOUT = re.compile(
    r"(README|LICENSE|NOTICE|CHANGELOG|MODEL_CARD)(\..*)?|.*\.(md|txt|json|ya?ml|csv)"
    r"|\.git(ignore|attributes|keep)?",
    re.IGNORECASE,
)
"""What people put beside a model on purpose."""


@rule(
    code="H311",
    name="missing-asset",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("assets/",),
    since="0.1",
)
def missing_asset(subject: Subject) -> Iterator[Issue]:
    """A file that the model reads is not in assets/

    What it detects: Assets that the model lists (vocabularies, tables) and that are not in the
    assets/ folder beside it.

    Why it matters: Loading fails, or the first call that needs the table does.

    How to fix: Copy the whole folder of the model again, with assets/ in it.

    Limits: Only names within assets/ are looked for. Files that the graph reads by a path of its
    own are the security rules' matter.
    """
    if subject.folder is None:
        return
    missing = sorted(
        {
            asset.filename
            for meta in subject.meta_graphs
            for asset in meta.assets
            if _is_inside(asset.filename)
            and not os.path.lexists(subject.folder / "assets" / asset.filename)
        }
    )
    if missing:
        yield Issue(
            message=f"{len(missing):,} files are missing in assets/: {first_names(missing)}",
            detail={
                "count": len(missing),
                "argument": f"assets/{missing[0]}",
                "files": missing[:MOST_NAMES],
            },
        )


def _is_inside(name: str) -> bool:
    return bool(name) and "\0" not in name and not os.path.isabs(name) and ".." not in name


@rule(
    code="H312",
    name="fingerprint-mismatch",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("fingerprint.pb", "variables/variables.index"),
    since="0.1",
)
def fingerprint_mismatch(subject: Subject) -> Iterator[Issue]:
    """The checkpoint is not the one that the model was exported with

    What it detects: A SavedModel of TensorFlow 2 whose fingerprint.pb has another hash of
    variables/variables.index than the one that is there; a fingerprint.pb that cannot be read.

    Why it matters: The weights were exchanged after the export, or files of two exports were
    mixed. The index holds a checksum of each weight, so its hash stands for all of them.

    How to fix: Copy the whole folder from one export. Where the weights were exchanged on purpose,
    export the model again.

    Limits: Nothing protects the fingerprint itself: it tells of accidents, not of attacks. An
    index past 4 MB is not hashed.
    """
    if subject.folder is None:
        return
    try:
        found = _fingerprint(subject.folder)
    except MigratorError as error:
        yield Issue(
            message=f"fingerprint.pb cannot be read: {error.what}",
            severity=Severity.LOW,
            key="broken",
        )
        return
    index = subject.folder / "variables" / "variables.index"
    if found is None or not found.known or not index.is_file():
        return
    try:
        source = ByteSource.open(index)
        if source.size > _LARGEST_INDEX:
            return
        actual = fingerprint64(source.read(0, source.size))
    except MigratorError:
        return  # H302 tells of it
    if actual != found.checkpoint:
        yield Issue(
            message="variables/variables.index is not the one that fingerprint.pb was made of",
            detail={
                "argument": "variables/variables.index",
                "expected": f"{found.checkpoint:016x}",
                "found": f"{actual:016x}",
            },
            key="checkpoint",
        )


@rule(
    code="H313",
    name="changed-since-export",
    severity=Severity.MEDIUM,
    family="health",
    looks_at=("fingerprint.pb", "saved_model.pb"),
    since="0.1",
    confidence="medium",
    deep=True,
)
def changed_since_export(subject: Subject) -> Iterator[Issue]:
    """saved_model.pb was changed after it was exported

    What it detects: A SavedModel of TensorFlow 2 whose saved_model.pb has another hash than
    fingerprint.pb says.

    Why it matters: Someone or something edited the model after TensorFlow wrote it, or files of
    two exports were mixed. What was tested is not what lies there.

    How to fix: Take the model from where it was exported, or find out what changed it. Tools that
    add signatures or metadata often leave the fingerprint as it was.

    Limits: Nothing protects the fingerprint itself: it tells of accidents, not of attacks. Files
    past 64 MB, and such as other programs than TensorFlow serialised, are not compared. Hashes
    the file at about 15 MB/s of one core, parsing it at 3 MB/s where it is all small nodes.
    """
    if subject.folder is None or subject.format != "saved_model":
        return
    try:
        found = _fingerprint(subject.folder)
        if found is None or not found.known or not found.saved_model:
            return
        source = ByteSource.open(subject.file)
        if source.size > _LARGEST_MODEL:
            return
        form = deterministic_form(source.read(0, source.size))
    except MigratorError:
        return
    actual = None if form is None else fingerprint64(form)
    if actual is not None and actual != found.saved_model:
        yield Issue(
            message="saved_model.pb is not the file that fingerprint.pb was made of",
            detail={
                "argument": "saved_model.pb",
                "expected": f"{found.saved_model:016x}",
                "found": f"{actual:016x}",
            },
        )


def _fingerprint(folder: Path) -> Fingerprint | None:
    path = folder / _FINGERPRINT
    if not path.is_file():
        return None
    source = ByteSource.open(path)
    return parse_fingerprint(
        source.read(0, min(source.size, _LARGEST_FINGERPRINT)), where=str(path)
    )


@rule(
    code="H314",
    name="leftover-files",
    severity=Severity.INFO,
    family="health",
    looks_at=("SavedModel folder",),
    since="0.1",
)
def leftover_files(subject: Subject) -> Iterator[Issue]:
    """Files in the model's folder that belong to nothing

    What it detects: Data files of another checkpoint or of one that was not finished in
    variables/, files in assets/ that no meta graph lists, and files in a SavedModel's folder that
    are neither TensorFlow's own nor a description (README, LICENSE, text, JSON).

    Why it matters: They take space and travel along, sometimes with what was not meant to leave;
    remains of a checkpoint are the mark of a save that was cut short or written over.

    How to fix: Look what they are, and remove them. A migration copies only what the model needs.

    Limits: The first 20,000 entries of a folder are looked at. Code may read assets that the
    model does not list.
    """
    if subject.folder is None:
        return
    listed = {asset.filename for meta in subject.meta_graphs for asset in meta.assets}
    listed |= {name.partition("/")[0] for name in listed}
    found = [
        *(
            name
            for name in _names(subject.folder)
            if name not in _OWN and not _ABOUT.fullmatch(name)
        ),
        *(f"variables/{name}" for name in _stray_shards(subject, subject.folder)),
        *(f"assets/{name}" for name in _names(subject.folder / "assets") if name not in listed),
    ]
    if found:
        yield Issue(
            message=f"{len(found):,} files belong to no part of the model: {first_names(found)}",
            detail={"count": len(found), "files": found[:MOST_NAMES]},
        )


def _stray_shards(subject: Subject, folder: Path) -> Iterator[str]:
    """What lies in variables/ and is no file of the checkpoint."""
    checkpoint = stored(subject).checkpoint
    if checkpoint is None and (folder / "variables" / "variables.index").is_file():
        return  # damaged: then nothing tells which files are its own
    count = checkpoint.shards if checkpoint is not None else 0
    own = re.compile(rf"variables\.(index|data-(\d{{5,}})-of-{count:05d})")
    for name in _names(folder / "variables"):
        match = own.fullmatch(name)
        if match is None or (match[2] is not None and int(match[2]) >= count):
            yield name


def _names(folder: Path) -> list[str]:
    """Sorted names in a folder, bounded; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _MOST_ENTRIES))
    except OSError:
        return []
