"""Where a result goes: standard output, or a file that appears whole."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from migrator.errors import DestinationError, UsageError


def check_output(args: argparse.Namespace) -> None:
    """Refuse a file that exists before any work is done. Raises DestinationError."""
    if args.output_file == "":
        raise UsageError("the name of the output file is empty")
    if args.output_file in (None, "-") or args.overwrite:
        return
    from migrator.files import is_stream, is_taken

    target = Path(args.output_file)
    if is_taken(target) and not is_stream(target):
        raise DestinationError(
            "exists", where=args.output_file, hint="add --overwrite to replace it"
        )


def write_result(text: str, args: argparse.Namespace) -> None:
    """Write ``text`` to ``--output``. Raises DestinationError for a file that exists."""
    if args.output_file in (None, "-"):
        sys.stdout.write(text)
        return
    from migrator.files import write_whole  # brings tempfile and shutil along

    target = Path(args.output_file)
    check_output(args)
    write_whole(target, text)


def tell_note(text: str, args: argparse.Namespace) -> None:
    """A note on standard error; silent with ``-q``."""
    if text and not args.quiet:
        from migrator.report.escape import shown

        print(f"migrator: note: {shown(text, 1000)}", file=sys.stderr)


def terminal_style(args: argparse.Namespace) -> tuple[bool, int]:
    """Whether the result may be coloured, and how many columns wide it may be."""
    is_terminal = args.output_file in (None, "-") and sys.stdout.isatty()
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    import shutil

    width = shutil.get_terminal_size().columns if is_terminal else 100
    return is_terminal and not is_plain, width
