"""``migrator migrate``: a legacy model in, a verified TensorFlow 2 SavedModel out."""

from __future__ import annotations

import argparse

from migrator.cli import options


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "migrate",
        help="a TensorFlow 2 SavedModel with signatures, verified",
        description="Migrate a model to a TensorFlow 2 SavedModel in folder DEST and verify that "
        "it computes the same. DEST appears whole, or not at all.",
    )
    parser.add_argument("source", metavar="SOURCE", help=options.SOURCE)
    parser.add_argument("dest", metavar="DEST", help="the folder to make")
    options.add_endpoints(parser)
    options.add_source(parser)
    options.add_rewriting(parser)
    options.add_verification(parser)
    group = parser.add_argument_group("result")
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
    from migrator.cli.making import make
    from migrator.report.json_record import migrate_result
    from migrator.report.text_record import migrate_text

    return make(args, migrate, migrate_result, migrate_text, choice=options.choice_of(args))
