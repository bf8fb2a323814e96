"""Every weight of a model: what it is called, how large it is and where its bytes lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

from migrator.errors import MigratorError, NoSuchTensor
from migrator.inspection.suggestions import near_names
from migrator.inspection.tree import OBJECT_SUFFIX
from migrator.inspection.weights import VARIABLE, Weight, meta_weights, tensor_weight, weights
from migrator.model.brief import brief
from migrator.model.model import Model
from migrator.model.tensors import FileSpan, LazyTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWeight:
    """One weight. ``bytes`` of its ``weight`` are of its decoded form, the stored ones of strings.

    ``tensor`` is its value, still in its file; None for a variable whose value is nowhere.
    ``place`` is where its bytes lie in one run, None where they do not: strings, values written
    one by one, slices that lie apart, what is in an archive. ``trouble`` says why its value
    cannot be read.
    """

    weight: Weight
    tensor: LazyTensor | None = field(repr=False)
    place: FileSpan | None
    trouble: str = ""

    __repr__ = brief


def list_weights(
    model: Model, *, meta_graph: int = 0, chosen: Sequence[str] = ()
) -> tuple[ListedWeight, ...]:
    """The weights of one meta graph in the order of the file, variables after constants.

    ``chosen`` are names or shell patterns (``*`` also takes ``/``); all without any. Raises
    NoSuchTensor for one that fits no weight, MigratorError where a checkpoint cannot be read.
    """
    values = weights(model, meta_graph=meta_graph)
    declared = (
        {item.name: item for item in meta_weights(model.meta_graphs[meta_graph])}
        if model.meta_graphs and not model.variables
        else {}
    )
    # A variable without a value is told of, too.
    names = list(dict.fromkeys([*values, *declared]))
    others = values.unlisted.keys() - set(names)
    names += [name for name in dict.fromkeys(chosen) if name in others]
    wanted = choose(names, chosen, where=model.source.path) if chosen else names
    return tuple(_listed(name, values.find(name), declared) for name in wanted)


def choose(names: Iterable[str], chosen: Sequence[str], *, where: str) -> list[str]:
    """Those of ``names`` that are among ``chosen``, by name or by pattern, in their order.

    Raises NoSuchTensor for one of ``chosen`` that fits none.
    """
    known = list(names)
    present = set(known)
    taken = {name for name in chosen if name in present}
    for pattern in chosen:
        if pattern in taken:
            continue
        matches = re.compile(translate(pattern)).match
        found = [name for name in known if matches(name)]
        if not found:  # as the list has it, without what ends every key of a checkpoint of objects
            found = [
                name
                for name in known
                if name.endswith(OBJECT_SUFFIX) and matches(name.removesuffix(OBJECT_SUFFIX))
            ]
        if not found:
            near = ", ".join(near_names(known, pattern))
            raise NoSuchTensor(
                f"has no weight {ascii(pattern)[:300]}",
                where=where,
                hint=f"it has {near}" if near else "it has none",
            )
        taken.update(found)
    return [name for name in known if name in taken]


def _listed(name: str, tensor: LazyTensor | None, declared: Mapping[str, Weight]) -> ListedWeight:
    weight = declared.get(name)
    if tensor is None:
        assert weight is not None  # a name comes from one of the two
        return ListedWeight(weight=weight, tensor=None, place=None, trouble="no value is stored")
    place, trouble = None, ""
    try:
        place = tensor.place()
    except MigratorError as error:
        trouble = str(error)
    weight = tensor_weight(name, tensor, weight.op if weight is not None else VARIABLE)
    return ListedWeight(weight=weight, tensor=tensor, place=place, trouble=trouble)
