"""networkx's node-link JSON: ``networkx.node_link_graph`` gives the graph back.

Nodes are told by name, as in ``to_networkx``; the bodies of functions are objects of the same form
under ``graph.functions``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from migrator.errors import LimitError
from migrator.graph.elements import Elements
from migrator.report.export.subject import Rows, Subject, compact

_MOST_NAMES = 4 << 30
"""Characters of names that edges may spell, together."""


def node_link(subject: Subject) -> Iterator[str]:
    """The text in parts, ASCII only. Linear; one node is in memory at a time.

    Raises LimitError where the names that edges spell would make a file of several GB.
    """
    yield from _graph(subject)
    yield "\n"


def _graph(subject: Subject) -> Iterator[str]:
    elements, rows = Elements(subject.graph), Rows(subject)
    names = [item.name for item in elements.items]
    _check(elements, names, subject)
    yield f'{{"directed":true,"multigraph":true,"graph":{compact(subject.facts())[:-1]}'
    if not subject.function:
        yield ',"functions":{'
        for number, (name, function) in enumerate(subject.functions.items()):
            yield f"{',' if number else ''}\n{json.dumps(name)}:"
            yield from _graph(subject.of(function))
        yield "}"
    yield '},\n"nodes":['
    for number, item in enumerate(elements.items):
        found = rows.row(item)
        told = {
            "id": found.name,
            "op": found.op,
            "device": found.device,
            "dtype": found.dtype,
            "shape": found.shape,
            "attrs": found.attrs,
            "calls": found.calls,
        }
        yield f"{',' if number else ''}\n{compact(told)}"
    yield '],\n"edges":['
    for number, (source, target, port, arg, slot) in enumerate(elements.edges()):
        yield (
            f'{"," if number else ""}\n{{"source":{json.dumps(names[source])},'
            f'"target":{json.dumps(names[target])},"src_port":{port},'
            f'"src_arg":{json.dumps(arg)},"dst_slot":{slot},'
            f'"control":{"true" if port < 0 else "false"}}}'
        )
    yield "]}"


def _check(elements: Elements, names: list[str], subject: Subject) -> None:
    lengths = list(map(len, names))
    if max(lengths, default=0) < 10_000:
        return
    total = sum(lengths[edge.source] + lengths[edge.target] for edge in elements.edges())
    if total > _MOST_NAMES:
        raise LimitError(
            f"has edges between names of {total:,} characters in all, and node-link JSON would "
            "spell each",
            where=subject.model.source.path,
            hint="graphml and gexf number the nodes",
        )
