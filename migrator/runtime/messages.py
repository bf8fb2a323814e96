"""What TensorFlow's errors say, without the pages around it."""

from __future__ import annotations

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


def short_message(error: BaseException) -> str:
    """The type and the one line of ``error`` that tells what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_AROUND)]
    text = telling[0] if telling else next(filter(None, lines), "")
    if text.endswith(":") and len(telling) > 1:  # announces the reason
        text = f"{text} {telling[1]}"
    name = type(error).__name__
    return f"{name}: {text[:_MOST]}" if text else name
