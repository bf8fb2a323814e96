"""Names that TFLite's converter joined: an operator that does the work of several has all their
names, ``block/Relu;block/BiasAdd;conv/Conv2D``. No name of TensorFlow's own has a ``;``."""

from __future__ import annotations

_JOINT = ";"


def first_name(name: str) -> str:
    """The first of the names, which is that of the tensor that comes out; ``name`` if it is one."""
    return name.partition(_JOINT)[0] or name


def joins(name: str, wanted: str) -> bool:
    """Whether ``name`` is made of several, and ``wanted`` is one of them. The converter may have
    put a number behind the last."""
    if _JOINT not in name or wanted not in name:
        return False
    *most, last = name.split(_JOINT)
    behind = last[len(wanted) :] if last.startswith(wanted) else "-"
    return wanted in most or not behind or behind.isdecimal()


def name_parts(name: str, most: int = -1) -> list[str]:
    """The scopes that the first name lies in, ``most`` of them, and last all the rest."""
    first = first_name(name)
    parts = first.split("/", most)
    parts[-1] += name[len(first) :]
    return parts
