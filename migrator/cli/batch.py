"""``migrator batch``: whole trees or a manifest, in parallel, resumable."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from migrator.cli import options
from migrator.errors import EXIT_YES, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from migrator.batching.run.batch import BatchResult
    from migrator.batching.run.events import Watcher


_WITH_PLAN = (
    *("verb", "execute", "sources", "dest", "plan", "output_file", "overwrite"),
    *("jobs", "timeout", "memory_limit", "limit", "quiet", "verbose"),
)
_OF_THIS_RUN = (
    *("verb", "execute", "sources", "dest", "plan", "output_file", "overwrite", "format"),
    *("retry", "quiet", "verbose", "events", "prometheus"),
)
_MANIFESTS = {"toml": "toml", "csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl"}
"""Suffix of a manifest -> its format; YAML else."""


def configure_parser(verbs: options.Verbs) -> None:
    parser = verbs.add_parser(
        "batch",
        help="whole trees or a manifest, in parallel, resumable",
        description="Bring many models through inspect, audit, plan, migrate and verify, each into "
        "a folder of its own under DEST. One bad model costs no other. Run again, it does only "
        "what is new, changed, or asked for by --retry. Exit code 0: all done; 1: some failed or "
        "are blocked; 2: could not run; 3: what is not done needs a decision.",
        epilog="Options of endpoints, source, rewriting and verification are as for migrate, and "
        "hold for every model of which a manifest does not say otherwise. SOURCES are model files, "
        "SavedModel folders, trees, globs, fsspec addresses, and manifests (YAML, TOML, CSV or "
        "JSON lines).",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="what to bring through")
    parser.add_argument("--dest", metavar="DIR", help="the folder of the results")
    _add_work(parser)
    options.add_endpoints(parser)
    options.add_source(parser)
    options.add_rewriting(parser)
    options.add_verification(parser)
    _add_process(parser)
    options.add_limits(parser)
    _add_looking_on(parser)
    options.add_common(parser, verbose="name each model as it ends")
    parser.set_defaults(execute=partial(execute, parser))


def _add_work(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("work")
    group.add_argument(
        "--retry",
        action="append",
        default=[],
        metavar="WHAT",
        help="do these again: failed, needs_decision, blocked, done or all; comma-separated",
    )
    group.add_argument("--tflite", action="store_true", help="a TFLite file of each model too")
    group.add_argument("--no-verify", action="store_true", help="do not prove anything")
    group.add_argument(
        "--trust",
        action="store_true",
        help="also run models that, as the audit finds, write files, use the network or run code",
    )
    group.add_argument(
        "--steps",
        metavar="STEPS",
        help="only these, comma-separated: inspect, audit, plan, migrate, verify, tflite",
    )
    group.add_argument(
        "--plan",
        action="store_true",
        help="write a manifest of what is found to standard output or --output-file, and run "
        "nothing: to edit and feed back",
    )


def _add_process(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("processes")
    group.add_argument(
        "--jobs", type=int, metavar="N", help="models at a time (by cores and memory)"
    )
    group.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="seconds for each model (600)"
    )
    group.add_argument(
        "--memory-limit",
        type=options.size,
        metavar="SIZE",
        help="for each model, e.g. 4GB (an equal share of what is free)",
    )
    group.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster, which then does the work"
    )
    group.add_argument(
        "--state", metavar="DIR", help="keep a copy of the ledger here, where DEST is an address"
    )


def _add_looking_on(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("looking on")
    group.add_argument("--events", metavar="FILE", help="append what happens, as JSON lines")
    group.add_argument(
        "--prometheus", metavar="FILE", help="counts for the node exporter's textfile collector"
    )
    options.add_output(parser, short=False)
    options.add_overwrite(
        parser, "results of other sources under the same names, and the output file,"
    )


def execute(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from migrator.cli.output import check_output, write_result
    from migrator.report.json_batch import batch_result
    from migrator.report.json_v1 import dumps

    check_output(args)
    if args.plan:
        _refuse_idle(parser, args)
        return _plan(args)
    if not args.dest:
        raise UsageError("there is no DEST", hint="name the folder of the results with --dest")
    found = _run(parser, args)
    if args.format == "json":
        write_result(dumps(batch_result(found.models, run=found.run)), args)
    else:
        write_result(_text(found, args), args)
    return found.exit_code


def _refuse_idle(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Raise UsageError for options that would say nothing, as nothing is run."""
    given = [
        f"--{name.replace('_', '-')}" for name, _ in _given(parser, args) if name not in _WITH_PLAN
    ]
    if given:
        raise UsageError(
            f"--plan runs nothing, and {', '.join(sorted(given))} says how",
            hint="give it to the run, or put it into the manifest's defaults",
        )


def _plan(args: argparse.Namespace) -> int:
    from migrator.batching.manifest.planning import plan_manifest
    from migrator.cli.output import write_result
    from migrator.cli.progress import Progress

    file = args.output_file if args.output_file not in (None, "-") else ""
    form = os.path.splitext(file)[1].lower().lstrip(".")
    groups: list[str] = []
    with Progress(args) as progress:
        text = plan_manifest(
            args.sources,
            format=_MANIFESTS.get(form, "yaml"),
            folder=os.path.dirname(os.path.abspath(file)) if file else "",
            exclude=[args.dest] if args.dest else [],
            jobs=args.jobs,
            progress=lambda done, total, name: progress.tell(f"{done:,} of {total:,} models"),
            timeout=args.timeout,
            memory_limit=args.memory_limit,
            limits=options.limits_of(args),
            tell=groups.append,
        )
    write_result(text, args)
    if file:
        for line in groups:
            _tell(args, line.partition(":")[0])
    return EXIT_YES


def _run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> BatchResult:
    from migrator.batching.ledger.ledger import parse_retry
    from migrator.batching.run.batch import batch

    retry = tuple(word for text in args.retry for word in parse_retry(text))
    with _executor(args) as executor:
        return batch(
            args.sources,
            args.dest,
            steps=_steps(args),
            executor=executor,
            jobs=args.jobs,
            timeout=args.timeout,
            memory_limit=args.memory_limit,
            limits=options.limits_of(args),
            choice=options.choice_of(args),
            data=args.data,
            rtol=args.rtol,
            atol=args.atol,
            seed=args.seed,
            trust=args.trust,
            retry=retry,
            overwrite=args.overwrite,
            watchers=_watchers(args),
            state=args.state,
            tell=partial(_tell, args),
            options=_words(parser, args),
        )


def _words(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[str]:
    """The options of this run as one would give them to the next."""
    found = []
    for name, value in _given(parser, args):
        option = f"--{name.replace('_', '-')}"
        if name in _OF_THIS_RUN:
            continue
        if value is True:
            found.append(option)
        else:
            for item in value if isinstance(value, list) else [value]:
                found += [option, str(item)]
    return found


def _given(parser: argparse.ArgumentParser, args: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Options that are not as they are by default."""
    for name, value in vars(args).items():
        if value != parser.get_default(name):
            yield name, value


def _steps(args: argparse.Namespace) -> Sequence[str]:
    from migrator.batching.task import DEFAULT_STEPS, TFLITE, VERIFY, ordered_steps

    if args.steps is None:
        steps = [*DEFAULT_STEPS, *([TFLITE] if args.tflite else [])]
        return [step for step in steps if not (args.no_verify and step == VERIFY)]
    if args.tflite or args.no_verify:
        raise UsageError("--steps says it all", hint="leave --tflite and --no-verify out")
    return ordered_steps(word.strip() for word in args.steps.split(",") if word.strip())


def _executor(args: argparse.Namespace) -> AbstractContextManager[Executor | None]:
    if args.scheduler is None:
        return nullcontext()
    if args.jobs is not None:
        raise UsageError(
            "--jobs is for this machine; a cluster's workers have as many as they were started with"
        )
    from migrator.batching.executors.cluster.executor import cluster_executor

    found = cluster_executor(args.scheduler, tell=partial(_tell, args))
    _tell(args, f"the cluster's dashboard: {found.link}")
    return found


def _tell(args: argparse.Namespace, line: str) -> None:
    if not args.quiet:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _watchers(args: argparse.Namespace) -> list[Watcher]:
    from migrator.batching.run.events import EventLog, MetricsFile
    from migrator.cli.batch_progress import ShownProgress
    from migrator.places.addresses import shown

    found: list[Watcher] = [ShownProgress(quiet=args.quiet, verbose=args.verbose > 0)]
    if args.events:
        found.append(EventLog(args.events))
    if args.prometheus:
        found.append(MetricsFile(args.prometheus, shown(args.dest)))
    return found


def _text(found: BatchResult, args: argparse.Namespace) -> str:
    from migrator.places.addresses import local_path, shown
    from migrator.report.json_batch import batch_totals
    from migrator.report.text_batch import batch_text

    is_terminal = args.output_file in (None, "-") and sys.stdout.isatty()
    result = {"run": found.run, "totals": batch_totals(found.models), "models": found.models}
    page = os.path.join(shown(local_path(args.dest)), "index.html")
    return batch_text(result, page=page, color=is_terminal and not os.environ.get("NO_COLOR"))
