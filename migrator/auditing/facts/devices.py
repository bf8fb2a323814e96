"""What device strings name: another machine, an accelerator."""

from __future__ import annotations

import re

_REMOTE_JOB = re.compile(r"/job:(?!localhost(?:/|$))[^/]+")
_ACCELERATORS = ("gpu", "tpu", "xla_gpu", "xla_tpu")


def is_remote(device: str) -> bool:
    """True for the job of a cluster (``/job:ps/task:0``), whatever its device."""
    return _REMOTE_JOB.search(device) is not None


def is_accelerator(device: str) -> bool:
    """True for a GPU or TPU, as ``/device:GPU:0`` or in the old way ``/gpu:0``."""
    parts = device.lower().split("/")
    return any(part.removeprefix("device:").startswith(_ACCELERATORS) for part in parts)
