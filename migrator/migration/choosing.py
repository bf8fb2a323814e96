"""Which meta graph of a model is meant."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.errors import NeedsDecision, UsageError, did_you_mean, paste_option
from migrator.model.model import MetaGraph, Model, tags_of


def choose_meta_graph(model: Model, tag_set: str | Sequence[str] | None) -> MetaGraph:
    """The meta graph with just these tags; without any asked for, the only one, or ``serve``.

    Of a hub module's, the one without tags. Raises UsageError for tags that no meta graph has,
    NeedsDecision where several may be meant.
    """
    model.require_graph()
    tags = [sorted(meta.tags) for meta in model.meta_graphs]
    wanted = None if tag_set is None else sorted(tags_of(tag_set))
    if wanted is None and len(tags) == 1:
        return model.meta_graphs[0]
    for usual in (["serve"], []):
        if wanted is None and usual in tags:
            wanted = usual
    if wanted is None:
        raise NeedsDecision(
            f"holds {len(tags)} meta graphs",
            where=model.source.path,
            options=[paste_option("--tag-set", ",".join(item)) for item in tags],
            hint="choose one of:",
        )
    if wanted not in tags:
        texts = [",".join(item) or "(none)" for item in tags]
        text = ",".join(wanted) or "(none)"
        raise UsageError(
            f"has no meta graph with tags {text}; it has: {'; '.join(texts)}",
            where=model.source.path,
            hint=did_you_mean(text, texts),
        )
    return model.meta_graphs[tags.index(wanted)]
