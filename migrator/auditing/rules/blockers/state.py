"""Blockers by state: variables, tables and files without their contents."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.contents.bodies import Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.blockers.blocking import (
    elsewhere_issue,
    is_inside,
    op_issues,
    planned_issues,
)
from migrator.auditing.subject import Subject
from migrator.formats.checkpoint import checkpoint_prefix
from migrator.migration.storage.tables import KINDS
from migrator.model.tensors import TensorRef
from migrator.ops.state import VARIABLE_OPS

_BARE = ("graph_def", "graph_def_text")
_FILLERS = (
    "InitializeTable",
    "InitializeTableV2",
    "InitializeTableFromTextFile",
    "InitializeTableFromTextFileV2",
    "InitializeTableFromDataset",
    "LookupTableImport",
    "LookupTableImportV2",
    "LookupTableInsert",
    "LookupTableInsertV2",
)


@rule(
    code="B201",
    name="variable-missing",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["variables", "the checkpoint beside the graph"],
    since="0.1",
)
def variable_missing(subject: Subject) -> Iterator[Issue]:
    """A variable without a value

    What it detects: variables that the outputs need and for which no value can be had: no
    checkpoint beside the graph, none of that name in it, or an initializer that draws at random.
    A model with variables and without any checkpoint is told even where the plan is not known yet.

    Why it matters: the graph is only the formula; without its weights the model computes nothing,
    or noise.

    How to fix: Put the checkpoint (`variables/variables.index` and its `.data` files, or what lies
    beside the `.meta`) where it belongs, or name it with `--checkpoint PREFIX`. A variable that
    only training uses is avoided by an `--output` that does not need it.

    Limits: names are followed through the graph's own restore ops, so renamed and sliced
    variables are found. Values are not read here; `--deep` does that.
    """
    found = list(planned_issues(subject, "variable_missing"))
    yield from found
    model = subject.model
    if found or model is None or subject.format in _BARE or checkpoint_prefix(model) is not None:
        return
    places = [place for place in subject.places(sorted(VARIABLE_OPS)) if _is_own(place)]
    places = [place for place in places if not is_inside(subject, place)]
    if places:
        yield elsewhere_issue(
            subject,
            places,
            f"the model has {len(places):,} variables and no checkpoint lies beside it",
            fix="put the checkpoint where it belongs, or name it: --checkpoint PREFIX",
        )


def _is_own(place: Place) -> bool:
    return place.body.holder is None


@rule(
    code="B202",
    name="variable-differs",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["variables", "the checkpoint beside the graph"],
    since="0.1",
)
def variable_differs(subject: Subject) -> Iterator[Issue]:
    """A variable that its checkpoint knows otherwise

    What it detects: a variable whose element type or shape in the graph is not that of its value
    in the checkpoint.

    Why it matters: the checkpoint belongs to another graph, perhaps to another version of the same
    model. Loading fails, and if it did not, the results would mean nothing.

    How to fix: Get the checkpoint that was written with this graph, or the graph that belongs to
    this checkpoint.

    Limits: two models of the same shapes cannot be told apart; only a case with known results can.
    Only variables that the outputs need are compared.
    """
    yield from planned_issues(subject, "variable_differs")


@rule(
    code="B203",
    name="checkpoint-damaged",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["the checkpoint's .data files"],
    since="0.1",
)
def checkpoint_damaged(subject: Subject) -> Iterator[Issue]:
    """A checkpoint with a file missing or cut short

    What it detects: values that the checkpoint's index places in a `.data` file that is not there,
    or past its end.

    Why it matters: these variables have no value, and restoring stops at the first of them. It is
    the usual trace of a copy that broke off, or of large files that were left out of a repository.

    How to fix: Get the whole checkpoint again: its `.index` and every `.data-?????-of-?????` file,
    all of one export.

    Limits: places and lengths are compared, not contents: a file of the right length with wrong
    bytes is found by the checksums, which `--deep` reads.
    """
    yield from planned_issues(subject, "checkpoint_damaged")


@rule(
    code="B204",
    name="not-frozen",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=sorted(VARIABLE_OPS),
    since="0.1",
)
def not_frozen(subject: Subject) -> Iterator[Issue]:
    """Variables left in a graph that should be frozen

    What it detects: variables in a bare GraphDef, which has no place for their values: those that
    no rewrite could bind as blockers, those that the outputs do not need as info.

    Why it matters: a graph of training and a frozen one look alike on disk. The first holds no
    weights at all, so whatever is made of it starts from nothing.

    How to fix: Migrate the `.meta` file or the SavedModel that the weights belong to, name the
    checkpoint with `--checkpoint PREFIX`, or freeze the graph with it once more. A counter such as
    `global_step` that no output needs does no harm.

    Limits: a variable that the outputs need and that has no value is told as `variable-missing`.
    """
    yield from planned_issues(subject, "not_frozen")
    if subject.format not in _BARE:
        return
    places = [p for p in subject.places(sorted(VARIABLE_OPS)) if not is_inside(subject, p)]
    if places:
        yield elsewhere_issue(
            subject,
            places,
            f"{len(places):,} variables are left in this graph, so it is not frozen",
            fix="migrate the .meta or SavedModel that it came from, or name its --checkpoint",
        )


@rule(
    code="B205",
    name="assignment",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["ops that write to a variable, and ReadVariableOp, where no variable is left"],
    since="0.1",
)
def assignment(subject: Subject) -> Iterator[Issue]:
    """Something writes to a variable that is no more

    What it detects: Assign and its kin, optimizer steps and reads of a variable's handle that the
    outputs of a frozen graph need, although freezing made constants of the variables.

    Why it matters: these ops take a reference or a handle, and a constant has neither: the graph
    does not import. Mostly they are what batch normalisation updates while it trains.

    How to fix: Fix the training switch, as with `--feed is_training=false`, so that the branch that
    trains falls away; or name an `--output` before the assignment.

    Limits: where variables are still there, writing to them is a matter of what the model does and
    not told here. What the outputs do not need is told for frozen graphs only, as info.
    """
    if subject.format in _BARE and not any(op in subject.by_op for op in VARIABLE_OPS):
        yield from op_issues(subject, "assignment")
    else:
        yield from planned_issues(subject, "assignment")


@rule(
    code="B206",
    name="table",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=sorted(KINDS),
    since="0.1",
)
def table(subject: Subject) -> Iterator[Issue]:
    """A lookup table that nothing fills

    What it detects: tables that the outputs need and whose contents cannot be had: the op that
    fills them was frozen away, their vocabulary file is missing, or the checkpoint does not hold
    them. Tables elsewhere that no op fills are told as info.

    Why it matters: the graph imports, and each call fails with `Table not initialized`: of a
    model that takes words there is nothing left.

    How to fix: Migrate the SavedModel that the graph was frozen from, which knows how its tables
    are filled. If the vocabulary file is what is missing, put it back (into `assets/`); or name
    the looked-up tensor as `--input` and look up in front of the model.

    Limits: keys and values that a function computes while loading are not followed.
    """
    yield from planned_issues(subject, "table")
    filled = {
        TensorRef.parse(place.node.inputs[0]).node
        for place in subject.places(_FILLERS)
        if place.node.inputs
    }
    if any(place.body.function is not None for place in subject.places(_FILLERS)):
        return  # through a function's argument: which table that fills is the plan's to say
    places = [
        place
        for place in subject.places(sorted(KINDS))
        if place.node.name not in filled and not is_inside(subject, place)
    ]
    if places:
        many = f"{len(places):,} lookup tables are" if len(places) > 1 else "a lookup table is"
        yield elsewhere_issue(
            subject,
            places,
            f"{many} never filled",
            fix="migrate the SavedModel that the graph came from, or name the looked-up tensor "
            "as an --input",
        )


@rule(
    code="B207",
    name="asset-missing",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["files that the graph reads from the model's folder"],
    since="0.1",
)
def asset_missing(subject: Subject) -> Iterator[Issue]:
    """A file that the graph reads is not there

    What it detects: assets, such as vocabularies, that the outputs need and that do not lie in the
    model's `assets` folder (of a `.meta`, beside it).

    Why it matters: the file moves along into the result, and is read there whenever the model is
    loaded. Without it loading fails.

    How to fix: Put the file into the model's `assets` folder under the name that the message
    tells, or name an `--output` that does not need it.

    Limits: only names are looked at, and only inside of the model's folder, whatever path the
    model gives: nothing outside is ever read. Whether the contents are the right ones nobody knows.
    """
    yield from planned_issues(subject, "asset_missing")


@rule(
    code="B208",
    name="too-large",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["constants", "GraphDef size"],
    since="0.1",
)
def too_large(subject: Subject) -> Iterator[Issue]:
    """More constants than one graph can hold

    What it detects: a plan whose graph would hold more than 2 GiB of constants.

    Why it matters: protobuf reads no message past 2 GiB, so the result could be written and never
    be read again.

    How to fix: Let the weights become variables, which lie beside the graph: `--weights variables`
    (the default for large models).

    Limits: constants that cannot become variables (strings, those inside of functions) count too;
    what is close to the limit without passing it is reported by the health rules.
    """
    yield from planned_issues(subject, "too_large")
