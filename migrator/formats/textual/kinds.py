"""What a protobuf text is, told from the fields that it begins with."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.formats.textual.faults import Fault
from migrator.formats.textual.scan import CLOSE, END, LIST, OPEN, STRING, WORD, Scanner
from migrator.places.source import ByteSource

_MOST_TEXT = 1 << 20
_MOST_FIELDS = 20_000
_MOST_LISTS = 50
"""Inside of each other."""
_CHECKPOINTS = "name its folder, or the checkpoint itself by its prefix"
_MODEL_BESIDE = "name the model itself: its folder often lies beside this file"
_TRAINED = "name the frozen_inference_graph.pb or the saved_model folder that was exported with it"
_LABELS = "name the model whose classes these are"
_NOT_OURS = "this reads TensorFlow's graphs, SavedModels and MetaGraphs"
_OPS = "name a graph that uses these ops"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextKind:
    """``format`` is a contract name, empty for what is no model of TensorFlow's."""

    format: str
    what: str
    hint: str = ""


_SAVED_MODEL = TextKind(format="saved_model_text", what="a SavedModel as text (.pbtxt)")
_META_GRAPH = TextKind(format="meta_graph_text", what="a MetaGraph as text (.pbtxt)")
_GRAPH = TextKind(format="graph_def_text", what="a GraphDef as text (.pbtxt)")


def _other(what: str, hint: str) -> TextKind:
    return TextKind(format="", what=what, hint=hint)


_STATE = _other("a `checkpoint` file, which says what the latest checkpoint is", _CHECKPOINTS)
_PROJECTOR = _other("a configuration of TensorBoard's projector, not a model", _CHECKPOINTS)
_PIPELINE = _other("an object detection pipeline.config, not a model", _TRAINED)
_LABEL_MAP = _other("a label map, not a model", _LABELS)
_OP_LIST = _other("a list of op definitions, not a model", _OPS)
_API = _other("an API definition of TensorFlow's ops, not a model", _OPS)
_CAFFE = _other("a Caffe network (prototxt), not a TensorFlow model", _NOT_OURS)
_SOLVER = _other("a Caffe solver (prototxt), not a TensorFlow model", _NOT_OURS)
_TRITON = _other(
    "a Triton configuration (config.pbtxt), not a model",
    "name the model: it lies in a numbered folder beside this file, such as 1/model.savedmodel",
)
_SERVING = _other("a configuration of TensorFlow Serving, not a model", _MODEL_BESIDE)
_ONNX = _other("an ONNX model as text, not a TensorFlow model", _NOT_OURS)
_MEDIAPIPE = _other("a MediaPipe graph, not a TensorFlow model", "name the .tflite that it runs")
_CORE_ML = _other("a Core ML model as text, not a TensorFlow model", _NOT_OURS)
_EXAMPLE = _other("a tf.train.Example as text: data, not a model", "")
_SCHEMA = _other("a schema of a data set (TFX), not a model", _MODEL_BESIDE)
_STATISTICS = _other("statistics of a data set (TFX), not a model", _MODEL_BESIDE)
_LIBRARY = _other("a function library as text, not a graph", "name the graph that holds it")
_RUN = _other("metadata of a run (step_stats), not a model", _MODEL_BESIDE)
_CONFIG = _other("a configuration of a TensorFlow session, not a model", _MODEL_BESIDE)
_SAVER = _other("a SaverDef as text, not a model", "name the .meta file or the graph")
_TENSOR = _other("a single tensor as text, not a model", "name the graph that holds it")
_SIGNATURE = _other("a signature as text, not a model", "name the SavedModel that holds it")
_OBJECTS = _other("a checkpoint's object graph as text, not a model", _CHECKPOINTS)
_MODULE = _other(
    "a module attachment of TensorFlow Hub as text, not a model", "name the module's folder"
)

# A field that only one kind begins with; "a.b": b inside of a.
_TELLING: dict[str, TextKind] = {
    **dict.fromkeys(("saved_model_schema_version", "meta_graphs"), _SAVED_MODEL),
    **dict.fromkeys(
        (
            "meta_info_def",
            "graph_def",
            "saver_def",
            "collection_def",
            "signature_def",
            "asset_file_def",
            "object_graph_def",
        ),
        _META_GRAPH,
    ),
    **dict.fromkeys(
        (
            "node.op",
            "node.attr",
            "node.device",
            "node.experimental_debug_info",
            "library.function",
            "library.gradient",
            "library.registered_gradients",
            "versions",
            "debug_info.files",
            "debug_info.traces",
        ),
        _GRAPH,
    ),
    "all_model_checkpoint_paths": _STATE,
    "embeddings": _PROJECTOR,
    **dict.fromkeys(
        ("train_config", "train_input_reader", "eval_config", "eval_input_reader", "model.ssd",
         "model.faster_rcnn", "model.center_net", "train_input_config"),
        _PIPELINE,
    ),
    **dict.fromkeys(("item.id", "item.name", "item.display_name"), _LABEL_MAP),
    **dict.fromkeys(("op.name", "op.input_arg", "op.output_arg", "op.summary"), _OP_LIST),
    **dict.fromkeys(("op.graph_op_name", "op.endpoint", "op.visibility"), _API),
    **dict.fromkeys(("layer", "layers", "input_dim", "input_shape"), _CAFFE),
    **dict.fromkeys(("net", "train_net", "base_lr", "solver_mode", "test_iter"), _SOLVER),
    **dict.fromkeys(
        ("platform", "backend", "max_batch_size", "instance_group", "dynamic_batching",
         "input.data_type", "output.data_type", "input.dims", "default_model_filename"),
        _TRITON,
    ),
    **dict.fromkeys(("model_config_list", "custom_model_config"), _SERVING),
    **dict.fromkeys(("ir_version", "opset_import", "graph.node", "producer_name"), _ONNX),
    **dict.fromkeys(("node.calculator", "input_stream", "output_stream"), _MEDIAPIPE),
    **dict.fromkeys(("specificationVersion", "specification_version"), _CORE_ML),
    "features.feature": _EXAMPLE,
    **dict.fromkeys(("string_domain", "default_environment", "feature.type"), _SCHEMA),
    **dict.fromkeys(("datasets.features", "datasets.num_examples"), _STATISTICS),
    "function.signature": _LIBRARY,
    **dict.fromkeys(("step_stats", "partition_graphs", "cost_graph"), _RUN),
    **dict.fromkeys(
        ("gpu_options", "allow_soft_placement", "intra_op_parallelism_threads", "graph_options",
         "device_count", "log_device_placement"),
        _CONFIG,
    ),
    **dict.fromkeys(("filename_tensor_name", "save_tensor_name", "restore_op_name"), _SAVER),
    **dict.fromkeys(("tensor_shape", "tensor_content"), _TENSOR),
    "method_name": _SIGNATURE,
    **dict.fromkeys(("nodes.children", "nodes.attributes", "nodes.slot_variables"), _OBJECTS),
}  # fmt: skip
_NUMBERS = frozenset(
    (
        "saved_model_schema_version", "max_batch_size", "ir_version", "base_lr", "test_iter",
        "solver_mode", "input_dim", "specificationVersion", "specification_version",
        "allow_soft_placement", "intra_op_parallelism_threads", "log_device_placement",
    )
)  # fmt: skip
"""Those on top that stand for a number or a name; one of the others is YAML if it does."""
# What stands where the text ended, or broke, before anything told more.
_LIKELY: dict[str, TextKind] = {
    "model_checkpoint_path": _STATE,
    "node": _GRAPH,
    "library": _GRAPH,
    "debug_info": _GRAPH,
    "op": _OP_LIST,
    "item": _LABEL_MAP,
    "datasets": _STATISTICS,
    "attachment": _MODULE,
}


def text_kind(source: ByteSource) -> tuple[TextKind | None, tuple[str, ...]]:
    """What the text is, None for what is not known; and the names of its first fields, none for
    a text of another kind.

    Raises FormatError for a file that shrinks, LimitError past its deadline.
    """
    names: dict[str, None] = {}
    likely: TextKind | None = None
    for name, kind in _names(source):
        if "." not in name:
            names[name] = None
            if kind == WORD and name not in _NUMBERS:
                continue
            likely = likely or _LIKELY.get(name)
        found = _TELLING.get(name)
        if found is not None:
            return found, tuple(names)
    return likely, tuple(names)


def _names(source: ByteSource) -> Iterator[tuple[str, int]]:
    """Names of fields on top as ``a``, of those in them as ``a.b``, and what each stands for, as
    far as they can be read."""
    start = 3 if source.read(0, min(3, source.size)) == BOM_UTF8 else 0
    scan = Scanner(source, start)
    outer = ""
    depth = 0
    try:
        for _ in range(_MOST_FIELDS):
            if scan.base + scan.pos > _MOST_TEXT:
                return
            kind, raw, _, _ = scan.head()
            if kind == END or (kind == CLOSE and depth == 0):
                return
            if kind == CLOSE:
                depth -= 1
                scan.behind()
                continue
            name = raw.decode("latin-1")
            if depth == 0:
                outer = name
                yield name, kind
            elif depth == 1:
                yield f"{outer}.{name}", kind
            if kind == OPEN:
                depth += 1
            elif kind == STRING:
                scan.string(-1)
            elif kind == LIST:
                for inner in _listed(scan, 0):
                    if depth == 0:
                        yield f"{outer}.{inner}", WORD
            if kind in (STRING, LIST, WORD):
                scan.behind()
    except Fault:
        return


def _listed(scan: Scanner, nested: int) -> Iterator[str]:
    """Go past a list; the names of fields in its messages."""
    scan.pos += 1
    depth = 0
    while nested < _MOST_LISTS and scan.base + scan.pos < _MOST_TEXT:
        byte = scan.skip()
        if depth == 0:
            if byte == 93:
                scan.pos += 1
                return
            if byte == 44:
                scan.pos += 1
                continue
            if byte in (123, 60):
                scan.pos += 1
                depth += 1
            elif byte in (34, 39):
                scan.string(-1)
            else:
                scan.word()
            continue
        kind, raw, _, _ = scan.head()
        if kind == END:
            return
        if kind == CLOSE:
            depth -= 1
            continue
        if depth == 1:
            yield raw.decode("latin-1")
        if kind == OPEN:
            depth += 1
        elif kind == STRING:
            scan.string(-1)
        elif kind == LIST:
            yield from _listed(scan, nested + 1)
