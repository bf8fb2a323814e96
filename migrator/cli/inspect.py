"""``migrator inspect``: what is in a model."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from migrator.cli import options
from migrator.cli.complain import complain
from migrator.cli.output import check_output, tell_note, write_result
from migrator.errors import EXIT_CANNOT, EXIT_YES, MigratorError, UsageError

if TYPE_CHECKING:
    from migrator.inspection.summary import Summary
    from migrator.model.model import Model


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "inspect",
        help="what is in a model, in milliseconds, without TensorFlow",
        description="Say what a model file, a SavedModel folder or a checkpoint holds: inputs and "
        "outputs, sizes, ops, what stands out. Needs no TensorFlow and reads no weights.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a .pb or .meta file, a SavedModel folder, or a checkpoint: its PREFIX, its .index "
        "or its folder",
    )
    parser.add_argument("--tag-set", metavar="TAGS", help="only this meta graph, e.g. serve,gpu")
    parser.add_argument("--signature", metavar="KEY", help="only this signature")
    parser.add_argument(
        "-o",
        "--output",
        dest="output_file",
        metavar="FILE",
        help="write the result here ('-': stdout)",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "html"),
        default="text",
        help="of the result (text); html: one page with a picture of one model's graph",
    )
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    from migrator.collector import collector_paused

    check_output(args)
    if args.format == "html" and len(args.paths) > 1:
        raise UsageError(
            f"--format html draws one model, and {len(args.paths)} are named",
            hint="name one PATH, or use --format json",
        )
    if len(args.paths) > 1:
        return _inspect(args)
    with collector_paused():  # one model and out: there is nothing to collect
        return _inspect(args)


def _inspect(args: argparse.Namespace) -> int:
    from migrator.formats.load import load
    from migrator.inspection.summary import summarize

    summaries: list[Summary] = []
    errors: list[MigratorError] = []
    for path in args.paths:
        try:
            model = load(path)
            chosen = _chosen(summarize(model), args.tag_set, args.signature)
            if args.format == "html":
                page, note = _page(model, chosen)
                write_result(page, args)
                tell_note(note, args)
                return EXIT_YES
            summaries.append(chosen)
        except MigratorError as error:
            if len(args.paths) == 1:
                raise
            errors.append(error)
    if summaries:
        write_result(_draw(summaries, args.format, several=len(args.paths) > 1), args)
    for item in errors:
        complain(item, verbose=args.verbose)
    return EXIT_CANNOT if errors else EXIT_YES


def _chosen(summary: Summary, tag_set: str | None, signature: str | None) -> Summary:
    """Only what was asked for. Raises UsageError where there is no such thing."""
    metas = summary.meta_graphs
    if tag_set is not None:
        wanted = sorted(filter(None, tag_set.split(",")))
        metas = tuple(meta for meta in metas if sorted(meta.tags) == wanted)
        if not metas and not summary.meta_graphs:
            raise UsageError("is a checkpoint and has no tags", where=summary.source.path)
        if not metas:
            found = "; ".join(",".join(meta.tags) or "(none)" for meta in summary.meta_graphs)
            raise UsageError(
                f"has no meta graph with tags {tag_set}; it has: {found}",
                where=summary.source.path,
            )
    if signature is not None:
        keys = sorted({key for meta in metas for key in meta.signatures})
        if signature not in keys:
            raise UsageError(
                f"has no signature {signature!r}; it has: {', '.join(keys) or 'none'}",
                where=summary.source.path,
            )
        metas = tuple(
            replace(meta, signatures={signature: meta.signatures[signature]})
            for meta in metas
            if signature in meta.signatures
        )
    return replace(summary, meta_graphs=metas)


def _page(model: Model, summary: Summary) -> tuple[str, str]:
    """The page with a picture of each meta graph that was asked for, and why it has none."""
    from migrator.actions.pictures import model_pictures
    from migrator.report import json_v1
    from migrator.report.html_picture import inspect_html

    tags = {meta.tags for meta in summary.meta_graphs}
    scenes, note = model_pictures(meta for meta in model.meta_graphs if meta.tags in tags)
    return inspect_html(json_v1.inspect_result([summary]), scenes, note=note), note


def _draw(summaries: list[Summary], form: str, *, several: bool) -> str:
    if form == "json":
        from migrator.report import json_v1

        return json_v1.dumps(json_v1.inspect_result(summaries, several=several))
    from migrator.report.text import inspect_text

    return "\n".join(inspect_text(summary) for summary in summaries)
