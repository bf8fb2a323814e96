"""Near-duplicates among the models of an audit: equal hashes are brought together. No model is
compared with another one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from migrator.auditing.engine import fingerprint
from migrator.auditing.finding import AuditedModel, Finding, Location
from migrator.auditing.rule import Rule
from migrator.auditing.rules.health.twins import same_file, same_graph, same_model, same_weights
from migrator.auditing.twins.sketch import NO_WEIGHTS

_NAMED = 10


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
