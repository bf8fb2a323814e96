"""``migrator report``: a saved JSON result, drawn again."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.errors import EXIT_YES, UsageError, did_you_mean

Json = dict[str, Any]
_MOST_BYTES = 2 << 30
_SUFFIXES = {
    ".html": "html",
    ".htm": "html",
    ".sarif": "sarif",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
}
_FORMATS = ("text", "html", "markdown", "sarif", "csv", "json")
_NO_PICTURE = "no picture: it is drawn from models, and a saved result holds none; `{}` draws it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Results of one verb: what they can be drawn as, and how."""

    verb: str
    formats: tuple[str, ...]
    draw: Callable[[Json, argparse.Namespace], str]


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "report",
        help="a saved JSON result as a page, as text, Markdown, SARIF or CSV",
        description="Draw again what `migrator audit`, `diff` or `inspect` left "
        "with `--format json`, or the batch.json of `migrator batch`. No model is looked at.",
    )
    parser.add_argument("result", metavar="RESULT.json", help="the result ('-': standard input)")
    parser.add_argument(
        "-o", "--output", dest="output_file", metavar="FILE", help="write here ('-': stdout)"
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="of the result (by the ending of the output file; else text)",
    )
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    check_output(args)
    result, kind = _read(args.result)
    if args.format is None:
        args.format = _SUFFIXES.get(os.path.splitext(args.output_file or "")[1].lower(), "text")
    if args.format not in kind.formats:
        raise UsageError(
            f"a result of migrator {kind.verb} is not drawn as {args.format}",
            where=args.result,
            hint=f"--format takes {', '.join(kind.formats)}",
        )
    try:
        text = kind.draw(result, args)
    except (
        *(AttributeError, LookupError, TypeError, ValueError),
        *(ArithmeticError, RecursionError),
    ) as error:
        raise _not_whole(args.result, kind, f"{type(error).__name__}: {error}") from None
    write_result(text, args)
    return EXIT_YES


def _audit(result: Json, args: argparse.Namespace) -> str:
    from migrator.cli.audit import draw

    return draw(result, args)


def _batch(result: Json, args: argparse.Namespace) -> str:
    if args.format == "json":
        from migrator.report.json_v1 import dumps

        return dumps(result)
    if args.format == "csv":
        from migrator.report.csv_batch import csv_lines

        return "".join(csv_lines(result["models"]))
    if args.format == "html":
        from migrator.report.html_batch import batch_html

        return batch_html(result, pages=_way_to_pages(args))
    from migrator.cli.output import terminal_style
    from migrator.report.text_batch import batch_text

    color, _ = terminal_style(args)
    return batch_text(result, color=color)


def _way_to_pages(args: argparse.Namespace) -> str | None:
    """From the page to the folder of batch.json, where the models' pages lie; None where one of
    the two is no file."""
    from urllib.parse import quote

    if "-" in (args.result, args.output_file or "-"):
        return None
    here = os.path.dirname(os.path.abspath(args.output_file))
    way = os.path.relpath(os.path.dirname(os.path.abspath(args.result)), here)
    return "" if way == os.curdir else quote(os.fsencode(way)) + "/"


def _diff(result: Json, args: argparse.Namespace) -> str:
    from migrator.cli.diff import draw

    has_graphs = any(result["counts"].get(f"{side}_nodes") for side in ("left", "right"))
    note = _NO_PICTURE.format("migrator diff LEFT RIGHT --format html") if has_graphs else ""
    return draw(result, args, note=note)


def _inspect(result: Json, args: argparse.Namespace) -> str:
    from migrator.report.html_picture import inspect_html
    from migrator.report.json_v1 import dumps

    if args.format == "json":
        return dumps(result)
    if "results" in result:
        raise UsageError(
            f"holds {len(result['results'])} models, and a page shows one", where=args.result
        )
    note = _NO_PICTURE.format("migrator inspect MODEL --format html")
    return inspect_html(result, (), note=note if result["meta_graphs"] else "")


_KINDS = {
    f"migrator.{kind.verb}/1": kind
    for kind in (
        _Kind(verb="audit", formats=("text", "html", "sarif", "json"), draw=_audit),
        _Kind(verb="batch", formats=("text", "html", "csv", "json"), draw=_batch),
        _Kind(verb="diff", formats=("text", "html", "markdown", "json"), draw=_diff),
        _Kind(verb="inspect", formats=("html", "json"), draw=_inspect),
    )
}


def _read(path: str) -> tuple[Json, _Kind]:
    """The result in a file. Raises UsageError where there is none that can be drawn."""
    import json

    from migrator.report.saved import flaw

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
        hint = "migrator diff LEFT RIGHT --format json -o FILE makes one, as audit and inspect do"
        raise UsageError("is no result of migrator", where=path, hint=hint)
    if name not in _KINDS:
        hint = did_you_mean(name, _KINDS) or f"what can be drawn: {', '.join(_KINDS)}"
        raise UsageError(f"is a result of schema {name!r}", where=path, hint=hint)
    kind = _KINDS[name]
    wrong = flaw(found, kind.verb)
    if wrong:
        raise _not_whole(path, kind, wrong)
    return found, kind


def _not_whole(path: str, kind: _Kind, why: str) -> UsageError:
    return UsageError(f"is no whole result of migrator {kind.verb}: {why}", where=path)
