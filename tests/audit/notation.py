"""Models in a few lines of text, for the rules' cases.

    producer 134                              GraphDef version (134 where it is not said)
    x = Placeholder | dtype=:float shape=:[-1,4]
    path = Const "/tmp/x"                     a string; several make a vector
    k = Const 1.5  /  k = Const [1, 2]        float32 numbers; `Const int32 [1, 2]` others
    w = WriteFile path x:0 ^init @/cpu:0 | attr=JSON
    call = PartitionedCall x | f=@body Tin=[:float]
    def body(a: string, b: float) -> (r = inner:output:0):
        inner = Identity a | T=:string
    signature serving_default: x=x:0 -> y=y:0
    signature KEY "METHOD": x=x:0 -> y=y:0    of another method than predict
    saver filename=save/Const:0 save=save/id:0 restore=save/restore_all
    main_op w                                 run at load (legacy_init_op alike)
    collection NAME "text" ...                a collection of strings
    asset path:0 vocab.txt
    tags serve,gpu

Attribute values: ``:float`` a type, ``:[2,-1]`` a shape, ``:?`` a shape of unknown rank, ``@name``
a function, a list of these, or JSON (a string is bytes). A model with any of signature, saver,
main_op, collection, asset or tags is a SavedModel, else a bare GraphDef.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from migrator.model.model import Model
from tests import handmade, wire

_TYPES = {
    "float": 1, "double": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7,
    "complex64": 8, "int64": 9, "bool": 10, "bfloat16": 14, "half": 19, "resource": 20,
    "variant": 21, "float_ref": 101, "int32_ref": 103, "string_ref": 107, "bool_ref": 110,
}  # fmt: skip
_NUMPY = {"float": "float32", "double": "float64", "half": "float16"}


def write_model(text: str) -> tuple[bytes, str]:
    """Bytes of the model that ``text`` describes, and its format: what a file would hold."""
    nodes: list[bytes] = []
    functions: list[bytes] = []
    more: list[bytes] = []
    tags, producer = "serve", 134
    is_saved = False
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        word, _, rest = line.partition(" ")
        if word == "def":
            body = []
            indent = len(lines[at - 1]) - len(lines[at - 1].lstrip())
            while at < len(lines) and len(lines[at]) - len(lines[at].lstrip()) > indent:
                body.append(_node(lines[at].strip()))
                at += 1
            functions.append(_function(rest, body))
        elif word == "producer":
            producer = int(rest)
        elif re.match(r"[^\s=]+ = ", line):
            nodes.append(_node(line))
        else:
            is_saved = True
            if word == "tags":
                tags = rest
            else:
                more.append(MORE[word](rest))
    graph = wire.graph(nodes, functions, producer=producer)
    if not is_saved:
        return graph, "graph_def"
    meta = wire.meta_graph(graph, filter(None, tags.split(",")), more=b"".join(more))
    return wire.saved_model(meta), "saved_model"


def read_model(text: str) -> Model:
    """The model that ``text`` describes."""
    data, form = write_model(text)
    if form == "graph_def":
        return handmade.read_graph(data)
    return handmade.read_saved_model(data)


def put_model(text: str, folder: Path) -> Path:
    """The model as a file in ``folder``: ``graph.pb`` or ``saved_model.pb``."""
    data, form = write_model(text)
    path = folder / ("graph.pb" if form == "graph_def" else "saved_model.pb")
    path.write_bytes(data)
    return path


def _node(line: str) -> bytes:
    head, _, attrs = line.partition(" | ")
    name, _, rest = head.partition(" = ")
    op, _, rest = rest.partition(" ")
    if op == "Const" and not attrs:
        return _const(name, rest.strip())
    inputs = rest.split()
    device = "".join(item[1:] for item in inputs if item[0] == "@")
    return wire.node(
        name,
        op,
        [item for item in inputs if item[0] != "@"],
        dict(_attrs(attrs)),
        device=device,
    )


def _const(name: str, text: str) -> bytes:
    if text.startswith('"'):
        values = [json.loads(item).encode() for item in re.findall(r'"(?:[^"\\]|\\.)*"', text)]
        return handmade.text_const(name, *values)
    kind, _, value = text.rpartition(" ") if re.match(r"[a-z]", text) else ("float", "", text)
    if re.match(r"[a-z]+[0-9]* ", text):
        kind, _, value = text.partition(" ")
    array = np.asarray(
        json.loads(value.replace("nan", "NaN").replace("inf", "Infinity")),
        dtype=_NUMPY.get(kind, kind),
    )
    return handmade.const(name, array, array.dtype.name)


def _attrs(text: str) -> list[tuple[str, Any]]:
    found = []
    for item in re.findall(r'(\S+?)=((?:"(?:[^"\\]|\\.)*"|[^\s"])+)', text):
        found.append((item[0], _value(item[1])))
    return found


def _value(text: str) -> Any:
    if text.startswith(":["):
        return wire.Dims(tuple(json.loads(text[1:])))
    if text == ":?":
        return wire.Dims(None)
    if text.startswith(":"):
        return wire.Type(_TYPES[text[1:]])
    if text.startswith("@"):
        return wire.Call(text[1:])
    if text.startswith("[") and re.match(r"\[[:@]", text):
        return [_value(item) for item in re.findall(r":\[[^\]]*\]|[:@][^,\]]+", text)]
    value = json.loads(text)
    if isinstance(value, list):
        return [item.encode() if isinstance(item, str) else item for item in value]
    return value.encode() if isinstance(value, str) else value


def _function(head: str, body: list[bytes]) -> bytes:
    match = re.fullmatch(r"(\S+?)\((.*?)\)(?: -> \((.*)\))?:", head)
    assert match, f"not a function: {head}"
    inputs = {}
    for item in filter(None, (part.strip() for part in match[2].split(","))):
        name, _, kind = item.partition(":")
        inputs[name.strip()] = _TYPES[kind.strip()]
    returns, outputs = {}, {}
    for item in filter(None, (part.strip() for part in (match[3] or "").split(","))):
        name, _, tensor = item.partition("=")
        name, _, kind = name.strip().partition(":")
        returns[name] = tensor.strip()
        outputs[name] = _TYPES[kind.strip() or "float"]
    return wire.function(match[1], inputs, outputs, body, returns)


def _signature(text: str) -> bytes:
    head, _, rest = text.partition(":")
    left, _, right = rest.partition("->")
    key, _, method = head.strip().partition(" ")
    method, sides = json.loads(method or '"tensorflow/serving/predict"'), (left, right)
    fields = b"".join(
        _pairs(number, side.split()) for number, side in zip((1, 2), sides, strict=True)
    )
    return wire.block(5, wire.block(1, key.strip()) + wire.block(2, fields + wire.block(3, method)))


def _pairs(field: int, items: list[str]) -> bytes:
    """Name=tensor or name=tensor/type, as a map from string to TensorInfo."""
    found = b""
    for item in items:
        name, _, tensor = item.partition("=")
        tensor, _, kind = tensor.partition("~")
        info = wire.block(1, tensor) + wire.number(2, _TYPES[kind or "float"])
        found += wire.block(field, wire.block(1, name) + wire.block(2, info))
    return found


def _saver(text: str) -> bytes:
    found = dict(item.split("=", 1) for item in text.split())
    fields = {"filename": 1, "save": 2, "restore": 3}
    return wire.block(3, b"".join(wire.block(fields[key], found[key]) for key in found))


def _collection(text: str) -> bytes:
    name, _, rest = text.partition(" ")
    values = b"".join(wire.block(1, json.loads(item)) for item in re.findall(r'"[^"]*"', rest))
    return wire.block(4, wire.block(1, name) + wire.block(2, wire.block(1, values)))


def _asset(text: str) -> bytes:
    tensor, _, filename = text.partition(" ")
    return wire.block(6, wire.block(1, wire.block(1, tensor)) + wire.block(2, filename))


MORE = {
    "signature": _signature,
    "saver": _saver,
    "main_op": lambda text: _collection(f'saved_model_main_op "{text}"'),
    "legacy_init_op": lambda text: _collection(f'legacy_init_op "{text}"'),
    "collection": _collection,
    "asset": _asset,
}
