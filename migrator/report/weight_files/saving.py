"""Weights into one file, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.errors import MigratorError, UsageError
from migrator.files import check_writable, folder_beside, is_taken, put_in_place
from migrator.files import exists as exists_error
from migrator.model.tensors import LazyTensor
from migrator.report.weight_files.npz import NpzWriter
from migrator.report.weight_files.safetensors import SafetensorsWriter
from migrator.report.weight_files.writer import LeftOut, Writer

_WRITERS: dict[str, type[Writer]] = {".npz": NpzWriter, ".safetensors": SafetensorsWriter}


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWeights:
    """What became of weights that were to be saved. ``bytes`` is the size of the file."""

    path: str
    bytes: int
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    """Name and reason of each that such a file cannot hold."""
    unreadable: tuple[tuple[str, str], ...]
    """Name and reason of each whose value could not be read."""
    widened: tuple[tuple[str, str], ...]
    """A type that such a file lacks, and the one that holds all of its values."""


def save_weights(
    weights: Iterable[tuple[str, LazyTensor]], target: Path, *, overwrite: bool = False
) -> SavedWeights:
    """Write ``weights`` to ``target``, whose suffix says how. It appears whole or not at all.

    One weight is in memory at a time, none where its bytes lie in a file in one run. Values are
    kept bit for bit; a type that the file lacks is stored as one that holds all of its values.
    Raises UsageError for another suffix and where nothing can be saved, DestinationError.
    """
    if target.suffix not in _WRITERS:
        raise UsageError(
            f"weights are saved as {' or '.join(_WRITERS)}, not as {target.suffix or 'a file'!r}",
            where=str(target),
        )
    if is_taken(target) and not overwrite:
        raise exists_error(target)
    check_writable(target)
    names: list[str] = []
    left_out: list[tuple[str, str]] = []
    unreadable: list[tuple[str, str]] = []
    with folder_beside(target) as folder:
        made = folder / "weights"
        with made.open("wb") as file:
            writer = _WRITERS[target.suffix](file)
            try:
                kept = list(_fitting(writer, weights, left_out))
                writer.begin(kept)
                for name, tensor in writer.ordered(kept):
                    try:
                        stored = writer.stored(name, tensor)
                    except LeftOut as reason:
                        left_out.append((name, str(reason)))
                    except MigratorError as error:
                        unreadable.append((name, str(error)))
                    else:
                        writer.write(stored)
                        names.append(name)
            finally:
                writer.end()
        if not names:
            raise _nothing(target, [*unreadable, *left_out])
        size = made.stat().st_size
        put_in_place(made, target, overwrite=overwrite)
    return SavedWeights(
        path=str(target),
        bytes=size,
        names=tuple(names),
        left_out=tuple(left_out),
        unreadable=tuple(unreadable),
        widened=tuple(sorted(writer.widened.items())),
    )


def _fitting(
    writer: Writer, weights: Iterable[tuple[str, LazyTensor]], left_out: list[tuple[str, str]]
) -> Iterator[tuple[str, LazyTensor]]:
    """Those that may be written, as far as is known without reading them."""
    for name, tensor in weights:
        try:
            writer.check(name, tensor)
        except LeftOut as reason:
            left_out.append((name, str(reason)))
        else:
            yield name, tensor


def _nothing(target: Path, reasons: list[tuple[str, str]]) -> MigratorError:
    if not reasons:
        return UsageError("there are no weights to save", where=str(target))
    name, reason = reasons[0]
    more = f" and {len(reasons) - 1:,} more" if len(reasons) > 1 else ""
    return UsageError(
        f"none of the weights can be saved: {ascii(name)[:200]} ({reason}){more}",
        where=str(target),
    )
