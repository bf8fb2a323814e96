"""Child side: sessions on SavedModels and MetaGraphs, as TensorFlow 1 loaded them.

Where TensorFlow refuses the whole (an op that it does not know, say, in a part that nobody calls),
its own extraction cuts the graph down to what is fetched, restored and initialised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrator.runtime.messages import short_message
from migrator.runtime.opened import Opened
from migrator.runtime.protos import fill

_INIT_OPS = ("saved_model_main_op", "legacy_init_op")
_TABLES = "table_initializer"
_INIT_SIGNATURE = "__saved_model_init_op"


def saved_model_session(tf: Any, source: dict[str, Any], fetches: list[str]) -> Opened:
    """Load by the v1 loader, else extracted. Raises what TensorFlow raises."""
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.compat.v1.set_random_seed(0)
            session = tf.compat.v1.Session(graph=graph)
            meta = tf.compat.v1.saved_model.load(session, source["tags"] or [], source["path"])
            if not set(_INIT_OPS) & set(meta.collection_def):  # a hub module leaves it to its user
                tables = tf.compat.v1.get_collection(_TABLES)
                session.run(tables, _asset_paths(tf, meta, source["path"]))
        ran = "the SavedModel, by the tf1 loader"
        return Opened(session=session, ran=ran, why="", inputs={})
    except Exception as error:
        why = short_message(error)
        meta = _stored_meta_graph(source)
        if meta is None or meta.HasField("object_graph_def"):
            raise
    checkpoint = str(Path(source["path"]) / "variables" / "variables")
    files = _asset_paths(tf, meta, source["path"])
    return _extracted(tf, meta, checkpoint, files, fetches, why)


def meta_graph_session(tf: Any, source: dict[str, Any], fetches: list[str]) -> Opened:
    """Import the MetaGraph, restore by its own Saver, fill its tables; else extracted."""
    graph = tf.Graph()
    try:
        with graph.as_default():
            tf.compat.v1.set_random_seed(0)
            saver = tf.compat.v1.train.import_meta_graph(source["path"], clear_devices=True)
            session = tf.compat.v1.Session(graph=graph)
            local = tf.compat.v1.local_variables()
            if local:
                session.run(tf.compat.v1.variables_initializer(local))
            if source["checkpoint"] and saver is not None:
                saver.restore(session, source["checkpoint"])
            session.run(tf.compat.v1.get_collection(_TABLES), _present(graph, source["files"]))
        ran = "the MetaGraph, restored by its Saver"
        return Opened(session=session, ran=ran, why="", inputs={})
    except Exception as error:
        why = short_message(error)
        meta = fill(tf.compat.v1.MetaGraphDef(), source["path"], text=source.get("text", False))
    return _extracted(tf, meta, source["checkpoint"], source["files"], fetches, why)


def strip_devices(graph_def: Any) -> None:
    """Bind no node to a device, those of function bodies neither."""
    for nodes in (graph_def.node, *(item.node_def for item in graph_def.library.function)):
        for node in nodes:
            node.device = ""


def _extracted(
    tf: Any, meta: Any, checkpoint: str, files: dict[str, str], fetches: list[str], why: str
) -> Opened:
    """What ``extract_sub_graph`` keeps for the fetches, the restore op and the init ops."""
    known = {node.name for node in meta.graph_def.node}
    restore = meta.saver_def.restore_op_name
    inits = [name for key in (*_INIT_OPS, _TABLES) for name in _nodes(meta, key)]
    if _INIT_SIGNATURE in meta.signature_def:
        outputs = meta.signature_def[_INIT_SIGNATURE].outputs.values()
        inits += [info.name.rpartition(":")[0] or info.name for info in outputs]
    names = [fetch.rpartition(":")[0] for fetch in fetches] + ([restore] if restore else [])
    kept = [name for name in dict.fromkeys([*names, *inits]) if name in known]
    graph_def = tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, kept)
    strip_devices(graph_def)
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.set_random_seed(0)
        tf.graph_util.import_graph_def(graph_def, name="")
    session = tf.compat.v1.Session(graph=graph)
    if restore and checkpoint:
        session.run(restore, {meta.saver_def.filename_tensor_name: checkpoint})
    session.run([name for name in dict.fromkeys(inits) if name in known], _present(graph, files))
    ran = "what TensorFlow's extract_sub_graph keeps"
    return Opened(session=session, ran=ran, why=why, inputs={})


def _nodes(meta: Any, key: str) -> list[str]:
    return list(meta.collection_def[key].node_list.value) if key in meta.collection_def else []


def _present(graph: Any, files: dict[str, str]) -> dict[str, str]:
    names = {operation.name for operation in graph.get_operations()}
    return {name: path for name, path in files.items() if name.rpartition(":")[0] in names}


def _stored_meta_graph(source: dict[str, Any]) -> Any:
    """The MetaGraphDef with these tags in a SavedModel's file."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = Path(source["path"]) / "saved_model.pb"
    text = not file.exists()
    saved = fill(
        saved_model_pb2.SavedModel(), file.with_suffix(".pbtxt") if text else file, text=text
    )
    wanted = sorted(source["tags"] or [])
    found = [m for m in saved.meta_graphs if sorted(m.meta_info_def.tags) == wanted]
    return found[0] if found else None


def _asset_paths(tf: Any, meta: Any, folder: str) -> dict[str, str]:
    """Asset tensor -> path."""
    found = list(meta.asset_file_def)
    if "saved_model_assets" in meta.collection_def:
        for item in meta.collection_def["saved_model_assets"].any_list.value:
            asset = tf.compat.v1.MetaGraphDef().asset_file_def.add()
            if item.Unpack(asset):
                found.append(asset)
    return {
        item.tensor_info.name: str(Path(folder) / "assets" / item.filename)
        for item in found
        if item.filename
    }
