"""``export``: a model's graph as a file that other programs open."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from migrator.collector import collector_paused
from migrator.errors import DestinationError, UsageError, did_you_mean, first_few
from migrator.files import exists, folder_beside, is_stream, is_taken, put_in_place
from migrator.formats.encode import write_graph
from migrator.formats.load import load
from migrator.graph.cut import Cut, cut_graph, parse_range
from migrator.graph.function_graph import function_graph
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.choosing import choose_meta_graph
from migrator.model.brief import brief
from migrator.model.graph import Function, Graph
from migrator.model.model import OTHER_GRAPHS, MetaGraph, Model
from migrator.model.tensors import UNKNOWN_SHAPE
from migrator.ops.state import VARIABLE_OPS
from migrator.report.escape import shown
from migrator.report.export.formats import GRAPH_DEF, TENSORBOARD, Form, form_for
from migrator.report.export.subject import Subject, undecoded, with_called
from migrator.report.export.tensorboard import log_name, write_log, write_shown_graph

PathLike = str | os.PathLike[str]
Sides = tuple[Sequence[str], Sequence[str]]
_SOME = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written. ``dest`` is empty where it went to an open file.

    ``nodes`` counts those of the graph itself, bodies apart. ``placeholders``: tensor that a
    part of a graph was cut at -> the node that stands for it now. ``notes`` are what the file
    does not hold, and where that is.
    """

    dest: str
    format: str
    bytes: int
    nodes: int
    placeholders: dict[str, str]
    notes: tuple[str, ...]

    __repr__ = brief


def export(
    source: PathLike | Model,
    dest: PathLike | BinaryIO,
    *,
    format: str | None = None,
    tag_set: Sequence[str] | None = None,
    function: str = "",
    subgraph: str | Sides | None = None,
    overwrite: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Exported:
    """Write the graph of ``source`` to ``dest``, which appears whole or not at all.

    ``format`` is ``graphml``, ``gexf``, ``dot``, ``node-link``, ``model-explorer``,
    ``tensorboard`` (``dest`` is a folder) or ``graph-def``; without one the ending of ``dest``
    tells. ``dest`` may be a file that is open for writing bytes. ``tag_set`` chooses a meta graph,
    ``function`` the body of a function. ``subgraph``, as ``FROM..TO`` or two lists of names, is
    the part that TO needs, cut at FROM (see ``graph.cut``).

    Raises UnsupportedFormat for a bare checkpoint, and for a graph whose nodes are no TensorFlow
    ops where a GraphDef is wanted; NeedsDecision for several meta graphs; UsageError for names
    that are not there; DestinationError where ``dest`` exists without ``overwrite``; LimitError
    for a result that its format cannot hold; and what ``load`` raises.
    """
    path = dest if isinstance(dest, (str, os.PathLike)) else None
    form = form_for(format, None if path is None else os.fspath(path))
    if path is not None:
        _check(Path(path), form, overwrite=overwrite)
    elif form is TENSORBOARD:
        raise UsageError("a TensorBoard log is a folder", hint="name it")
    model = source if isinstance(source, Model) else load(source, limits=limits)
    if path is not None:
        _check_source(Path(path), model)
    with collector_paused():
        part = _part(model, form, tag_set=tag_set, function=function, subgraph=subgraph)
        size = _write(part.subject, dest, form, overwrite=overwrite)
    return Exported(
        dest=os.fspath(dest) if isinstance(dest, (str, os.PathLike)) else "",
        format=form.name,
        bytes=size,
        nodes=len(part.subject.graph.nodes),
        placeholders=part.placeholders,
        notes=(*part.notes, *_notes(part.subject, form)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What of a model is written, with what the caller is told of it."""

    subject: Subject
    placeholders: dict[str, str]
    notes: tuple[str, ...]


def _part(
    model: Model,
    form: Form,
    *,
    tag_set: Sequence[str] | None,
    function: str,
    subgraph: str | Sides | None,
) -> _Part:
    model.require_graph()
    if form is GRAPH_DEF:
        model.require_tensorflow_graph()
    every = form.name == "model-explorer" and tag_set is None and not function and not subgraph
    meta = model.meta_graphs[0] if every else choose_meta_graph(model, tag_set)
    body = _function(meta, function, model) if function else None
    graph: Graph | Function = meta.graph if body is None else body
    placeholders: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if subgraph:
        exact = form is GRAPH_DEF
        whole = meta.graph if body is None else function_graph(meta.graph, body, exact=exact)
        cut = _cut(model, whole, subgraph, exact=exact)
        graph, placeholders = with_called(cut.graph), cut.placeholders
        if cut.unused:
            notes = (f"not needed, so not cut at: {_listed(cut.unused)}",)
    subject = Subject(
        model=model,
        meta=meta,
        metas=model.meta_graphs if every else (meta,),
        graph=graph,
        function=function,
        whole=not subgraph,
    )
    return _Part(subject=subject, placeholders=placeholders, notes=notes)


def _cut(model: Model, whole: Graph, subgraph: str | Sides, *, exact: bool) -> Cut:
    """The part that was asked for. Raises UsageError for a placeholder whose type is unknown,
    where the result must be ``exact``."""
    starts, ends = parse_range(subgraph, whole) if isinstance(subgraph, str) else subgraph
    cut = cut_graph(whole, starts, ends)
    if cut.untyped and exact:
        raise UsageError(
            "the type of what placeholders would stand for cannot be told: "
            f"{first_few(cut.untyped, _SOME)}",
            where=model.source.path,
            hint="cut at other tensors",
        )
    if model.source.format in OTHER_GRAPHS:
        return cut
    return replace(cut, graph=_with_shapes(cut, whole))


def _with_shapes(cut: Cut, whole: Graph) -> Graph:
    """The part, its placeholders with the shapes that the whole graph gives them."""
    named = {made: tensor for tensor, made in cut.placeholders.items()}
    silent = {
        made: tensor
        for made, tensor in named.items()
        if cut.graph.by_name[made].attrs.get("shape") == UNKNOWN_SHAPE
    }
    if not silent:
        return cut.graph
    from migrator.shapes.propagate import propagate

    shapes = propagate(whole, wanted=silent.values())
    made = {
        name: replace(
            cut.graph.by_name[name], attrs={**cut.graph.by_name[name].attrs, "shape": shape}
        )
        for name, tensor in silent.items()
        if (shape := shapes.shape(tensor)).dims is not None
    }
    nodes = tuple([made.get(node.name, node) for node in cut.graph.nodes])
    return replace(cut.graph, nodes=nodes, by_name={**cut.graph.by_name, **made})


def _function(meta: MetaGraph, name: str, model: Model) -> Function:
    found = meta.graph.functions.get(name)
    if found is not None:
        return found
    known = meta.graph.functions
    raise UsageError(
        f"has no function {ascii(name)[:200]}" + (f"; it has {len(known):,}" if known else ""),
        where=model.source.path,
        hint=did_you_mean(name[:300], list(known)[:10_000]) or _listed(_largest(known.values())),
    )


def _largest(functions: Iterable[Function]) -> list[str]:
    return [item.name for item in sorted(functions, key=lambda item: -len(item.nodes))]


def _notes(subject: Subject, form: Form) -> Iterator[str]:
    """What somebody may miss in the file."""
    functions = subject.functions
    if functions and not form.bodies:
        largest = max(functions.values(), key=lambda item: len(item.nodes))
        yield (
            f"the bodies of {len(functions):,} functions are files of their own: --function NAME, "
            f"for example {shown(largest.name, 100)} ({len(largest.nodes):,} nodes)"
        )
    if form is TENSORBOARD:
        yield "weights and attributes of more than 1 kB are left out"
    if form is GRAPH_DEF:
        count = sum(1 for node in subject.graph.nodes if node.op in VARIABLE_OPS)
        if count:
            yield f"a GraphDef holds no values of variables, of which there are {count:,}"


def _listed(names: Sequence[str]) -> str:
    return first_few(names, _SOME, lambda name: shown(name, 100))


def _write(subject: Subject, dest: PathLike | BinaryIO, form: Form, *, overwrite: bool) -> int:
    if not isinstance(dest, (str, os.PathLike)):
        return _write_file(subject, dest, form)
    target = Path(dest)
    if form is not TENSORBOARD and is_stream(target):
        try:
            with target.open("wb") as file:
                return _write_file(subject, file, form)
        except OSError as error:
            raise DestinationError(
                f"cannot be written: {error.strerror or error}", where=str(target)
            ) from None
    with folder_beside(target) as work:
        made = work / "made"
        if form is TENSORBOARD:
            size = _write_folder(subject, made, work / "graph")
        else:
            with made.open("wb") as file:
                size = _write_file(subject, file, form)
        put_in_place(made, target, overwrite=overwrite)
    return size


def _write_file(subject: Subject, file: BinaryIO, form: Form) -> int:
    if form is GRAPH_DEF:
        graph = subject.as_graph(exact=True)
        nodes, functions = map(undecoded, graph.nodes), graph.functions.values()
        return write_graph(file, nodes, functions, graph.versions, keep_devices=True)
    assert form.text is not None
    size = 0
    for part in form.text(subject):
        size += file.write(part.encode())
    return size


def _write_folder(subject: Subject, made: Path, graph: Path) -> int:
    made.mkdir()
    seconds = time.time()
    with graph.open("w+b") as scratch, (made / log_name(seconds)).open("wb") as file:
        size = write_shown_graph(scratch, subject.as_graph())
        write_log(file, scratch, size, seconds=seconds, where=subject.model.source.path)
        return file.tell()


def _check(target: Path, form: Form, *, overwrite: bool) -> None:
    """Raise DestinationError for what cannot be put in place, before any work is done."""
    if not is_taken(target):
        return
    is_folder = target.is_dir()
    if form is not TENSORBOARD:
        if is_folder:
            raise DestinationError("is a folder", where=str(target), hint="name a file")
        if is_stream(target):
            return
    if not overwrite:
        raise exists(target)
    if form is TENSORBOARD and not _is_log(target):
        raise DestinationError(
            "is something else than a folder with one TensorBoard log",
            where=str(target),
            hint="name another folder",
        )


def _is_log(target: Path) -> bool:
    try:
        names = os.listdir(target)
    except OSError:
        return False
    return all(name.startswith("events.out.tfevents.") for name in names)


def _check_source(target: Path, model: Model) -> None:
    """Raise UsageError where the result would take the place of the model."""
    path = None if model.place is None else model.place.path
    if path is not None and target.exists() and target.resolve() == path.resolve():
        raise UsageError("is the model itself", where=str(target), hint="name another file")
