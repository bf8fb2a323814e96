"""Made graphs of awkward shapes: much that is alike, deep, or without anything in common.

``plain`` and ``renamed`` differ in nothing but names and the order of their nodes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_parts.wire import FLOAT, field_bytes, node, put_node, type_attr, versions

Namer = Callable[[str], str]
_KIND = type_attr(FLOAT)
_BODY = 20
_OPS = ("Relu", "Tanh", "Sigmoid", "Neg", "Abs", "Exp")


def _same(name: str) -> str:
    return name


def _source(named: Namer) -> bytes:
    return node(named("x"), "Placeholder", dtype=_KIND)


def _unary(op: str, name: str, source: str) -> bytes:
    return node(name, op, source, T=_KIND)


def _row(size: int, named: Namer) -> Iterator[bytes]:
    yield _source(named)
    before = "x"
    for at in range(size):
        yield _unary("Relu", named(f"r{at}"), named(before))
        before = f"r{at}"


def _star(size: int, named: Namer) -> Iterator[bytes]:
    yield _source(named)
    for at in range(size):
        yield _unary("Relu", named(f"r{at}"), named("x"))


def _diamonds(size: int, named: Namer) -> Iterator[bytes]:
    yield _source(named)
    before = "x"
    for at in range(size // 3):
        yield _unary("Relu", named(f"a{at}"), named(before))
        yield _unary("Relu", named(f"b{at}"), named(before))
        yield node(named(f"c{at}"), "Add", named(f"a{at}"), named(f"b{at}"), T=_KIND)
        before = f"c{at}"


def _layers(size: int, named: Namer) -> Iterator[bytes]:
    """Two rows of equals, each of the one read by each of the other."""
    wide = max(2, int(size**0.5) - 16)
    yield _source(named)
    for at in range(wide):
        yield _unary("Relu", named(f"a{at}"), named("x"))
    for at in range(wide):
        yield node(named(f"b{at}"), "AddN", *(named(f"a{n}") for n in range(wide)), T=_KIND)


def _unlike(op: str, size: int, named: Namer) -> Iterator[bytes]:
    """A random graph of one op, that has nothing in common with one of another."""
    chance = random.Random(op)
    yield _source(named)
    names = ["x"]
    for at in range(size):
        pair = (named(chance.choice(names[-50:])), named(chance.choice(names)))
        yield node(named(f"n{at}"), op, *pair, T=_KIND)
        names.append(f"n{at}")


def _function(name: str, body: list[bytes], result: str) -> bytes:
    argument = field_bytes(1, b"a") + b"\x18\x01"
    signature = field_bytes(1, name.encode()) + field_bytes(2, argument)
    signature += field_bytes(3, field_bytes(1, b"out") + b"\x18\x01")
    found = field_bytes(1, signature) + b"".join(field_bytes(3, item) for item in body)
    return found + field_bytes(4, field_bytes(1, b"out") + field_bytes(2, result.encode()))


def _call(name: str, source: str, function: str) -> bytes:
    types = field_bytes(1, b"\x32\x01\x01")
    called = field_bytes(10, field_bytes(1, function.encode()))
    return node(name, "PartitionedCall", source, Tin=types, Tout=types, f=called)


def _functions(count: int, size: int, named: Namer) -> tuple[list[bytes], list[bytes]]:
    """Functions of ``size`` nodes, each called once, one behind the other. A call, an argument and
    a result come with each.
    """
    chance = random.Random(0)
    nodes, library = [_source(named)], []
    before = "x"
    for at in range(count):
        body, source = [], "a"
        for step in range(size):
            name = named(f"s{step}")
            body.append(_unary(chance.choice(_OPS), name, source))
            source = f"{name}:y:0"
        library.append(_function(named(f"f{at}"), body, source))
        nodes.append(_call(named(f"c{at}"), named(before), named(f"f{at}")))
        before = f"c{at}"
    return nodes, library


def _nested(depth: int, named: Namer) -> tuple[list[bytes], list[bytes]]:
    """Functions that call the next one, twice each: to see into all of it would never end."""
    library = []
    for at in range(depth):
        names = named("p"), named("q")
        inner = named(f"f{at + 1}")
        body = [_call(names[0], "a", inner), _call(names[1], f"{names[0]}:output:0", inner)]
        library.append(_function(named(f"f{at}"), body, f"{names[1]}:output:0"))
    last = _unary("Relu", named("r"), "a")
    library.append(_function(named(f"f{depth}"), [last], f"{named('r')}:y:0"))
    return [_source(named), _call(named("c"), named("x"), named("f0"))], library


SHAPES: dict[str, Callable[[int, Namer], Iterator[bytes]]] = {
    "row": _row,
    "star": _star,
    "diamonds": _diamonds,
    "layers": _layers,
}
LIBRARIES: dict[str, Callable[[int, Namer], tuple[list[bytes], list[bytes]]]] = {
    "functions": lambda size, named: _functions(size // 4, 1, named),
    "bodies": lambda size, named: _functions(size // _BODY, _BODY, named),
    "nested": lambda size, named: _nested(size // 100, named),
}


def pair(folder: Path, shape: str, size: int) -> tuple[Path, Path]:
    """Two files: the shape, and the same under other names in another order; for ``unlike``, two
    graphs that have nothing in common. Made once.
    """
    paths = tuple(folder / f"made-{shape}-{size}-{side}-v1.pb" for side in ("left", "right"))
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        for path, named in zip(paths, (_same, _renamer()), strict=True):
            library: list[bytes] = []
            if shape == "unlike":
                nodes = list(_unlike("Add" if named is _same else "Mul", size, named))
            elif shape in LIBRARIES:
                nodes, library = LIBRARIES[shape](size, named)
            else:
                nodes = list(SHAPES[shape](size, named))
            if named is not _same:
                random.Random(1).shuffle(nodes)
                random.Random(2).shuffle(library)
            _write(path, nodes, library)
    return paths[0], paths[1]


def _renamer() -> Namer:
    chance = random.Random(3)
    known: dict[str, str] = {}
    return lambda name: known.setdefault(name, f"n{chance.getrandbits(48):x}")


def _write(path: Path, nodes: list[bytes], library: list[bytes]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        for item in nodes:
            put_node(out, item)
        if library:
            out.write(field_bytes(2, b"".join(field_bytes(1, item) for item in library)))
        out.write(versions())
    part.rename(path)
