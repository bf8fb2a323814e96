"""A TFLite file as a Model."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType

from migrator.errors import FormatError
from migrator.formats.tflite.flat import Broken, Flat
from migrator.formats.tflite.metadata import Metadata, associated_files, read_metadata
from migrator.formats.tflite.naming import Names, function_names
from migrator.formats.tflite.nodes import Wired, function_of
from migrator.formats.tflite.schema import EXTERNAL_GROUP, MODEL, SIGNATURE, TENSOR_MAP
from migrator.formats.tflite.subgraphs import Reader, SubgraphRow
from migrator.formats.tflite.values import Buffers
from migrator.formats.tflite.warnings import Warnings
from migrator.limits import Limits
from migrator.model.checks import graph_warnings
from migrator.model.model import MetaGraph, Model, Signature, Source
from migrator.model.tensors import LazyTensor, TensorSpec
from migrator.model.tflite import TFLiteFile
from migrator.places.source import ByteSource

_VERSION = 3
_SIGNATURES = 10_000


def read(source: ByteSource, limits: Limits) -> Model:
    """Read a TFLite file: everything but what its buffers hold.

    The first subgraph is the graph, the others are functions. A constant tensor is a ``Const``
    node, and one of those that share a buffer is in ``Model.variables``, so that nothing counts
    twice. Raises FormatError, LimitError.
    """
    try:
        return _read(source, limits)
    except Broken as error:
        raise FormatError(error.what, where=error.where, hint=error.hint).at(source.name) from None


def _read(source: ByteSource, limits: Limits) -> Model:
    flat = Flat(source, limits)
    warnings = Warnings()
    root = flat.table(MODEL, flat.follow(0, "TFLite root"), "TFLite root")
    version, codes_at, subgraphs_at, description_at, buffers_at = root[:5]
    _, metadata_at, signatures_at, groups_at, _ = root[5:]
    reader = Reader(flat, codes_at, warnings)
    rows = _subgraphs(reader, subgraphs_at, source, limits)
    buffers = Buffers(flat, buffers_at)
    names = function_names(rows)
    told = any(tensor.ranked and not tensor.shape.dims for row in rows for tensor in row.tensors)
    functions = partial(function_of, names)
    wired = [Wired(row, buffers, functions, warnings, ranks_told=told) for row in rows]
    for number, item in enumerate(wired):
        item.wire(top=number == 0)
    bodies = {
        names[number]: item.function(names[number]) for number, item in enumerate(wired) if number
    }
    graph = wired[0].graph(bodies)
    variables, again = _variables(wired)
    limits.check("variables", len(variables) + len(again), where=source.name)
    calls: dict[str, int] = {}
    signatures = _signatures(flat, signatures_at, wired, calls, warnings)
    metadata = read_metadata(flat, metadata_at, buffers, warnings)
    if version != _VERSION:
        warnings.add("", f"version: is {version:,}, and this reads version {_VERSION}")
    _tell_external(flat, groups_at, rows, warnings)
    facts = _facts(flat, version, description_at, metadata, wired, calls, again, warnings)
    meta = MetaGraph(
        tensorflow_version=metadata.converter.get("tensorflow_version"),
        signatures=MappingProxyType(signatures),
        graph=graph,
        declared=_declared(wired[0]),
    )
    flat.loaded()
    return Model(
        source=Source(path=source.name, bytes=source.size, format="tflite"),
        meta_graphs=(meta,),
        warnings=(*warnings.lines(), *graph_warnings(graph)),
        variables=MappingProxyType(variables),
        tflite=facts,
    )


def _subgraphs(reader: Reader, at: int, source: ByteSource, limits: Limits) -> list[SubgraphRow]:
    start, count = reader.flat.vector(at, 4, "subgraphs") if at else (0, 0)
    if not count:
        raise Broken("there is none, so there is no graph", where="subgraphs")
    limits.check("functions", count, where=source.name)
    rows = []
    for number in range(count):
        part = f"subgraphs[{number}]"
        try:
            rows.append(reader.subgraph(reader.flat.follow(start + 4 * number, part), number))
        except Broken as error:
            if not number:
                raise
            reader.warnings.error("subgraphs that cannot be read", error)
            rows.append(SubgraphRow(number, "", [], [], (), ()))
    if reader.operators and not any(row.operators for row in rows):
        raise Broken(
            f"none of its {reader.operators:,} operators can be read",
            where="subgraphs",
            hint=reader.warnings.lines()[0] if reader.warnings.lines() else "",
        )
    return rows


def _variables(wired: list[Wired]) -> tuple[dict[str, LazyTensor], dict[str, LazyTensor]]:
    """Constants by the names of their nodes: the first one of each buffer, and the others."""
    found: dict[str, LazyTensor] = {}
    again: dict[str, LazyTensor] = {}
    later: list[tuple[str, str, LazyTensor]] = []
    seen: set[int] = set()
    names = Names()
    for item in wired:
        for number, tensor in item.constants.items():
            buffer = item.row.tensors[number].buffer
            label = f"{item.row.index}.{number}"
            if buffer and buffer in seen:
                later.append((item.refs[number], label, tensor))
                continue
            seen.add(buffer)
            found[names.give(item.refs[number], label)] = tensor
    for name, label, tensor in later:  # after those that count, which keep their names
        again[names.give(name, label)] = tensor
    return found, again


def _declared(main: Wired) -> Signature:
    sides = []
    for numbers in (main.row.inputs, main.row.outputs):
        names = Names()
        sides.append(
            {names.give(main.row.tensors[item].name, item): main.spec(item) for item in numbers}
        )
    return Signature(method_name="", inputs=sides[0], outputs=sides[1])


def _signatures(
    flat: Flat, at: int, wired: list[Wired], calls: dict[str, int], warnings: Warnings
) -> dict[str, Signature]:
    """The signatures by key; ``calls`` gets the subgraph of each."""
    found: dict[str, Signature] = {}
    if not at:
        return found
    names = Names()
    try:
        start, count = flat.vector(at, 4, "signature_defs")
    except Broken as error:
        warnings.error("signatures that cannot be read", error)
        return found
    if count > _SIGNATURES:
        warnings.add("", f"signature_defs: {count:,}, the first {_SIGNATURES:,} are read")
    for number in range(min(count, _SIGNATURES)):
        part = f"signature_defs[{number}]"
        try:
            inputs, outputs, key_at, _, subgraph = flat.table(
                SIGNATURE, flat.follow(start + 4 * number, part), part
            )
            if subgraph >= len(wired):
                raise Broken(f"is {subgraph:,} of {len(wired):,}", where=f"{part}.subgraph_index")
            key = names.give(flat.text(key_at, f"{part}.signature_key"), number)
            sides = [
                _tensor_maps(flat, place, wired[subgraph], f"{part}.{side}")
                for place, side in ((inputs, "inputs"), (outputs, "outputs"))
            ]
            found[key] = Signature(method_name="", inputs=sides[0], outputs=sides[1])
            calls[key] = subgraph
        except Broken as error:
            warnings.error("signatures that cannot be read", error)
    return found


def _tensor_maps(flat: Flat, at: int, graph: Wired, part: str) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    names = Names()
    start, count = flat.vector(at, 4, part) if at else (0, 0)
    flat.spend(4 * count, part)
    for number in range(count):
        own = f"{part}[{number}]"
        name_at, tensor = flat.table(TENSOR_MAP, flat.follow(start + 4 * number, own), own)
        if tensor >= len(graph.row.tensors):
            raise Broken(
                f"is {tensor:,} of {len(graph.row.tensors):,}", where=f"{own}.tensor_index"
            )
        found[names.give(flat.text(name_at, f"{own}.name"), number)] = graph.spec(tensor)
    return found


def _tell_external(flat: Flat, at: int, rows: list[SubgraphRow], warnings: Warnings) -> None:
    """Say where values lie that are in no buffer of the file."""
    count = sum(bool(tensor.external) for row in rows for tensor in row.tensors)
    if not count:
        return
    groups = []
    try:
        start, length = flat.vector(at, 4, "external_buffer_groups") if at else (0, 0)
        for number in range(min(length, 5)):
            part = f"external_buffer_groups[{number}]"
            row = flat.table(EXTERNAL_GROUP, flat.follow(start + 4 * number, part), part)
            groups.append(ascii(flat.text(row[0], part)))
    except Broken as error:
        warnings.error("external buffers that cannot be read", error)
    warnings.add(
        "", f"{count:,} tensors have their values in other files: {', '.join(groups) or 'unnamed'}"
    )


def _facts(
    flat: Flat,
    version: int,
    description_at: int,
    metadata: Metadata,
    wired: list[Wired],
    calls: dict[str, int],
    again: dict[str, LazyTensor],
    warnings: Warnings,
) -> TFLiteFile:
    description = ""
    try:
        description = flat.text(description_at, "description")
    except Broken as error:
        warnings.error("descriptions that cannot be read", error)
    return TFLiteFile(
        schema_version=version,
        description=description,
        min_runtime_version=metadata.min_runtime_version,
        converter=metadata.converter,
        about=metadata.about,
        about_tensors=metadata.tensors,
        metadata=metadata.entries,
        associated_files=associated_files(flat.source, flat.limits, warnings),
        subgraphs=tuple(item.facts() for item in wired),
        signature_subgraphs=calls,
        shared=MappingProxyType(again),
    )
