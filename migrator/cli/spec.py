"""``plan --write-spec FILE``: what was settled or is open, as a file to edit and feed back."""

from __future__ import annotations

import argparse
from pathlib import Path

from migrator.errors import DestinationError, NeedsDecision
from migrator.files import is_taken, write_whole
from migrator.migration.options import AUTO
from migrator.migration.plan import Plan
from migrator.migration.spec import SignatureSpec, Spec, spec_text


def check_spec(args: argparse.Namespace) -> None:
    """Refuse a file that exists before any work is done. Raises DestinationError."""
    if args.write_spec and not args.overwrite and is_taken(Path(args.write_spec)):
        raise DestinationError(
            "exists", where=args.write_spec, hint="add --overwrite to replace it"
        )


def write_settled_spec(args: argparse.Namespace, plan: Plan) -> None:
    """Write the plan's endpoints and options."""
    if not args.write_spec:
        return
    signatures = tuple(
        SignatureSpec(
            name=item.key,
            source=item.source_key,
            inputs={} if item.source_key else {e.name: e.tensor for e in item.inputs},
            outputs={} if item.source_key else {e.name: e.tensor for e in item.outputs},
            shapes={e.name: e.shape.dims for e in item.inputs if e.shape.dims is not None},
            decode_images=tuple(f"{k}={v}" for k, v in item.decode_images.items()),
            feeds={feed.tensor: feed.value for feed in item.feeds},
        )
        for item in plan.signatures
    )
    spec = Spec(
        weights=plan.weights,
        control_flow=args.control_flow if args.control_flow != AUTO else None,
        optimize=args.optimize or None,
        signatures=signatures,
    )
    write_whole(Path(args.write_spec), spec_text(spec))


def write_open_spec(args: argparse.Namespace, decision: NeedsDecision) -> None:
    """Write what is given, with the candidates as comments."""
    if not args.write_spec:
        return
    comments = {"": [decision.what, "The candidates, as options of the command line:"]}
    comments[""] += list(decision.options)
    given = SignatureSpec(
        inputs=dict(_pairs(args.input)),
        outputs=dict(_pairs(args.output)),
    )
    write_whole(Path(args.write_spec), spec_text(Spec(signatures=(given,)), comments=comments))


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    return [(text.partition("=")[0], text.partition("=")[2]) for text in texts if "=" in text]
