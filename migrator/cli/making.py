"""What the verbs that make something have in common: how they run, tell, and end."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.cli.progress import Progress
from migrator.errors import EXIT_CANNOT, EXIT_NO, EXIT_YES, NeedsDecision
from migrator.verification.result import MISMATCH, Verification


class Record(Protocol):
    """The record of something that was made, and of its proof."""

    @property
    def passed(self) -> bool: ...

    @property
    def verification(self) -> Verification: ...


Made = TypeVar("Made", bound=Record)


def make(
    args: argparse.Namespace,
    work: Callable[..., Made],
    as_json: Callable[[Made], Any],
    as_text: Callable[[Made], str],
    **arguments: Any,
) -> int:
    """Call ``work`` with the options that all share and ``arguments``; print; the exit code.

    Raises what ``work`` raises; an open question is printed as JSON too where that is asked for.
    """
    from migrator.report.json_record import decision_result
    from migrator.report.json_v1 import dumps

    check_output(args)
    try:
        with Progress(args) as progress:
            record = work(
                args.source,
                args.dest,
                overwrite=args.overwrite,
                verify=not args.no_verify,
                keep_mismatch=args.keep_mismatch,
                data=args.data,
                rtol=args.rtol,
                atol=args.atol,
                seed=args.seed,
                timeout=args.timeout,
                memory_limit=args.memory_limit,
                limits=options.limits_of(args),
                progress=progress.tell,
                **arguments,
            )
    except NeedsDecision as decision:
        if args.format == "json":
            result = decision_result(args.verb, args.source, decision.what, decision.options)
            write_result(dumps(result), args)
        raise
    write_result(dumps(as_json(record)) if args.format == "json" else as_text(record), args)
    if record.passed:
        return EXIT_YES
    return EXIT_NO if record.verification.verdict == MISMATCH else EXIT_CANNOT
