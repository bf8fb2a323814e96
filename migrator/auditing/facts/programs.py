"""Nodes that hold a program in a format other than a graph."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from migrator.model.graph import Node
from migrator.model.tensors import LazyBytes

PROGRAM_ATTRS: Mapping[str, str] = {
    "XlaCallModule": "module",
    "XlaCustomCall": "target_name",
    "XlaCustomCallV2": "call_target_name",
    "MlirPassthroughOp": "mlir_module",
    "_TPUCompileMlir": "mlir_module",
    "_XlaHostComputeMlir": "host_mlir_module",
}
"""Op -> the attribute that holds its program, or the name of what it calls."""
_MOST_READ = 512 << 20
_CALLBACK = re.compile(rb"py(?:thon_(?:cpu|gpu))?_callback")
_BEFORE, _BEHIND = re.compile(rb"[A-Za-z0-9_]{0,64}\Z"), re.compile(rb"[A-Za-z0-9_]{0,64}")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})")
"""How MLIR's text may write any byte of a name."""
_BINARY = b"ML\xefR"
"""How MLIR's binary form begins, which writes names as they are."""


def calls_back(node: Node) -> tuple[str, ...]:
    """Names of host callbacks in the program that a node holds, in alphabetical order."""
    value = node.attrs.get(PROGRAM_ATTRS.get(node.op, ""))
    if isinstance(value, LazyBytes):
        if value.size > _MOST_READ:
            return ("a program too large to be searched",)
        value = value.read()
    text = value if isinstance(value, bytes) else b""
    names = set(_names(text))
    if b"\\" in text and not text.startswith(_BINARY):
        names.update(_names(_ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), text)))
    return tuple(sorted(name.decode("ascii") for name in names))


def _names(text: bytes) -> Iterator[bytes]:
    """The whole of every name that a callback's is a part of, as far as 64 bytes around it."""
    for found in _CALLBACK.finditer(text):
        before = _BEFORE.search(text[max(0, found.start() - 64) : found.start()])
        behind = _BEHIND.match(text[found.end() : found.end() + 64])
        yield (before[0] if before else b"") + found[0] + (behind[0] if behind else b"")
