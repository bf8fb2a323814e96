"""``migrator inspect``: what is in a model."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migrator.cli import options
from migrator.cli.complain import complain
from migrator.cli.output import check_output, tell_note, terminal_style, write_result
from migrator.errors import EXIT_CANNOT, EXIT_YES, MigratorError, UsageError

if TYPE_CHECKING:
    from migrator.inspection.parts import Parts
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
        help="a .pb, .pbtxt or .meta file, a SavedModel or hub module's folder, a checkpoint (its "
        "PREFIX, its .index or its folder), a Keras .h5 or .keras or a .tflite file; also in a "
        ".zip, .tar or .gz, and at an address such as s3://...",
    )
    parser.add_argument("--tag-set", metavar="TAGS", help="only this meta graph, e.g. serve,gpu")
    parser.add_argument("--signature", metavar="KEY", help="only this signature")
    _add_parts(parser)
    parser.add_argument(
        "-o",
        "--output",
        dest="output_file",
        metavar="FILE",
        help="write the result here ('-': stdout); with --weights a .npz or .safetensors: them",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "html"),
        default="text",
        help="of the result (text); html: one page with a picture of one model's graph",
    )
    parser.add_argument(
        "--cost",
        action="store_true",
        help="estimate the multiply-adds of one run, by shapes (an unknown batch counts as 1)",
    )
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=DIMS",
        help="with --cost: an input's shape where the model leaves it open, e.g. x=1,224,224,3",
    )
    options.add_limits(parser)
    options.add_overwrite(parser, "the output file")
    options.add_common(parser)
    parser.set_defaults(execute=execute)


def _add_parts(parser: argparse.ArgumentParser) -> None:
    """What is asked for beside the summary, in text instead of it."""
    group = parser.add_argument_group("parts of a model")
    group.add_argument(
        "--tree", action="store_true", help="the scopes that the names make, with their sizes"
    )
    group.add_argument("--depth", type=_depth, metavar="N", help="levels of scopes with --tree (3)")
    group.add_argument(
        "--node",
        metavar="NAME",
        help="one node (NAME, NAME:0, FUNCTION/NAME): attributes, inputs, consumers, small values",
    )
    group.add_argument(
        "--values", action="store_true", help="with --node: read its value however large it is"
    )
    group.add_argument(
        "--weights",
        action="store_true",
        help="every weight; with -o FILE.npz or FILE.safetensors they are saved there",
    )
    group.add_argument(
        "--match",
        action="append",
        default=[],
        metavar="NAME",
        help="only this weight with --weights, or those that a pattern fits ('dense*'); repeatable",
    )


def _depth(text: str) -> int:
    depth = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= depth <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of levels, 1 to 64")
    return depth


def execute(args: argparse.Namespace) -> int:
    from migrator.collector import collector_paused

    _check_parts(args)
    check_output(args)
    if args.format == "html" and len(args.paths) > 1:
        raise UsageError(
            f"--format html draws one model, and {len(args.paths)} are named",
            hint="name one PATH, or use --format json",
        )
    if args.shape and not args.cost:
        raise UsageError("--shape is for --cost", hint="add --cost")
    if len(args.paths) > 1:
        return _inspect(args)
    with collector_paused():  # one model and out: there is nothing to collect
        return _inspect(args)


def _check_parts(args: argparse.Namespace) -> None:
    """Raise UsageError for options that say nothing together."""
    for option, value, needed in (
        ("--depth", args.depth, "tree"),
        ("--values", args.values, "node"),
        ("--match", args.match, "weights"),
    ):
        if value and not getattr(args, needed):
            raise UsageError(f"{option} goes with --{needed}", hint=f"add --{needed}")
    if args.format == "html" and _asks_parts(args):
        raise UsageError("--format html draws the whole model", hint="use text or json")
    if _saves(args) and len(args.paths) > 1:
        raise UsageError(
            f"one file holds one model's weights, and {len(args.paths)} are named",
            hint="name one PATH",
        )


def _asks_parts(args: argparse.Namespace) -> bool:
    return args.tree or args.node is not None or args.weights


def _saves(args: argparse.Namespace) -> bool:
    """Whether ``-o`` names a file for the weights themselves."""
    name = args.output_file or ""
    return args.weights and name.endswith((".npz", ".safetensors"))


def _inspect(args: argparse.Namespace) -> int:
    found: list[Found] = []
    errors: list[MigratorError] = []
    saves = _saves(args)
    is_one = len(args.paths) == 1
    for path in args.paths:
        try:
            with options.in_time(args, path, open_end=saves):
                one = _found(path, args)
                if saves:
                    return _save(one.summary, one.parts, args)
                text = one.page
                if is_one and not text:
                    text = _drawn([one], args)
            found.append(one)
        except MigratorError as error:
            if is_one:
                raise
            errors.append(error)
    if found:
        if not is_one:
            with options.in_time(args, ""):
                text = _drawn(found, args)
        write_result(text, args)
        tell_note(found[0].note, args)
    for item in errors:
        complain(item, verbose=args.verbose)
    return EXIT_CANNOT if errors else EXIT_YES


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One model. ``page`` is drawn where that is asked for, ``note`` says what it lacks."""

    summary: Summary
    parts: Parts | None = None
    step: str = ""
    page: str = ""
    note: str = ""


def _found(path: str, args: argparse.Namespace) -> Found:
    from migrator.formats.load import load
    from migrator.inspection.summary import summarize

    model = load(path, limits=options.limits_of(args))
    chosen = _chosen(summarize(model), args.tag_set, args.signature)
    if args.cost and not chosen.meta_graphs:
        tell_note(f"{path}: --cost counts nothing: there is no graph in it", args)
    if args.cost:
        from migrator.inspection.summary_cost import with_costs
        from migrator.migration.signatures import parse_shapes

        chosen = with_costs(model, chosen, parse_shapes(args.shape))
    if args.format == "html":
        page, note = _page(model, chosen)
        return Found(summary=chosen, page=page, note=note)
    parts = _parts(model, chosen, args) if _asks_parts(args) else None
    step = ""
    if len(args.paths) == 1 and args.format == "text" and not args.quiet and not _saves(args):
        from migrator.report.next_step import next_step

        step = next_step(model, chosen, path)
    return Found(summary=chosen, parts=parts, step=step)


def _drawn(found: list[Found], args: argparse.Namespace) -> str:
    from migrator.report.table import fitted_to

    is_terminal = args.output_file in (None, "-") and sys.stdout.isatty()
    with fitted_to(terminal_style(args)[1] if is_terminal else 0):
        return _draw(found, args.format, several=len(args.paths) > 1)


def _parts(model: Model, summary: Summary, args: argparse.Namespace) -> Parts:
    """What was asked for of the meta graph that was chosen, of several the first."""
    from migrator.inspection.parts import Parts

    tags = [meta.tags for meta in model.meta_graphs]
    at = tags.index(summary.meta_graphs[0].tags) if summary.meta_graphs else 0
    if len(summary.meta_graphs) > 1:
        shown_tags = ",".join(tags[at]) or "none"
        tell_note(
            f"{summary.source.path}: of its {len(tags)} meta graphs this is the one with tags "
            f"{shown_tags}; --tag-set chooses another",
            args,
        )
    parts = Parts()
    if args.tree:
        from migrator.inspection.tree import DEFAULT_DEPTH, scope_tree

        parts = replace(
            parts, tree=scope_tree(model, meta_graph=at, depth=args.depth or DEFAULT_DEPTH)
        )
    if args.node is not None:
        from migrator.inspection.node import describe_node

        node = describe_node(model, args.node, meta_graph=at, read_all=args.values)
        parts = replace(parts, node=node)
    if args.weights:
        from migrator.inspection.weight_list import list_weights

        parts = replace(parts, weights=list_weights(model, meta_graph=at, chosen=args.match))
    return parts


def _save(summary: Summary, parts: Parts | None, args: argparse.Namespace) -> int:
    """Write the weights to the file; what became of them goes to standard output."""
    from pathlib import Path

    from migrator.report.weight_files.saving import save_weights

    assert parts is not None
    items = parts.weights or ()
    values = ((item.weight.name, item.tensor) for item in items if item.tensor is not None)
    saved = save_weights(values, Path(args.output_file), overwrite=args.overwrite)
    args.output_file = None
    nowhere = [(item.weight.name, item.trouble) for item in items if item.tensor is None]
    if args.format == "json":
        from migrator.report import json_v1
        from migrator.report.json_parts import parts_json, saved_json

        result = {**json_v1.inspect_result([summary]), **parts_json(parts), **saved_json(saved)}
        write_result(json_v1.dumps(result), args)
    else:
        from migrator.report.text_parts import saved_text

        write_result(saved_text(saved), args)
    _tell_left_out("left out", [*saved.left_out, *nowhere], args)
    for lacking, wide in saved.widened:
        tell_note(f"{lacking} is stored as {wide}, which holds the same values", args)
    for name, reason in saved.unreadable[:_MOST_TOLD]:
        complain(MigratorError(reason, where=name), verbose=args.verbose)
    more = len(saved.unreadable) - _MOST_TOLD
    if more > 0:
        complain(MigratorError(f"{more:,} more weights cannot be read"), verbose=args.verbose)
    return EXIT_CANNOT if saved.unreadable else EXIT_YES


_MOST_TOLD = 10


def _tell_left_out(what: str, items: list[tuple[str, str]], args: argparse.Namespace) -> None:
    for name, reason in items[:_MOST_TOLD]:
        tell_note(f"{what}: {name}: {reason}", args)
    if len(items) > _MOST_TOLD:
        tell_note(f"{what}: {len(items) - _MOST_TOLD:,} more", args)


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


def _draw(found: list[Found], form: str, *, several: bool) -> str:
    if form == "json":
        from migrator.report import json_v1

        result = json_v1.inspect_result([item.summary for item in found], several=several)
        if any(item.parts is not None for item in found):
            from migrator.report.json_parts import parts_json

            targets = result["results"] if several else [result]
            for target, item in zip(targets, found, strict=True):
                target |= parts_json(item.parts) if item.parts is not None else {}
        return json_v1.dumps(result)
    return "\n".join(
        _text(item.summary, item.step)
        if item.parts is None
        else _parts_text(item.summary, item.parts)
        for item in found
    )


def _text(summary: Summary, step: str) -> str:
    from migrator.report.text import inspect_text

    return inspect_text(summary, _shown(step))


def _parts_text(summary: Summary, parts: Parts) -> str:
    from migrator.report.text import bullets, headline
    from migrator.report.text_parts import parts_text

    warnings = bullets("Warnings", map(_shown, summary.warnings))
    sections = [headline(summary), *parts_text(parts), _cost(summary), warnings]
    return "\n\n".join(section for section in sections if section) + "\n"


def _cost(summary: Summary) -> str:
    """Of the meta graph whose parts are shown, where it was asked for."""
    cost = summary.meta_graphs[0].cost if summary.meta_graphs else None
    if cost is None:
        return ""
    from migrator.report.text_cost import cost_section

    return cost_section(cost)


def _shown(text: str) -> str:
    from migrator.report.escape import shown

    return shown(text, 1000)
