"""Small graphs for the endpoint rules, and what is expected of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from migrator.inspection.endpoints import Endpoints, find_endpoints
from tests import wire
from tests.handmade import dense, model, unary

FLAG: dict[str, Any] = {"dtype": wire.B, "shape": wire.Dims(())}
SCALAR: dict[str, Any] = {"dtype": wire.F, "shape": wire.Dims(())}


def endpoints(*nodes: bytes, producer: int = 134) -> Endpoints:
    return find_endpoints(model(*nodes, producer=producer).meta_graphs[0])


class Named(Protocol):
    @property
    def tensor(self) -> str: ...


def tensors(candidates: Iterable[Named]) -> list[str]:
    return [candidate.tensor for candidate in candidates]


def expect(
    found: Endpoints, inputs: list[str], outputs: list[str], *, decided: bool = True
) -> None:
    assert sorted(tensors(found.inputs)) == inputs
    assert sorted(tensors(found.outputs)) == outputs
    assert found.decided == decided, found.questions


def net(source: str = "x", name: str = "probabilities") -> list[bytes]:
    """A dense layer that nobody named, with a softmax at its end."""
    return [*dense("MatMul", source), unary(name, "Softmax", "MatMul")]
