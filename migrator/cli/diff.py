"""``migrator diff``: how two models differ, renames seen through. Also for git (docs/diff.md)."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import Any

from migrator.cli import options
from migrator.cli.output import check_output, write_result
from migrator.errors import EXIT_NO, EXIT_YES, MigratorError, UsageError

_GIT_ARGUMENTS = 7
"""path, old file, old hex, old mode, new file, new hex, new mode; two more where it was renamed."""
_NO_FILE = "/dev/null"


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "diff",
        help="how two models differ, renames seen through, without TensorFlow",
        description="Say how RIGHT differs from LEFT: two models of any format that inspect "
        "reads. Nodes are matched by what they are, not by what they are called. Exit code 0: "
        "nothing differs; 1: they differ; 2: could not do the job.",
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
        choices=("text", "json", "markdown", "html"),
        default="text",
        help="of the result (text)",
    )
    parser.add_argument(
        "--textconv", action="store_true", help="print one model as text, for git; takes one PATH"
    )
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    check_output(args)
    if args.textconv:
        return _textconv(args)
    if len(args.paths) in (_GIT_ARGUMENTS, _GIT_ARGUMENTS + 2):
        return _for_git(args)
    if len(args.paths) == 1 and "GIT_DIFF_PATH_COUNTER" in os.environ:
        write_result(f"migrator diff: {args.paths[0]!a} is not merged\n", args)
        return EXIT_YES
    if len(args.paths) != 2:
        raise UsageError(f"takes two models, {len(args.paths)} were given")
    result, scene = compared(args.paths[0], args.paths[1], args)
    write_result(draw(result, args, scene), args)
    return EXIT_YES if result["identical"] else EXIT_NO


def compared(left: str, right: str, args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """The result, and what its picture is drawn from where one is asked for."""
    from migrator.diffing.compare import choose, compare
    from migrator.diffing.options import DiffOptions, words
    from migrator.formats.load import load
    from migrator.report.json_diff import diff_result

    chosen = DiffOptions(
        ignore=words(args.ignore),
        only=tuple(args.only),
        weights=args.weights,
        tag_set=None if args.tag_set is None else words([args.tag_set]),
        signature=args.signature,
    )
    models = load(left), load(right)
    found = compare(*models, options=chosen)
    result = diff_result(found, matches=args.matches)
    scene = None
    if args.format == "html":
        from migrator.drawing.scene import diff_scene

        scene = diff_scene(*choose(*models, chosen.tag_set), found)
    return result, scene


def draw(result: dict[str, Any], args: argparse.Namespace, scene: Any = None) -> str:
    """A result in the format that was asked for."""
    if args.format == "json":
        from migrator.report.json_v1 import dumps

        return dumps(result)
    if args.format == "markdown":
        from migrator.report.markdown_diff import diff_markdown

        return diff_markdown(result)
    if args.format == "html":
        from migrator.report.html_diff import diff_html

        page: str = diff_html(result, scene)
        return page
    from migrator.report.text_diff import diff_text

    is_terminal = args.output_file in (None, "-") and sys.stdout.isatty()
    return diff_text(
        result,
        verbose=args.verbose,
        color=is_terminal and not os.environ.get("NO_COLOR"),
        width=shutil.get_terminal_size().columns if is_terminal else 100,
    )


def _textconv(args: argparse.Namespace) -> int:
    """One model as text. What is no model is told in a line: git shows that, and goes on."""
    from migrator.formats.load import load
    from migrator.report.canonical_text import canonical_text, lines_text

    if len(args.paths) != 1:
        raise UsageError(f"--textconv takes one model, {len(args.paths)} were given")
    try:
        text = lines_text(canonical_text(load(args.paths[0])))
    except MigratorError as error:
        from migrator.report.escape import shown

        text = f"not readable: {shown(error.what, 600)}\n"
    write_result(text, args)
    return EXIT_YES


def _for_git(args: argparse.Namespace) -> int:
    """As GIT_EXTERNAL_DIFF. Git takes any exit code but 0 for a failure."""
    from migrator.report.escape import shown

    name, old, _, _, new = args.paths[:5]
    if _NO_FILE in (old, new):
        word = "added" if old == _NO_FILE else "deleted"
        write_result(f"migrator diff: {shown(name)} {word}\n", args)
        return EXIT_YES
    try:
        result, scene = compared(old, new, args)
    except MigratorError as error:
        write_result(f"migrator diff: {shown(name)}: {shown(str(error), 600)}\n", args)
        return EXIT_YES
    for side in ("left", "right"):  # git's temporary files say nothing to a reader
        letter = "a" if side == "left" else "b"
        result[side] = {**result[side], "path": f"{letter}/{name}"}
    write_result(draw(result, args, scene), args)
    return EXIT_YES
