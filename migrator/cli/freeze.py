"""``migrator freeze``: a TensorFlow 2 model in, one verified frozen GraphDef out."""

from __future__ import annotations

import argparse

from migrator.cli import options


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "freeze",
        help="one signature as a frozen GraphDef, verified",
        description="Freeze one signature of a SavedModel or a Keras model into the GraphDef file "
        "DEST, for runtimes that still want one, and verify that it computes the same. Input x "
        "is tensor x:0, and outputs are named alike.",
    )
    parser.add_argument("source", metavar="SOURCE", help=options.SERVED_SOURCE)
    parser.add_argument("dest", metavar="DEST.pb", help="the file to make")
    group = parser.add_argument_group("what")
    group.add_argument("--signature", metavar="KEY", help="which signature (serving_default)")
    group.add_argument(
        "--tag-set", metavar="TAGS", help="which meta graph, as comma-separated tags (serve)"
    )
    group.add_argument(
        "--for-runtime",
        metavar="VERSION",
        help="an older TensorFlow that must know every op of the result, such as 1.15",
    )
    options.add_verification(parser)
    group = parser.add_argument_group("result")
    group.add_argument("--no-verify", action="store_true", help="do not prove anything")
    group.add_argument(
        "--keep-mismatch", action="store_true", help="put DEST in place although it differs"
    )
    options.add_overwrite(parser, "DEST.pb (and the --output file)")
    options.add_output(parser)
    options.add_process(parser)
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.freeze import freeze
    from migrator.cli.making import make
    from migrator.report.json_freeze import freeze_result
    from migrator.report.text_freeze import freeze_text

    return make(
        args,
        freeze,
        freeze_result,
        freeze_text,
        signature=args.signature,
        tag_set=options.tags_of(args),
        for_runtime=args.for_runtime,
    )
