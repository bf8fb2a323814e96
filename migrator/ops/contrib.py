"""Which part of tf.contrib an op of TensorFlow 1 came from.

The data comes from TensorFlow 1.15 by ``scripts/make_contrib_libraries.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def _table() -> dict[str, str]:
    data = json.loads(Path(__file__).with_name("contrib.json").read_bytes())
    found: dict[str, str] = data["ops"]
    return found


def contrib_part(op: str) -> str:
    """Such as ``tf.contrib.kafka``; empty for an op that tf.contrib did not bring."""
    return _table().get(op, "")
