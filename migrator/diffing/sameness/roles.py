"""Which input and output of a side is which of the other: by what callers call them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from migrator.diffing.changes.signatures import called
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.side import Side, Tensor
from migrator.model.model import Signature

Role = tuple[str, str, int]
"""Key of a signature, name in it and part of a composite; without a key, a node and its port."""
Roles = dict[Tensor, set[Role]]
_INPUTS = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))


class Ends:
    """Inputs and outputs by their roles: signature and name where both sides have signatures, else
    the names of their nodes. A role that only one side has says nothing.
    """

    def __init__(
        self, both: Counterparts, outputs: tuple[Collection[Tensor], Collection[Tensor]]
    ) -> None:
        self._both = both
        self._ends = outputs
        known = called(both.left.meta), called(both.right.meta)
        keys = known[0].keys() & known[1].keys()
        self._inputs = _shared(
            _inputs(both.left, _of_keys(both.left, known[0], keys, "inputs")),
            _inputs(both.right, _of_keys(both.right, known[1], keys, "inputs")),
        )
        if all(known):
            self._outputs = _shared(
                _of_keys(both.left, known[0], keys, "outputs"),
                _of_keys(both.right, known[1], keys, "outputs"),
            )
        else:
            self._outputs = _shared(_by_name(outputs[0]), _by_name(outputs[1]))

    def are_one_input(self, one: str, other: str) -> bool:
        """Whether two inputs are one: called alike, else paired where neither is called so."""
        ours, theirs = self._inputs[0].get((one, 0)), self._inputs[1].get((other, 0))
        if ours or theirs:
            return ours == theirs
        return self._both.to_right.get(one) == other

    @property
    def outputs(self) -> list[tuple[Tensor, Tensor]]:
        """Outputs that are called alike."""
        there = {role: tensor for tensor, roles in self._outputs[1].items() for role in roles}
        return list(
            dict.fromkeys(
                (tensor, there[role])
                for tensor, roles in self._outputs[0].items()
                for role in sorted(roles)
            )
        )

    @property
    def correspond(self) -> bool:
        """Whether those that were paired are called alike, and every output is a pair."""
        return (
            self._are_paired(*self._inputs)
            and self._are_paired(*self._outputs)
            and {self._image(tensor) for tensor in self._ends[0]} == set(self._ends[1])
        )

    def _are_paired(self, ours: Roles, theirs: Roles) -> bool:
        return {self._image(tensor): roles for tensor, roles in ours.items()} == theirs

    def _image(self, tensor: Tensor) -> Tensor:
        name, port = tensor
        argument = self._both.left.arguments.get(name)
        if argument is not None:  # of a body that a signature calls, as in TFLite
            place = self._both.functions.get(argument[0], ""), argument[1]
            return self._their_arguments.get(place, ""), port
        return self._both.to_right.get(name, ""), port

    @cached_property
    def _their_arguments(self) -> dict[tuple[str, int], str]:
        return {place: name for name, place in self._both.right.arguments.items()}


def _of_keys(
    side: Side, signatures: Mapping[str, Signature], keys: Iterable[str], word: str
) -> Roles:
    found: Roles = {}
    for key in keys:
        for name, spec in getattr(signatures[key], word).items():
            for part, text in enumerate((spec.tensor,) if spec.tensor else spec.parts):
                found.setdefault(side.tensor("", text), set()).add((key, name, part))
    return found


def _inputs(side: Side, found: Roles) -> Roles:
    """``found``, and the inputs that no signature names by the names of their nodes."""
    loose = (
        (node.name, 0)
        for node in side.meta.graph.nodes
        if node.op in _INPUTS and (node.name, 0) not in found
    )
    return {**found, **_by_name(loose)}


def _by_name(tensors: Iterable[Tensor]) -> Roles:
    return {tensor: {("", *tensor)} for tensor in tensors}


def _shared(ours: Roles, theirs: Roles) -> tuple[Roles, Roles]:
    """The roles that both sides have."""
    both = _all(ours) & _all(theirs)
    return _within(ours, both), _within(theirs, both)


def _all(roles: Roles) -> set[Role]:
    return set().union(*roles.values())


def _within(roles: Roles, known: set[Role]) -> Roles:
    kept = {tensor: found & known for tensor, found in roles.items()}
    return {tensor: found for tensor, found in kept.items() if found}
