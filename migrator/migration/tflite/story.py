"""What a conversion to TFLite did, in words: its steps and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator.migration.plan import Step
from migrator.migration.tflite.options import TFLiteOptions
from migrator.migration.tflite.record import DYNAMIC, FLOAT16, INT8, NONE, TFLiteOps, no_ops

_QUANTIZED = {
    DYNAMIC: "weights as int8, computed with in float or int8 as the kernel likes",
    FLOAT16: "weights as float16, computed with in float32 where there is no half kernel",
    INT8: "weights and what flows between them as int8, scaled to the representative data",
}
_STORED = {DYNAMIC: "int8", FLOAT16: "float16", INT8: "int8"}
"""Type of the weights by mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What the converter gave in the end; ``kernels`` is empty where it gave nothing."""

    refusals: Mapping[str, str]
    """By set of kernels: why the converter refused it."""
    kernels: str = ""
    unfolded: bool = False
    """Whether products of computed matrices were unfolded."""
    ops: TFLiteOps = field(default_factory=no_ops)
    weight_bytes: Mapping[str, int] = field(default_factory=dict)
    signatures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def converted(self) -> bool:
        return bool(self.kernels)


def conversion_steps(attempt: Attempt, options: TFLiteOptions) -> tuple[Step, ...]:
    """What the converter was asked to do beyond a plain conversion."""
    if not attempt.converted:
        return ()
    ops, found = attempt.ops, []
    if ops.select:
        names = ", ".join(ops.select)
        text = f"no built-in kernel for {names}: TensorFlow's own (select ops) are used"
        found.append(Step(code="select_ops", text=text, count=sum(ops.select.values())))
    if ops.custom:
        text = f"custom ops, whose kernels the application brings: {', '.join(ops.custom)}"
        found.append(Step(code="custom_ops", text=text, count=sum(ops.custom.values())))
    if attempt.unfolded:
        text = "products of computed matrices unfolded: folded, the result was wrong"
        found.append(Step(code="unfold_matmul", text=text))
    if options.quantize != NONE:
        found.append(Step(code="quantize", text=_QUANTIZED[options.quantize]))
    if options.integer_io:
        text = "inputs and outputs are int8, with the scales that the signature gives"
        found.append(Step(code="integer_io", text=text))
    return tuple(found)


def conversion_notes(
    attempt: Attempt, options: TFLiteOptions, *, unproven: bool
) -> tuple[str, ...]:
    """What the user should know of the result."""
    if not attempt.converted:
        return ()
    found = []
    if attempt.ops.select:
        found.append(
            "the application must link the Flex delegate (select ops); --input or --output may "
            "cut these ops off"
        )
    if any(name.startswith("TensorList") for name in attempt.ops.select):
        found.append(
            "lists of tensors are built in where the size of their elements is known: fix the "
            "batch, such as --shape NAME=1,?"
        )
    if unproven and "BATCH_MATMUL" in attempt.ops.builtin:
        found.append(
            "unverified, and TensorFlow's converter is known to lose an activation behind a "
            "product of two computed matrices (BATCH_MATMUL)"
        )
    if INT8 in attempt.refusals:
        found.append(
            "not integers throughout, some ops stay in float; integers alone fail: "
            f"{attempt.refusals[INT8]}"
        )
    stored = _STORED.get(options.quantize)
    if stored is not None and stored not in attempt.weight_bytes:
        found.append(f"no weight became {stored}: the converter leaves small ones as they are")
    return tuple(found)
