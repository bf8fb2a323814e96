"""Two arrays: the same bits, the same within a tolerance, or not the same."""

from __future__ import annotations

from typing import Any

from migrator.verification.result import BITWISE, MISMATCH, WITHIN_TOLERANCE, OutputComparison


def compare_arrays(
    reference: Any, candidate: Any, *, rtol: float, atol: float, by_largest: bool = False
) -> OutputComparison:
    """Compare element by element.

    NaN equals NaN, an infinity equals one of its sign. Finite floats must be within
    ``atol + rtol * |reference|`` (``atol`` shrinks with outputs smaller than 1), with
    ``by_largest`` of the largest element of the reference: a sum that is reordered errs by the
    size of its terms. Every other type must be equal.
    """
    import numpy as np

    left, right = np.asarray(reference), np.asarray(candidate)
    if left.shape != right.shape:
        return _mismatch(f"shape {list(left.shape)} against {list(right.shape)}")
    if left.dtype != right.dtype:
        return _mismatch(f"dtype {left.dtype} against {right.dtype}")
    if left.dtype.names:  # quantised types: one field that holds the integer
        left, right = left.view(left.dtype[0]), right.view(right.dtype[0])
    if left.dtype.kind in "OSU":
        same = all(_bytes(a) == _bytes(b) for a, b in zip(left.ravel(), right.ravel(), strict=True))
        return _equal() if same else _mismatch("strings differ")
    if left.dtype.kind in "biu":
        if np.array_equal(left, right):
            return _equal()
        # In floats: the difference of two integers may not fit into them.
        largest = float(np.max(np.abs(left.astype(np.float64) - right.astype(np.float64))))
        return _mismatch(f"{np.count_nonzero(left != right):,} elements differ", max_abs=largest)
    return _compare_floats(left, right, rtol, atol, by_largest)


def _compare_floats(
    left: Any, right: Any, rtol: float, atol: float, by_largest: bool
) -> OutputComparison:
    import numpy as np

    if left.dtype.kind == "c":  # real and imaginary parts, each for itself
        part = f"f{left.dtype.itemsize // 2}"
        left, right = (np.ascontiguousarray(a).reshape(-1).view(part) for a in (left, right))
    bits = f"u{left.dtype.itemsize}"
    same = left.reshape(-1).view(bits) == right.reshape(-1).view(bits)
    wide_left, wide_right = (a.reshape(-1).astype(np.float64) for a in (left, right))
    both_nan = np.isnan(wide_left) & np.isnan(wide_right)
    if bool(np.all(same | both_nan)):
        return _equal()
    odd = ~np.isfinite(wide_left) | ~np.isfinite(wide_right)
    odd_same = both_nan | (wide_left == wide_right)
    if bool(np.any(odd & ~odd_same)):
        count = int(np.count_nonzero(odd & ~odd_same))
        return _mismatch(f"{count:,} elements are NaN or infinite on one side only")
    finite = ~odd
    difference = np.abs(wide_left[finite] - wide_right[finite])
    scale = np.abs(wide_left[finite])
    max_abs = float(difference.max(initial=0.0))
    moved = difference > 0
    # Relative to the reference where it is not zero; the smallest normal keeps it finite.
    tiny = float(np.finfo(np.float32).tiny)
    relative = difference[moved] / np.maximum(scale[moved], tiny)
    max_rel = float(relative.max(initial=0.0))
    # Outputs that are all smaller than atol must not agree with just anything.
    if rtol:
        atol *= min(1.0, float(scale.max(initial=0.0)))
    measure = scale.max(initial=0.0) if by_largest else scale
    beyond = int(np.count_nonzero(difference > atol + rtol * measure))
    if beyond:
        return _mismatch(
            f"{beyond:,} of {left.size:,} elements differ by more than the tolerance",
            max_abs=max_abs,
            max_rel=max_rel,
        )
    return OutputComparison(verdict=WITHIN_TOLERANCE, max_abs=max_abs, max_rel=max_rel)


def _equal() -> OutputComparison:
    return OutputComparison(verdict=BITWISE, max_abs=0.0, max_rel=0.0)


def _mismatch(
    reason: str, *, max_abs: float | None = None, max_rel: float | None = None
) -> OutputComparison:
    return OutputComparison(verdict=MISMATCH, max_abs=max_abs, max_rel=max_rel, reason=reason)


def _bytes(item: object) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()
