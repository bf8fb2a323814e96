"""``tf.cond`` as Switch and Merge becomes If.

Innermost branches first. At each guard the Merges are gathered into conditions: those that share
a node of a branch go together, so that nothing runs twice, and those of one predicate that do not
wait for each other. Each condition's branches are copied into functions.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.migration.passes.functional.clusters import gather_conditions
from migrator.migration.passes.functional.guards import Guards, find_guards
from migrator.migration.passes.functional.items import (
    MERGE,
    PASSING,
    SOURCES,
    SWITCH,
    Budget,
    Cutter,
    Item,
    Place,
    Tensor,
    Unconvertible,
    small_constant,
)
from migrator.migration.passes.functional.library import HARMLESS_TWICE, Library
from migrator.model.dtypes import INT32
from migrator.model.graph import AttrValue
from migrator.model.tensors import UNKNOWN_SHAPE

_STRUCTURE = SWITCH | MERGE


class Conditions:
    """The conditions of one loop-free region: the graph's top level, or a function to be."""

    def __init__(self, items: Sequence[Item], library: Library, budget: Budget) -> None:
        """``items`` stand in order. Raises Unconvertible."""
        self._library = library
        self._budget = budget
        self._items = items
        self._guards: Guards | None = None
        self._removed: set[Item] = set()
        self._run: set[Item] = set()
        self._index_read: set[Item] = set()
        self.count = 0

    def convert(self, results: Sequence[Tensor]) -> list[Tensor]:
        """Make every condition an If, in place. Gives the tensors that ``results`` are now."""
        if not any(item.op in _STRUCTURE for item in self._items):
            return list(results)
        self._index_read = {
            one
            for item in self._items
            for one, port in item.inputs
            if port == 1 and one.op in MERGE
        } | {one for one, port in results if port == 1 and one.op in MERGE}
        guards = self._guards = find_guards(self._items)
        by_guard: dict[Place, list[Item]] = {}
        for item in self._items:
            place = guards.of[item]
            if place is not None:
                by_guard.setdefault(place, []).append(item)
        for item in guards.single:
            self._pass_through(item)
        for place in sorted(guards.merges, key=lambda one: -one.depth):
            merges = guards.merges[place]
            for condition in gather_conditions(place, merges, by_guard, guards, self._library):
                by_guard.setdefault(place, []).append(self._make(condition, place))
        found = [self._always(tensor) for tensor in results]
        self._drop_switches(by_guard.get(guards.root, ()))
        return found

    def _always(self, tensor: Tensor) -> Tensor:
        """A result of the region; it must be there on every way through."""
        assert self._guards is not None
        tensor = self._guards.resolve(tensor)
        if self._guards.of_tensor(tensor) is not self._guards.root:
            raise Unconvertible("is there on one branch only, yet wanted", where=tensor[0].name)
        return tensor

    def _pass_through(self, merge: Item) -> None:
        """A Merge that can only take one input."""
        assert self._guards is not None
        guards = self._guards
        index = next(k for k, tensor in enumerate(merge.inputs) if tensor == guards.single[merge])
        value = guards.resolve(merge.inputs[index])
        controls = [one for one in merge.controls if guards.of[one] is not None]
        outputs = [value]
        if merge in self._index_read:
            constant = self._library.constant(f"{merge.name}/value_index", index, INT32)
            guards.of[constant] = guards.root
            outputs.append((constant, 0))
        self._stand_for(merge, outputs)
        merge.controls = controls

    def _stand_for(self, merge: Item, outputs: list[Tensor]) -> None:
        types = [self._library.dtype(tensor) for tensor in outputs]
        if len(outputs) == 1:
            merge.become("Identity", outputs, {"T": types[0]})
        else:
            merge.become("IdentityN", outputs, {"T": types})

    def _make(self, merges: Sequence[tuple[Item, Tensor]], place: Place) -> Item:
        """One If for ``merges``, which turn into what passes its results on."""
        assert self._guards is not None
        guards, library = self._guards, self._library
        key = merges[0][1]
        wish = merges[0][0].name.rpartition("/")[0] or merges[0][0].name
        branches = [_Branch(self, place, place.children.get((key, side))) for side in (0, 1)]
        captured: dict[Tensor, None] = {}
        waits: dict[Item, None] = {}
        results: list[list[Tensor]] = [[], []]
        indexes = []
        for merge, _ in merges:
            for control in merge.controls:
                if _above(guards.of[control], place):
                    waits |= dict.fromkeys(past_switches([control]))
                elif not any(guards.of[control] is branch.guard for branch in branches):
                    raise Unconvertible("waits for a branch of another", where=merge.name)
            for side in (0, 1):
                slot = next(
                    k
                    for k, tensor in enumerate(merge.inputs)
                    if (found := guards.of_tensor(tensor)) is not None
                    and found.branch == side
                    and found.parent is place
                    and found.key == key
                )
                results[side].append(branches[side].value(merge, slot))
            if merge in self._index_read:
                indexes.append(merge)
        for merge in indexes:
            for side in (0, 1):
                results[side].append(branches[side].index(merge))
        for branch in branches:
            branch.cutter.run()
            captured |= dict.fromkeys(branch.captured)
            waits |= dict.fromkeys(branch.waits)
            self._note(branch, wish)
        self._budget.spend(2 * len(captured), wish)
        names = [f"{wish}_false", f"{wish}_true"]
        references = []
        for branch, name, tensors in zip(branches, names, results, strict=True):
            arguments = [branch.argument(tensor) for tensor in captured]
            references.append(library.close(name, arguments, tensors))
        predicate = guards.resolve(key)
        types = [library.dtype(tensor) for tensor in results[0]]
        if types != [library.dtype(tensor) for tensor in results[1]]:
            raise Unconvertible("its branches give different types", where=merges[0][0].name)
        stateful = any(library.stateful(reference.name, {}) for reference in references)
        attrs: dict[str, AttrValue] = {
            "Tcond": library.dtype(predicate),
            "Tin": [library.dtype(tensor) for tensor in captured],
            "Tout": types,
            "then_branch": references[1],
            "else_branch": references[0],
            "output_shapes": [UNKNOWN_SHAPE] * len(types),
            "_lower_using_switch_merge": True,
        }
        item = library.item(
            f"{wish}/If", "If" if stateful else "StatelessIf", attrs, [predicate, *captured]
        )
        producers = {one for one, _ in item.inputs}
        item.controls = [one for one in waits if one not in producers]
        guards.of[item] = place
        extra = len(merges)
        for number, (merge, _) in enumerate(merges):
            outputs: list[Tensor] = [(item, number)]
            if merge in self._index_read:
                outputs.append((item, extra))
                extra += 1
            self._stand_for(merge, outputs)
        self.count += 1
        return item

    def _note(self, branch: _Branch, where: str) -> None:
        """Nothing with effects may be copied into two functions."""
        copied = list(branch.cutter.copied)
        self._budget.spend(len(copied), where)
        for item in copied:
            if self._library.stateful(item.op, item.attrs) and item.op not in HARMLESS_TWICE:
                if item in self._run:
                    raise Unconvertible("has effects in more than one condition", where=item.name)
                self._run.add(item)

    def _drop_switches(self, items: Sequence[Item]) -> None:
        """Let control edges from Switches that go wait for what those waited for."""
        for item in items:
            if item.op not in _STRUCTURE and any(one.op in SWITCH for one in item.controls):
                item.controls = past_switches(item.controls)


def past_switches(controls: Sequence[Item]) -> list[Item]:
    """Control sources, with what a Switch waits for in the Switch's place."""
    found: dict[Item, None] = {}
    seen: set[Item] = set()
    stack = list(reversed(controls))
    while stack:
        item = stack.pop()
        if item in seen:
            continue
        seen.add(item)
        if item.op in SWITCH:
            stack += item.needs()
        elif item.op not in SOURCES:
            found[item] = None
    return list(found)


def _above(place: Place | None, below: Place) -> bool:
    return place is not None and below.within(place)


class _Branch:
    """One side of a condition while its function is made."""

    def __init__(self, owner: Conditions, place: Place, guard: Place | None) -> None:
        assert owner._guards is not None
        self._guards = owner._guards
        self._library = owner._library
        self._place = place
        self.guard = guard
        self._arguments: dict[Tensor, Item] = {}
        self.captured: dict[Tensor, None] = {}
        self.waits: dict[Item, None] = {}
        self.cutter = Cutter(self._boundary, self._control)

    def argument(self, tensor: Tensor) -> Item:
        """The function's argument that stands for a tensor from outside."""
        found = self._arguments.get(tensor)
        if found is None:
            found = self._library.argument(self._library.dtype(tensor))
            self._arguments[tensor] = found
        return found

    def value(self, merge: Item, slot: int) -> Tensor:
        """What this side hands to the Merge."""
        tensor = self.cutter.take(merge.inputs[slot])
        controls = [
            one
            for control in merge.controls
            if self._guards.of[control] is self.guard
            for one in self.cutter.take_control(control)
        ]
        if not controls:
            return tensor
        dtype = self._library.dtype(merge.inputs[slot])
        waiting = self._library.item(f"{merge.name}/value", "Identity", {"T": dtype}, [tensor])
        waiting.controls = controls
        return waiting, 0

    def index(self, merge: Item) -> Tensor:
        """Which input the Merge takes on this side."""
        slot = next(
            k
            for k, tensor in enumerate(merge.inputs)
            if self._guards.of_tensor(tensor) is self.guard
        )
        return self._library.constant(f"{merge.name}/value_index", slot, INT32), 0

    def _boundary(self, tensor: Tensor) -> Tensor | None:
        written, tensor = tensor, self._guards.resolve(tensor)
        item = tensor[0]
        guard = self._guards.of_tensor(tensor)
        if guard is self.guard:
            if item.op not in SWITCH:
                return None if tensor == written else self.cutter.take_whole(tensor)
            return self._capture(self._guards.resolve(item.inputs[0]))
        if _above(guard, self._place):
            return self._capture(tensor)
        raise Unconvertible("is used on a branch that it does not belong to", where=item.name)

    def _capture(self, tensor: Tensor) -> Tensor:
        if small_constant(tensor):
            return self.cutter.take_whole(tensor)
        self.captured[tensor] = None
        return self.argument(tensor), 0

    def _control(self, item: Item) -> Sequence[Item] | None:
        guard = self._guards.of[item]
        if guard is self.guard:
            if item.op in PASSING and not item.controls:
                source, port = self._guards.resolve(item.inputs[0])
                if source.op in SWITCH and self._guards.of_tensor((source, port)) is self.guard:
                    return self._outside(source)  # a pivot: to be in the branch is to have it
            return None
        if _above(guard, self._place):
            return self._outside(item)
        raise Unconvertible("is waited for on a branch where it never runs", where=item.name)

    def _outside(self, item: Item) -> Sequence[Item]:
        if item.op not in SOURCES:
            self.waits |= dict.fromkeys(past_switches([item]))
        return ()
