"""``migrator plan``: what migrating would do; runs nothing."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.errors import EXIT_CANNOT, EXIT_YES, NeedsDecision

if TYPE_CHECKING:
    from migrator.formats.staging import Staged
    from migrator.limits import Limits


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "plan",
        help="what migrate would do, and what stands in the way; runs nothing",
        description="Work out a migration without TensorFlow: endpoints, what is cut, fixed and "
        "renamed, and what blocks. Not for a Keras model, whose graph Keras makes when it is "
        "migrated. Exit code 0: ready; 2: blocked; 3: needs a decision.",
    )
    parser.add_argument("source", metavar="SOURCE", help=options.GRAPH_SOURCE)
    options.add_endpoints(parser)
    options.add_source(parser)
    options.add_rewriting(parser)
    parser.add_argument(
        "--write-spec",
        metavar="FILE",
        help="start a --spec file (TOML) with what is settled, or with what is open as comments",
    )
    options.add_limits(parser)
    options.add_output(parser, short=False)
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.cli.spec import check_spec
    from migrator.formats.staging import staged

    check_output(args)
    check_spec(args)
    limits = options.limits_of(args)
    with options.in_time(args, args.source), staged(args.source, limits) as source:
        return _execute(args, source, limits)


def _execute(args: argparse.Namespace, source: Staged, limits: Limits) -> int:
    from migrator.cli.spec import write_open_spec, write_settled_spec
    from migrator.formats.staging import named
    from migrator.migration.known_shapes import with_known_shapes
    from migrator.migration.planning import plan
    from migrator.report.json_record import decision_result, plan_result
    from migrator.report.json_v1 import dumps
    from migrator.report.text_record import plan_text

    try:
        found = plan(source.path, choice=options.choice_of(args), limits=limits)
    except NeedsDecision as decision:
        write_open_spec(args, decision)
        if args.format == "json":
            result = decision_result("plan", args.source, decision.what, decision.options)
            write_result(dumps(result), args)
        raise
    write_settled_spec(args, found)
    found = with_known_shapes(found)
    found = replace(found, source=named(found.source), checkpoint=source.told(found.checkpoint))
    text = dumps(plan_result(found)) if args.format == "json" else plan_text(found)
    write_result(text, args)
    return EXIT_CANNOT if found.blockers else EXIT_YES
