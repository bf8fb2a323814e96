"""``migrator VERB ...``: parse, hand over to the verb, turn errors into messages and exit codes."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from migrator._version import __version__
from migrator.cli.complain import complain
from migrator.errors import EXIT_CANNOT, EXIT_INTERRUPTED, EXIT_YES, MigratorError
from migrator.interrupts import unwind_on_signals

_VERBS = (
    "inspect",
    "diff",
    "view",
    "audit",
    "explain",
    "export",
    "plan",
    "migrate",
    "verify",
    "freeze",
    "run",
    "tflite",
    "batch",
    "report",
)
"""In the order of the help; ``migrator.cli.VERB`` is the module of each."""


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or as much of it as the verb ``only`` needs: imports take time."""
    parser = argparse.ArgumentParser(
        prog="migrator",
        description="Read legacy TensorFlow models without TensorFlow, and bring them to "
        "TensorFlow 2, proven to compute the same.",
    )
    parser.add_argument("--version", action="version", version=f"migrator {__version__}")
    # Without `prog`, argparse would format a help to take it from.
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, prog=parser.prog)
    for name in [only] if only in _VERBS else _VERBS:
        importlib.import_module(f"migrator.cli.{name}").configure_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (see ``errors.EXIT_*``)."""
    unwind_on_signals()
    _prepare_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    if not words:
        build_parser().print_help(sys.stderr)
        return EXIT_CANNOT
    args = build_parser(words[0] if words else None).parse_args(words)
    try:
        code: int = args.execute(args)
        sys.stdout.flush()
        return code
    except MigratorError as error:
        complain(error, verbose=getattr(args, "verbose", 0))
        return error.exit_code
    except KeyboardInterrupt:
        print("migrator: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is wrong, and nobody listens.
        _drop_output()
        return EXIT_YES
    except OSError as error:  # writing the result: a full disk, most likely
        from migrator.report.escape import shown

        _drop_output()
        place = f"{shown(str(error.filename))}: " if error.filename is not None else ""
        print(f"migrator: error: {place}{error.strerror or error}", file=sys.stderr)
        return EXIT_CANNOT
    except MemoryError:
        print("migrator: error: out of memory", file=sys.stderr)
        return EXIT_CANNOT


def _drop_output() -> None:
    """What cannot be written goes nowhere; else Python tries again and ends with code 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Standard output and error that exist, take any character, and write all or raise."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller (`>&-`): else a file of ours gets its number
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            # A terminal that knows ASCII only is no error.
            stream.reconfigure(errors="backslashreplace")
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # PYTHONUNBUFFERED: what does not fit into one write is lost without a word.
        sys.stdout = open(  # noqa: SIM115
            sys.stdout.fileno(),
            "w",
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            closefd=False,
        )


if __name__ == "__main__":
    sys.exit(main())
