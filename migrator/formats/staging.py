"""A model in an archive or at an address, as files on disk for who needs paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

from migrator.errors import MigratorError
from migrator.files import temporary_folder
from migrator.formats.checkpoint.locate import is_shard_of
from migrator.formats.load import model_place
from migrator.formats.packed import SAVED_MODELS
from migrator.formats.sniff import sniff
from migrator.formats.unpacking import tell_packing, unpacked_place
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Source
from migrator.places.addresses import is_remote
from migrator.places.copying import copy_file, copy_folder
from migrator.places.packing import packing_of
from migrator.places.place import LocalPlace, Place
from migrator.places.resolve import place_of
from migrator.places.visit import Visit

F = TypeVar("F", bound=Callable[..., Any])
_FILES = ("fingerprint.pb", "keras_metadata.pb", "tfhub_module.pb")
_FOLDERS = ("variables", "assets", "assets.extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """``path`` is where the model can be read; ``names`` are paths there, and what the user knows
    them as. Without any the path is the user's own.
    """

    path: str | os.PathLike[str]
    names: tuple[tuple[str, str], ...] = ()

    def told(self, text: str) -> str:
        """``text`` with the user's names in it."""
        for ours, theirs in self.names:
            text = text.replace(ours, theirs)
        return text

    def rename(self, error: MigratorError) -> None:
        """Put the user's names into an error."""
        error.what, error.where = self.told(error.what), self.told(error.where)
        error.hint = self.told(error.hint)
        for name in ("options", "blockers", "faults"):
            if isinstance(values := getattr(error, name, None), tuple):
                setattr(error, name, tuple(self.told(str(value)) for value in values))


_current: ContextVar[tuple[Staged, ...]] = ContextVar("staged", default=())


def named(source: Source) -> Source:
    """``source`` under the name that the user gave it, in what ``takes_packed`` runs."""
    path = source.path
    for item in _current.get():
        path = item.told(path)
    return source if path == source.path else replace(source, path=path)


@contextmanager
def staged(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Iterator[Staged]:
    """``path`` itself where it lies on disk; else a copy of the model, gone at the end.

    Errors that leave it tell the user's names. Raises what ``load`` raises for archives and
    addresses, and MigratorError where there is no room.
    """
    if _is_plain(path) and not _holds_packed(path):
        yield Staged(path=path)
        return
    with temporary_folder() as folder:
        found, place = _staged(path, folder, limits)
        if place.path is not None:  # a Keras file, or nothing at all: who reads it says so
            yield found
            return
        token = _current.set((*_current.get(), found))
        try:
            yield found
        except MigratorError as error:
            found.rename(error)
            tell_packing(error, place)
            raise
        finally:
            _current.reset(token)


def stage(
    path: str | os.PathLike[str] | Place, folder: Path, limits: Limits = DEFAULT_LIMITS
) -> Staged:
    """The same into an empty ``folder`` of the caller's, which is to see that it goes."""
    return _staged(path, folder, limits)[0]


def _staged(
    path: str | os.PathLike[str] | Place, folder: Path, limits: Limits
) -> tuple[Staged, Place]:
    visit = Visit(limits)
    place = path if isinstance(path, Place) else place_of(path, limits, visit)
    place = unpacked_place(place, visit, model_place)
    if place.path is not None:
        return Staged(path=place.path if isinstance(path, Place) else path), place
    found = _copied(place, folder, visit)
    visit.settle()
    return found, place


def takes_packed(function: F) -> F:
    """The first argument of ``function``, a path, may be an archive or an address."""

    first = next(iter(signature(function).parameters))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        path = args[0] if args else kwargs.get(first)
        if not isinstance(path, (str, os.PathLike)):
            return function(*args, **kwargs)
        with staged(path, kwargs.get("limits", DEFAULT_LIMITS)) as found:
            if args:
                return function(found.path, *args[1:], **kwargs)
            return function(**{**kwargs, first: found.path})

    return cast(F, call)


def is_packed(path: str | os.PathLike[str]) -> bool:
    """True for what ``staged`` would copy, as far as its first bytes tell."""
    return not _is_plain(path)


def archive_of(path: str) -> str:
    """The packed file on disk that ``path`` lies in, or is; empty where it is plain.

    What is in it is not looked at.
    """
    if _is_plain(path) or is_remote(path):
        return ""
    place = LocalPlace(path)
    if not place.is_file():
        return str(_parents(Path(path))[0])
    try:  # a Keras file is a zip archive, too
        return path if sniff(place.open(), DEFAULT_LIMITS).format is None else ""
    except MigratorError:
        return path


def _is_plain(path: str | os.PathLike[str]) -> bool:
    if is_remote(os.fspath(path)):
        return False
    place = LocalPlace(path)
    if not place.exists():
        return not any(parent.is_file() for parent in _parents(Path(path)))
    if not place.is_file():
        return True
    try:
        source = place.open()
        return not source.size or packing_of(source) is None
    except MigratorError:
        return True


def _holds_packed(path: str | os.PathLike[str]) -> bool:
    """True for a folder whose one model is packed."""
    place = LocalPlace(path)
    if not place.is_folder():
        return False
    try:
        return not _is_plain(str(model_place(place)))
    except MigratorError:  # told by who reads it
        return False


def _parents(path: Path) -> Sequence[Path]:
    try:
        return [parent for parent in path.parents if parent.exists()][:1]
    except (OSError, ValueError):
        return []


def _copied(place: Place, folder: Path, visit: Visit) -> Staged:
    above = place.parent
    if place.base in SAVED_MODELS:
        target = folder / "model"
        target.mkdir()
        copy_file(place, target / place.base, visit)  # it may go by another name beside them
        for name in _FILES:
            if above.child(name).is_file():
                copy_file(above.child(name), target / name, visit)
        for name in _FOLDERS:
            if above.child(name).is_folder():
                copy_folder(above.child(name), target / name, visit)
        return Staged(path=str(target), names=((str(target), str(above)),))
    target = folder / place.base
    copy_file(place, target, visit)
    prefix = place.base.removesuffix(".index").removesuffix(".meta")
    if prefix != place.base:
        for name in above.names():
            is_one = name == prefix or name.startswith(f"{prefix}.") or is_shard_of(name, prefix)
            if is_one and name != place.base and above.child(name).is_file():
                copy_file(above.child(name), folder / name, visit)
    return Staged(path=str(target), names=((str(target), str(place)), (str(folder), str(above))))
