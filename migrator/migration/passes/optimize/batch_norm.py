"""Fold batch norm, and whatever else scales and shifts by channel, into the weights before it.

    scale * (W x + b) + offset  =  (scale * W) x + (scale * b + offset)

Source of the idea: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (2017), section 3.2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from migrator.formats.tensors import constant_tensor
from migrator.graph.order import Tensor
from migrator.migration.passes.optimize.affine import CHANNELS_FIRST, Layer, Readers, affine, layer
from migrator.migration.passes.optimize.arithmetic import ROUNDED
from migrator.migration.passes.optimize.constants import SLACK, Folder
from migrator.migration.passes.optimize.edges import (
    control_inputs,
    data_inputs,
    drop_dead,
    with_nodes,
)
from migrator.migration.passes.optimize.scaled import scaled_tensor
from migrator.migration.plan import Step
from migrator.model.graph import Graph, Node
from migrator.model.tensors import LazyTensor, TensorSpec

_MOST_WEIGHTS = 512 << 20
"""Larger weights are left alone: they are widened to float64, one tensor at a time."""
_COPIES = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chain:
    """Nodes behind a layer that come to ``scale * x + offset`` by channel (float64 vectors)."""

    stem: str
    """The node whose output is scaled: the layer, or what only moves its pixels about."""
    nodes: tuple[Node, ...]
    scale: Any
    offset: Any


def fold_batch_norm(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Fold batch norm into Conv2D, Conv3D, DepthwiseConv2dNative, Conv2DBackpropInput and MatMul.

    Fused batch norm for inference, and any chain of multiplications, divisions, additions and
    subtractions by constants that are scalar or one to a channel; nobody else may read what lies
    between. Worked out in float64, stored in the type of the weights: results move by rounding
    only (relative 1e-5 and less). Constants' 1/sqrt is worked out too, to the last bit or two.
    """
    if graph.duplicates:
        return graph, ()
    layers = [found for node in graph.nodes if (found := layer(node)) is not None]
    if not layers and not any(node.op in ROUNDED for node in graph.nodes):
        return graph, ()
    constants = Folder(graph, given, keep, rounded=True, most=SLACK).fold()
    work = _Work(graph, given, keep, constants)
    count = sum(work.fold(found) for found in layers)
    changed = [work.changed.get(node.name, node) for node in graph.nodes]
    result = with_nodes(graph, [*changed, *work.added]) if count else graph
    steps = []
    if count:
        result = drop_dead(result, given, keep)
        steps.append(
            Step(
                code="fold_batch_norm",
                text="scales and offsets by channel are folded into the weights before them",
                count=count,
            )
        )
    roots = {
        node.name: constants[node.name]
        for node in result.nodes
        if node.op in ROUNDED and node.name in constants
    }
    if roots:
        result = with_nodes(result, [roots.get(node.name, node) for node in result.nodes])
        result = drop_dead(result, given, keep)
        steps.append(
            Step(
                code="fold_constants",
                text="1/sqrt of constants is worked out ahead, which may move the last bits",
                count=len(roots),
            )
        )
    return result, tuple(steps)


class _Work:
    """The folds of one pass: ``changed`` nodes by name, and the constants ``added``."""

    def __init__(
        self,
        graph: Graph,
        given: Mapping[str, TensorSpec],
        keep: Collection[str],
        constants: Mapping[str, Node],
    ) -> None:
        self._by_name = graph.by_name
        self._readers = Readers(graph, given, keep)
        self._constants = constants
        self.changed: dict[str, Node] = {}
        self.added: list[Node] = []
        self._new_names: set[str] = set()

    def fold(self, found: Layer) -> bool:
        """Fold what is behind one layer. False where there is nothing, or it cannot be."""
        weights = self._weights(found)
        if weights is None:
            return False
        value: LazyTensor = weights.attrs["value"]
        channels = found.channels(value.shape)
        if channels is None or value.nbytes > _MOST_WEIGHTS or value.dtype != found.dtype:
            return False
        chain = self._chain(found, channels)
        if chain is None:
            return False
        scaled = scaled_tensor(value, found.along_weights(chain.scale, value.shape))
        if scaled is None or not self._put_weights(found, weights, scaled):
            return False
        self._put_offset(found, chain)
        return True

    def _chain(self, found: Layer, channels: int) -> _Chain | None:
        import numpy as np

        stem = found.node.name
        total, shift = np.ones(channels), np.zeros(channels)
        nodes: list[Node] = []
        products = sums = 0
        tip = found.node
        while (reader := self._readers.only(tip, waits=tip is found.node)) is not None:
            node, slot = reader
            if not nodes and stem == found.node.name and self._moves_pixels(node, slot, found):
                stem, tip = node.name, node
                continue
            step = affine(node, slot, found, channels, self._value)
            if step is None or self._readers.side_outputs(node):
                break
            with np.errstate(all="ignore"):
                scale, offset = total * step.scale, shift * step.scale + step.offset
            if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(offset))):
                break
            total, shift = scale, offset
            products += step.multiplies
            sums += not step.multiplies and not step.copies
            nodes.append(node)
            tip = node
        if not products and sums < 2:
            return None  # one addition is what would come out
        return _Chain(stem=stem, nodes=tuple(nodes), scale=total, offset=shift)

    def _moves_pixels(self, node: Node, slot: int, found: Layer) -> bool:
        """True for the second half of a dilated convolution of TensorFlow 1."""
        if node.op != "BatchToSpaceND" or slot or found.data_format in CHANNELS_FIRST:
            return False
        blocks = self._value(data_inputs(node)[1]) if len(data_inputs(node)) == 3 else None
        return blocks is not None and blocks.size <= found.rank - 2

    def _value(self, tensor: Tensor) -> Any | None:
        """The array of a small constant of the outermost frame."""
        for _ in range(_MOST_COPIES):
            node = self._constants.get(tensor[0]) or self._by_name.get(tensor[0])
            if node is None or tensor[1] or self._readers.is_given(tensor):
                return None
            if node.op == "Const":
                value = node.attrs.get("value")
                if not isinstance(value, LazyTensor) or value.nbytes > SLACK or node.inputs:
                    return None
                return value.numpy()
            sources = data_inputs(node)
            if node.op not in _COPIES or control_inputs(node) or not sources:
                return None
            tensor = sources[0]
        return None

    def _weights(self, found: Layer) -> Node | None:
        """The constant that feeds the layer, through copies of it or not."""
        tensor = found.weights
        for _ in range(_MOST_COPIES):
            node = self._by_name.get(tensor[0])
            if node is None or tensor[1] or self._readers.is_given(tensor):
                return None
            if node.op == "Const":
                plain = not node.inputs and isinstance(node.attrs.get("value"), LazyTensor)
                return node if plain else None
            sources = data_inputs(node)
            if node.op not in _COPIES or control_inputs(node) or len(sources) != 1:
                return None
            tensor = sources[0]
        return None

    def _put_weights(self, found: Layer, weights: Node, scaled: LazyTensor) -> bool:
        """In the constant's own place where nobody else reads it; else, if small, beside it."""
        attrs = {**weights.attrs, "value": scaled}
        if self._readers.is_private(weights, found.node):
            self.changed[weights.name] = replace(weights, attrs=attrs)
            return True
        if scaled.nbytes > SLACK:
            return False
        name = self._free_name(f"{found.node.name}/scaled_weights")
        self.added.append(replace(weights, name=name, attrs=attrs))
        inputs = list(found.node.inputs)
        inputs[found.weights_slot] = name
        self.changed[found.node.name] = replace(found.node, inputs=tuple(inputs))
        return True

    def _put_offset(self, found: Layer, chain: _Chain) -> None:
        last = chain.nodes[-1]
        waits = tuple(dict.fromkeys(text for node in chain.nodes for text in control_inputs(node)))
        if not chain.offset.any():
            self.changed[last.name] = replace(
                last, op="Identity", inputs=(chain.stem, *waits), attrs={"T": found.dtype}
            )
            return
        name = self._free_name(f"{last.name}/offset")
        value = constant_tensor(chain.offset.astype(found.dtype.numpy()), found.dtype)
        self.added.append(Node(name, "Const", (), "", {"dtype": found.dtype, "value": value}))
        # BiasAdd counts the channels of any rank from the end in what it calls NHWC.
        first = found.data_format in CHANNELS_FIRST
        self.changed[last.name] = replace(
            last,
            op="BiasAdd",
            inputs=(chain.stem, name, *waits),
            attrs={"T": found.dtype, "data_format": b"NCHW" if first else b"NHWC"},
        )

    def _free_name(self, name: str) -> str:
        while name in self._by_name or name in self._new_names or self._readers.is_given((name, 0)):
            name += "_"
        self._new_names.add(name)
        return name


_MOST_COPIES = 16
"""Copies of copies that are looked through."""
