"""What attributes are where nobody writes them: TensorFlow leaves out what has its default.

The data comes from TensorFlow's own registries by ``scripts/make_op_defaults.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue
from migrator.model.tensors import Shape
from migrator.ops.registry import op_facts


@cache
def _table() -> dict[tuple[str, str], Any]:
    """(op, attribute) -> default, of texts, floats, truth values, lists and shapes."""
    data = json.loads(Path(__file__).with_name("defaults.json").read_bytes())
    return {
        (op, name): value
        for name, rows in data.items()
        for value, ops in rows
        for op in ops.split()
    }


def is_default(op: str, name: str, value: AttrValue) -> bool:
    """Whether ``value`` is what attribute ``name`` of ``op`` is anyhow where it is not written."""
    facts = op_facts(op)
    known = None if facts is None else facts.defaults.get(name)
    if known is not None:
        return isinstance(value, int) and int(value) == known
    if (op, name) not in _table():
        return False
    default = _table()[op, name]
    if isinstance(default, dict):
        sizes = default["shape"]
        return isinstance(value, Shape) and value == Shape(
            None if sizes is None else tuple(None if size < 0 else size for size in sizes)
        )
    if isinstance(value, bytes):
        return isinstance(default, str) and value == default.encode("latin-1")
    if isinstance(default, float):
        # The registry says it in double precision, a model in single.
        return isinstance(value, float) and abs(value - default) <= 1e-6 * abs(default)
    return type(value) is type(default) and not isinstance(value, DType) and value == default
