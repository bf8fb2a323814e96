"""Model: what a file or a folder holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migrator.errors import UnsupportedFormat, UsageError
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.brief import brief
from migrator.model.graph import Graph
from migrator.model.keras import KerasFile
from migrator.model.tensors import LazyTensor, TensorSpec
from migrator.model.tflite import TFLiteFile
from migrator.places.place import Place

OTHER_GRAPHS = {
    "keras_h5": "a Keras model, whose graph is of layers",
    "keras_zip": "a Keras model, whose graph is of layers",
    "tflite": "a TFLite model, whose graph is of TFLite's operators",
}
"""Formats whose nodes are no TensorFlow ops, and that in words."""
WITH_FOLDER = frozenset(("saved_model", "hub_module", "meta_graph"))
"""Kinds of models to which files beside theirs belong."""
_SOME = 5


def tags_of(given: str | Iterable[str]) -> list[str]:
    """Tags as a list, of one or as a text with commas. Raises UsageError for anything else."""
    if isinstance(given, str):
        return [tag for tag in given.split(",") if tag]
    found = list(given) if isinstance(given, Iterable) else [None]
    if all(isinstance(tag, str) for tag in found):
        return [tag for tag in found if tag is not None]
    raise UsageError(
        f"{type(given).__name__} names no meta graph",
        hint="give its number, or its tags: 'serve', ['serve', 'gpu']",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model came from. ``bytes`` counts the model file itself, not its neighbours; of a
    bare checkpoint all files of it that are there."""

    path: str
    bytes: int
    format: str
    """One of the contract's names: ``graph_def``, ``saved_model``, ..."""

    __repr__ = brief

    @property
    def family(self) -> str:
        """What the nodes of a graph in this format are: ``keras``, ``tflite`` or ``tensorflow``."""
        return self.format.partition("_")[0] if self.format in OTHER_GRAPHS else "tensorflow"

    @property
    def kind(self) -> str:
        """The same whether the file is binary or text: ``graph_def`` of ``graph_def_text``."""
        return self.format.removesuffix("_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A named way to call a model."""

    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: Mapping[str, LazyTensor] = field(default_factory=dict)
    """Values of inputs that a caller may leave out."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file in ``assets/`` and the tensor that is fed its path."""

    tensor: str
    filename: str

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Saver:
    """The tensors and ops that save and restore the model's own checkpoint."""

    filename_tensor: str
    save_tensor: str
    restore_op: str

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVariable:
    """A variable of a TF2 object graph."""

    name: str
    spec: TensorSpec
    trainable: bool

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectGraph:
    """The part of a TF2 SavedModel that says how its Python objects hang together.

    ``kinds`` counts the objects by kind; ``message`` is the parsed SavedObjectGraph.
    """

    kinds: Mapping[str, int]
    variables: tuple[SavedVariable, ...]
    concrete_functions: tuple[str, ...]
    message: Any = field(repr=False)

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetaGraph:
    """One graph with what is known about using it. A bare GraphDef has one, without tags.

    ``declared`` are the inputs and outputs of a format that says them without a signature (Keras,
    TFLite), None for others.
    """

    tags: tuple[str, ...] = ()
    tensorflow_version: str | None = None
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    graph: Graph
    collections: Mapping[str, tuple[str | bytes | int | float, ...]] = field(default_factory=dict)
    assets: tuple[Asset, ...] = ()
    saver: Saver | None = None
    object_graph: ObjectGraph | None = None
    declared: Signature | None = None

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """Everything that was read from one source. ``warnings`` are what could not be, or is odd.

    ``variables`` are weights that no graph's constants hold: those of a bare checkpoint by key
    (it has no meta graph), of a Keras file and of a TFLite file by name. ``place`` is where the
    model was found, None for one that was made in memory; ``limits`` bound what is read later of
    what lies beside it, such as its checkpoint. ``producer`` is what wrote the file, in
    words, where a format other than TensorFlow's says it: ``Keras 2.4.0, backend tensorflow``.
    ``keras`` and ``tflite`` are what only a file of that kind says.
    """

    source: Source
    meta_graphs: tuple[MetaGraph, ...]
    warnings: tuple[str, ...] = ()
    variables: Mapping[str, LazyTensor] = field(default_factory=dict)
    place: Place | None = field(default=None, repr=False)
    limits: Limits = field(default=DEFAULT_LIMITS, repr=False)
    producer: str = ""
    checkpoint_version: int = 0
    """Of a bare checkpoint: 1 or 2."""
    keras: KerasFile | None = field(default=None, repr=False)
    tflite: TFLiteFile | None = field(default=None, repr=False)

    __repr__ = brief

    @property
    def graph(self) -> Graph:
        """The graph of the first meta graph. Raises UnsupportedFormat for a bare checkpoint."""
        self.require_graph()
        return self.meta_graphs[0].graph

    def meta_graph(self, which: int | str | Sequence[str]) -> MetaGraph:
        """The meta graph with that number, or with just these tags (``"serve,gpu"``).

        Raises UsageError where there is none, UnsupportedFormat for a model without any.
        """
        self.require_graph()
        count = len(self.meta_graphs)
        if isinstance(which, int):
            if -count <= which < count:
                return self.meta_graphs[which]
            raise UsageError(
                f"there is no meta graph {which}; the model holds {count}", where=self.source.path
            )
        tags = sorted(tags_of(which))
        for meta in self.meta_graphs:
            if sorted(meta.tags) == tags:
                return meta
        known = "; ".join(ascii(",".join(meta.tags))[:100] for meta in self.meta_graphs[:_SOME])
        raise UsageError(
            f"there is no meta graph with tags {ascii(','.join(tags))[:100]}; "
            f"the model holds {known}",
            where=self.source.path,
        )

    def require_graph(self) -> None:
        """Raise UnsupportedFormat where there is no graph to work on: weights alone."""
        if not self.meta_graphs:
            raise UnsupportedFormat(
                "is a checkpoint: variables without a graph"
                if self.source.format == "checkpoint"
                else "holds weights without a graph",
                where=self.source.path,
                hint="name the model's own .h5 or .keras file"
                if self.source.family == "keras"
                else "name the .meta file or the SavedModel that it belongs to",
            )

    def require_tensorflow_graph(self) -> None:
        """Raise UnsupportedFormat where there is no graph of TensorFlow's ops to work on."""
        if self.source.format in OTHER_GRAPHS:
            raise UnsupportedFormat(
                f"is {OTHER_GRAPHS[self.source.format]}, not of TensorFlow's ops",
                where=self.source.path,
                hint="inspect and diff take it, and export in other formats than a GraphDef",
            )
        self.require_graph()
