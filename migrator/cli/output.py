"""Where a result goes: standard output, or a file that appears whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from migrator.errors import DestinationError


def write_result(text: str, args: argparse.Namespace) -> None:
    """Write ``text`` to ``--output``. Raises DestinationError for a file that exists."""
    if args.output_file in (None, "-"):
        sys.stdout.write(text)
        return
    from migrator.files import write_whole  # brings tempfile and shutil along

    target = Path(args.output_file)
    if target.exists() and not args.overwrite:
        raise DestinationError("exists", where=str(target), hint="add --overwrite to replace it")
    write_whole(target, text)
