"""What only a TFLite file says: tensors with their quantisation, operators, metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor, Shape

INPUT_OP = "Placeholder"
CONSTANT_OP = "Const"
STATE_OP = "State"
UNDEFINED_OP = "Undefined"
PSEUDO_OPS = frozenset((INPUT_OP, CONSTANT_OP, STATE_OP, UNDEFINED_OP))
"""Ops of nodes that stand for a tensor which no operator computes. TFLite's own operators are
written in capitals."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantization:
    """How the integers of a tensor stand for numbers: ``scale * (value - zero_point)``.

    One scale for all of it, or one for each index of ``dimension``. ``form`` is ``affine``,
    ``blockwise`` (the scales, one for ``block_size`` elements, are those of a tensor),
    ``multi_axis`` (the same over several dimensions) or ``custom``; but the first have no scales
    here.
    """

    form: str
    scales: int
    """How many there are."""
    dimension: int
    read: Callable[[], tuple[tuple[float, ...], tuple[int, ...]]] = field(repr=False)
    """The scales and the zero points. Raises FormatError."""
    block_size: int = 0
    scales_tensor: int = -1
    """Index of the tensor with the scales of blocks, in the same subgraph."""

    __repr__ = brief

    @property
    def per_channel(self) -> bool:
        return self.scales > 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TFLiteTensor:
    """One tensor. ``name`` is as in the file; ``role`` is ``input``, ``constant``, ``computed``,
    ``state`` (kept between calls) or ``undefined`` (nothing gives it a value)."""

    name: str
    dtype: DType
    shape: Shape
    role: str
    is_output: bool
    """It is one of its subgraph's results."""
    quantization: Quantization | None
    buffer: int
    """Index of the buffer with its values, 0 for none. Several tensors may share one."""
    stored_bytes: int
    sparse: bool

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TFLiteSubgraph:
    """A subgraph; the first one is the model's graph, the others are functions."""

    name: str
    tensors: Sequence[TFLiteTensor]
    operators: Mapping[tuple[str, str], int]
    """(kind, name) -> count; the kind is ``builtin``, ``select`` (a TensorFlow op, without its
    ``Flex``) or ``custom``."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorAbout:
    """What the model's metadata says of an input or output, ``number`` of its ``side``.

    What is fed to an input is ``(value - mean) / std``, each one number or one for each channel.
    """

    side: str
    """``input`` or ``output``."""
    number: int
    name: str
    description: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    files: tuple[str, ...]
    """Files zipped onto the end that belong to it, such as its labels."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TFLiteFile:
    """A file as a whole."""

    schema_version: int
    description: str
    min_runtime_version: str
    converter: Mapping[str, str]
    """How it was converted, as its converter noted it; the keys are ours."""
    about: Mapping[str, str]
    """The model's own metadata: ``name``, ``description``, ``version``, ``author``, ..."""
    about_tensors: tuple[TensorAbout, ...]
    """The same of the first subgraph's inputs and outputs, as far as it says anything."""
    metadata: Mapping[str, int]
    """Name -> bytes of each entry."""
    associated_files: Mapping[str, int]
    """Files zipped onto the end: name -> bytes."""
    subgraphs: tuple[TFLiteSubgraph, ...]
    signature_subgraphs: Mapping[str, int]
    """Signature -> index of the subgraph that it calls."""
    shared: Mapping[str, LazyTensor] = field(default_factory=dict)
    """Constants whose buffer is an earlier one's: ``Model.variables`` counts each buffer once."""

    __repr__ = brief
