"""Readers of what export writes, which share no code with it: each gives names and edges back."""

from __future__ import annotations

import io
import json
import re
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import networkx as nx

Edge = tuple[str, str, int, str, int, bool]
_PORTS = ("src_port", "src_arg", "dst_slot", "control")


@dataclass(frozen=True, kw_only=True)
class Read:
    """A graph: what each node says of itself, by name, and how often each edge is there."""

    nodes: dict[str, dict[str, Any]]
    edges: Counter[Edge] = field(default_factory=Counter)


def plain(text: str) -> str:
    """A name as it was before it was written with escapes."""

    def char(found: re.Match[str]) -> str:
        return "\\" if found[0] == "\\\\" else chr(int(found[0][2:], 16))

    return re.sub(r"\\\\|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}", char, text)


def of_view(view: Any) -> Read:
    """The networkx view, in this form."""
    nodes = {
        name: {"op": data["op"], "device": data["device"]} for name, data in view.nodes.items()
    }
    edges = Counter((a, b, *(data[key] for key in _PORTS)) for a, b, data in view.edges(data=True))
    return Read(nodes=nodes, edges=edges)


def of_graphml(text: str) -> Read:
    return _numbered(nx.parse_graphml(text, force_multigraph=True), "name")


def of_gexf(text: str) -> Read:
    return _numbered(nx.read_gexf(io.BytesIO(text.encode())), "label")


def _numbered(found: Any, key: str) -> Read:
    names = {number: plain(data[key]) for number, data in found.nodes(data=True)}
    assert len({*names.values()}) == len(names)
    nodes = {
        names[number]: {
            "op": plain(data.get("op") or ""),
            "device": plain(data.get("device") or ""),
        }
        for number, data in found.nodes(data=True)
    }
    edges = Counter(
        (
            names[a],
            names[b],
            data["src_port"],
            plain(data.get("src_arg") or ""),
            data["dst_slot"],
            data["control"],
        )
        for a, b, data in found.edges(data=True)
    )
    return Read(nodes=nodes, edges=edges)


def of_node_link(text: str) -> Read:
    data = json.loads(text)
    edges = {} if "link" in nx.node_link_graph.__kwdefaults__ else {"edges": "edges"}
    return of_view(nx.node_link_graph(data, **(edges or {"link": "edges"})))


_TOKEN = re.compile(r'\s+|"(?:\\.|[^"\\])*"|->|-?[A-Za-z0-9_.]+|[\[\]{};,=+]', re.DOTALL)


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, text[at : at + 80]
        at = match.end()
        if not match[0].isspace():
            found.append(match[0])
    return found


def _value(tokens: list[str], at: int) -> tuple[str, int]:
    """A word, or a sum of quoted strings."""
    parts = []
    while True:
        token = tokens[at]
        quoted = token.startswith('"')
        parts.append(token[1:-1].replace('\\"', '"') if quoted else token)
        assert len(token) <= 16384  # as much as Graphviz reads
        at += 1
        if tokens[at] != "+":
            return "".join(parts), at
        at += 1


def of_dot(text: str) -> Read:
    """The part of the language that we write: statements of nodes, edges and boxes."""
    tokens = _tokens(text)
    names: dict[str, str] = {}
    nodes: dict[str, dict[str, Any]] = {}
    told: list[tuple[str, str, dict[str, str]]] = []
    assert tokens[0] == "digraph"
    at, depth = 2, 0
    while at < len(tokens):
        word = tokens[at]
        if word in "{};":
            depth += (word == "{") - (word == "}")
            at += 1
        elif word == "subgraph":
            at += 2
        elif tokens[at + 1] == "=":
            _, at = _value(tokens, at + 2)
        else:
            arrow = tokens[at + 1] == "->"
            ends, at = (word, tokens[at + 2] if arrow else ""), at + (3 if arrow else 1)
            attrs: dict[str, str] = {}
            assert tokens[at] == "["
            at += 1
            while tokens[at] != "]":
                key = tokens[at]
                assert tokens[at + 1] == "="
                attrs[key], at = _value(tokens, at + 2)
                at += tokens[at] == ","
            at += 1
            if arrow:
                told.append((*ends, attrs))
            elif "node_name" in attrs:
                name = names[word] = plain(attrs["node_name"])
                assert name not in nodes
                nodes[name] = {
                    "op": plain(attrs.get("op", "")),
                    "device": plain(attrs.get("device", "")),
                }
    assert depth == 0
    edges = Counter(
        (
            names[a],
            names[b],
            int(attrs["src_port"]),
            plain(attrs.get("src_arg", "")),
            int(attrs["dst_slot"]),
            attrs["control"] == "true",
        )
        for a, b, attrs in told
    )
    return Read(nodes=nodes, edges=edges)


READERS = {
    "graphml": of_graphml,
    "gexf": of_gexf,
    "dot": of_dot,
    "node-link": of_node_link,
}


def records(data: bytes) -> list[bytes]:
    """What a record file holds, its checksums looked at bit by bit."""
    found = []
    while data:
        (length,) = struct.unpack_from("<Q", data)
        assert struct.unpack_from("<I", data, 8)[0] == _masked(data[:8])
        payload = data[12 : 12 + length]
        assert len(payload) == length
        assert struct.unpack_from("<I", data, 12 + length)[0] == _masked(payload)
        found.append(payload)
        data = data[16 + length :]
    return found


def _masked(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def graph_of(event: bytes) -> bytes:
    """Field 4 of an event that has a time and that field alone."""
    assert event[9:10] == b"\x22"
    at, shift, length = 10, 0, 0
    while True:
        byte = event[at]
        length |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    assert len(event) == at + length
    return event[at:]
