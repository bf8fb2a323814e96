"""Which tensors are the inputs and outputs of a graph that does not say.

Scored rules, each with its reason. First the outputs (``outputs``), then the inputs that they
need (``inputs``). Where the choice of outputs would change what has to be fed, or a control such
as ``is_training`` must be set, the answer is "undecided" and never a guess.

Background on what others do and where it fails: docs/endpoints.md.
"""

from __future__ import annotations

from migrator.graph.wiring import Wiring
from migrator.inspection.candidates import Candidate, Control, Endpoints
from migrator.inspection.unsigned import callable_signatures, why_unsigned
from migrator.model.model import MetaGraph, Signature

__all__ = ["Candidate", "Control", "Endpoints", "find_endpoints"]


def find_endpoints(meta: MetaGraph, wiring: Wiring | None = None) -> Endpoints:
    """The endpoints of ``meta``: from its signatures where it has some, else by the rules."""
    if meta.declared is not None:
        return _from_signature(meta.declared, "declared by the model")
    keys = callable_signatures(meta)
    if keys:
        key = "serving_default" if "serving_default" in keys else keys[0]
        return _from_signature(meta.signatures[key], f"{{!r}} of signature {key!r}")
    if why := why_unsigned(meta):
        return Endpoints(inputs=(), outputs=(), decided=False, questions=(why,))
    from migrator.inspection import inputs, outputs  # a model with signatures needs none of it

    wiring = wiring or Wiring(meta.graph)
    found = outputs.find(meta.graph, wiring)
    needed = inputs.find(meta.graph, wiring, [item.tensor for item in found.chosen])
    questions = [*found.questions, *needed.questions]
    if not found.chosen:
        questions.insert(0, "no tensor looks like an output")
    return Endpoints(
        inputs=needed.data,
        outputs=found.chosen,
        controls=needed.controls,
        options=needed.options,
        alternatives=found.alternatives,
        decided=not questions,
        questions=tuple(questions),
    )


def _from_signature(signature: Signature, reason: str) -> Endpoints:
    """``reason`` may have a place for the name that the tensor has there."""

    def candidates(side: str) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(
                tensor=spec.tensor or spec.parts[0] if spec.tensor or spec.parts else name,
                dtype=spec.dtype or None,
                shape=spec.shape,
                score=1.0,
                reasons=(reason.replace("{!r}", repr(name), 1),),
            )
            for name, spec in getattr(signature, side).items()
        )

    return Endpoints(inputs=candidates("inputs"), outputs=candidates("outputs"), decided=True)
