"""What to do next with a model, where that is plain from what it is."""

from __future__ import annotations

from migrator.errors import MigratorError
from migrator.formats.checkpoint import checkpoint_place
from migrator.formats.names import SAVED_MODEL_FILES
from migrator.inspection.summary import Summary
from migrator.inspection.unsigned import callable_keys
from migrator.model.model import Model

_KERAS = ("keras_h5", "keras_zip")
_METAS = (".meta", ".meta.pbtxt")


def next_step(model: Model, summary: Summary, named: str) -> str:
    """One sentence with the command to run, empty where nothing is plain.

    ``named`` is the model as the user named it. Looks at what lies beside a checkpoint.
    """
    if not named.isprintable():  # no command could be pasted
        return ""
    path = _quoted(named)
    if summary.source.format == "tflite":  # no other verb takes it
        saved = f"`migrator inspect {path} --weights -o FILE.npz`"
        return f"`migrator export {path} -o FILE.graphml` writes its graph, {saved} its weights"
    if summary.reaches or any(meta.reaches for meta in summary.meta_graphs):
        return f"`migrator audit {path}`, before anything loads it"
    if summary.source.format == "checkpoint":
        return _of_checkpoint(model, path)
    if not summary.meta_graphs:
        is_anybodys = summary.keras is not None and summary.keras.is_unmarked
        return _saving(path) if summary.variables and not is_anybodys else ""
    if summary.source.format in _KERAS:
        return f"`migrator migrate {path} DEST` makes a verified SavedModel of it"
    return _of_graph(summary, path)


def _of_graph(summary: Summary, path: str) -> str:
    meta = summary.meta_graphs[0]
    if meta.objects:  # of TensorFlow 2 already
        is_called = bool(callable_keys(meta.signatures))
        return f"`migrator run {path}` calls it with values of your own" if is_called else ""
    if not meta.graph.nodes:
        return ""
    if summary.source.kind == "meta_graph" and summary.checkpoint is None:
        has_variables = any(item.op != "Const" for item in meta.graph.weights)
        return "copy its checkpoint beside it, where its weights are" if has_variables else ""
    if summary.source.kind == "graph_def" and any(
        item.op != "Const" for item in meta.graph.weights
    ):
        return "its values are in a checkpoint: name the .meta file beside that instead"
    if not meta.graph.endpoints.decided:
        return f"`migrator plan {path}` prints options to paste that decide its ends"
    return f"`migrator migrate {path} DEST` makes a verified TensorFlow 2 SavedModel of it"


def _of_checkpoint(model: Model, path: str) -> str:
    try:
        prefix = checkpoint_place(model)
        found = None
        if prefix is not None:
            metas = [prefix.sibling(f"{prefix.base}{end}") for end in _METAS]
            above = prefix.parent.parent
            if prefix.base == prefix.parent.base == "variables":
                metas += [above.child(name) for name in SAVED_MODEL_FILES]
            found = next((item for item in metas if item.is_file()), None)
    except MigratorError:  # what lies beside it cannot be looked at
        found = None
    if found is None or not str(found).isprintable():
        return _saving(path)
    return f"its graph is in {found.base}: `migrator inspect {_quoted(str(found))}`"


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _saving(path: str) -> str:
    return f"`migrator inspect {path} --weights -o FILE.npz` saves its values"
