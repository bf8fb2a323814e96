"""``migrator audit``: every model in files, folders and trees against the rules."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from migrator.cli import options
from migrator.cli.output import check_output, terminal_style, write_result
from migrator.cli.progress import Progress
from migrator.errors import EXIT_CANNOT, EXIT_NO, EXIT_YES, DestinationError, UsageError
from migrator.formats.names import SAVED_MODEL_FILES

if TYPE_CHECKING:
    from migrator.auditing.finding import Audit
    from migrator.auditing.policy.baseline import Baseline
    from migrator.auditing.policy.config import AuditConfig
    from migrator.auditing.settings import AuditSettings

_FAIL_ON = "high"
Value = TypeVar("Value")


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "audit",
        help="files, SavedModel folders or whole trees against the rules, without TensorFlow",
        description="Say what is dangerous in models, what blocks or bends their migration and "
        "what is wasteful, with the remedy. Runs nothing. Exit code 0: clean; 1: findings at or "
        "above --fail-on; 2: could not do the job.",
        epilog="RULES are codes (S101), beginnings of codes (S1), names or families (security, "
        "blocker, warning, health), comma-separated; `migrator explain` lists them.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a model file, a SavedModel folder, a checkpoint, or a tree with any of these",
    )
    _add_rules(parser)
    _add_baseline(parser)
    _add_config(parser)
    _add_process(parser)
    parser.add_argument(
        "-o", "--output", dest="output_file", metavar="FILE", help="write here ('-': stdout)"
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif", "html"),
        default="text",
        help="of the result (text); a saved JSON result can be drawn again by migrator report",
    )
    options.add_limits(parser)
    options.add_overwrite(parser, "the output file or the baseline")
    options.add_common(parser, verbose="fold nothing; -vv: with fingerprints")
    parser.set_defaults(execute=execute)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rules")
    for name, text in (("select", "run only these"), ("ignore", "leave these out")):
        group.add_argument(f"--{name}", action="append", metavar="RULES", help=text)
    group.add_argument(
        "--fail-on",
        action="append",
        metavar="WHAT",
        help="exit with 1 for findings from this severity on (critical, high, medium, low, info; "
        f"never), for models that are blocked or that need something of you (needs_you), or for "
        f"several of these: high,blocked ({_FAIL_ON})",
    )
    group.add_argument(
        "--deep",
        action=argparse.BooleanOptionalAction,
        help="also rules that read the weights; takes as long as reading the files does",
    )
    group.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        help="exit with 1 where something could not be audited",
    )


def _add_baseline(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("baseline")
    group.add_argument("--baseline", metavar="FILE", help="keep back the findings recorded here")
    group.add_argument(
        "--write-baseline",
        metavar="FILE",
        help="record all findings; only what fails beside them then gives exit code 1",
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("configuration")
    chosen = group.add_mutually_exclusive_group()
    chosen.add_argument(
        "--config",
        metavar="FILE",
        help="options from this file (migrator.toml, or [tool.migrator] in pyproject.toml, in the "
        "working directory or above it)",
    )
    chosen.add_argument("--no-config", action="store_true", help="no such file")
    group.add_argument(
        "--exclude",
        action="append",
        metavar="GLOB",
        help="folders not to enter, files not to read: a name (old, *.meta) or a path (zoo/**/tmp)",
    )


def _add_process(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("processes")
    group.add_argument(
        "--jobs", type=int, metavar="N", help="models that are read at a time (number of cores)"
    )
    group.add_argument(
        "--timeout", type=float, metavar="S", help="seconds for each model (600 in a tree)"
    )
    group.add_argument(
        "--memory-limit", type=options.size, metavar="SIZE", help="for each model, e.g. 4GB"
    )


def execute(args: argparse.Namespace) -> int:
    from migrator.actions.audit import accept, audit
    from migrator.auditing.policy.gate import parse_gate
    from migrator.auditing.policy.selection import select_rules

    check_output(args)
    _check_baseline(args)
    config = _config(args)
    settings = _settings(args, config)
    strict = _first(args.strict, config.strict, False)
    gate = parse_gate(_first(_words(args.fail_on), config.fail_on, (_FAIL_ON,)), strict=strict)
    known = _baseline(args, settings.baseline)
    notes = _Notes(args)
    with Progress(args) as progress:
        found = audit(
            *args.paths,
            settings=replace(settings, baseline=""),
            on_progress=_Rate(progress).tell,
            on_note=notes.append,
        )
    if _is_refused(found, args.paths):
        for item in found.skipped:
            _say(f"migrator: error: {item.source}: {item.reason}")
        return EXIT_CANNOT
    if args.write_baseline:
        _write_baseline(found, args, notes)
    if known is not None:
        codes = select_rules(settings.select, settings.ignore, deep=settings.deep).codes
        found = accept(found, known, codes, notes.append)
    if not found.models and not found.skipped:
        notes.append(f"no model found in {', '.join(args.paths)}")
    write_result(_draw(found, args), args)
    if args.write_baseline:  # findings that were recorded just now are known
        gate = replace(gate, severity=None)
    if why := gate.failures(found):
        notes.append(f"exit code {EXIT_NO}: {'; '.join(why)}")
    notes.tell()
    return EXIT_NO if why else EXIT_YES


def _is_refused(found: Audit, paths: Iterable[str]) -> bool:
    """True where files were named, no trees, and none of them can be read."""
    if found.models or not found.skipped:
        return False
    return not any(
        os.path.isdir(path)
        and not any(os.path.isfile(os.path.join(path, name)) for name in SAVED_MODEL_FILES)
        for path in paths
    )


def _check_baseline(args: argparse.Namespace) -> None:
    """Refuse a baseline that exists before any work is done.

    Raises DestinationError for one, UsageError for an empty name.
    """
    for option in ("baseline", "write_baseline"):
        if getattr(args, option) == "":
            raise UsageError(f"the file of --{option.replace('_', '-')} has no name")
    if not args.write_baseline:
        return
    from pathlib import Path

    from migrator.files import is_taken

    if is_taken(Path(args.write_baseline)) and not args.overwrite:
        raise DestinationError(
            "exists", where=args.write_baseline, hint="add --overwrite to replace it"
        )


def _baseline(args: argparse.Namespace, path: str) -> Baseline | None:
    """What was accepted before; nothing where the file at ``path`` is only about to be made."""
    from migrator.auditing.policy.baseline import read_baseline

    made = args.write_baseline
    is_new = made and not os.path.lexists(path) and os.path.realpath(made) == os.path.realpath(path)
    return read_baseline(path) if path and not is_new else None


def _write_baseline(found: Audit, args: argparse.Namespace, notes: _Notes) -> None:
    from pathlib import Path

    from migrator.auditing.policy.baseline import baseline_text
    from migrator.files import write_whole

    write_whole(Path(args.write_baseline), baseline_text(found, args.write_baseline))
    count = len(found.findings)
    notes.append(f"{count:,} finding{'s' * (count != 1)} recorded in {args.write_baseline}")


def _config(args: argparse.Namespace) -> AuditConfig:
    """The configuration that holds; a note says where it comes from, if that may matter."""
    from migrator.auditing.policy.config import AuditConfig, find_config, read_config

    if args.no_config:
        return AuditConfig()
    if args.config is not None:
        return read_config(args.config)
    config = find_config()
    if config.path and not args.quiet:
        inside = any(_is_within(config.path, path) for path in args.paths)
        if config.keeps_back and inside:
            _say(
                f"migrator: note: {config.path}, which lies in what is audited, has a say in what "
                "is told (--no-config goes without it)"
            )
        elif args.verbose:
            _say(f"migrator: note: configured by {config.path}")
    return config


def _is_within(file: str, folder: str) -> bool:
    whole = os.path.realpath(folder)
    return os.path.realpath(file).startswith(whole.rstrip("/") + "/")


def _settings(args: argparse.Namespace, config: AuditConfig) -> AuditSettings:
    """The options of the line, those of the file where it is silent."""
    from migrator.auditing.settings import AuditSettings

    return AuditSettings(
        select=_first(_words(args.select), config.select, ()),
        ignore=_first(_words(args.ignore), config.ignore, ()),
        deep=_first(args.deep, config.deep, False),
        exclude=_first(_listed(args.exclude), config.exclude, ()),
        per_path_ignores=config.per_path_ignores,
        baseline=_first(args.baseline, config.baseline, ""),
        jobs=args.jobs if args.jobs is not None else config.jobs,
        timeout=args.timeout if args.timeout is not None else config.timeout,
        memory_limit=args.memory_limit,
        limits=options.limits_of(args),
    )


def _first(line: Value | None, file: Value | None, default: Value) -> Value:
    """The command line wins over the file."""
    return line if line is not None else file if file is not None else default


def _listed(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def _words(listed: list[str] | None) -> tuple[str, ...] | None:
    """An option that may be given several times and hold several words each."""
    if listed is None:
        return None
    words = tuple(word.strip() for text in listed for word in text.split(",") if word.strip())
    if not words:
        raise UsageError("an option that takes rules or words is empty")
    return words


def _draw(found: Audit, args: argparse.Namespace) -> str:
    from migrator.report.json_audit import audit_result

    return draw(audit_result(found), args)


def draw(result: dict[str, object], args: argparse.Namespace) -> str:
    """A result in the format that was asked for."""
    from migrator.report.json_v1 import dumps

    if args.format == "json":
        return dumps(result)
    if args.format == "sarif":
        from migrator.report.sarif import sarif_result

        return dumps(sarif_result(result))
    if args.format == "html":
        from migrator.report.html_audit import audit_html

        return audit_html(result)
    from migrator.report.text_audit import audit_text

    color, width = terminal_style(args)
    return audit_text(result, verbose=args.verbose, color=color, width=width)


class _Notes:
    """What is told on standard error when the result is out."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._quiet = args.quiet
        self._notes: list[str] = []

    def append(self, text: str) -> None:
        self._notes.append(text)

    def tell(self) -> None:
        if not self._quiet:
            for text in self._notes:
                _say(f"migrator: note: {text}")


class _Rate:
    """Progress in one line: how many, how fast, and which."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._start = time.monotonic()
        self._room = max(20, shutil.get_terminal_size().columns - 45)

    def tell(self, count: int, source: str) -> None:
        from migrator.report.escape import shown

        rate = count / max(0.1, time.monotonic() - self._start)
        name = shown(source, 1000)
        cut = name if len(name) <= self._room else f"...{name[3 - self._room :]}"
        models = f"{count:,} model{'s' * (count != 1)}"
        self._progress.tell(f"{models}, {rate:,.0f} a second: {cut}")


def _say(text: str) -> None:
    from migrator.report.escape import shown

    print(shown(text, 2000), file=sys.stderr)
