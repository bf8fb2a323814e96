"""``migrator view``: a model, or two side by side, in Model Explorer. See docs/view.md."""

from __future__ import annotations

import argparse

from migrator.cli import options
from migrator.cli.output import tell_note
from migrator.cli.progress import Progress
from migrator.errors import EXIT_YES, UsageError


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "view",
        help="a model, or two side by side, in Model Explorer (needs the extra `view`)",
        description="Show the graph of a model in Model Explorer, in a browser; of two models, "
        "side by side, with what differs in colour, and what is selected in one selected in the "
        "other. Reads the models itself, without TensorFlow. Ctrl-C ends it.",
    )
    parser.add_argument(
        "left", metavar="LEFT", help="a model with a graph, in any format that inspect reads"
    )
    parser.add_argument(
        "right",
        metavar="RIGHT",
        nargs="?",
        help="another one, to compare: both of TensorFlow, of Keras or of TFLite",
    )
    group = parser.add_argument_group("what is shown")
    group.add_argument(
        "--tag-set", metavar="TAGS", help="of two models: these meta graphs, e.g. serve,gpu"
    )
    group.add_argument(
        "--weights",
        action="store_true",
        help="of two models: compare the values of all weights, however large",
    )
    group.add_argument(
        "--no-audit", action="store_true", help="do not look for findings of an audit"
    )
    group = parser.add_argument_group("server")
    group.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="where it listens (the first port from 8080 on that is free)",
    )
    group.add_argument(
        "--host",
        default="localhost",
        metavar="NAME",
        help="the name or address that it listens at (localhost)",
    )
    group.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    options.add_limits(parser)
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.explore import explore
    from migrator.actions.explorer_server import NEAR, free_port, require_package, serve

    require_package()
    if args.right is None and (args.weights or args.tag_set is not None):
        option = "--weights" if args.weights else "--tag-set"
        raise UsageError(f"{option} is for two models", hint="name RIGHT too")
    port = free_port(args.host, args.port)
    both = ", ".join(filter(None, (args.left, args.right)))
    with Progress(args) as progress, options.in_time(args, both, open_end=args.weights):
        progress.tell("reading")
        explored = explore(
            args.left,
            args.right,
            tag_set=options.tags_of(args),
            audit=not args.no_audit,
            weights=args.weights,
            same_ids=True,
            limits=options.limits_of(args),
        )
    if args.host not in NEAR:
        tell_note(f"whoever can reach {args.host} can look at these models", args)
    serve(
        explored,
        host=args.host,
        port=port,
        browser=not args.no_browser,
        on_address=_tell,
        quiet=not args.verbose,
    )
    return EXIT_YES


def _tell(address: str) -> None:
    print(f"Model Explorer is at {address}\nCtrl-C ends it.", flush=True)
