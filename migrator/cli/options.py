"""Options that several verbs share."""

from __future__ import annotations

import argparse
import re
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

from migrator.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from migrator.limits import Limits
    from migrator.migration.options import Choice

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


_PACKED = "; also in an archive or at an address"
GRAPH_SOURCE = "a frozen graph, SavedModel, .meta with checkpoint or hub module" + _PACKED
SOURCE = "a frozen graph, SavedModel, .meta with checkpoint, hub module or Keras model" + _PACKED
SERVED_SOURCE = "a SavedModel or a Keras model (.keras, .h5)" + _PACKED


def add_common(parser: argparse.ArgumentParser, *, verbose: str = "say more, on stderr") -> None:
    """``-v`` and ``-q``."""
    parser.add_argument("-v", "--verbose", action="count", default=0, help=verbose)
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no notes")


def add_output(parser: argparse.ArgumentParser, *, short: bool = True) -> None:
    """Where and how the result is written.

    Verbs that name endpoints by ``--output`` keep ``-o`` alone for the file.
    """
    names = ["-o", "--output"] if short else ["-o", "--output-file"]
    parser.add_argument(
        *names, dest="output_file", metavar="FILE", help="write the result here ('-': stdout)"
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="of the result (text)"
    )


def add_overwrite(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what} if it exists")


def add_endpoints(parser: argparse.ArgumentParser) -> None:
    """``--input``, ``--output``, ``--feed``: a frozen graph's endpoints."""
    group = parser.add_argument_group("endpoints")
    group.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]TENSOR",
        help="an input tensor (node or node:1), and what the signature calls it",
    )
    group.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="[NAME=]TENSOR",
        help="an output tensor, and what the signature calls it",
    )
    group.add_argument(
        "--feed",
        action="append",
        default=[],
        metavar="TENSOR=VALUE",
        help="fix a placeholder into the graph, e.g. is_training=false; lists as JSON",
    )


def add_source(parser: argparse.ArgumentParser) -> None:
    """Which part of a source is meant."""
    group = parser.add_argument_group("source")
    group.add_argument(
        "--signature",
        action="append",
        default=[],
        metavar="[NEW=]KEY",
        help="a signature of the source, and what the result calls it; all of them if not given",
    )
    group.add_argument(
        "--tag-set", metavar="TAGS", help="a SavedModel's meta graph, comma-separated (serve)"
    )
    group.add_argument(
        "--checkpoint", default="", metavar="PREFIX", help="weights, where not beside the graph"
    )
    add_op_library(group)


def add_rewriting(parser: argparse.ArgumentParser) -> None:
    """How the result shall be."""
    group = parser.add_argument_group("rewriting")
    group.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=DIMS",
        help="fix or relax an input's shape, e.g. x=?,224,224,3",
    )
    group.add_argument(
        "--decode-images",
        action="append",
        default=[],
        metavar="NAME[=RANGE]",
        help="also a signature that takes encoded pictures there; RANGE of the pixels that the "
        "model expects: 0..255 (as they are), 0..1 or -1..1",
    )
    group.add_argument(
        "--weights",
        choices=("auto", "variables", "constants"),
        default="auto",
        help="variables can be trained and have no size limit, constants are bit-exact (auto: a "
        "source's variables stay such, large constants become such)",
    )
    group.add_argument(
        "--control-flow",
        choices=("auto", "functional", "v1"),
        default="auto",
        help="what becomes of TensorFlow 1 loops and conditions (auto: functional where possible)",
    )
    group.add_argument(
        "--optimize",
        action="store_true",
        help="for inference: fold batch norms and constants, drop identities, merge duplicates",
    )
    group.add_argument(
        "--spec", metavar="FILE", help="signatures and options from a TOML or YAML file"
    )


def add_op_library(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--op-library",
        action="append",
        default=[],
        metavar="FILE.so",
        help="custom ops that the model needs; their code runs with it",
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """``--limit NAME=VALUE``."""
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another bound on what reading a file may take, for files that you trust: "
        f"{', '.join(_limit_names())} (sizes such as 16G)",
    )


def limits_of(args: argparse.Namespace) -> Limits:
    """The bounds that ``--limit`` sets. Raises UsageError for a name or a value that is none."""
    from migrator.limits import DEFAULT_LIMITS, Limits

    found: dict[str, float] = {}
    for text in args.limit:
        name, mark, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if name not in _limit_names():
            raise UsageError(
                f"--limit: {ascii(name)[:100]} is no limit; there are: {', '.join(_limit_names())}",
                hint=did_you_mean(name, _limit_names()),
            )
        is_float = isinstance(getattr(DEFAULT_LIMITS, name), float)
        try:
            if not mark:
                raise ValueError
            found[name] = float(value) if is_float else size(value)
            if not 0 < found[name] < 1 << 62:
                raise ValueError
        except (ValueError, argparse.ArgumentTypeError):
            what = "a number of seconds" if is_float else "a number or a size, such as 100 or 16G"
            raise UsageError(
                f"--limit {name}={ascii(value)[1:-1][:100]}: is not {what}, above 0"
            ) from None
    return Limits(**found)  # type: ignore[arg-type]


def in_time(
    args: argparse.Namespace, where: str, *, open_end: bool = False
) -> AbstractContextManager[None]:
    """The bound of ``--limit seconds`` for all that is made of the model at ``where``.

    With ``open_end`` only one that was given: copying all weights takes as long as there are
    weights, and a pipe takes what is written as fast as somebody reads.
    """
    seconds = limits_of(args).seconds
    if open_end and not any(_is_seconds(text) for text in args.limit):
        return nullcontext()
    from migrator.limits import bounded_time
    from migrator.places.addresses import shown

    return bounded_time(seconds, where=shown(where))


def _is_seconds(text: str) -> bool:
    return text.partition("=")[0].strip() == "seconds"


@cache
def _limit_names() -> tuple[str, ...]:
    from dataclasses import fields

    from migrator.limits import Limits

    return tuple(field.name for field in fields(Limits))


_TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def tags_of(args: argparse.Namespace) -> list[str] | None:
    """``--tag-set`` as a list; an empty one means the meta graph without tags."""
    return None if args.tag_set is None else [*filter(None, args.tag_set.split(","))]


def choice_of(args: argparse.Namespace) -> Choice:
    """The options of a migration, those of a ``--spec`` file where the line is silent."""
    from migrator.migration.options import Choice

    choice = Choice(
        inputs=args.input,
        outputs=args.output,
        feeds=args.feed,
        signatures=args.signature,
        tag_set=tags_of(args),
        checkpoint=args.checkpoint,
        op_libraries=args.op_library,
        shapes=args.shape,
        decode_images=args.decode_images,
        weights=args.weights,
        control_flow=args.control_flow,
        optimize=args.optimize,
    )
    if args.spec is None:
        return choice
    from migrator.migration.options import with_spec
    from migrator.migration.spec import read_spec

    spec = read_spec(args.spec)
    for name, value in (("rtol", spec.rtol), ("atol", spec.atol)):
        if value is not None and getattr(args, name, None) == _TOLERANCE[name]:
            setattr(args, name, value)
    return with_spec(choice, spec)


def add_verification(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("verification")
    group.add_argument("--data", metavar="FILE.npz", help="real inputs, one array to an input name")
    group.add_argument(
        "--rtol", type=float, default=_TOLERANCE["rtol"], help="relative tolerance (1e-5)"
    )
    group.add_argument(
        "--atol", type=float, default=_TOLERANCE["atol"], help="absolute tolerance (1e-6)"
    )
    group.add_argument("--seed", type=int, default=0, help="of the generated inputs (0)")


def add_process(parser: argparse.ArgumentParser) -> None:
    add_limits(parser)
    group = parser.add_argument_group("child process")
    group.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="seconds for each step (600)"
    )
    group.add_argument(
        "--memory-limit",
        type=size,
        metavar="SIZE",
        help="of each TensorFlow process, e.g. 8GB",
    )


_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}
_UNITS |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def size(text: str) -> int:
    """``8GB``, ``500MiB``, ``1000000`` as bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if not match or match[2].lower() not in _UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 8GB or 500MiB")
    return int(float(match[1]) * _UNITS[match[2].lower()])
