"""``migrator diff``: how two models differ, renames seen through. Also for git (docs/diff.md)."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

from migrator.cli import options
from migrator.cli.output import check_output, tell_note, terminal_style, write_result
from migrator.cli.progress import Progress
from migrator.collector import collector_paused
from migrator.errors import EXIT_NO, EXIT_YES, MigratorError, UsageError

_GIT_ARGUMENTS = 7
"""path, old file, old hex, old mode, new file, new hex, new mode; two more where it was renamed."""
_NO_FILE = "/dev/null"


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "diff",
        help="how two models differ, renames seen through, without TensorFlow",
        description="Say how RIGHT differs from LEFT: two models of any format that inspect "
        "reads. Nodes are matched by what they are, not by what they are called; models without "
        "graphs of one kind are compared by their weights and endpoints. Exit code 0: nothing "
        "differs; 1: they differ; 2: could not do the job.",
        epilog="--ignore takes names, weights, homes, devices, shapes, attrs, controls, "
        "signatures, functions, versions. With the seven arguments of GIT_EXTERNAL_DIFF, or as "
        "diff.<driver>.textconv with --textconv, it serves git: see docs/diff.md.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="LEFT RIGHT",
        help="two models: files, SavedModel folders, checkpoints",
    )
    group = parser.add_argument_group("what is compared")
    group.add_argument(
        "--ignore", action="append", default=[], metavar="WORDS", help="leave these out"
    )
    group.add_argument(
        "--only", action="append", default=[], metavar="SCOPE", help="tell of this scope alone"
    )
    group.add_argument(
        "--weights",
        action="store_true",
        help="compare the values of all weights (without it, of as many as take little time)",
    )
    group.add_argument("--tag-set", metavar="TAGS", help="these meta graphs, e.g. serve,gpu")
    group.add_argument("--signature", default="", metavar="KEY", help="only what it needs")
    group.add_argument(
        "--matches", action="store_true", help="tell every pair of nodes, unchanged ones too"
    )
    parser.add_argument(
        "-o", "--output", dest="output_file", metavar="FILE", help="write here ('-': stdout)"
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "markdown", "html", "model-explorer"),
        default="text",
        help="of the result (text); model-explorer: a folder with files for it",
    )
    parser.add_argument(
        "--textconv", action="store_true", help="print one model as text, for git; takes one PATH"
    )
    options.add_limits(parser)
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    # Around all of it: what is read and made is gone again before anything is collected.
    with collector_paused():
        return _execute(args)


def _execute(args: argparse.Namespace) -> int:
    check_output(args)
    if args.format == "model-explorer" and len(args.paths) != 2:
        raise UsageError("--format model-explorer takes two models")
    if args.textconv:
        return _textconv(args)
    if len(args.paths) in (_GIT_ARGUMENTS, _GIT_ARGUMENTS + 2):
        return _for_git(args)
    if len(args.paths) == 1 and "GIT_DIFF_PATH_COUNTER" in os.environ:
        write_result(f"migrator diff: {args.paths[0]!a} is not merged\n", args)
        return EXIT_YES
    if len(args.paths) != 2:
        count = len(args.paths)
        raise UsageError(f"takes two models, {count} {'was' if count == 1 else 'were'} given")
    if args.format == "model-explorer":
        from migrator.cli.explored import write_explored

        return write_explored(args)
    found = compared(args.paths[0], args.paths[1], args)
    write_result(draw(found.result, args, found.scene, note=found.note), args)
    tell_note(found.note, args)
    return EXIT_YES if found.result["identical"] else EXIT_NO


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """``scene`` is what the picture is drawn from where one is asked for; ``note``: why not."""

    result: dict[str, Any]
    scene: dict[str, Any] | None = None
    note: str = ""


def compared(left: str, right: str, args: argparse.Namespace) -> Compared:
    from migrator.actions.diff import diff
    from migrator.diffing.options import words
    from migrator.formats.load import load
    from migrator.report.json_diff import diff_result

    tags = options.tags_of(args)
    both = f"{left}, {right}"
    with Progress(args) as progress, options.in_time(args, both, open_end=args.weights):
        progress.tell("reading")
        limits = options.limits_of(args)
        models = load(left, limits=limits), load(right, limits=limits)
        found = diff(
            *models,
            ignore=words(args.ignore),
            only=args.only,
            weights=args.weights,
            tag_set=tags,
            signature=args.signature,
            limits=limits,
            progress=progress.tell,
        )
        result = diff_result(found, matches=args.matches)
        if args.format != "html":
            return Compared(result=result)
        from migrator.actions.pictures import diff_picture

        progress.tell("drawing")
        scene, note = diff_picture(*models, found, tags)
        return Compared(result=result, scene=scene, note=note)


def draw(
    result: dict[str, Any], args: argparse.Namespace, scene: Any = None, *, note: str = ""
) -> str:
    """A result in the format that was asked for."""
    if args.format == "json":
        from migrator.report.json_v1 import dumps

        return dumps(result)
    if args.format == "markdown":
        from migrator.report.markdown_diff import diff_markdown

        return diff_markdown(result)
    if args.format == "html":
        from migrator.report.html_diff import diff_html

        return diff_html(result, scene, note=note)
    from migrator.report.text_diff import diff_text

    color, width = terminal_style(args)
    return diff_text(result, verbose=args.verbose, color=color, width=width)


def _textconv(args: argparse.Namespace) -> int:
    """One model as text. What is no model is told in a line: git shows that, and goes on."""
    from migrator.formats.load import load
    from migrator.report.canonical_text import canonical_text, lines_text

    if len(args.paths) != 1:
        raise UsageError(f"--textconv takes one model, {len(args.paths)} were given")
    try:
        with options.in_time(args, args.paths[0]):
            model = load(args.paths[0], limits=options.limits_of(args))
            text = lines_text(canonical_text(model))
    except MigratorError as error:
        from migrator.report.escape import shown

        text = f"not readable: {shown(error.what, 600)}\n"
    write_result(text, args)
    return EXIT_YES


def _for_git(args: argparse.Namespace) -> int:
    """As GIT_EXTERNAL_DIFF. Git takes any exit code but 0 for a failure."""
    from migrator.report.escape import shown

    name, old, _, _, new = args.paths[:5]
    after = args.paths[_GIT_ARGUMENTS] if len(args.paths) > _GIT_ARGUMENTS else name
    # git's temporary files say nothing to a reader
    paths = {"left": (old, f"a/{name}"), "right": (new, f"b/{after}")}
    if _NO_FILE in (old, new):
        word = "added" if old == _NO_FILE else "deleted"
        write_result(f"migrator diff: {shown(name)} {word}\n\n", args)
        return EXIT_YES
    try:
        found = compared(old, new, args)
    except MigratorError as error:
        text = str(error)
        for path, told in paths.values():
            text = text.replace(path, told)
        write_result(f"migrator diff: {shown(text, 600)}\n\n", args)
        return EXIT_YES
    result = found.result
    for side, (_, told) in paths.items():
        result[side] = {**result[side], "path": told}
    text = draw(result, args, found.scene, note=found.note)
    # The next file's follows: git prints them one after the other.
    write_result(f"{text}\n" if args.format == "text" else text, args)
    return EXIT_YES
