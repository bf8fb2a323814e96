"""What the endpoint rules give back."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A tensor that may be an endpoint. ``score`` is 0 to 1, ``reasons`` are why."""

    tensor: str
    dtype: DType | None
    shape: Shape
    score: float
    reasons: tuple[str, ...]

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A placeholder that steers the graph and is no data. ``suggested`` is for inference."""

    tensor: str
    dtype: DType | None
    shape: Shape
    suggested: str
    reasons: tuple[str, ...]

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Inputs and outputs; when ``decided`` they are the answer, else the plausible candidates.

    ``controls`` must be fed or made inputs; ``options`` have a constant default that stands;
    ``alternatives`` are further outputs that one might want; ``questions`` is what is open.
    """

    inputs: tuple[Candidate, ...]
    outputs: tuple[Candidate, ...]
    controls: tuple[Control, ...] = ()
    options: tuple[Candidate, ...] = ()
    alternatives: tuple[Candidate, ...] = ()
    decided: bool
    questions: tuple[str, ...] = ()

    __repr__ = brief
