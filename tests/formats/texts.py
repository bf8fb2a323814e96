"""What the tests of the text format share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrator.formats.reading import read_message
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import MetaGraph, Model
from migrator.places.source import ByteSource
from tests.corpus import FIXTURES
from tests.equality import plain_graph

TWINS = FIXTURES / "text_twins"
PAIRS = sorted(
    (folder / text, folder / binary)
    for folder in TWINS.iterdir()
    for text, binary in (
        ("graph.pbtxt", "graph.pb"),
        ("model.ckpt.meta.pbtxt", "model.ckpt.meta"),
        ("text/saved_model.pbtxt", "binary/saved_model.pb"),
    )
)
"""Text and binary form of the same."""


def name_of(pair: Path | tuple[Path, Path]) -> str:
    path = pair[0] if isinstance(pair, tuple) else pair
    return str(path.relative_to(TWINS))


def parsed(text: str | bytes, message: str = "GraphDef", limits: Limits = DEFAULT_LIMITS) -> Any:
    """The message that the text stands for; what it left in the text is not put back."""
    return with_spans(text, message, limits)[0]


def with_spans(
    text: str | bytes, message: str = "GraphDef", limits: Limits = DEFAULT_LIMITS
) -> tuple[Any, Any]:
    data = text.encode() if isinstance(text, str) else text
    source = ByteSource.of_bytes(data, name="x.pbtxt")
    return read_message(source, message, limits, text=True)


def plain_model(model: Model) -> list[dict[str, Any]]:
    """What a model says, its file apart, as something that ``==`` compares by content."""
    return [_plain(meta) for meta in model.meta_graphs] + [{"warnings": model.warnings}]


def _plain(meta: MetaGraph) -> dict[str, Any]:
    return {
        "tags": meta.tags,
        "version": meta.tensorflow_version,
        "signatures": meta.signatures,
        "collections": meta.collections,
        "assets": meta.assets,
        "saver": meta.saver,
        "objects": meta.object_graph and meta.object_graph.kinds,
        **plain_graph(meta.graph),
    }
