"""What a user asks of a migration, as written on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from migrator.errors import UsageError
from migrator.migration.spec import SignatureSpec, Spec

AUTO = "auto"
_WEIGHTS = (AUTO, "variables", "constants")
_CONTROL_FLOW = (AUTO, "functional", "v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Endpoints (``[NAME=]TENSOR``), feeds (``TENSOR=VALUE``), and how the result shall be.

    ``signatures`` are ``[NEW=]KEY`` of the source's, ``shapes`` are ``NAME=?,224,224,3``,
    ``decode_images`` names of inputs. Raises UsageError for a word that is none of the choices.
    """

    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    feeds: Sequence[str] = ()
    signatures: Sequence[str] = ()
    tag_set: Sequence[str] | None = None
    shapes: Sequence[str] = ()
    decode_images: Sequence[str] = ()
    weights: str = AUTO
    control_flow: str = AUTO
    for_tflite: bool = False
    """Also what only TFLite asks for: tensor lists, no assertions."""
    optimize: bool = False
    op_libraries: Sequence[str] = ()
    checkpoint: str = ""
    wanted: Sequence[SignatureSpec] = ()
    """Signatures as a spec file describes them, each with endpoints of its own."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("weights", self.weights, _WEIGHTS),
            ("control-flow", self.control_flow, _CONTROL_FLOW),
        ):
            if value not in known:
                raise UsageError(f"--{name} {value!r}", hint=f"one of {', '.join(known)}")


def with_spec(choice: Choice, spec: Spec) -> Choice:
    """``choice`` with what a spec file says where it is silent."""
    return replace(
        choice,
        weights=spec.weights if choice.weights == AUTO and spec.weights else choice.weights,
        control_flow=spec.control_flow
        if choice.control_flow == AUTO and spec.control_flow
        else choice.control_flow,
        optimize=choice.optimize or bool(spec.optimize),
        wanted=spec.signatures,
    )
