"""The formats that a graph is exported in: how each is called, and told from a file's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from migrator.errors import UsageError
from migrator.report.export.dot import dot
from migrator.report.export.gexf import gexf
from migrator.report.export.graphml import graphml
from migrator.report.export.model_explorer import model_explorer
from migrator.report.export.node_link import node_link
from migrator.report.export.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A format. ``text`` gives a text in parts; None for what is no text.

    ``bodies`` is false where the bodies of functions are files of their own.
    """

    name: str
    label: str
    endings: tuple[str, ...] = ()
    text: Callable[[Subject], Iterator[str]] | None = None
    bodies: bool = True


GRAPH_DEF = Form(name="graph-def", label="GraphDef", endings=(".pb",))
TENSORBOARD = Form(name="tensorboard", label="TensorBoard log")
FORMS = {
    form.name: form
    for form in (
        Form(name="graphml", label="GraphML", endings=(".graphml",), text=graphml, bodies=False),
        Form(name="gexf", label="GEXF", endings=(".gexf",), text=gexf, bodies=False),
        Form(name="dot", label="DOT", endings=(".dot", ".gv"), text=dot, bodies=False),
        Form(name="node-link", label="node-link JSON", endings=(".json",), text=node_link),
        Form(name="model-explorer", label="Model Explorer's JSON", text=model_explorer),
        TENSORBOARD,
        GRAPH_DEF,
    )
}


def form_for(name: str | None, path: str | None) -> Form:
    """The format called ``name``, or else the one that the ending of ``path`` tells.

    Raises UsageError where there is none.
    """
    if name is not None:
        if name not in FORMS:
            raise UsageError(
                f"there is no format {ascii(name)[:100]}", hint=f"known are {', '.join(FORMS)}"
            )
        return FORMS[name]
    ending = os.path.splitext(path or "")[1].lower()
    for form in FORMS.values():
        if ending in form.endings:
            return form
    raise UsageError(
        "the name of the file does not tell the format" if path else "no format is named",
        where=path or "",
        hint=f"add --format, one of {', '.join(FORMS)}",
    )
