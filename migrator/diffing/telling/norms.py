"""Batch norms that are gone: folded into their neighbours, or taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from migrator.diffing.result import ADDED, REMOVED, NodeChange
from migrator.diffing.sameness.verdict import REPLAY
from migrator.diffing.telling import reasons
from migrator.diffing.telling.facts import Facts, counted
from migrator.errors import MigratorError
from migrator.model.tensors import LazyTensor

_NORMS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
_LAYERS = frozenset(
    "Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput MatMul BatchMatMul "
    "BatchMatMulV2".split()
)
"""Ops that a batch norm can be folded into, with the kernel at input 1."""
_BETWEEN = frozenset("BiasAdd Add AddV2 Identity Pad Reshape".split())
_NEAR = 32
"""Nodes around a batch norm that are looked at."""
_LARGEST = 1 << 24
"""Elements of a kernel that is looked at closely."""
_CLOSE = 1e-2


def norm_lines(facts: Facts) -> Iterator[str]:
    """Batch norms, fused or spelled out: by those that are gone and did not come back."""
    if facts.verdict.shown_by == REPLAY:
        return  # the record's steps say so
    delta: Counter[str] = Counter()
    gone = []
    for item in facts.diff.nodes:
        if item.kind not in (ADDED, REMOVED) or not (item.op in _NORMS or item.op == "Rsqrt"):
            continue
        delta["fused" if item.op in _NORMS else "plain"] += 1 if item.kind == REMOVED else -1
        if item.kind == REMOVED:
            gone.append(item)
    count = delta["fused"] + delta["plain"]
    if delta["fused"] * delta["plain"] < 0 and count == 0:
        way = "fused" if delta["fused"] < 0 else "spelled out"
        yield f"{counted(abs(delta['fused']), 'batch norm')} {way}"
    elif count > 0:
        near = _Neighbours(facts)
        folded = min(count, sum(map(near.is_folded, gone)))
        if folded:
            yield f"{counted(folded, 'batch norm')} folded"
        if count > folded:
            yield f"{counted(count - folded, 'batch norm')} removed"
    elif count < 0:
        yield f"{counted(-count, 'batch norm')} added"


class _Neighbours:
    """Whether what a batch norm did is in the kernels around it now."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._both = facts.both
        self._changed = {item.left for item in facts.diff.weights if item.kind == "values"}
        record = facts.record
        self._is_all = facts.verdict.is_same or (
            record is not None
            and record.fits
            and record.on_right
            and "fold_batch_norm" in record.codes
            and not facts.verdict.has_strayed
        )

    def is_folded(self, item: NodeChange) -> bool:
        if self._is_all or (item.op == "Rsqrt" and item.why == reasons.FOLDED):
            return True  # what it makes is a constant of its own now
        return any(map(self._is_scaled, self._kernels(item.left)))

    @cached_property
    def _readers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._both.left.nodes:
            for item in self._both.left.inputs(name)[0]:
                found.setdefault(item[0], []).append(name)
        return found

    def _kernels(self, norm: str) -> Iterator[str]:
        """Kernels of the layers before and after, as far as only small nodes lie between."""
        left = self._both.left
        own, stack = {norm}, [norm]
        while stack and len(own) < _NEAR:
            for reader in self._readers.get(stack.pop(), ())[:_NEAR]:
                if reader not in self._both.to_right and reader not in own:
                    own.add(reader)
                    stack.append(reader)
        before = [item[0] for name in own for item in left.inputs(name)[0]]
        after = [reader for name in own for reader in self._readers.get(name, ())[:_NEAR]]
        for start, is_back in ((before, True), (after, False)):
            stack, seen = list(start), set(own)
            while stack and len(seen) < len(own) + _NEAR:
                name = stack.pop()
                node = left.nodes.get(name)
                if node is None or name in seen:
                    continue
                seen.add(name)
                data = left.inputs(name)[0]
                if node.op in _LAYERS and len(data) > 1:
                    kernel = left.weight(left.origin(data[1])[0])
                    if kernel is not None:
                        yield kernel
                elif node.op in _BETWEEN and name in self._both.to_right:
                    stack += [data[0][0]] if is_back and data else self._readers.get(name, ())

    def _is_scaled(self, kernel: str) -> bool:
        """Whether a kernel is its counterpart times a factor for each channel."""
        if kernel not in self._changed:
            return False
        both = self._both
        ours = both.left.nodes[kernel].attrs.get("value")
        theirs = both.right.nodes[both.weights[kernel]].attrs.get("value")
        if not isinstance(ours, LazyTensor) or not isinstance(theirs, LazyTensor):
            return True  # its values are elsewhere: that they changed says enough
        if max(ours.elements, theirs.elements) > _LARGEST or ours.shape != theirs.shape:
            return True
        try:
            return _differ_by_channel(ours.numpy(), theirs.numpy())
        except MigratorError:
            return False


def _differ_by_channel(one: Any, other: Any) -> bool:
    """Whether ``other`` is ``one`` times a factor for each place along one axis, or the last two:
    by least squares, but for a hundredth of its size.
    """
    import numpy as np

    one, other = one.astype(np.float64), other.astype(np.float64)
    last = one.ndim - 1
    for kept in [*({axis} for axis in range(one.ndim)), {last - 1, last}]:
        axes = tuple(axis for axis in range(one.ndim) if axis not in kept)
        power = (one * one).sum(axis=axes, keepdims=True)
        factor = (one * other).sum(axis=axes, keepdims=True) / np.where(power > 0, power, 1.0)
        if axes and np.linalg.norm(other - factor * one) <= _CLOSE * np.linalg.norm(other):
            return True
    return False
