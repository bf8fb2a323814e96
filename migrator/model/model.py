"""Model: what a file or a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator.errors import UnsupportedFormat
from migrator.model.graph import Graph
from migrator.model.tensors import LazyTensor, TensorSpec
from migrator.model.tflite import TFLiteFile
from migrator.places.place import Place

OTHER_GRAPHS = {
    "keras_h5": "a Keras model, whose graph is of layers",
    "keras_zip": "a Keras model, whose graph is of layers",
    "tflite": "a TFLite model, whose graph is of TFLite's operators",
}
"""Formats whose nodes are no TensorFlow ops, and that in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model came from. ``bytes`` counts the model file itself, not its neighbours."""

    path: str
    bytes: int
    format: str
    """One of the contract's names: ``graph_def``, ``saved_model``, ..."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file in ``assets/`` and the tensor that is fed its path."""

    tensor: str
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saver:
    """The tensors and ops that save and restore the model's own checkpoint."""

    filename_tensor: str
    save_tensor: str
    restore_op: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVariable:
    """A variable of a TF2 object graph."""

    name: str
    spec: TensorSpec
    trainable: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectGraph:
    """The part of a TF2 SavedModel that says how its Python objects hang together.

    ``kinds`` counts the objects by kind; ``message`` is the parsed SavedObjectGraph.
    """

    kinds: Mapping[str, int]
    variables: tuple[SavedVariable, ...]
    concrete_functions: tuple[str, ...]
    message: Any = field(repr=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingRisk:
    """What loading a Keras file would run, import or open, as its configuration says.

    ``kind`` is one of ``formats.keras.dangers``, ``argument`` the module, file or class.
    """

    layer: str
    kind: str
    argument: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """Everything that was read from one source. ``warnings`` are what could not be, or is odd.

    ``variables`` are weights that no graph's constants hold: those of a bare checkpoint by key
    (it has no meta graph), of a Keras file and of a TFLite file by name. ``place`` is where the
    model was found, None for one that was made in memory. ``producer`` is what wrote the file, in
    words, where a format other than TensorFlow's says it: ``Keras 2.4.0, backend tensorflow``.
    """

    source: Source
    meta_graphs: tuple[MetaGraph, ...]
    warnings: tuple[str, ...] = ()
    variables: Mapping[str, LazyTensor] = field(default_factory=dict)
    place: Place | None = field(default=None, repr=False)
    owners: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The layers of those variables whose names do not begin with them: a Keras file may keep
    ``conv_1/kernel`` for its layer ``conv``."""
    tflite: TFLiteFile | None = field(default=None, repr=False)
    """What only a TFLite file says."""
    producer: str = ""
    is_unmarked: bool = False
    """Whether an HDF5 file has nothing that only Keras writes: it may be anybody's."""
    is_empty: bool = False
    """Whether an HDF5 file holds no object at all."""
    checkpoint_version: int = 0
    """Of a bare checkpoint: 1 or 2."""
    risks: tuple[LoadingRisk, ...] = ()
    """Of a Keras file."""

    @property
    def graph(self) -> Graph:
        """The graph of the first meta graph. Raises UnsupportedFormat for a bare checkpoint."""
        self.require_graph()
        return self.meta_graphs[0].graph

    def require_graph(self) -> None:
        """Raise UnsupportedFormat where there is no graph to work on: weights alone."""
        if not self.meta_graphs:
            raise UnsupportedFormat(
                "is a checkpoint: variables without a graph"
                if self.source.format == "checkpoint"
                else "holds weights without a graph",
                where=self.source.path,
                hint="name the .meta file or the SavedModel that it belongs to",
            )

    def require_tensorflow_graph(self) -> None:
        """Raise UnsupportedFormat where there is no graph of TensorFlow's ops to work on."""
        if self.source.format in OTHER_GRAPHS:
            raise UnsupportedFormat(
                f"is {OTHER_GRAPHS[self.source.format]}, not of TensorFlow's ops",
                where=self.source.path,
                hint="inspect and export take it",
            )
        self.require_graph()
