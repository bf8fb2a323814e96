"""What TensorFlow's errors say, without the pages around it."""

from __future__ import annotations

import re

_AROUND = (
    "Graph execution error",
    "Detected at node",
    "Node:",
    "File ",
    "Original stack trace",
    "[[",
    "<stack traces unavailable>",
    "Original error:",
)
_MOST = 600
_REFUSED = re.compile(r"ran out of memory trying to allocate ([0-9.]{1,20} ?[A-Za-z]{1,8})")
_NO_MEMORY = ("OOM when allocating", "failed to allocate memory", "std::bad_alloc")


def short_message(error: BaseException) -> str:
    """The type and the one line of ``error`` that tells what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_AROUND)]
    text = telling[0] if telling else next(filter(None, lines), "")
    if text.endswith(":") and len(telling) > 1:  # announces the reason
        text = f"{text} {telling[1]}"
    name = type(error).__name__
    return f"{name}: {text[:_MOST]}" if text else name


def is_out_of_memory(what: str) -> bool:
    """True for what TensorFlow's allocators say; the kind of its error stands for other things."""
    return any(text in what for text in _NO_MEMORY)


def refused_memory(log: str) -> str:
    """What an allocator was asked for last and did not have, such as ``4.00TiB``; "" for none."""
    found = _REFUSED.findall(log)
    return found[-1] if found else ""
