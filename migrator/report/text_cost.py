"""The cost of a model as a section of text."""

from __future__ import annotations

from migrator.inspection.cost import Cost
from migrator.model.tensors import Shape
from migrator.report.escape import many, shown, shown_joined
from migrator.report.table import table

_OPS = 8
_NODES = 10
_INPUTS = 4
_SIDE = 224
_LENGTH = 128


def cost_section(cost: Cost) -> str:
    """Totals, ops, the dearest nodes, what is left out and what was assumed."""
    if cost.reason:
        return f"Cost\n  not counted: {cost.reason}"
    several = "convolutions and matrix products"
    products = many(cost.counted, "convolution or matrix product", several)
    lines = [
        "Cost of one run, estimated",
        f"  {amount(cost.multiply_adds)} multiply-adds in {products}, "
        f"{amount(cost.element_operations)} operations on elements beside them",
    ]
    if cost.by_op:
        shares = [
            f"{shown(op)} {amount(work)}{_share(work, cost.multiply_adds)}"
            for op, work in list(cost.by_op.items())[:_OPS]
        ]
        lines.append("  by op: " + ", ".join(shares))
    lines += [f"  {line}" for line in _remarks(cost)]
    rows = [
        (
            shown_joined(item.node),
            item.op,
            str(item.shape),
            amount(item.multiply_adds),
            _share(item.multiply_adds, cost.multiply_adds).strip(" ()"),
        )
        for item in cost.dearest[:_NODES]
    ]
    text = "\n".join(lines)
    if not rows:
        return text
    title = "Dearest nodes" if cost.counted > len(rows) else "Nodes"
    headers = ("node", "op", "output", "multiply-adds", "share")
    return f"{text}\n\n{title}\n{table(rows, headers)}"


def _remarks(cost: Cost) -> list[str]:
    found = []
    if cost.uncounted:
        missing = sum(cost.uncounted.values())
        ops = ", ".join(f"{shown(op)} {n:,}" for op, n in list(cost.uncounted.items())[:_OPS])
        found.append(
            f"not counted: {missing:,} of {cost.nodes:,} nodes that compute "
            f"(shapes or work unknown): {ops}"
        )
    found += _advice(cost)
    if cost.batch_of:
        names = ", ".join(shown(name) for name in cost.batch_of[:_INPUTS])
        more = len(cost.batch_of) - _INPUTS
        found.append(
            f"an unknown batch counts as 1: {names}" + (f" and {more:,} more" if more > 0 else "")
        )
    if cost.loops:
        found.append(f"loops count as one round each: {cost.loops:,}")
    if cost.bodies:
        found.append(f"function bodies count once each, whatever calls them: {cost.bodies:,}")
    return found


def _advice(cost: Cost) -> list[str]:
    """How to tell the sizes that are open, to paste and to put right."""
    given = list(cost.open_inputs.items())[:_INPUTS]
    if not given:
        return []
    is_image = any("2d" in op.lower() for op in cost.uncounted)
    names = ", ".join(f"{shown(name)} {shape}" for name, shape in given)
    more = len(cost.open_inputs) - len(given)
    names += f" and {more:,} more" if more > 0 else ""
    options = " ".join(f"--shape {shown(name)}={_example(item, is_image)}" for name, item in given)
    return [f"sizes that the model leaves open: {names}; give them, for one: {options}"]


def _example(shape: Shape, is_image: bool) -> str:
    """Sizes as an input might have them, those that are known among them."""
    dims = shape.dims
    if dims is None:
        dims = (None, None, None, 3) if is_image else (None, None)
    usual = _SIDE if len(dims) == 4 else _LENGTH
    sizes = [usual if size is None else size for size in dims]
    if dims and dims[0] is None:
        sizes[0] = 1
    return ",".join(map(str, sizes))


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""


def amount(count: int) -> str:
    """A number for a reader: ``569 M``, ``5.71 G``."""
    if count < 10_000:
        return f"{count:,}"
    value = float(count)
    for unit in ("k", "M", "G", "T", "P", "E"):
        value /= 1000
        if value < 999.5 or unit == "E":
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("unreachable")
