"""Near-duplicates in a tree: each model is told by a few hashes, and equal hashes are brought
together. No model is compared with another one by one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from migrator.auditing.engine import fingerprint
from migrator.auditing.finding import AuditedModel, Finding, Location
from migrator.auditing.rule import Rule
from migrator.auditing.rules.health_twins import same_file, same_graph, same_model, same_weights
from migrator.auditing.stored import is_slot, stored
from migrator.auditing.structure import graph_hash, text_hash
from migrator.auditing.subject import Subject
from migrator.auditing.weight_scan import scan
from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint
from migrator.formats.source import ByteSource
from migrator.inspection.summary import VARIABLE_OPS
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor, Shape

NO_WEIGHTS = "none"
"""In the place of the hash of weights, of a model that has none."""
_NAMED = 10
_WHOLE_FILE = 1 << 20
"""Bytes up to which a file is hashed without ``deep``."""
_PART = 4 << 20
_FEW_ELEMENTS = 16
"""Vectors shorter than this are settings more often than weights."""
_FEW_NODES = 4
_WEIGHTS = "fcq"
_COUNTER = re.compile(r"_\d+$")


def sketch(subject: Subject, *, deep: bool) -> dict[str, str]:
    """Hashes that tell near-duplicates of a model; a key that is not there is not known.

    ``graph``: the structure (see ``structure``). ``names``: the names of the top-level nodes and,
    without their counters, of functions. ``weights``: types, shapes and contents of all weights,
    whatever their names; ``none`` where there are none. A checkpoint's come from its index;
    those of constants are read with ``deep`` alone, and then all are. ``file``: SHA-256 of the
    model file, up to 1 MB or ``deep``. Linear; a graph of 100 nodes takes a millisecond.
    """
    found: dict[str, str] = {}
    metas = subject.meta_graphs
    if sum(len(meta.graph.nodes) + len(meta.graph.functions) for meta in metas) >= _FEW_NODES:
        found["graph"] = text_hash(sorted(graph_hash(meta.graph) for meta in metas))
        found["names"] = text_hash(sorted(set(_node_names(subject))))
    weights = _weights(subject, deep)
    if weights is not None:
        found["weights"] = weights
    if deep or subject.bytes <= _WHOLE_FILE:
        file = _file_hash(subject)
        if file is not None:
            found["file"] = file
    return found


def _node_names(subject: Subject) -> Iterator[str]:
    for meta in subject.meta_graphs:
        for node in meta.graph.nodes:
            yield node.name
        for name in meta.graph.functions:
            yield "()" + _COUNTER.sub("", name)


def _weights(subject: Subject, deep: bool) -> str | None:
    """The hash of all weights, None where it is not known."""
    if subject.model is None:
        return None
    constants = [
        value
        for place in subject.places(("Const",))
        if isinstance(value := place.node.attrs.get("value"), LazyTensor)
        and _is_weight(value.dtype, value.shape)
    ]
    checkpoint = stored(subject).checkpoint
    if checkpoint is None and next(subject.places(VARIABLE_OPS), None) is not None:
        return None  # its variables are elsewhere
    if not deep:
        if checkpoint is None:
            return None if constants else NO_WEIGHTS
        return _hashed(_indexed(checkpoint))
    if scan(subject).unread:
        return None
    return _hashed(
        f"{int(item.dtype)}{item.shape.dims}{item.digest}"
        for item in scan(subject).tensors
        if _is_weight(item.dtype, item.shape) and not (item.place is None and is_slot(item.name))
    )


def _indexed(checkpoint: Checkpoint) -> Iterator[str]:
    for key, value in checkpoint.variables.items():
        if _is_weight(value.dtype, value.shape) and not is_slot(key):
            try:
                yield f"{int(value.dtype)}{value.shape.dims}{checkpoint.checksums(key)}"
            except MigratorError:
                yield f"damaged {key}"


def _hashed(weights: Iterator[str]) -> str:
    found = sorted(weights)
    return text_hash(found) if found else NO_WEIGHTS


def _is_weight(dtype: DType, shape: Shape) -> bool:
    return dtype.kind in _WEIGHTS and bool(shape.rank) and (shape.elements or 0) >= _FEW_ELEMENTS


def _file_hash(subject: Subject) -> str | None:
    try:
        source = ByteSource.open(subject.file)
        digest = hashlib.sha256()
        for start in range(0, source.size, _PART):
            digest.update(source.read(start, min(_PART, source.size - start)))
    except MigratorError:
        return None
    return digest.hexdigest()


def find_twins(models: Sequence[AuditedModel]) -> dict[str, list[Finding]]:
    """Findings on near-duplicates among ``models``, by source: one a model and kind.

    A model is told the closest kinship alone that it has with another one: the same file, the
    same graph and weights, the same graph, the same weights. Linear in the number of models.
    """
    found: dict[str, list[Finding]] = {}
    for item, closest, wider, make in (
        (same_file, _file, None, _same_file),
        (same_model, _model, _file, _same_model),
        (same_graph, _graph, _model, _same_graph),
        (same_weights, _of_weights, _model, _same_weights),
    ):
        for model, others, count, key in _groups(models, closest, wider):
            finding = _finding(item, model, make(model, others), others, count, key)
            found.setdefault(model.source, []).append(finding)
    return found


_Key = Callable[[AuditedModel], str]


def _file(model: AuditedModel) -> str:
    """Equal for models whose files and weights are the same."""
    held = model.sketch
    return f"{held['file']} {held.get('weights', '')}" if "file" in held else ""


def _model(model: AuditedModel) -> str:
    """Equal for models of one graph with the same weights."""
    held = model.sketch
    both = "graph" in held and "weights" in held
    return f"{held['graph']} {held['weights']}" if both else _file(model)


def _graph(model: AuditedModel) -> str:
    return model.sketch.get("graph", "")


def _of_weights(model: AuditedModel) -> str:
    weights = model.sketch.get("weights", NO_WEIGHTS)
    return "" if weights == NO_WEIGHTS else weights


def _groups(
    models: Sequence[AuditedModel], kin: _Key, closer: _Key | None
) -> Iterator[tuple[AuditedModel, list[AuditedModel], int, str]]:
    """Each model with others of equal ``kin`` that are not ``closer``: the first few, and how
    many they are."""
    groups: dict[str, dict[str, list[AuditedModel]]] = {}
    for number, model in enumerate(models):
        key = kin(model)
        if key:
            near = (closer(model) if closer is not None else "") or f"#{number}"
            groups.setdefault(key, {}).setdefault(near, []).append(model)
    for key, group in groups.items():
        total = sum(map(len, group.values()))
        for near, part in group.items():
            count = total - len(part)
            if not count:
                continue
            # At most one of the parts that are looked at is the model's own.
            others = (
                other
                for name, members in islice(group.items(), _NAMED + 1)
                if name != near
                for other in islice(members, _NAMED)
            )
            first = list(islice(others, _NAMED))
            for model in part:
                yield model, first, count, key


def _same_file(model: AuditedModel, others: Sequence[AuditedModel]) -> str:
    return "the same file as"


def _same_model(model: AuditedModel, others: Sequence[AuditedModel]) -> str:
    names = {other.sketch.get("names") for other in others}
    if names == {model.sketch.get("names")}:
        return "the same graph and weights, in another file than"
    return "the same graph and weights, under other names, as"


def _same_graph(model: AuditedModel, others: Sequence[AuditedModel]) -> str:
    if "weights" in model.sketch and all("weights" in other.sketch for other in others):
        return "the same graph, with other weights, as"
    return "the same graph (weights that are constants are compared with --deep) as"


def _same_weights(model: AuditedModel, others: Sequence[AuditedModel]) -> str:
    if all(bool(item.nodes) for item in (model, *others)):
        return "the same weights, in another graph, as"
    return "the same weights as"


def _finding(
    item: Rule,
    model: AuditedModel,
    what: str,
    others: Sequence[AuditedModel],
    count: int,
    key: str,
) -> Finding:
    names = [other.source for other in others]
    more = f" and {count - 3:,} more" if count > 3 else ""
    location = Location(source=model.source)
    detail: Mapping[str, object] = {"count": count, "models": names}
    return Finding(
        code=item.code,
        name=item.name,
        family=item.family,
        severity=item.severity,
        confidence=item.confidence,
        message=f"{what} {', '.join(names[:3])}{more}",
        location=location,
        detail=detail,
        fix=item.fix,
        fingerprint=fingerprint(item.code, location, key),
    )
