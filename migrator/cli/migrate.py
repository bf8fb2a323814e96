"""``migrator migrate``: a frozen graph in, a verified TensorFlow 2 SavedModel out."""

from __future__ import annotations

import argparse

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.cli.progress import Progress
from migrator.errors import EXIT_CANNOT, EXIT_NO, EXIT_YES, NeedsDecision


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "migrate",
        help="a TensorFlow 2 SavedModel with signatures, verified",
        description="Migrate a frozen graph to a TensorFlow 2 SavedModel in folder DEST and "
        "verify that it computes the same. DEST appears whole, or not at all.",
    )
    parser.add_argument("source", metavar="SOURCE", help="a frozen graph (.pb)")
    parser.add_argument("dest", metavar="DEST", help="the folder to make")
    options.add_endpoints(parser)
    options.add_verification(parser)
    group = parser.add_argument_group("result")
    group.add_argument(
        "--weights",
        choices=("auto", "constants"),
        default="auto",
        help="how weights are kept; auto is constants in this version",
    )
    group.add_argument("--no-verify", action="store_true", help="do not prove anything")
    group.add_argument(
        "--keep-mismatch", action="store_true", help="put DEST in place although it differs"
    )
    options.add_overwrite(parser, "DEST (and the --output-file)")
    options.add_output(parser, short=False)
    options.add_process(parser)
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.migrate import migrate
    from migrator.report.json_record import decision_result, migrate_result
    from migrator.report.json_v1 import dumps
    from migrator.report.text_record import migrate_text
    from migrator.verification.result import MISMATCH

    check_output(args)
    try:
        with Progress(args) as progress:
            record = migrate(
                args.source,
                args.dest,
                inputs=args.input,
                outputs=args.output,
                feeds=args.feed,
                overwrite=args.overwrite,
                verify=not args.no_verify,
                keep_mismatch=args.keep_mismatch,
                data=args.data,
                rtol=args.rtol,
                atol=args.atol,
                seed=args.seed,
                timeout=args.timeout,
                memory_limit=args.memory_limit,
                progress=progress.tell,
            )
    except NeedsDecision as decision:
        if args.format == "json":
            result = decision_result("migrate", args.source, decision.what, decision.options)
            write_result(dumps(result), args)
        raise
    text = dumps(migrate_result(record)) if args.format == "json" else migrate_text(record)
    write_result(text, args)
    if record.passed:
        return EXIT_YES
    return EXIT_NO if record.verification.verdict == MISMATCH else EXIT_CANNOT
