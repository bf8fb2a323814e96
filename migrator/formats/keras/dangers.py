"""What in a Keras configuration would run code, read files or import modules on loading."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.formats.keras.code import telling_names
from migrator.model.brief import brief
from migrator.model.keras import LoadingRisk
from migrator.ops.registry import op_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasDanger:
    """A reason not to load the file, and the layer (or the place in the file) that it lies in."""

    layer: str
    text: str
    kind: str = ""
    """``code``, ``lambda`` (code without a telling name in it), ``class``, ``module``,
    ``function``, ``file``, ``op`` or ``link``."""
    argument: str = ""
    """What it names: a file, a module, a class, an op, the telling names in its code."""

    __repr__ = brief


_MOST_TOLD = 20
_LONGEST_WORD = 32
"""Code is longer; ``__tuple__`` and the like are not."""
_LOADERS = frozenset(("load_model", "model_from_json", "get_file", "load_weights", "save_model"))
_REFUSED = {
    "Lambda": "is a Lambda layer: it runs Python code that is stored in the file",
    "__lambda__": "holds Python code that is stored in the file",
    "__typespec__": "names a Python class to import",
    "TFSMLayer": "loads another SavedModel by its path",
    "JaxLayer": "holds pickled Python code",
    "FlaxLayer": "holds pickled Python code",
    "TorchModuleWrapper": "holds a pickled PyTorch module",
    "ClassMethod": "calls a method that the file names",
    "InstanceMethod": "calls a method that the file names",
    "InstanceProperty": "reads a property that the file names",
}
_KINDS = {
    "__typespec__": "module",
    "ClassMethod": "function",
    "InstanceMethod": "function",
    "InstanceProperty": "function",
}
"""Kinds of those that hold no code themselves."""
_ROOTS = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_PARTS = frozenset(
    (
        "activations",
        "constraints",
        "dtype_policies",
        "engine",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "ops",
        "optimizers",
        "quantizers",
        "random",
        "regularizers",
    )
)
"""The parts of Keras whose objects compute, and do nothing else."""
_FUNCTION_LAYERS = frozenset(("TFOpLambda", "SlicingOpLambda"))
_FUNCTION_SPACES = frozenset(
    "__operators__ bitwise dtypes image linalg math nn quantization random signal strings".split()
)
_FUNCTIONS = frozenset(
    (
        "abs add argmax argmin argsort batch_to_space boolean_mask broadcast_to cast clip_by_value "
        "clip_by_norm concat constant convert_to_tensor cumsum divide einsum ensure_shape equal "
        "exp expand_dims eye fill floor gather gather_nd greater greater_equal identity less "
        "less_equal linspace logical_and logical_not logical_or matmul maximum minimum multiply "
        "negative norm not_equal one_hot ones ones_like pad pow range rank realdiv reduce_all "
        "reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum "
        "repeat reshape reverse reverse_sequence roll round scatter_nd searchsorted sequence_mask "
        "shape sigmoid sign sin size slice sort space_to_batch split sqrt square squeeze stack "
        "stop_gradient strided_slice subtract tan tanh tensor_scatter_nd_update tensordot tile "
        "transpose truediv unstack where zeros zeros_like cos"
    ).split()
)
_NODE_OP = re.compile(r"\bop: ?\"([^\"]*)\"|\"op\": ?\"([^\"]*)\"")
_FILE_WORDS = ("File", "Python", "PyFunc", "Summary", "Save", "Restore", "Dataset", "Lmdb")


def find_dangers(config: Mapping[str, Any]) -> tuple[KerasDanger, ...]:
    """Everything in a model's configuration that must not be loaded from a stranger.

    What only training uses (``compile_config`` of the model itself) is left out: migrating does
    not load it. Linear; knows no depth.
    """
    return _found_in({key: value for key, value in config.items() if key != "compile_config"})


def find_training_dangers(config: Mapping[str, Any]) -> tuple[KerasDanger, ...]:
    """The same of what only training uses, which ``load_model`` loads unless told otherwise.

    A loss or a metric of its maker's own, looked up by its name, is none.
    """
    return tuple(
        item
        for item in _found_in(config)
        if item.kind != "class" and (item.kind, item.argument) != ("module", "builtins")
    )


def loading_risks(
    config: Mapping[str, Any] | None, training: Any = None
) -> tuple[LoadingRisk, ...]:
    """Both of the above in few words; ``training`` is what the model was compiled with."""
    found = [*find_dangers(config or {})]
    if isinstance(training, dict):
        found += find_training_dangers(training)
    return tuple(
        LoadingRisk(layer=item.layer, kind=item.kind, argument=item.argument) for item in found
    )


def _found_in(config: Mapping[str, Any]) -> tuple[KerasDanger, ...]:
    found: dict[KerasDanger, None] = {}
    told: Counter[str] = Counter()
    stack: list[tuple[Any, str]] = [(config, "the model")]
    while stack:
        value, layer = stack.pop()
        if isinstance(value, dict):
            layer = _name(value) or layer
            for kind, argument, text in _dangers(value):
                danger = KerasDanger(layer=layer, text=text, kind=kind, argument=argument)
                # Of each kind: many that are harmless must not hide one that is not.
                if told[kind] < _MOST_TOLD and danger not in found:
                    told[kind] += 1
                    found[danger] = None
            if (
                _last(str(value.get("class_name"))) not in _REFUSED
            ):  # what lies in there adds nothing
                stack.extend((item, layer) for item in value.values())
        elif isinstance(value, list):
            stack.extend((item, layer) for item in value)
    return tuple(found)


def _name(value: Mapping[str, Any]) -> str:
    """The name of a layer where ``value`` is one."""
    config = value.get("config")
    if "class_name" not in value or not isinstance(config, dict):
        return ""
    name = value.get("name") or config.get("name")
    return name if isinstance(name, str) else ""


def _dangers(value: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(kind, argument, text) of everything in one object of the configuration."""
    class_name, module = value.get("class_name"), value.get("module")
    registered = value.get("registered_name")
    config = value.get("config")
    if isinstance(class_name, str):
        last = _last(class_name)  # Keras puts module and name together, dots and all
        if last in _REFUSED:
            yield (*_refused(last, config), _REFUSED[last])
            return
        if ">" in class_name:
            yield "class", class_name, f"is of a class of its maker's own, {class_name!r}"
        if isinstance(config, dict):
            yield from _config_dangers(class_name, config)
    if isinstance(registered, str) and ">" in registered:
        yield "class", registered, f"is of a class of its maker's own, {registered!r}"
    if isinstance(module, str):
        name = config if class_name == "function" else class_name
        above = str(name).rpartition(".")[0]
        inside = f"{module}.{above}" if above else module
        if not _is_keras(inside):
            yield "module", inside, f"names the Python module {inside!r}"
        elif _last(str(name)) in _LOADERS:
            yield "function", str(name), f"calls Keras' {name!r}"
    if str(value.get("function_type")) in ("lambda", "function"):
        yield "function", "", "names a Python function"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _refused(class_name: str, config: Any) -> tuple[str, str]:
    """(kind, argument) of an object whose class is refused."""
    config = config if isinstance(config, dict) else {}
    if class_name in ("Lambda", "__lambda__"):
        function = config.get("function", config) if class_name == "Lambda" else config
        if isinstance(function, str) and config.get("function_type") == "function":
            return "function", function
        # The shape of its output can be code as well.
        texts = [function, *(item for item in (config.get("output_shape"),) if _holds_code(item))]
        listed = [telling_names(item) for item in texts]
        if None in listed:
            return "code", ""
        names = sorted({name for item in listed for name in item or ()})
        return ("code", ", ".join(names)) if names else ("lambda", "")
    if class_name == "TFSMLayer":
        return "file", str(config.get("filepath", ""))
    return _KINDS.get(class_name, "code"), class_name


def _holds_code(value: Any) -> bool:
    """False for a shape of numbers."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and len(item) > _LONGEST_WORD:
            return True
        if isinstance(item, (dict, list)):
            stack.extend(item.values() if isinstance(item, dict) else item)
    return False


def _is_keras(module: str) -> bool:
    for root in _ROOTS:
        if module == root:
            return True
        if module.startswith(f"{root}."):
            parts = module[len(root) + 1 :].split(".")
            parts = parts[1:] if parts[0] in ("src", "api") else parts
            return bool(parts) and parts[0] in _PARTS
    return False


def _config_dangers(class_name: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in ("vocabulary", "idf_weights"):  # of StringLookup, TextVectorization and the like
        if isinstance(config.get(key), str):
            yield "file", config[key], f"reads the file {config[key]!r}"
    if class_name in _FUNCTION_LAYERS and not _is_safe_function(config.get("function")):
        name = config.get("function")
        yield "function", str(name), f"calls TensorFlow's {name!r}"
    if class_name == "TensorFlowOpLayer":
        for op in _node_ops(config.get("node_def")):
            facts = op_facts(op)
            if facts is None or facts.stateful or any(word in op for word in _FILE_WORDS):
                yield "op", op, f"runs the op {op!r}"


def _is_safe_function(name: Any) -> bool:
    if not isinstance(name, str):
        return False
    parts = name.removeprefix("compat.v1.").split(".")
    return parts[0] in (_FUNCTION_SPACES if len(parts) > 1 else _FUNCTIONS)


def _node_ops(node_def: Any) -> list[str]:
    if isinstance(node_def, dict):
        op = node_def.get("op")
        return [op] if isinstance(op, str) else ["?"]
    found = [first or second for first, second in _NODE_OP.findall(str(node_def))]
    return found or ["?"]
