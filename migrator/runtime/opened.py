"""Child side: a session on a model, and what was loaded into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session, what was loaded into it, and why that and not the whole.

    ``inputs`` maps tensors to the placeholders that stand for them; empty for a whole graph.
    """

    session: Any
    ran: str
    why: str
    inputs: dict[str, str]
