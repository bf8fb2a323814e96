"""Graphs under other names, in another order, with edits that are known: the truth to judge by."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from migrator.model.dtypes import DType
from migrator.model.graph import (
    AttrValue,
    Function,
    FunctionRef,
    Graph,
    Node,
    index_nodes,
)
from migrator.model.tensors import TensorRef

_UNARY = ("Relu", "Tanh", "Sigmoid", "Neg", "Abs", "Square", "Exp", "Softplus")
_BINARY = ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "RealDiv")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """``pairs``: left name -> right name, bodies' nodes as ``FUNCTION/NODE``."""

    pairs: Mapping[str, str]
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    functions: Mapping[str, str] = field(default_factory=dict)
    edited: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Kind of edit -> the nodes of the left that had it; of ``added``, the one that reads it."""


def scramble(
    graph: Graph,
    seed: int,
    *,
    edits: float = 0.0,
    rename: Callable[[random.Random, str], str] | None = None,
) -> tuple[Graph, Truth]:
    """The graph with every node and function renamed and shuffled; a share ``edits`` of its nodes
    with another op, attribute or input, or gone, or with a new node behind them.

    ``rename`` gives another name than a random one.
    """
    rng = random.Random(seed)
    functions = _new_names(rng, graph.functions, rename)
    pairs: dict[str, str] = {}
    added: set[str] = set()
    removed: set[str] = set()
    edited: dict[str, set[str]] = {}
    top = _Body(rng, list(graph.by_name.values()), (), functions, rename)
    nodes = top.edited(edits, {})
    top.note("", "", pairs, added, removed, edited)
    library: dict[str, Function] = {}
    for name, function in graph.functions.items():
        unique, _ = index_nodes(function.nodes)
        arguments = [spec.tensor for spec in function.inputs]
        body = _Body(rng, list(unique.values()), arguments, functions, rename)
        changed = body.edited(edits, function.returns)
        body.note(f"{name}/", f"{functions[name]}/", pairs, added, removed, edited)
        library[functions[name]] = replace(
            function,
            name=functions[name],
            nodes=tuple(changed),
            returns={key: body.told(text) for key, text in function.returns.items()},
            control_returns={
                key: body.names[text]
                for key, text in function.control_returns.items()
                if text in body.names
            },
        )
    by_name, duplicates = index_nodes(nodes)
    made = replace(
        graph, nodes=tuple(nodes), functions=library, by_name=by_name, duplicates=duplicates
    )
    truth = Truth(
        pairs=pairs,
        added=frozenset(added),
        removed=frozenset(removed),
        functions=functions,
        edited={kind: frozenset(names) for kind, names in edited.items()},
    )
    return made, truth


def _new_names(
    rng: random.Random,
    names: Iterable[str],
    rename: Callable[[random.Random, str], str] | None,
) -> dict[str, str]:
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        new = rename(rng, name) if rename else f"n{rng.getrandbits(56):x}"
        while new in taken:
            new += "_"
        taken.add(new)
        found[name] = new
    return found


class _Body:
    """The nodes of a graph or of a function while they are changed. Works on old names."""

    def __init__(
        self,
        rng: random.Random,
        nodes: list[Node],
        arguments: Iterable[str],
        functions: Mapping[str, str],
        rename: Callable[[random.Random, str], str] | None,
    ) -> None:
        self.rng = rng
        self.nodes = nodes
        self.arguments = set(arguments)
        self.functions = functions
        self.names = _new_names(rng, (node.name for node in nodes), rename)
        self.moved: dict[str, str] = {}
        """Tensor of the old graph -> tensor that took its place, for those whose node went."""
        self.gone: set[str] = set()
        self.new: list[Node] = []
        self.readers: dict[str, set[str]] = {}
        """Node -> those that read it, or did."""
        for node in nodes:
            for text in node.inputs:
                self.readers.setdefault(TensorRef.parse(text).node, set()).add(node.name)
        self.done: dict[str, set[str]] = {}
        """Kind of edit -> nodes that had it."""

    def note(
        self,
        left: str,
        right: str,
        pairs: dict[str, str],
        added: set[str],
        removed: set[str],
        edited: dict[str, set[str]],
    ) -> None:
        for old, new in self.names.items():
            if old in self.gone:
                removed.add(left + old)
            else:
                pairs[left + old] = right + new
        added.update(right + node.name for node in self.new)
        for kind, names in self.done.items():
            edited.setdefault(kind, set()).update(left + name for name in names)

    def edited(self, share: float, returns: Mapping[str, str]) -> list[Node]:
        nodes = {node.name: node for node in self.nodes}
        wanted = round(share * len(nodes))
        rest = share * len(nodes) - wanted
        wanted += rest > 0 and self.rng.random() < rest
        kinds = ("op", "attribute", "wiring", "added", "removed")
        touched: set[str] = set()
        done = tried = 0
        names = list(nodes)
        while done < wanted and tried < 20 * wanted + 50:
            tried += 1
            kind = kinds[(done + tried) % len(kinds)]
            name = self.rng.choice(names)
            if name in touched or name in self.gone:
                continue
            change: Callable[[dict[str, Node], Node], bool] = getattr(self, f"_edit_{kind}")
            if change(nodes, nodes[name]):
                touched.add(name)
                self.done.setdefault(kind, set()).add(name)
                done += 1
        made = [
            replace(
                node,
                name=self.names[node.name],
                op=self.functions.get(node.op, node.op),
                inputs=tuple(text for item in node.inputs if (text := self.told(item)) is not None),
                attrs=self._attrs(node.attrs),
            )
            for node in nodes.values()
            if node.name not in self.gone
        ]
        made += [replace(node, inputs=tuple(map(self.told, node.inputs))) for node in self.new]
        self.rng.shuffle(made)
        return made

    def told(self, text: str) -> str:
        """A tensor of the old graph as the new one calls it."""
        ref = TensorRef.parse(text)
        for _ in range(1000):
            key = text if text in self.moved else str(ref)
            if key not in self.moved or ref.control:
                break
            text = self.moved[key]
            ref = TensorRef.parse(text)
        if ref.node in self.arguments or ref.node not in self.names:
            return text
        if ":" not in text and not ref.control:  # written as TensorFlow writes the first output
            return self.names[ref.node]
        return str(replace(ref, node=self.names[ref.node]))

    def _attrs(self, attrs: Mapping[str, AttrValue]) -> Mapping[str, AttrValue]:
        return {key: self._value(attrs[key]) for key in attrs}

    def _value(self, value: AttrValue) -> AttrValue:
        if isinstance(value, FunctionRef):
            name = self.functions.get(value.name, value.name)
            return replace(value, name=name, attrs=self._attrs(value.attrs))
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return value

    def _edit_op(self, nodes: dict[str, Node], node: Node) -> bool:
        for ops in (_UNARY, _BINARY):
            if node.op in ops:
                others = [op for op in ops if op != node.op and {op, node.op} != {"Add", "AddV2"}]
                nodes[node.name] = replace(node, op=self.rng.choice(others))
                return True
        return False

    def _edit_attribute(self, nodes: dict[str, Node], node: Node) -> bool:
        keys = [
            key
            for key, value in node.attrs.items()
            if key[:1] != "_"
            and key in _EDITABLE
            and (isinstance(value, (bool, int, float)) or (isinstance(value, list) and value))
            and not isinstance(value, DType)
        ]
        if not keys:
            return False
        key = self.rng.choice(keys)
        nodes[node.name] = replace(node, attrs={**node.attrs, key: _other(node.attrs[key])})
        return True

    def _edit_wiring(self, nodes: dict[str, Node], node: Node) -> bool:
        slots = [at for at, text in enumerate(node.inputs) if text[:1] != "^"]
        if not slots or _is_flow(node):
            return False
        at = self.rng.choice(slots)
        old = TensorRef.parse(node.inputs[at])
        other = self.rng.choice(self.nodes)
        if other.name in (node.name, old.node) or other.name in self.gone or _is_flow(other):
            return False
        if not _has_output(other) or self._reaches(nodes, node.name, other.name):
            return False
        arg = _first_argument(other) if self.arguments or old.arg else ""
        text = f"{other.name}:{arg}:0" if arg else f"{other.name}:0"
        if self._source(nodes, text) == self._source(nodes, node.inputs[at]):
            return False
        inputs = list(node.inputs)
        inputs[at] = text
        self.readers.setdefault(other.name, set()).add(node.name)
        nodes[node.name] = replace(node, inputs=tuple(inputs))
        return True

    def _source(self, nodes: dict[str, Node], text: str) -> str:
        """What an input reads, identities apart."""
        for _ in range(50):
            ref = TensorRef.parse(self.moved.get(text, text))
            node = nodes.get(ref.node)
            if node is None or node.op not in ("Identity", "ReadVariableOp"):
                return ref.node
            text = node.inputs[0]
        return text

    def _edit_added(self, nodes: dict[str, Node], node: Node) -> bool:
        slots = [at for at, text in enumerate(node.inputs) if text[:1] != "^"]
        if not slots or _is_flow(node):
            return False
        at = self.rng.choice(slots)
        producer = nodes.get(TensorRef.parse(node.inputs[at]).node)
        if producer is None or _is_flow(producer) or producer.op == "VarHandleOp":
            return False
        name = f"new{self.rng.getrandbits(56):x}"
        # Beside its like, nobody could say which of the two is new.
        op = self.rng.choice([op for op in _UNARY if op not in (node.op, producer.op)])
        self.new.append(Node(name, op, (node.inputs[at],), "", {"T": DType(1)}))
        inputs = list(node.inputs)
        arg = "y:" if self.arguments or TensorRef.parse(node.inputs[at]).arg else ""
        inputs[at] = f"{name}:{arg}0"
        nodes[node.name] = replace(node, inputs=tuple(inputs))
        return True

    def _edit_removed(self, nodes: dict[str, Node], node: Node) -> bool:
        """A node of one input and one output goes; its readers take what it read."""
        if node.op not in _UNARY and node.op not in ("Identity", "Cast", "Reshape", "BiasAdd"):
            return False
        if any(text[:1] == "^" for text in node.inputs) or _is_flow(node):
            return False
        for name in self.readers.get(node.name, ()):
            other = nodes.get(name)
            if other is not None and (f"^{node.name}" in other.inputs or _is_flow(other)):
                return False
        producer = TensorRef.parse(node.inputs[0]).node
        if producer in nodes and _is_flow(nodes[producer]):
            return False
        self.gone.add(node.name)
        arg = _first_argument(node)
        self.moved[f"{node.name}:0"] = node.inputs[0]
        self.moved[f"{node.name}:{arg}:0"] = node.inputs[0]
        return True

    def _reaches(self, nodes: dict[str, Node], start: str, end: str) -> bool:
        """Whether ``end`` depends on ``start``, which an input from it would close to a cycle."""
        seen = {end}
        stack = [end]
        while stack and len(seen) < 3000:
            name = stack.pop()
            if name == start:
                return True
            for text in nodes[name].inputs if name in nodes else ():
                before = TensorRef.parse(text).node
                before = TensorRef.parse(self.moved.get(f"{before}:0", before)).node
                if before not in seen:
                    seen.add(before)
                    stack.append(before)
        return bool(stack)


_EDITABLE = frozenset(
    (
        *("strides", "ksize", "transpose_a", "transpose_b", "keep_dims", "epsilon", "N_", "axis"),
        *("num_split_", "begin_mask", "end_mask", "shrink_axis_mask", "dilations", "batch_dims"),
        *("parallel_iterations", "swap_memory", "half_pixel_centers", "is_training", "alpha"),
        *("validate_indices", "use_locking", "seed", "seed2", "default_value"),
    )
)


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return [_other(value[0]), *value[1:]]


def _is_flow(node: Node) -> bool:
    return node.op in ("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond")


def _has_output(node: Node) -> bool:
    return node.op not in ("NoOp", "Assert", "SaveV2", "SaveSlices", "AssignVariableOp", "Print")


def _first_argument(node: Node) -> str:
    from migrator.ops.registry import output_ports

    return next(iter(output_ports(node) or {"output": 0}))
