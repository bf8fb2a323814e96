"""``migrator diff --format model-explorer``: a folder of files for Model Explorer."""

from __future__ import annotations

import argparse
import shlex

from migrator.cli import options
from migrator.cli.progress import Progress
from migrator.errors import EXIT_NO, EXIT_YES, UsageError


def write_explored(args: argparse.Namespace) -> int:
    """Compare the two ``paths`` and write the folder ``--output``. The exit code of the diff."""
    from migrator.actions.explore import explore
    from migrator.diffing.options import words
    from migrator.report.escape import shown

    if args.output_file in (None, "-"):
        raise UsageError("--format model-explorer makes a folder", hint="name it with -o DIR")
    both = ", ".join(args.paths)
    with Progress(args) as progress, options.in_time(args, both, open_end=args.weights):
        progress.tell("comparing")
        explored = explore(
            *args.paths,
            dest=args.output_file,
            overwrite=args.overwrite,
            tag_set=None if args.tag_set is None else words([args.tag_set]),
            ignore=words(args.ignore),
            only=tuple(args.only),
            weights=args.weights,
            signature=args.signature,
            limits=options.limits_of(args),
        )
    if not args.quiet:
        print(f"{shown(args.output_file)}: {', '.join(explored.files)}")
        left, right = (pane.file for pane in explored.panes)
        print(f"In Model Explorer: open {left}, {right} in the other pane, the mapping by `Sync`")
        print("and the rest as per-node data (docs/view.md). All of it at once:")
        print(f"  {shown(shlex.join(['migrator', 'view', *args.paths]), 1000)}")
    return EXIT_YES if explored.identical else EXIT_NO
