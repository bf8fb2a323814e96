"""``migrator report``: a saved JSON result, drawn again."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.errors import EXIT_YES, UsageError, did_you_mean

_AUDIT = "migrator.audit/1"
_KNOWN = (_AUDIT,)
_PARTS = {
    "findings": list,
    "skipped": list,
    "models": list,
    "summary": dict,
    "readiness": dict,
    "rules": dict,
    "accepted": int,
    "deep": bool,
}
_MOST_BYTES = 2 << 30
_FORMATS = {".html": "html", ".htm": "html", ".sarif": "sarif", ".json": "json"}


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "report",
        help="a saved JSON result as a page, as text or as SARIF",
        description="Draw the result of `migrator audit --format json` again, without auditing.",
    )
    parser.add_argument("result", metavar="RESULT.json", help="the result ('-': standard input)")
    parser.add_argument(
        "-o", "--output", dest="output_file", metavar="FILE", help="write here ('-': stdout)"
    )
    parser.add_argument(
        "--format",
        choices=("text", "html", "sarif", "json"),
        help="(by the name of the output file; else text)",
    )
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.cli.audit import draw

    check_output(args)
    result = _read(args.result)
    if args.format is None:
        args.format = _FORMATS.get(os.path.splitext(args.output_file or "")[1].lower(), "text")
    try:
        text = draw(result, args)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"is no whole result of migrator audit ({type(error).__name__}: {error})",
            where=args.result,
        ) from None
    write_result(text, args)
    return EXIT_YES


def _read(path: str) -> dict[str, Any]:
    """The result in a file. Raises UsageError where there is none that can be drawn."""
    import json

    try:
        if path == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            if os.path.exists(path) and not os.path.isfile(path):
                raise UsageError("is not a file", where=path)
            with open(path, "rb") as file:
                data = file.read(_MOST_BYTES + 1)
        found = json.loads(data) if len(data) <= _MOST_BYTES else None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=path) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON: {error}", where=path) from None
    name = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(name, str):
        hint = "migrator audit PATH --format json -o FILE makes one"
        raise UsageError("is no result of migrator", where=path, hint=hint)
    if name not in _KNOWN:
        hint = did_you_mean(name, _KNOWN) or f"what can be drawn: {', '.join(_KNOWN)}"
        raise UsageError(f"is a result of schema {name!r}", where=path, hint=hint)
    for key, kind in _PARTS.items():
        value = found.get(key)
        rows = value if isinstance(value, list) else []
        if not isinstance(value, kind) or not all(isinstance(row, dict) for row in rows):
            raise UsageError(f"is no whole result of migrator audit: {key!r}", where=path)
    return found
