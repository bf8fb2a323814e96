"""Options that several verbs share."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_common(parser: argparse.ArgumentParser) -> None:
    """``-v`` and ``-q``."""
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more, on stderr")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no notes")


def add_output(parser: argparse.ArgumentParser, *, short: bool = True) -> None:
    """Where and how the result is written.

    Verbs that name endpoints by ``--output`` keep ``-o`` alone for the file.
    """
    names = ["-o", "--output"] if short else ["-o", "--output-file"]
    parser.add_argument(
        *names, dest="output_file", metavar="FILE", help="write the result here ('-': stdout)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


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
        help="an input tensor, and what the signature calls it",
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
        help="fix a placeholder into the graph, e.g. is_training=false",
    )


def add_verification(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("verification")
    group.add_argument("--data", metavar="FILE.npz", help="real inputs, one array to an input name")
    group.add_argument("--rtol", type=float, default=1e-5, help="relative tolerance (1e-5)")
    group.add_argument("--atol", type=float, default=1e-6, help="absolute tolerance (1e-6)")
    group.add_argument("--seed", type=int, default=0, help="of the generated inputs (0)")


def add_process(parser: argparse.ArgumentParser) -> None:
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
