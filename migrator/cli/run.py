"""``migrator run``: call a signature of a model on given inputs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.cli.progress import Progress
from migrator.errors import EXIT_YES, NeedsDecision

_EXAMPLES = """\
values:
  migrator run DIR cat.jpg                     a picture for the only input
  migrator run DIR x=cat.jpg top=3             by name; numbers, lists, texts as JSON
  migrator run DIR 'words=["a", "b"]' n=[1,2]
  migrator run DIR inputs.json                 {"x": [[1, 2]], "n": 3}
  migrator run DIR --data inputs.npz           one array to an input name
  migrator run DIR x=@notes.dat                any file's bytes for a string input
  migrator run DIR --generate --repeat 100     made-up inputs, timings
.npy, .npz, .json, .txt and pictures (.png, .jpg, .gif, .bmp) are files by their suffix. A string
input gets a picture's bytes as they are, a numeric one its pixels, resized where the shape is
fixed. Bytes in JSON are {"b64": "..."}."""


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "run",
        help="call a signature on .npy, .npz, .json inputs or pictures",
        description="Call a signature of a SavedModel or a Keras model, or a graph (frozen, or\n"
        ".meta with its checkpoint) by its endpoints, on given inputs in a fresh\n"
        "process, and tell what it gives. Inputs are made up where none is given.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a model of any format that migrate takes")
    parser.add_argument(
        "given", metavar="[NAME=]VALUE", nargs="*", default=[], help="a value for an input"
    )
    parser.add_argument("--signature", metavar="KEY", help="of a SavedModel (serving_default)")
    parser.add_argument("--tag-set", metavar="TAGS", help="of a SavedModel, comma-separated")
    options.add_op_library(parser)
    group = parser.add_argument_group("inputs")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="[NAME=]VALUE",
        help="the same as a VALUE after MODEL",
    )
    group.add_argument("--data", metavar="FILE", help=".npz or .json with all inputs by name")
    group.add_argument(
        "--scale",
        metavar="RANGE",
        help="of pixels for float inputs: 0..1, 0..255, signed (-1..1) or MEAN,STD",
    )
    group.add_argument(
        "--generate", action="store_true", help="make up values for inputs without any"
    )
    group.add_argument("--batch", type=int, metavar="N", help="batch size of made-up inputs")
    group.add_argument("--seed", type=int, default=0, help="of made-up inputs (0)")
    options.add_endpoints(parser)
    group = parser.add_argument_group("result")
    group.add_argument("--full", action="store_true", help="every value, however many")
    group.add_argument(
        "--repeat", type=int, default=0, metavar="N", help="time N more calls after the first"
    )
    options.add_output(parser, short=False)
    options.add_overwrite(parser, "the output file")
    options.add_process(parser)
    options.add_common(parser)
    parser.set_defaults(execute=execute)
    _take_late_values(parser)


def _take_late_values(parser: argparse.ArgumentParser) -> None:
    """Let values stand after options too, which argparse refuses for a list of them."""
    plain = parser.parse_known_args

    def parse(args=None, namespace=None):  # type: ignore[no-untyped-def]
        found, rest = plain(args, namespace)
        if rest and not any(word.startswith("-") for word in rest):
            found.given = [*found.given, *rest]
            rest = []
        return found, rest

    parser.parse_known_args = parse  # type: ignore[method-assign]


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.run import run
    from migrator.report.escape import shown
    from migrator.report.json_record import decision_result
    from migrator.report.json_run import run_result
    from migrator.report.json_v1 import dumps
    from migrator.report.text_run import run_text

    check_output(args)
    target = args.output_file or ""
    if target.lower().endswith(".json"):
        args.format, args.full = "json", True
    try:
        with Progress(args) as progress:
            result = run(
                args.model,
                given=[*args.given, *args.set],
                data=args.data,
                signature=args.signature,
                tag_set=options.tags_of(args),
                inputs=args.input,
                outputs=args.output,
                feeds=args.feed,
                scale=args.scale,
                generate=args.generate,
                batch=args.batch,
                seed=args.seed,
                repeat=args.repeat,
                timeout=args.timeout,
                op_libraries=args.op_library,
                memory_limit=args.memory_limit,
                limits=options.limits_of(args),
                progress=progress.tell,
            )
    except NeedsDecision as decision:
        if args.format == "json" and not target.lower().endswith(".npz"):
            found = decision_result("run", args.model, decision.what, decision.options)
            write_result(dumps(found), args)
        raise
    if not args.quiet:
        for note in result.notes:
            print(f"migrator: note: {shown(note, 1000)}", file=sys.stderr)
    if target.lower().endswith(".npz"):
        from migrator.files import write_whole
        from migrator.report.npz_run import npz_bytes

        data = npz_bytes(result.outputs)
        check_output(args)
        write_whole(Path(target), data)
        args.output_file = None
    if args.format == "json":
        write_result(dumps(run_result(result, full=args.full)), args)
    else:
        write_result(run_text(result, full=args.full), args)
    return EXIT_YES
