"""Security: files that the graph reads and writes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.auditing.callgraph.reach import NOTHING
from migrator.auditing.contents.bodies import Body, Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.security.attacks import (
    Told,
    attack,
    is_served,
    of_own_asset,
    what_it_is_told,
)
from migrator.auditing.rules.security.datasets import DatasetSources
from migrator.auditing.rules.security.readers import ReaderFiles
from migrator.auditing.strings.arguments import ASSET, CONSTANT, DEFAULT, INPUT
from migrator.auditing.strings.own_checkpoint import (
    CHECKPOINT_OPS,
    INITIALIZER,
    OWN,
    UNUSED_SAVER,
    checkpoint_use,
)
from migrator.auditing.subject import Subject
from migrator.ops.dangerous import DATASET, READ, WRITE, dangerous_ops, ops_of

_TABLE = dangerous_ops()
_FROM_FILE = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")
_FILE_NAMES = ("ShardedFilename", "ShardedFilespec")
_CHECKPOINT = (*CHECKPOINT_OPS, "DTensorRestoreV2")
_MAKERS = ("CreateSummaryFileWriter", "CreateSummaryDbWriter")
_SUMMARIES = tuple(
    name
    for name in ops_of(WRITE)
    if name == "ImportEvent" or (name.startswith("Write") and name.endswith("Summary"))
)
_READING = tuple(
    name for name in ops_of(READ) if name not in _CHECKPOINT and name not in _FROM_FILE
)
_WRITING = tuple(
    name for name in ops_of(WRITE) if name not in (*_CHECKPOINT, *_MAKERS, *_SUMMARIES)
)
_SOURCES = tuple(name for name in ops_of(DATASET) if name != "DatasetFromGraph")
_KNOWN = (CONSTANT, DEFAULT)
_BARE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]*")
_TO_FILE = "file://"
_IN_MEMORY = ("local://", "bytes://")


@rule(
    code="S201",
    name="reads-file",
    severity=Severity.HIGH,
    family="security",
    looks_at=_READING,
    since="0.1",
)
def reads_file(subject: Subject) -> Iterator[Issue]:
    """The graph reads a file

    What it detects: ops that read, list or map files (ReadFile, MatchingFiles, ImmutableConst,
    the TensorFlow 1 readers, LoadAndRemapMatrix, ...) in any graph, function or nested graph,
    with the path where the file tells it. Assets of the model itself are left out.

    Why it matters: a model that reads a file of the machine can hand its contents out as a
    result, or through another op. A path that an input gives lets whoever calls the model choose.

    How to fix: Read the file before calling the model and feed its contents. If you do not know
    why the model reads it, do not run the model.

    Limits: a path that the graph works out from several parts may be known only in part. Where
    nothing but training runs the op and a placeholder names the file, it is reported at medium:
    that is how input pipelines of training look.
    """
    files = ReaderFiles(subject)
    for place in subject.places(_READING):
        op = _TABLE[place.node.op]
        if op.optional and not _is_set(place, op.attrs[0]):
            continue
        told = files.told(place) or what_it_is_told(subject, place, op)
        if op.optional and told.text.startswith(_IN_MEMORY):
            continue
        if (found := _foreign(subject, place, told)) is not None:
            yield attack(subject, place, op, found, severity=_milder(subject, place, found))


@rule(
    code="S202",
    name="writes-file",
    severity=Severity.HIGH,
    family="security",
    looks_at=_WRITING,
    since="0.1",
)
def writes_file(subject: Subject) -> Iterator[Issue]:
    """The graph writes a file

    What it detects: ops that write or delete files (WriteFile, SaveDataset, DumpTensor, PrintV2
    with `output_stream=file://...`, a cache with a file name, ...) wherever they lie.

    Why it matters: a model that writes a file of its choice can plant programs and keys, destroy
    data, or change its own checkpoint for the next load.

    How to fix: Remove the op, or do not run the model. A model has no need to write files.

    Limits: what only saves the model's own checkpoint is left out; see S204 for other savers.
    """
    for place in subject.places(_WRITING):
        op = _TABLE[place.node.op]
        if op.optional and op.attrs and not _is_set(place, op.attrs[0]):
            continue
        told = what_it_is_told(subject, place, op)
        if place.node.op == "PrintV2":
            if not told.parts.get("output_stream", _TO_FILE).startswith(_TO_FILE):
                continue
        elif op.optional and not told.text and told.origin in _KNOWN:
            continue  # a cache in memory
        yield attack(subject, place, op, told)


@rule(
    code="S203",
    name="dataset-reads",
    severity=Severity.HIGH,
    family="security",
    looks_at=_SOURCES,
    since="0.1",
)
def dataset_reads(subject: Subject) -> Iterator[Issue]:
    """A dataset in the graph opens files or databases

    What it detects: datasets over files, databases and snapshots (TextLineDataset,
    TFRecordDataset, CSVDataset, SqlDataset, SnapshotDataset, ...), and tables that are filled
    from such a dataset.

    Why it matters: a dataset reads whatever file it is given as well as ReadFile does, and lists
    of forbidden ops often forget it. SqlDataset opens a database of the machine, snapshots write.

    How to fix: Cut the input pipeline off and feed what it delivers. A model for serving needs
    no dataset.

    Limits: a dataset that reads an asset of the model itself is left out. One that nothing
    but training runs and whose files a placeholder names is reported at medium.
    """
    sources = DatasetSources(subject)
    for place in subject.places(_SOURCES):
        op = _TABLE[place.node.op]
        told = what_it_is_told(subject, place, op)
        if place.node.op == "InitializeTableFromDataset":
            found = sources.told(place)
            if found is None:
                continue
            told = found
        if (found := _foreign(subject, place, told)) is not None:
            yield attack(subject, place, op, found, severity=_milder(subject, place, found))


@rule(
    code="S204",
    name="foreign-checkpoint",
    severity=Severity.HIGH,
    family="security",
    looks_at=_CHECKPOINT,
    since="0.1",
)
def foreign_checkpoint(subject: Subject) -> Iterator[Issue]:
    """A checkpoint other than the model's own is read or written

    What it detects: SaveV2, RestoreV2, MergeV2Checkpoints and their relatives that do not belong
    to the saver of the model. What saves and restores the model's own variables, by the file name
    that the loader feeds, is silent.

    Why it matters: saving writes a file of any name, merging moves and deletes files, restoring
    reads any file in checkpoint format and can swap the model's weights.

    How to fix: Remove the op, or load the weights that it restores and export the model anew.

    Limits: a variable's first value from another checkpoint, as fine-tuning leaves it, is medium
    as long as nothing runs it; a further saver that nothing runs is low.
    """
    unused = []
    feeding: dict[int, frozenset[str]] = {}
    for place in subject.places(_CHECKPOINT):
        op = _TABLE[place.node.op]
        use = checkpoint_use(subject, place) if place.node.op in CHECKPOINT_OPS else ""
        severity, more = None, ""
        if use == OWN:
            continue
        if use == UNUSED_SAVER:
            unused.append(place)
            continue
        if use == INITIALIZER:
            severity, more = Severity.MEDIUM, " (the first value of a variable)"
        elif place.node.op in _FILE_NAMES:
            key = id(place.body)
            feeding[key] = feeding[key] if key in feeding else _feeding(place.body)
            severity = None if place.node.name in feeding[key] else Severity.LOW
        told = what_it_is_told(subject, place, op)
        yield attack(subject, place, op, told, severity=severity, more=more)
    if unused:
        yield Issue(
            message=f"{len(unused)} op(s) of a saver beside the model's own, which nothing runs",
            place=unused[0],
            severity=Severity.LOW,
            detail={"count": len(unused), "nodes": [place.node.name for place in unused[:10]]},
            key="unused",
        )


@rule(
    code="S205",
    name="table-from-file",
    severity=Severity.HIGH,
    family="security",
    looks_at=_FROM_FILE,
    since="0.1",
)
def table_from_file(subject: Subject) -> Iterator[Issue]:
    """A table is filled from a file that is no asset of the model

    What it detects: InitializeTableFromTextFile(V2) whose file name is not one of the model's
    assets. A vocabulary among the assets, as every exporter puts it there, is silent.

    Why it matters: the table reads any text file, usually while the model is loaded, and a lookup
    hands its lines out. A path of the machine that exported the model also fails elsewhere.

    How to fix: Put the file among the assets and export the model again.

    Limits: a path that only an input gives, and that nothing but training runs, is reported at
    medium. So is a bare file name that only initialising asks for, as a training script leaves
    it (low where the graph itself calls it an asset), and an asset that loading does not ask for.
    """
    for place in subject.places(_FROM_FILE):
        op = _TABLE[place.node.op]
        told = what_it_is_told(subject, place, op)
        if (found := _foreign(subject, place, told)) is not None:
            severity = _milder(subject, place, found) or _beside_the_graph(subject, place, found)
            if told.origin == ASSET and not is_served(subject, place):
                severity = severity or Severity.MEDIUM
            yield attack(subject, place, op, found, severity=severity)


@rule(
    code="S206",
    name="writes-summaries",
    severity=Severity.HIGH,
    family="security",
    looks_at=(*_MAKERS, *_SUMMARIES),
    since="0.1",
)
def writes_summaries(subject: Subject) -> Iterator[Issue]:
    """The graph writes event files

    What it detects: ops that open a summary writer for a folder or a database, and ops that write
    to one. Where the model itself opens no writer, the writing ops are left over from training
    and low.

    Why it matters: the folder is of the file's choosing, what is written can hold inputs, and the
    writer is made while the model is loaded.

    How to fix: Export the model without its summaries.

    Limits: a writer that the process has opened before under the same name is not known here.
    """
    makers = [*subject.places(_MAKERS)]
    opens = bool(makers) or next(subject.places(("SummaryWriter",)), None) is not None
    for place in (*makers, *subject.places(_SUMMARIES)):
        op = _TABLE[place.node.op]
        told = what_it_is_told(subject, place, op)
        yield attack(subject, place, op, told, severity=None if opens else Severity.LOW)


def _is_set(place: Place, attr: str) -> bool:
    return place.node.attrs.get(attr) not in (None, b"", [], [b""])


def _foreign(subject: Subject, place: Place, told: Told) -> Told | None:
    """None for an asset of the model."""
    return of_own_asset(subject, place, told) if told.origin == ASSET else told


def _milder(subject: Subject, place: Place, told: Told) -> Severity | None:
    """Medium for what only an input could name and nothing but training runs.

    Low in a function that nothing calls: nobody can name the file there.
    """
    if told.origin != INPUT or is_served(subject, place):
        return None
    is_dead = place.body.function is not None and subject.reached(place) == (NOTHING,)
    return Severity.LOW if is_dead else Severity.MEDIUM


def _beside_the_graph(subject: Subject, place: Place, told: Told) -> Severity | None:
    """Milder for a file that lies beside a graph which is no SavedModel, and that is not served."""
    if subject.folder is not None or is_served(subject, place) or not _BARE.fullmatch(told.text):
        return None
    named = {str(item) for item in place.body.meta.collections.get("asset_filepaths", ())}
    refs = place.node.data_refs
    is_declared = len(refs) > 1 and bool({refs[1].node, str(refs[1])} & named)
    return Severity.LOW if is_declared else Severity.MEDIUM


def _feeding(body: Body) -> frozenset[str]:
    """Names of the nodes whose results go to an op that reads or writes, directly or not."""
    nodes = {node.name: node for node in body.nodes}
    stack = [node for node in body.nodes if node.op in _TABLE and node.op not in _FILE_NAMES]
    seen: set[str] = set()
    while stack:
        for ref in stack.pop().data_refs:
            if ref.node not in seen:
                seen.add(ref.node)
                if ref.node in nodes:
                    stack.append(nodes[ref.node])
    return frozenset(seen)
