"""Plan: what a migration will do. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node, Versions
from migrator.model.model import Source
from migrator.model.tensors import LazyTensor, Shape

PREDICT = "tensorflow/serving/predict"
SERVING = "serving_default"
IMAGES = "_image_bytes"
"""What is put behind a signature's key for the one that takes encoded pictures."""
CONSTANTS = "constants"
VARIABLES = "variables"
LOOPS_KEPT = "TensorFlow 1 control flow is kept"
"""Start of a plan's note where it could not be made functional and nobody asked for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One input or output of the signature to be. ``name`` is its key, ``tensor`` the source's."""

    name: str
    tensor: str
    dtype: DType | None
    shape: Shape

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A placeholder that is fixed to ``value`` (a Python scalar or nested list)."""

    tensor: str
    dtype: DType
    value: Any

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change on the way, and why. ``code`` names its kind, ``count`` how often."""

    code: str
    text: str
    count: int = 1

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something that stops the migration. ``node`` is the first place, ``fix`` the way out."""

    code: str
    text: str
    node: str
    fix: str = ""
    op: str = ""
    """It stands for all nodes of this op in its body; empty where it is about one place."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weight:
    """A variable of the result. ``name`` is the source's, ``node`` the node that it stands for.

    Its value is ``value``, or what the source's tensor ``computed`` gives when it is loaded.
    """

    name: str
    node: str
    dtype: DType
    shape: Shape
    trainable: bool
    value: LazyTensor | None = field(repr=False, default=None)
    computed: str = ""
    variable: str = ""
    """The source's node, where the weight was a variable there; a rewrite may rename ``node``."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A lookup table of the result, filled from ``keys`` and ``values`` or from a text file.

    Keys and values may be names of tensors of the source, computed when it is loaded.

    ``kind`` is ``static``, ``mutable`` or ``dense``. ``settings`` are what its maker takes:
    for a text file ``key_index``, ``value_index``, ``vocab_size``, ``delimiter``, ``offset``;
    for a dense one ``empty_key`` and ``deleted_key``.
    """

    name: str
    node: str
    kind: str
    key_dtype: DType
    value_dtype: DType
    keys: LazyTensor | str = field(repr=False, default="")
    values: LazyTensor | str = field(repr=False, default="")
    file: str = ""
    file_tensor: str = ""
    """The source's tensor that holds the path of ``file``."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subgraph:
    """The nodes that TensorFlow imports, rewritten, in an order of their own.

    No node makes the inputs, nor the tensors that ``weights`` (value of a Weight), ``handles``
    (handle of a Weight), ``tables`` (handle of a Table) and ``assets`` (path of a file) name;
    each maps a tensor to what stands in for it.
    """

    nodes: tuple[Node, ...] = field(repr=False)
    functions: tuple[Function, ...] = field(repr=False)
    versions: Versions
    constant_bytes: int
    """Stored bytes of the constants among ``nodes``."""
    weights: Mapping[str, str] = field(default_factory=dict)
    handles: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    assets: Mapping[str, str] = field(default_factory=dict)

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignaturePlan:
    """One signature of the result."""

    key: str
    source_key: str
    """The source's signature that it comes from; empty for endpoints of a bare graph."""
    method_name: str
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    feeds: tuple[Feed, ...]
    subgraph: Subgraph
    unlifted: Subgraph | None = field(repr=False, default=None)
    """The same with its constants in place; None where none became a variable."""
    random: frozenset[str] = frozenset()
    """Names of the outputs that a random op may reach."""
    decode_images: Mapping[str, str] = field(default_factory=dict)
    """Inputs for which there shall also be a signature that takes encoded pictures, and the range
    of pixels that the model expects there."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Everything that ``migrate`` will do with a source."""

    source: Source
    graph: Graph = field(repr=False)
    """The source's graph, of the meta graph that was chosen."""
    tags: tuple[str, ...]
    checkpoint: str = ""
    """Prefix of the checkpoint that the variables come from."""
    checkpoint_keys: tuple[str, ...] = field(repr=False, default=())
    """Its tensors that are taken."""
    signatures: tuple[SignaturePlan, ...]
    held: tuple[Weight, ...] = field(repr=False, default=())
    """The variables of the result."""
    tables: tuple[Table, ...] = field(repr=False, default=())
    files: Mapping[str, Path] = field(default_factory=dict)
    """Assets of the source that the graph reads, by name."""
    initial: Subgraph | None = field(repr=False, default=None)
    """What computes the values of ``computed`` variables and tables."""
    steps: tuple[Step, ...]
    blockers: tuple[Blocker, ...]
    notes: tuple[str, ...]
    weights: str
    """How weights are kept: ``constants`` or ``variables``."""
    weights_reason: str = ""
    control_flow: str = "none"
    """Of the result: ``none``, ``v1`` (kept), ``functional`` or ``both``."""

    __repr__ = brief

    @property
    def is_lifted(self) -> bool:
        """Whether constants of the source become variables of the result."""
        return any(item.unlifted is not None for item in self.signatures)

    @property
    def nodes(self) -> int:
        """Nodes of the source's graph."""
        return len(self.graph.nodes)

    @property
    def inputs(self) -> tuple[Endpoint, ...]:
        """Of the first signature, as are the three below."""
        return self.signatures[0].inputs

    @property
    def outputs(self) -> tuple[Endpoint, ...]:
        return self.signatures[0].outputs

    @property
    def feeds(self) -> tuple[Feed, ...]:
        return self.signatures[0].feeds

    @property
    def subgraph(self) -> Subgraph:
        return self.signatures[0].subgraph
