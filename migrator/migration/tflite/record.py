"""The record of a conversion to TFLite: what came out, of which ops, and how it was proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.migration.plan import Feed, Step
from migrator.model.brief import brief
from migrator.model.model import Source
from migrator.model.tensors import Shape
from migrator.verification.result import Verification

CONVERTED = "converted"
CONVERTED_UNVERIFIED = "converted_unverified"
FAILED = "failed"

NONE = "none"
DYNAMIC = "dynamic"
FLOAT16 = "float16"
INT8 = "int8"
QUANTIZATIONS = (NONE, DYNAMIC, FLOAT16, INT8)

RANGE_TOLERANCES = {DYNAMIC: 0.1, FLOAT16: 0.025, INT8: 0.1}
"""Largest difference allowed with fewer bits, as a share of the output's range. Measured on real
nets and noise, which is harder on them than pictures are: see docs/tflite.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What an integer stands for: ``(integer - zero_point) * scale``."""

    scale: float
    zero_point: int

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteTensor:
    """An input or output. ``tensor`` is its name in the file, ``source_tensor`` in the source."""

    tensor: str
    source_tensor: str
    dtype: str
    shape: Shape
    scale: Scale | None = None

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteSignature:
    inputs: Mapping[str, TFLiteTensor]
    outputs: Mapping[str, TFLiteTensor]

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteOps:
    """Count by op: kernels that every TFLite runtime has, those of TensorFlow itself (the Flex
    delegate), and those that the application brings."""

    builtin: Mapping[str, int]
    select: Mapping[str, int]
    custom: Mapping[str, int]

    __repr__ = brief


def no_ops() -> TFLiteOps:
    """The ops of nothing."""
    return TFLiteOps(builtin={}, select={}, custom={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """``mode`` is one of QUANTIZATIONS, ``samples`` how many it was calibrated on.

    ``tolerance`` is the share of an output's range that counted as the same, None for floats.
    ``weight_bytes`` are the bytes of constants by type.
    """

    mode: str
    integer_io: bool
    samples: int
    tolerance: float | None
    weight_bytes: Mapping[str, int]

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteRecord:
    """``outcome``: ``converted``, ``converted_unverified`` or ``failed``; the last with a
    ``reason``. ``dest`` is empty where nothing was put in place; ``bytes`` is its size."""

    outcome: str
    reason: str
    source: Source
    dest: str
    bytes: int
    quantization: Quantization
    ops: TFLiteOps
    signatures: Mapping[str, TFLiteSignature]
    feeds: tuple[Feed, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    verification: Verification
    seconds: float
    peak_rss_bytes: int
    """Of the largest TensorFlow process."""
    versions: Mapping[str, str]

    __repr__ = brief

    @property
    def passed(self) -> bool:
        """True where the result is in place, proven or said to be unproven."""
        return self.outcome in (CONVERTED, CONVERTED_UNVERIFIED)
