"""A TensorFlow 1 while loop becomes While.

A loop variable is Enter -> Merge -> Switch -> Exit, with a NextIteration back to the Merge. The
condition is what LoopCond takes, cut at the Merges; the body what the NextIterations take, cut at
the Switches. Source: TensorFlow's white paper on control flow (2017, section 4). The first two
variables of the result are the iterations done and the most allowed (-1: any), as in TensorFlow
2's own loops: its gradient reads them there, and gives wrong numbers without a word elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.migration.passes.functional.conds import Conditions
from migrator.migration.passes.functional.frames import Frames
from migrator.migration.passes.functional.items import (
    ENTER,
    EXIT,
    LOOP_COND,
    MERGE,
    NEXT,
    PASSING,
    SOURCES,
    SWITCH,
    Budget,
    Cutter,
    Item,
    Place,
    Tensor,
    Unconvertible,
    in_order,
    small_constant,
)
from migrator.migration.passes.functional.library import HARMLESS_TWICE, Library
from migrator.model.dtypes import INT32, DType
from migrator.model.graph import AttrValue
from migrator.model.tensors import UNKNOWN_SHAPE

_LEADING = 2
_CONTEXT = "/while_context"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variable:
    """One loop variable: the nodes that make it go round."""

    merge: Item
    enter: Item
    following: Item


def convert_frame(
    place: Place, frames: Frames, library: Library, budget: Budget
) -> tuple[int, int]:
    """Convert the loops of one frame; those inside of it are converted already.

    Gives the number of loops and of conditions. Raises Unconvertible.
    """
    members = frames.members[place]
    switches: dict[Item, list[Item]] = {}
    exits: dict[Item, list[Item]] = {}
    conditions: list[Item] = []
    for item in members:
        if item.op in SWITCH and len(item.inputs) == 2 and item.inputs[1][0].op == LOOP_COND:
            switches.setdefault(item.inputs[1][0], []).append(item)
        elif item.op == LOOP_COND:
            conditions.append(item)
        elif item.op in EXIT and frames.of[item] is place.parent:
            exits.setdefault(item.inputs[0][0], []).append(item)
    count = 0
    for condition in sorted(conditions, key=lambda item: item.order):
        loop = _Loop(condition, place, frames, library, budget)
        count += loop.convert(switches.get(condition, ()), exits)
    for found in exits.values():
        for item in found:
            if item.op in EXIT:
                raise Unconvertible("leaves a loop in no way that is known", where=item.name)
    return len(conditions), count


class _Loop:
    def __init__(
        self, condition: Item, place: Place, frames: Frames, library: Library, budget: Budget
    ) -> None:
        self._condition = condition
        self._place = place
        self._frames = frames
        self._library = library
        self._budget = budget
        self._variables: list[Variable] = []
        self._index: dict[Item, int] = {}
        self._captured: dict[Tensor, None] = {}
        self._waits: dict[Item, None] = {}
        self._bodies = (_Body(self), _Body(self))
        self._parallel = 10
        name = place.key.decode(errors="replace") if isinstance(place.key, bytes) else "while"
        self._name = name.removesuffix(_CONTEXT) or "while"

    def convert(self, switches: Sequence[Item], exits: Mapping[Item, Sequence[Item]]) -> int:
        """Make the While, let Exits pass its results on. Gives the number of conditions."""
        merges = {one for item in switches for one, _ in item.inputs if self.is_variable(one)}
        for merge in sorted(merges, key=lambda item: item.order):
            self.variable(merge)
        cond, body = self._bodies
        again = cond.take_waiting(self._condition, self._condition.inputs[0], "loop_cond")
        cond.cutter.run()
        results: list[Tensor] = []
        while len(results) < len(self._variables):  # the body may bring in further ones
            following = self._variables[len(results)].following
            results.append(body.take_waiting(following, following.inputs[0], following.name))
            body.cutter.run()
        self._refuse_effects_in_both()
        cond_results, cond_count = self._conditions([again], "cond")
        body_results, body_count = self._conditions(results, "body")
        item = self._while(cond_results, body_results)
        for switch in switches:
            for one in exits.get(switch, ()):
                self._leave(one, switch, item)
        return cond_count + body_count

    def is_variable(self, item: Item) -> bool:
        return item.op in MERGE and any(one.op in NEXT for one, _ in item.inputs)

    def is_outside(self, item: Item) -> bool:
        return self._frames.of.get(item, self._place) is not self._place

    def variable(self, merge: Item) -> int:
        """The number of a Merge's loop variable, a new one where it was not met."""
        found = self._index.get(merge)
        if found is not None:
            return found
        producers = [one for one, _ in merge.inputs]
        enter = next((one for one in producers if one.op in ENTER), None)
        following = next((one for one in producers if one.op in NEXT), None)
        sound = enter is not None and following is not None and len(producers) == 2
        if enter is None or following is None or not sound or len(following.inputs) != 1:
            raise Unconvertible("a loop variable without one Enter", where=merge.name)
        self._waits |= dict.fromkeys(enter.controls)
        parallel = enter.attrs.get("parallel_iterations")
        if isinstance(parallel, int) and parallel > 0:
            self._parallel = parallel
        number = self._index[merge] = len(self._variables)
        self._variables.append(Variable(merge=merge, enter=enter, following=following))
        return number

    def wait_for(self, items: Sequence[Item]) -> None:
        self._waits |= dict.fromkeys(item for item in items if item.op not in SOURCES)

    def variable_dtype(self, number: int) -> DType:
        return self._library.dtype(self._variables[number].enter.inputs[0])

    @property
    def library(self) -> Library:
        return self._library

    def _conditions(self, results: list[Tensor], where: str) -> tuple[list[Tensor], int]:
        items = in_order([item for item, _ in results], f"{self._name} ({where})")
        conditions = Conditions(items, self._library, self._budget)
        return conditions.convert(results), conditions.count

    def _refuse_effects_in_both(self) -> None:
        cond, body = (set(one.cutter.copied) for one in self._bodies)
        self._budget.spend(len(cond) + len(body), self._name)
        for item in cond & body:
            if self._library.stateful(item.op, item.attrs) and item.op not in HARMLESS_TWICE:
                raise Unconvertible("has effects in condition and body alike", where=item.name)

    def _while(self, cond_results: list[Tensor], body_results: list[Tensor]) -> Item:
        library = self._library
        starts: list[Tensor] = [
            (library.constant(f"{self._name}/loop_counter", 0, INT32), 0),
            (library.constant(f"{self._name}/maximum_iterations", -1, INT32), 0),
        ]
        starts += [variable.enter.inputs[0] for variable in self._variables]
        starts += self._captured
        self._budget.spend(2 * len(starts), self._name)
        types = [library.dtype(tensor) for tensor in starts]
        cond, body = self._bodies
        step: Tensor = (library.constant(f"{self._name}/one", 1, INT32), 0)
        head = [body.leading(k) for k in range(_LEADING)]
        count = library.item(
            f"{self._name}/next_counter", "AddV2", {"T": INT32}, [(head[0], 0), step]
        )
        results: list[Tensor] = [(count, 0), (head[1], 0), *body_results]
        results += [body.captured(tensor) for tensor in self._captured]
        if [library.dtype(tensor) for tensor in results] != types:
            raise Unconvertible("a loop variable changes its type", where=self._name)
        total = len(self._variables), list(self._captured)
        references = [
            library.close(f"{self._name}_{kind}", part.arguments(*total), tensors)
            for kind, part, tensors in (("cond", cond, cond_results), ("body", body, results))
        ]
        stateful = any(library.stateful(reference.name, {}) for reference in references)
        attrs: dict[str, AttrValue] = {
            "cond": references[0],
            "body": references[1],
            "T": types,
            "output_shapes": [UNKNOWN_SHAPE] * len(types),
            "parallel_iterations": self._parallel,
            "_lower_using_switch_merge": True,
            "_num_original_outputs": len(types),
        }
        item = library.item(
            f"{self._name}/While", "While" if stateful else "StatelessWhile", attrs, starts
        )
        producers = {source for source, _ in starts}
        item.controls = [source for source in self._waits if source not in producers]
        parent = self._place.parent
        assert parent is not None
        for made in (item, starts[0][0], starts[1][0]):
            self._frames.of[made] = parent
        return item

    def _leave(self, item: Item, switch: Item, result: Item) -> None:
        """Let an Exit pass on what the While gives."""
        if item.inputs[0][1] != 0:
            raise Unconvertible("an Exit of a value that goes round", where=item.name)
        if any(not self._is_structure(one) for one in item.controls):
            raise Unconvertible("an Exit that waits for the loop's inside", where=item.name)
        source, port = switch.inputs[0]
        if source in self._index:
            tensor: Tensor = (result, _LEADING + self._index[source])
        elif source.op in ENTER:
            tensor = source.inputs[0]
        elif self.is_outside(source):
            tensor = (source, port)
        else:
            raise Unconvertible("an Exit of what is no loop variable", where=item.name)
        item.become("Identity", [tensor], {"T": self._library.dtype(tensor)})
        if tensor[0] is not result:
            item.controls = [result]

    def _is_structure(self, item: Item) -> bool:
        return (
            item.op in ENTER or item.op in SWITCH or item is self._condition or item in self._index
        )

    def boundary(self, tensor: Tensor, body: _Body) -> Tensor | None:
        """What stands for a tensor inside the condition or the body."""
        item, port = tensor
        if self.is_variable(item) and not self.is_outside(item):
            if port:
                raise Unconvertible("asks a loop variable for its round", where=item.name)
            return body.variable(self.variable(item)), 0
        if item.op in SWITCH and len(item.inputs) == 2 and item.inputs[1][0] is self._condition:
            if port != 1 or body is self._bodies[0]:
                raise Unconvertible("uses what only leaves the loop", where=item.name)
            return body.cutter.take(item.inputs[0])
        if item.op in ENTER and not self.is_outside(item):
            self._waits |= dict.fromkeys(item.controls)
            return self._from_outside(item.inputs[0], body)
        if item.op in NEXT or item.op == LOOP_COND:
            raise Unconvertible(f"{item.op} used as a value", where=item.name)
        if self.is_outside(item):
            return self._from_outside(tensor, body)
        return None

    def _from_outside(self, tensor: Tensor, body: _Body) -> Tensor:
        if small_constant(tensor):
            return body.cutter.take_whole(tensor)
        self._captured[tensor] = None
        return body.captured(tensor)

    def control(self, item: Item) -> Sequence[Item] | None:
        """What stands for a control edge inside."""
        if item.op in NEXT:
            raise Unconvertible("waits for the next round", where=item.name)
        if item.op in ENTER and not self.is_outside(item):
            self.wait_for([item.inputs[0][0]])
            return ()
        if self.is_variable(item) or item is self._condition:
            return ()
        loop_switch = item.op in SWITCH and item.inputs[1][0] is self._condition
        if loop_switch:
            return ()
        if self.is_outside(item):
            self.wait_for([item])
            return ()
        if item.op in PASSING and not item.controls:
            source = item.inputs[0][0]
            if source.op in SWITCH and source.inputs[1][0] is self._condition:
                return ()  # a pivot: to be in the body is to have it
        return None


class _Body:
    """The condition or the body of a loop while it is copied; both take the same arguments."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self._leading: dict[int, Item] = {}
        self._variables: dict[int, Item] = {}
        self._captured: dict[Tensor, Item] = {}
        self.cutter = Cutter(lambda tensor: loop.boundary(tensor, self), loop.control)

    def take_waiting(self, item: Item, tensor: Tensor, name: str) -> Tensor:
        """A result of the function; an Identity where its node waits for others too."""
        taken = self.cutter.take(tensor)
        controls = [one for each in item.controls for one in self.cutter.take_control(each)]
        if not controls:
            return taken
        waiting = self._loop.library.item(
            f"{name}/value", "Identity", {"T": self._loop.library.dtype(tensor)}, [taken]
        )
        waiting.controls = list(dict.fromkeys(controls))
        return waiting, 0

    def leading(self, number: int) -> Item:
        if number not in self._leading:
            self._leading[number] = self._loop.library.argument(INT32)
        return self._leading[number]

    def variable(self, number: int) -> Item:
        if number not in self._variables:
            self._variables[number] = self._loop.library.argument(self._loop.variable_dtype(number))
        return self._variables[number]

    def captured(self, tensor: Tensor) -> Tensor:
        if tensor not in self._captured:
            self._captured[tensor] = self._loop.library.argument(self._loop.library.dtype(tensor))
        return self._captured[tensor], 0

    def arguments(self, variables: int, captured: Sequence[Tensor]) -> list[Item]:
        found = [self.leading(number) for number in range(_LEADING)]
        found += [self.variable(number) for number in range(variables)]
        return found + [self.captured(tensor)[0] for tensor in captured]
