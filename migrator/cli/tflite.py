"""``migrator tflite``: any model in, a verified TFLite file out."""

from __future__ import annotations

import argparse

from migrator.cli import options


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "tflite",
        help="a TFLite file, verified against the source",
        description="Convert a model to the TFLite file DEST and run both on the same inputs. "
        "Built-in ops are tried first, TensorFlow's own (select ops) where they do not suffice. "
        "DEST appears whole, or not at all.",
    )
    parser.add_argument("source", metavar="SOURCE", help=options.SOURCE)
    parser.add_argument("dest", metavar="DEST.tflite", help="the file to make")
    options.add_endpoints(parser)
    options.add_source(parser)
    _add_conversion(parser)
    _add_verification(parser)
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


def _add_conversion(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("conversion")
    group.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=DIMS",
        help="fix or relax an input's shape, e.g. x=1,224,224,3",
    )
    group.add_argument(
        "--quantize",
        choices=("none", "dynamic", "float16", "int8"),
        default="none",
        help="fewer bits: weights as int8 (dynamic) or float16, or int8 throughout, which needs "
        "--data (none)",
    )
    group.add_argument(
        "--int8-io", action="store_true", help="int8 inputs and outputs too, with --quantize int8"
    )
    group.add_argument(
        "--builtin-only", action="store_true", help="fail rather than use TensorFlow's own kernels"
    )
    group.add_argument(
        "--allow-custom-ops",
        action="store_true",
        help="keep ops that no runtime has; the application brings their kernels",
    )


def _add_verification(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("verification")
    group.add_argument(
        "--data",
        metavar="FILE.npz",
        help="real inputs, one array of samples to an input name: int8 is calibrated on them, "
        "and the result verified",
    )
    group.add_argument("--rtol", type=float, default=1e-5, help="relative tolerance (1e-5)")
    group.add_argument("--atol", type=float, default=1e-5, help="absolute tolerance (1e-5)")
    group.add_argument(
        "--range-tolerance",
        type=float,
        metavar="SHARE",
        help="with --quantize: largest difference as a share of the output's range "
        "(float16 0.025, dynamic 0.1, int8 0.1)",
    )
    group.add_argument("--seed", type=int, default=0, help="of the generated inputs (0)")


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.tflite import tflite
    from migrator.cli.making import make
    from migrator.migration.options import Choice
    from migrator.report.json_tflite import tflite_result
    from migrator.report.text_tflite import tflite_text

    choice = Choice(
        inputs=args.input,
        outputs=args.output,
        feeds=args.feed,
        signatures=args.signature,
        tag_set=options.tags_of(args),
        checkpoint=args.checkpoint,
        op_libraries=args.op_library,
        shapes=args.shape,
    )
    return make(
        args,
        tflite,
        tflite_result,
        tflite_text,
        choice=choice,
        quantize=args.quantize,
        integer_io=args.int8_io,
        builtin_only=args.builtin_only,
        custom_ops=args.allow_custom_ops,
        range_tolerance=args.range_tolerance,
    )
