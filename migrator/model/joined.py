"""Names that TFLite's converter joined: an operator that does the work of several has all their
names, ``block/Relu;block/BiasAdd;conv/Conv2D``. No name of TensorFlow's own has a ``;``."""

from __future__ import annotations

_JOINT = ";"


def first_name(name: str) -> str:
    """The first of the names, which is that of the tensor that comes out; ``name`` if it is one."""
    return name.partition(_JOINT)[0] or name


def name_parts(name: str, most: int = -1) -> list[str]:
    """The scopes that the first name lies in, ``most`` of them, and last all the rest."""
    first = first_name(name)
    parts = first.split("/", most)
    parts[-1] += name[len(first) :]
    return parts
