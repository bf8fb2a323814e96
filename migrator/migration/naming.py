"""Names for a signature's inputs and outputs.

TensorFlow saves a signature only if its input names are Python identifiers that differ in more
than case; some others it renames. Output names are free, but users type both.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Sequence

from migrator.errors import UsageError
from migrator.inspection.vocabulary import is_given_name
from migrator.model.tensors import TensorRef

_TAKEN = frozenset(("self", "args", "kwargs"))


def is_usable(name: str) -> bool:
    """True for a name that TensorFlow keeps as it is."""
    return (
        name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("_")
        and name not in _TAKEN
    )


def usable(name: str) -> str:
    """``name`` bent into one that TensorFlow keeps: ``1x`` -> ``x1x``, ``class`` -> ``class_``."""
    text = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_") or "tensor"
    if text[0].isdigit():
        text = f"x{text}"
    return text if is_usable(text) else f"{text}_"


def name_endpoints(
    tensors: Sequence[str], given: Sequence[str], ops: Sequence[str], *, identifiers: bool = True
) -> list[str]:
    """A name for each tensor: the given one where there is one, else one from its node.

    The last part of the node's name where that tells them apart and somebody gave it, the whole
    name else. Raises UsageError for a given name that comes twice or, with ``identifiers`` (as
    inputs ask for), that TensorFlow would not keep.
    """
    for name in filter(None, given):
        if not name.isprintable() or (identifiers and not is_usable(name)):
            raise UsageError(
                f"{name!r} cannot be the name of an {'input' if identifiers else 'output'}",
                hint=f"TensorFlow takes identifiers; {usable(name)!r} would do",
            )
    taken: set[str] = set()
    for name in filter(None, given):
        if name.lower() in taken:
            raise UsageError(
                f"the name {name!r} is given twice", hint="names must differ in more than case"
            )
        taken.add(name.lower())
    short = [_short(tensor, op) for tensor, op in zip(tensors, ops, strict=True)]
    counts = Counter(name.lower() for name in short)
    clashing = {name for name, count in counts.items() if count > 1}
    names = []
    for tensor, name, candidate in zip(tensors, given, short, strict=True):
        if not name:
            name = usable(_long(tensor)) if candidate.lower() in clashing else candidate
            name = _free(name, taken)
            taken.add(name.lower())
        names.append(name)
    return names


def _short(tensor: str, op: str) -> str:
    ref = TensorRef.parse(tensor)
    last = ref.node.rsplit("/", 1)[-1]
    # "dense_1/BiasAdd" says nothing as "BiasAdd".
    if "/" in ref.node and not is_given_name(ref.node, op):
        last = "_".join(ref.node.split("/")[-2:])
    return usable(last if ref.port == 0 else f"{last}_{ref.port}")


def _long(tensor: str) -> str:
    ref = TensorRef.parse(tensor)
    return ref.node if ref.port == 0 else f"{ref.node}_{ref.port}"


def _free(name: str, taken: set[str]) -> str:
    number = 1
    free = name
    while free.lower() in taken:
        free = f"{name}_{number}"
        number += 1
    return free
