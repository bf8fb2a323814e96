"""The model in an archive, told by content; which one, where there are several."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

from migrator.errors import FormatError, MigratorError, NeedsDecision, UnsupportedFormat
from migrator.formats.checkpoint.locate import STATE, latest_in
from migrator.formats.sniff import Sniffed, sniff
from migrator.places.archive import MemberPlace, UnpackedPlace
from migrator.places.packing import packing_of
from migrator.places.place import Place
from migrator.places.resolve import NESTED, opened, too_deep
from migrator.places.visit import Visit

SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb")
_SHARD = re.compile(r"(?P<prefix>.+)\.data-\d{5,}-of-\d{5,}", re.DOTALL)
_META = re.compile(r"(?P<prefix>.+)\.meta(?:\.pbtxt|\.txt)?", re.DOTALL)
_TEXT_GRAPHS = (".pbtxt", ".pbtxt.txt")
_BESIDE = frozenset(("fingerprint.pb", "keras_metadata.pb", "tfhub_module.pb", ".DS_Store"))
_JUNK = "__MACOSX"
_NO_MODELS = frozenset((None, "hub_module"))
_SHOWN = 5
_LISTED = 30


def unpacked_place(place: Place, visit: Visit, model_place: Callable[[Place], Place]) -> Place:
    """The file to read for ``place``, where that is an archive, lies in one, or is neither.

    ``model_place`` says it for a folder outside of archives. Raises NeedsDecision where an
    archive holds several models, FormatError where it holds none, and what reading it raises.
    """
    for _ in range(NESTED):
        if isinstance(place, MemberPlace) and place.is_folder():
            place = _in_folder(place, visit)
        else:
            place = model_place(place)
        if not place.is_file():
            return place
        inner = opened(place, visit)
        if inner is place:
            return place
        place = inner
    raise too_deep(place)


def tell_packing(error: MigratorError, place: Place) -> None:
    """Say in what is wrong with a file's content that the file itself is compressed."""
    if isinstance(place, UnpackedPlace) and isinstance(error, (FormatError, UnsupportedFormat)):
        error.what = f"{place.kind}-compressed, and its content {error.what}"


def _in_folder(top: MemberPlace, visit: Visit) -> Place:
    """The one model at or below a folder of an archive."""
    for name in SAVED_MODELS:
        if top.child(name).is_file():
            return top.child(name)
    sure: list[MemberPlace] = []
    unsure: list[MemberPlace] = []
    packed: list[MemberPlace] = []
    odd: list[MigratorError] = []
    names: list[str] = []
    for place, found in _looked_at(top, visit):
        names.append("/".join(place.parts[len(top.parts) :]))
        if isinstance(found, MigratorError):
            odd.append(found)
        elif found is None:
            packed.append(place)
        elif found.format not in _NO_MODELS:
            (sure if found.sure else unsure).append(place)
    models = sure or unsure or packed
    if len(models) == 1:
        only = models[0]
        return _in_folder(only, visit) if only.is_folder() else only
    if models:
        raise NeedsDecision(
            f"holds {len(models):,} models"
            + (f", {_LISTED} of them here" if len(models) > _LISTED else ""),
            where=str(top),
            hint="name one of them",
            options=[shlex.quote(str(item)) for item in models[:_LISTED]],
        )
    if len(odd) == 1 and len(names) == 1:
        odd[0].what = f"is in a {top.archive.kind} archive, and {odd[0].what}"
        raise odd[0]
    raise _nothing(top, names)


def _looked_at(
    top: MemberPlace, visit: Visit
) -> Iterator[tuple[MemberPlace, Sniffed | MigratorError | None]]:
    """What may be a model: what it is, None for an archive, the error for neither."""
    for parts, inner in top.archive.tree.files(top.parts):
        if _JUNK in parts or _is_below_saved_model(top, parts):
            continue
        folder = MemberPlace(top.archive, parts)
        saved = next((name for name in SAVED_MODELS if folder.child(name).is_file()), None)
        if saved is not None:
            yield (
                (folder if parts else folder.child(saved)),
                Sniffed(format="saved_model", what="a SavedModel"),
            )
        names = sorted(name for name, node in inner.items() if not isinstance(node, dict))
        for name in _own_names(folder, names, has_saved_model=saved is not None):
            visit.deadline.check(str(top))
            place = folder.child(name)
            yield place, _look(place, visit)


def _is_below_saved_model(top: MemberPlace, parts: tuple[str, ...]) -> bool:
    """In its ``variables`` or ``assets``."""
    for end in range(len(top.parts) + 1, len(parts)):
        if parts[end] in ("variables", "assets", "assets.extra"):
            folder = MemberPlace(top.archive, parts[:end])
            if any(folder.child(name).is_file() for name in SAVED_MODELS):
                return True
    return False


def _own_names(folder: MemberPlace, names: list[str], *, has_saved_model: bool) -> list[str]:
    """One name for each file that stands for itself, and one for the folder's checkpoints."""
    if has_saved_model:
        names = [name for name in names if name not in SAVED_MODELS and name not in _BESIDE]
    names = [name for name in names if not name.startswith("._")]
    prefixes = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    metas = {found["prefix"]: name for name in names if (found := _META.fullmatch(name))}
    belong = {f"{prefix}.index" for prefix in metas if prefix in prefixes}
    belong |= {
        name for name in names if (found := _SHARD.fullmatch(name)) and found["prefix"] in prefixes
    }
    if prefixes or metas:
        belong |= {name for name in names if name == STATE or name.endswith(_TEXT_GRAPHS)}
        belong -= set(metas.values())
        latest = _latest(folder, names)
        if latest is not None:
            every = {*metas.values(), *(f"{prefix}.index" for prefix in prefixes)}
            belong |= every - {latest}
    return [name for name in names if name not in belong]


def _latest(folder: MemberPlace, names: list[str]) -> str | None:
    if STATE not in names:
        return None
    try:
        found = latest_in(folder)
    except MigratorError:
        return None
    return None if found is None else found.base


def _look(place: MemberPlace, visit: Visit) -> Sniffed | MigratorError | None:
    try:
        source = place.open()
        if source.size == 0:
            return FormatError("is empty (0 bytes)", where=str(place))
        if packing_of(source) is not None:
            inner = opened(place, visit)
            if inner is not place:
                return None
        return sniff(source, visit.limits)
    except MigratorError as error:
        return error


def _nothing(top: MemberPlace, names: list[str]) -> MigratorError:
    shown = ", ".join(ascii(name)[:100] for name in names[:_SHOWN]) or "nothing"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    notes = "; ".join(
        note.removeprefix(f"{top.archive.outer}: ") for note in top.archive.tree.notes
    )
    return FormatError(
        f"is a {top.archive.kind} archive without a model; it holds {shown}{more}"
        + (f"; {notes}" if notes else ""),
        where=str(top),
    )
