"""How to convert to TFLite, and how to check the result. Checked when made."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.errors import UsageError
from migrator.migration.tflite.record import INT8, NONE, QUANTIZATIONS, RANGE_TOLERANCES


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteOptions:
    """How to convert and to check. ``range_tolerance`` None: by ``quantize``."""

    quantize: str = NONE
    data: str | None = None
    integer_io: bool = False
    builtin_only: bool = False
    custom_ops: bool = False
    rtol: float = 1e-5
    atol: float = 1e-5
    range_tolerance: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.quantize not in QUANTIZATIONS:
            known = ", ".join(QUANTIZATIONS)
            raise UsageError(f"--quantize {self.quantize}", hint=f"one of {known}")
        if self.quantize == INT8 and self.data is None:
            raise UsageError(
                "int8 is calibrated on representative inputs, and none are given",
                hint="add --data FILE.npz with a hundred or more typical rows for each input "
                "(np.savez(FILE, NAME=array)), or use --quantize dynamic, which needs none",
            )
        if self.integer_io and self.quantize != INT8:
            raise UsageError("--int8-io goes with --quantize int8")
        if self.range_tolerance is not None and self.quantize == NONE:
            raise UsageError(
                "--range-tolerance goes with --quantize", hint="floats have --rtol and --atol"
            )
        for name in ("rtol", "atol", "range_tolerance"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {value}", hint="a tolerance is zero or more")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}", hint="a seed is zero or more")

    @property
    def share(self) -> float | None:
        """The share of an output's range within which it counts as the same."""
        if self.quantize == NONE or self.range_tolerance is not None:
            return self.range_tolerance
        return RANGE_TOLERANCES[self.quantize]

    @property
    def attempts(self) -> tuple[str, ...]:
        """Sets of kernels to try in turn."""
        first = ("int8", "builtin") if self.quantize == INT8 else ("builtin",)
        return first if self.builtin_only else (*first, "select")
