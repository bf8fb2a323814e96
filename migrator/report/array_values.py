"""Arrays for a reader and for JSON: whole where they are small, in numbers where they are not."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from migrator.arrays import nested_list
from migrator.report.escape import shown

MOST_TOP_ROWS = 4
"""So many rows of scores are told of."""
_TOP = 5
_LEAST_CLASSES = 3
_SCORE_NAMES = ("prob", "softmax", "score", "logit", "predict", "class", "result")
_ROUNDING = 1e-2
"""How far from one a row of probabilities may sum up; some are float16."""
_TEXT = 60
"""Characters of one string on the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """``low``, ``high``, ``mean`` of the finite numbers; None where there is none."""

    low: float | None = None
    high: float | None = None
    mean: float | None = None
    not_finite: int = 0


def type_name(array: Any) -> str:
    """TensorFlow's name for the type of an array."""
    if array.dtype == object:
        return "string"
    return str(array.dtype.names[0]) if array.dtype.names else str(array.dtype.name)


_OTHERS = 256
"""From here on numpy counts types that others have registered."""


def plain(array: Any) -> Any:
    """The same numbers in a type that numpy itself knows: float32 for bfloat16, int8 for qint8."""
    import numpy as np

    if array.dtype.names:
        array = array[array.dtype.names[0]]
    if array.dtype.kind in "OSUfiubc" and array.dtype.num < _OTHERS:
        return array
    name = array.dtype.name
    return array.astype(np.int16 if "int" in name else np.float32)


def summary(array: Any) -> Summary:
    """Range and mean of a numeric array; of booleans and strings there is none."""
    import numpy as np

    values = plain(array)
    if values.dtype.kind not in "fiu" or not values.size:
        return Summary()
    finite = values[np.isfinite(values)]
    missing = int(values.size - finite.size)
    if not finite.size:
        return Summary(not_finite=missing)
    with np.errstate(over="ignore"):
        mean = float(finite.mean(dtype=np.float64))
    return Summary(low=float(finite.min()), high=float(finite.max()), mean=mean, not_finite=missing)


def values_of(array: Any) -> Any:
    """An array as JSON: nested lists of numbers, booleans and texts.

    What is not finite and complex numbers are texts; strings that are no UTF-8 are
    ``{"b64": ...}``. ``migrator run`` takes the same again as an input.
    """
    values = plain(array)
    kind = values.dtype.kind
    if not values.size:
        return nested_list(values)
    flat = values.ravel().tolist()
    if kind == "f":
        flat = [item if -_INFINITE < item < _INFINITE else _word(item) for item in flat]
    elif kind == "c":
        flat = [str(item).strip("()") for item in flat]
    elif kind in "OSU":
        flat = [_text(item) for item in flat]
    for size in reversed(values.shape[1:]):
        flat = [flat[start : start + size] for start in range(0, len(flat), size)]
    return flat if values.ndim else flat[0]


_INFINITE = float("inf")


def _word(value: float) -> str:
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _text(value: bytes | str) -> Any:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def shown_values(array: Any, most: int | None) -> str:
    """The values as text for a terminal: all where there are at most ``most`` (None: always),
    else the first and the last."""
    import numpy as np

    values = plain(array)
    if values.dtype.kind in "OSU":
        return _shown_strings(values, most)
    threshold = values.size + 1 if most is None or values.size <= most else 0
    return np.array2string(
        values, precision=6, threshold=threshold, edgeitems=3, max_line_width=88, separator=" "
    )


def _shown_strings(values: Any, most: int | None) -> str:
    flat = values.ravel().tolist()
    cut = flat if most is None else flat[:most]
    length = 1 << 30 if most is None else _TEXT
    items = [_shown_string(item, length) for item in cut]
    if len(flat) > len(cut):
        items.append(f"... ({len(flat) - len(cut):,} more)")
    if values.ndim == 0:
        return items[0]
    return "\n".join(items) if sum(map(len, items)) > 80 else ", ".join(items)


def _shown_string(value: bytes | str, most: int) -> str:
    text = _text(value)
    if isinstance(text, str):
        return f"'{shown(text, most)}'"
    start = text["b64"] if len(text["b64"]) <= most else f"{text['b64'][:most]}..."
    return f"{len(value):,} bytes, base64 {start}"


def top_classes(name: str, array: Any) -> list[list[tuple[int, float]]]:
    """For what looks like scores of classes: (index, score) of the best in each row.

    That is a 1-D or 2-D float array whose rows sum up to one, or whose name says so.
    """
    import numpy as np

    values = plain(array)
    if values.dtype.kind != "f" or values.ndim not in (1, 2) or values.shape[-1] < _LEAST_CLASSES:
        return []
    if not values.shape[0] or not np.isfinite(values).all():
        return []
    rows = values[None] if values.ndim == 1 else values
    sums = rows.sum(axis=-1, dtype=np.float64)
    is_distribution = bool((rows >= 0).all() and (np.abs(sums - 1) < _ROUNDING).all())
    has_name = any(word in name.lower() for word in _SCORE_NAMES)
    if not is_distribution and (not has_name or bool((rows == np.rint(rows)).all())):
        return []  # whole numbers are classes, not their scores
    found = []
    for row in rows[:MOST_TOP_ROWS]:
        best = np.argsort(-row.astype(np.float64), kind="stable")[:_TOP]
        found.append([(int(index), float(row[index])) for index in best])
    return found
