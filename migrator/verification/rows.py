"""A batch, one row at a time: for an original that takes one row, and a result that takes many."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from migrator.verification.cases import Case
from migrator.verification.process import Outcomes


def split_rows(cases: Sequence[Case], names: Collection[str]) -> list[Case]:
    """Each case as one for each row of the inputs ``names``, called ``CASE.ROW``."""
    found = []
    for case in cases:
        for row in range(_count(case, names)):
            arrays = {
                name: value[row : row + 1] if name in names else value
                for name, value in case.arrays.items()
            }
            found.append(replace(case, name=f"{case.name}.{row}", arrays=arrays))
    return found


def join_rows(outcomes: Outcomes, cases: Sequence[Case], names: Collection[str]) -> Outcomes:
    """What the rows gave, put together again along the first dimension."""
    import numpy as np

    results: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for case in cases:
        rows = [f"{case.name}.{row}" for row in range(_count(case, names))]
        failed = [outcomes.errors[row] for row in rows if row in outcomes.errors]
        if failed:
            errors[case.name] = failed[0]
            continue
        for key in _outputs(outcomes.results, rows[0]):
            parts = [outcomes.results[f"{row}/{key}"] for row in rows]
            whole = np.concatenate(parts) if np.ndim(parts[0]) else parts[0]
            results[f"{case.name}/{key}"] = whole
    return replace(outcomes, cases=tuple(cases), results=results, errors=errors)


def _count(case: Case, names: Collection[str]) -> int:
    return min((len(case.arrays[name]) for name in names), default=0)


def _outputs(results: Mapping[str, Any], row: str) -> list[str]:
    return [key[len(row) + 1 :] for key in results if key.startswith(f"{row}/")]
