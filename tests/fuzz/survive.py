"""What damaged files may lead to: a model that everything works on, or a MigratorError."""

from __future__ import annotations

import json
import os

from migrator.errors import MigratorError
from migrator.formats import graph_def, meta_graph, saved_model
from migrator.formats.checkpoint import model as checkpoint
from migrator.formats.load import load
from migrator.formats.sniff import sniff
from migrator.formats.tflite import model as tflite
from migrator.graph.build import to_networkx
from migrator.inspection.node import describe_node
from migrator.inspection.parts import Parts
from migrator.inspection.summary import summarize
from migrator.inspection.tree import scope_tree
from migrator.inspection.weight_list import list_weights
from migrator.limits import DEFAULT_LIMITS
from migrator.model.model import Model
from migrator.places.source import ByteSource
from migrator.report import json_v1
from migrator.report.json_parts import parts_json
from migrator.report.text import inspect_text
from migrator.report.text_parts import parts_text

_NODES = 2
"""So many nodes are looked at one by one."""


def outcome_of_file(path: str | os.PathLike[str]) -> str:
    """``model``, or the name of the error's class; anything else is raised."""
    try:
        model = load(path)
    except MigratorError as error:
        assert_clear(error)
        return type(error).__name__
    use(model)
    return "model"


def outcome_of_bytes(data: bytes) -> str:
    """The same without a file, read as ``load`` reads: thousands of times a second."""
    source = ByteSource.of_bytes(data, name="mutant.pb")
    readers = {
        "checkpoint": checkpoint.read,
        "graph_def": graph_def.read,
        "meta_graph": meta_graph.read,
        "saved_model": saved_model.read,
        "tflite": tflite.read,
    }
    try:
        found = sniff(source, DEFAULT_LIMITS)
        reader = readers.get(found.format or "")
        if reader is None:
            return "UnsupportedFormat"
        model = reader(source, DEFAULT_LIMITS)
    except MigratorError as error:
        assert_clear(error)
        return type(error).__name__
    use(model)
    return "model"


def use(model: Model) -> None:
    """All that inspect does, and the graph of every meta graph."""
    summary = summarize(model)
    for index in range(len(model.meta_graphs)):
        to_networkx(model, meta_graph=index)
    text = inspect_text(summary)
    assert_harmless(text)
    json.loads(json_v1.dumps(json_v1.inspect_result([summary])))
    use_parts(model)


def use_parts(model: Model) -> None:
    """``--tree``, ``--weights`` and ``--node`` for a few nodes."""
    try:
        weights = list_weights(model)
    except MigratorError as error:  # of the checkpoint beside it
        assert_clear(error)
        weights = ()
    nodes = model.meta_graphs[0].graph.nodes[:_NODES] if model.meta_graphs else ()
    names = [*(node.name for node in nodes), *list(model.variables)[:_NODES]]
    parts = [Parts(tree=scope_tree(model), weights=weights)]
    parts += [Parts(node=describe_node(model, name)) for name in names]
    for part in parts:
        assert_harmless("\n".join(parts_text(part)))
        json.dumps(parts_json(part), allow_nan=False)


def assert_clear(error: MigratorError) -> None:
    """It says what and where."""
    assert error.what
    assert error.where
    assert "Traceback" not in str(error)


def assert_harmless(text: str) -> None:
    """Nothing in it moves a cursor, starts a line of its own or turns the writing direction."""
    odd = {char for char in text if char != "\n" and not char.isprintable()}
    assert not odd, sorted(map(ascii, odd))
