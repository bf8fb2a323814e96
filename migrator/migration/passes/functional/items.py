"""The graph as linked items: what the conversion moves about, copies and closes into functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from migrator.errors import MigratorError
from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue
from migrator.model.tensors import LazyTensor

SWITCH = frozenset(("Switch", "RefSwitch"))
MERGE = frozenset(("Merge", "RefMerge"))
ENTER = frozenset(("Enter", "RefEnter"))
EXIT = frozenset(("Exit", "RefExit"))
NEXT = frozenset(("NextIteration", "RefNextIteration"))
LOOP_COND = "LoopCond"
DATAFLOW_CONTROL = SWITCH | MERGE | ENTER | EXIT | NEXT | {LOOP_COND, "_SwitchN"}
PASSING = frozenset(("Identity", "RefIdentity"))
ARGUMENT = "_Arg"
GIVEN = "_Given"
SOURCES = frozenset((ARGUMENT, GIVEN))

_SMALL = 1024
_SMALL_FLOAT = 64
_TIMES_COPIED = 8


class Unconvertible(MigratorError):
    """Control flow that has no functional form, or none that is sure to compute the same."""


class Item:
    """One node while it is being moved. ``inputs`` are (item, port), ``controls`` items.

    ``dtype`` is set for arguments and given tensors only.
    """

    __slots__ = ("attrs", "controls", "dtype", "inputs", "name", "op", "order")

    def __init__(
        self,
        name: str,
        op: str,
        attrs: Mapping[str, AttrValue],
        order: int,
        inputs: list[Tensor] | None = None,
        dtype: DType | None = None,
    ) -> None:
        self.name = name
        self.op = op
        self.attrs = attrs
        self.order = order
        self.inputs: list[Tensor] = [] if inputs is None else inputs
        self.controls: list[Item] = []
        self.dtype = dtype

    def become(self, op: str, inputs: list[Tensor], attrs: Mapping[str, AttrValue]) -> None:
        """Turn into another op under the same name, so that consumers stay as they are."""
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.controls = []

    def needs(self) -> Iterable[Item]:
        """What it waits for, an item as often as it is named."""
        for item, _ in self.inputs:
            yield item
        yield from self.controls


Tensor = tuple[Item, int]


class Place:
    """A node of a tree (of frames, or of branches) that tells its ancestors in O(log depth).

    Source of the jump pointers: Myers, "An applicative random-access stack" (1983).
    """

    __slots__ = ("branch", "children", "depth", "jump", "key", "parent")

    def __init__(self, parent: Place | None, key: object = None, branch: int = 0) -> None:
        self.parent = parent
        self.key = key
        self.branch = branch
        self.children: dict[tuple[object, int], Place] = {}
        if parent is None:
            self.depth = 0
            self.jump = self
            return
        self.depth = parent.depth + 1
        far = parent.jump
        even = parent.depth - far.depth == far.depth - far.jump.depth
        self.jump = far.jump if even else parent

    def child(self, key: object, branch: int = 0) -> Place:
        """The one child of that key and branch, made when first asked for."""
        found = self.children.get((key, branch))
        if found is None:
            found = self.children[key, branch] = Place(self, key, branch)
        return found

    def within(self, other: Place) -> bool:
        """Whether this is ``other`` or lies below it."""
        here = self
        while here.depth > other.depth:
            assert here.parent is not None
            here = here.jump if here.jump.depth >= other.depth else here.parent
        return here is other


def deepest(first: Place, second: Place) -> Place | None:
    """The lower one of two places on one path to the root, None where they part."""
    if first is second or first.within(second):
        return first
    return second if second.within(first) else None


class Cutter:
    """Copies what some tensors need, up to a boundary. Linear in what it copies.

    ``tensor`` gives what stands for a tensor at the boundary, None to copy its item;
    ``control`` gives the items that stand for a control edge, None to copy the item.
    """

    __slots__ = ("_control", "_copies", "_tensor", "_work")

    def __init__(
        self,
        tensor: Callable[[Tensor], Tensor | None],
        control: Callable[[Item], Sequence[Item] | None],
    ) -> None:
        self._tensor = tensor
        self._control = control
        self._copies: dict[Item, Item] = {}
        self._work: list[tuple[Item, Item]] = []

    @property
    def copied(self) -> Iterable[Item]:
        """The items that were copied."""
        return self._copies.keys()

    def take(self, tensor: Tensor) -> Tensor:
        """The copy of a tensor; complete after ``run``."""
        found = self._tensor(tensor)
        return (self._copy(tensor[0]), tensor[1]) if found is None else found

    def take_control(self, item: Item) -> Sequence[Item]:
        found = self._control(item)
        return (self._copy(item),) if found is None else found

    def take_whole(self, tensor: Tensor) -> Tensor:
        """The copy of a tensor from beyond the boundary; its inputs are looked at in turn."""
        return self._copy(tensor[0]), tensor[1]

    def _copy(self, item: Item) -> Item:
        copy = self._copies.get(item)
        if copy is None:
            copy = Item(item.name, item.op, item.attrs, item.order, dtype=item.dtype)
            self._copies[item] = copy
            self._work.append((item, copy))
        return copy

    def run(self) -> None:
        while self._work:
            item, copy = self._work.pop()
            copy.inputs = [self.take(tensor) for tensor in item.inputs]
            if item.controls:
                found = [one for each in item.controls for one in self.take_control(each)]
                copy.controls = list(dict.fromkeys(found))


class Budget:
    """Bounds how much is copied in all, so that no odd graph grows without end."""

    __slots__ = ("_left",)

    def __init__(self, nodes: int) -> None:
        self._left = _TIMES_COPIED * nodes + 10_000

    def spend(self, count: int, where: str) -> None:
        self._left -= count
        if self._left < 0:
            raise Unconvertible("its control flow is too entangled to be taken apart", where=where)


def in_order(roots: Iterable[Item], where: str) -> list[Item]:
    """Everything that ``roots`` need, producers first.

    Raises Unconvertible for a cycle.
    """
    done: set[Item] = set()
    open_: set[Item] = set()
    found: list[Item] = []
    for root in roots:
        stack: list[tuple[Item, bool]] = [(root, False)]
        while stack:
            item, left = stack.pop()
            if left:
                open_.discard(item)
                done.add(item)
                found.append(item)
                continue
            if item in done:
                continue
            open_.add(item)
            stack.append((item, True))
            for needed in item.needs():
                if needed in open_:  # which holds the path to here
                    raise Unconvertible(f"{needed.name} waits for itself", where=where)
                if needed not in done:
                    stack.append((needed, False))
    return found


def small_constant(tensor: Tensor) -> bool:
    """Whether to copy a constant into a body rather than to hand it in: sizes, axes, scalars."""
    item = tensor[0]
    if item.op != "Const" or item.controls:
        return False
    value = item.attrs.get("value")
    if not isinstance(value, LazyTensor):
        return False
    return value.nbytes <= (_SMALL if value.dtype.kind in "iubs" else _SMALL_FLOAT)
