"""``migrator verify``: do these two compute the same?"""

from __future__ import annotations

import argparse

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.cli.progress import Progress
from migrator.errors import EXIT_CANNOT, EXIT_NO, EXIT_YES


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "verify",
        help="do two models compute the same?",
        description="Run two models, of any two formats that migrate takes, on the same inputs, "
        "each in a fresh process, and compare. A result of migrate knows which of its names "
        "stand for which tensors. Exit code 0: the same; 1: not; 2: could not be run.",
    )
    parser.add_argument("reference", metavar="REFERENCE", help="the original")
    parser.add_argument("candidate", metavar="CANDIDATE", help="what should compute the same")
    options.add_endpoints(parser)
    parser.add_argument("--signature", metavar="KEY", help="of a SavedModel (serving_default)")
    parser.add_argument("--tag-set", metavar="TAGS", help="of a SavedModel, comma-separated")
    options.add_op_library(parser)
    options.add_verification(parser)
    parser.add_argument(
        "--bisect", action="store_true", help="where they differ, find the first node that does"
    )
    options.add_output(parser, short=False)
    options.add_overwrite(parser, "the output file")
    options.add_process(parser)
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.verify import verify
    from migrator.report.json_record import verify_result
    from migrator.report.json_v1 import dumps
    from migrator.report.text_record import verify_text
    from migrator.verification.result import MISMATCH

    check_output(args)
    with Progress(args) as progress:
        found = verify(
            args.reference,
            args.candidate,
            inputs=args.input,
            outputs=args.output,
            feeds=args.feed,
            signature=args.signature,
            tag_set=options.tags_of(args),
            op_libraries=args.op_library,
            bisect=args.bisect,
            data=args.data,
            rtol=args.rtol,
            atol=args.atol,
            seed=args.seed,
            timeout=args.timeout,
            memory_limit=args.memory_limit,
            limits=options.limits_of(args),
            progress=progress.tell,
        )
    if args.format == "json":
        text = dumps(verify_result(args.reference, args.candidate, found))
    else:
        text = verify_text(args.reference, args.candidate, found)
    write_result(text, args)
    if found.passed:
        return EXIT_YES
    return EXIT_NO if found.verdict == MISMATCH else EXIT_CANNOT
