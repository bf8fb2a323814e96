"""``migrator export``: a model's graph as a file that other programs open. See docs/export.md."""

from __future__ import annotations

import argparse
import sys

from migrator.cli import options
from migrator.cli.output import tell_note
from migrator.errors import EXIT_YES, UsageError

FORMATS = ("graphml", "gexf", "dot", "node-link", "model-explorer", "tensorboard", "graph-def")
_NO_TEXT = ("tensorboard", "graph-def")


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "export",
        help="the graph for yEd, Gephi, Graphviz, networkx, Model Explorer, TensorBoard",
        description="Write the graph of a model, or a part of it, to a file that other programs "
        "open. Needs no TensorFlow. FILE appears whole or not at all.",
    )
    parser.add_argument(
        "path", metavar="PATH", help="a model with a graph, in any format that inspect reads"
    )
    parser.add_argument(
        "-o",
        "--output",
        dest="output_file",
        metavar="FILE",
        required=True,
        help="the file to make (with tensorboard, a folder); '-': stdout, for texts",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of FILE; without it, the ending tells: .graphml, .gexf, .dot or .gv, .json for "
        "node-link, .pb for graph-def",
    )
    group = parser.add_argument_group("what is exported")
    group.add_argument(
        "--meta-graph",
        "--tag-set",
        dest="tag_set",
        metavar="TAGS",
        help="one meta graph, by its comma-separated tags (serve; all of them for model-explorer)",
    )
    group.add_argument(
        "--function", default="", metavar="NAME", help="this function's body instead of the graph"
    )
    group.add_argument(
        "--subgraph",
        metavar="FROM..TO",
        help="only what TO is computed from, with placeholders in place of FROM; each is a tensor "
        "or a node, or several with commas, and either may be left out",
    )
    options.add_limits(parser)
    options.add_overwrite(parser, "FILE")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.export import export
    from migrator.report.escape import shown, size
    from migrator.report.export.formats import FORMS

    if args.output_file == "":
        raise UsageError("the name of the output file is empty")
    to_stdout = args.output_file == "-"
    if to_stdout and args.format in _NO_TEXT:
        raise UsageError(f"--format {args.format} is no text", hint="name a file with -o")
    if to_stdout and args.format is None:
        raise UsageError("standard output has no ending to tell the format", hint="add --format")
    if args.subgraph == "":
        raise UsageError("--subgraph is empty", hint="write FROM..TO, FROM.. or ..TO")
    sys.stdout.flush()
    with options.in_time(args, args.path, open_end=to_stdout):
        done = export(
            args.path,
            sys.stdout.buffer if to_stdout else args.output_file,
            format=args.format,
            tag_set=options.tags_of(args),
            function=args.function,
            subgraph=args.subgraph,
            overwrite=args.overwrite,
            limits=options.limits_of(args),
        )
    for note in done.notes:
        tell_note(note, args)
    if not to_stdout and not args.quiet:
        cut = ""
        if done.placeholders:
            names = ", ".join(shown(name, 60) for name in [*done.placeholders.values()][:5])
            more = len(done.placeholders) - 5
            cut = f", cut at {names}{f' and {more:,} more' if more > 0 else ''}"
        label = FORMS[done.format].label
        print(f"{shown(done.dest)}: {label}, {done.nodes:,} nodes, {size(done.bytes)}{cut}")
    return EXIT_YES
