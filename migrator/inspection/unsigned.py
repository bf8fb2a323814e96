"""Models of TensorFlow 2 that were saved without a signature."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.errors import first_few
from migrator.model.model import MetaGraph

_OWN = "__saved_model"
"""What TensorFlow itself runs at load is kept as a signature, too."""
EXPORT_AGAIN = (
    "load it in TensorFlow 2 and export it again: tf.saved_model.save(model, ..., "
    "signatures=model.FUNCTION)"
)
_MOST_NAMED = 5


def callable_signatures(meta: MetaGraph) -> list[str]:
    """Keys of the signatures that somebody made to be called."""
    return callable_keys(meta.signatures)


def callable_keys(keys: Iterable[str]) -> list[str]:
    """Those of ``keys`` that are somebody's, not TensorFlow's own."""
    return [key for key in keys if not key.startswith(_OWN)]


def why_unsigned(meta: MetaGraph) -> str:
    """Why a model of TensorFlow 2 has no endpoints, naming its functions; empty for others."""
    if meta.object_graph is None or callable_signatures(meta):
        return ""
    from migrator.inspection.callables import traced_functions

    names = [name for name, _ in traced_functions(meta.object_graph)]
    told = "and its graph holds only what saves and restores it"
    if not names:
        return f"it has no signatures and no functions, {told}"
    shown = first_few(names, _MOST_NAMED, lambda name: ascii(name)[1:-1])
    return f"it has no signatures, {told}: its functions ({shown}) are no part of that"
