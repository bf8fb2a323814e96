"""Child tasks: a Keras model as a SavedModel, and a Keras model called as Keras calls it.

Whatever a file asks for beyond layers of Keras itself (code, other files, other modules) is
refused before Keras sees it: see ``migrator.formats.keras``.
"""

from __future__ import annotations

import importlib
import keyword
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator.errors import MigratorError
from migrator.formats.keras.facts import KerasFacts, keras_model_facts
from migrator.runtime.keras_faults import mended_layers
from migrator.runtime.messages import short_message

KERAS2_HINT = "install tf_keras, which is Keras 2: pip install 'migrator[keras2]'"
KERAS3_HDF5_HINT = (
    "which writes models as .h5 that it cannot read again (operations on tensors, masks): "
    "save the model as .keras where it is made"
)
SIGNATURE = "serving_default"


def export_keras(*, path: str, dest: str) -> dict[str, Any]:
    """Load the Keras model in file ``path`` and save it as a SavedModel in folder ``dest``.

    Its signature takes the model's inputs and gives its outputs by name, in inference mode; the
    variables keep their names and stay trainable where they are.

    Returns ``refused``, lines that say why the file is not loaded; or ``unreadable`` and
    ``hint``; or ``used`` (which Keras, with its version), ``inputs`` and ``outputs`` (the
    signature's name -> the model's own), ``why`` (what the other Keras said),
    ``keras_version`` of the file and ``mended`` (see ``mended_layers``).
    """
    try:
        facts = keras_model_facts(path)
    except MigratorError as error:
        return {"refused": [], "unreadable": error.what, "hint": error.hint}
    if facts.dangers:
        lines = [f"{item.layer}: {item.text}" for item in facts.dangers]
        return {"refused": lines}
    import tensorflow as tf

    try:
        loaded = _load(tf, path, facts)
    except _NoKeras as error:
        return {"refused": [], "unreadable": str(error), "hint": error.hint}
    module = tf.__internal__.tracking.AutoTrackable()
    variables = _variables(tf, loaded.model)
    module.variables = variables
    module.trainable_variables = [item for item in variables if item.trainable]
    # Without an owner a layer's table would not be saved.
    module.tables = [
        table
        for layer in loaded.model._flatten_layers()
        if (table := getattr(layer, "lookup_table", None)) is not None
    ]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def serve(**arguments: Any) -> dict[str, Any]:
        results: dict[str, Any] = loaded.call(arguments)
        return results

    specs = {
        item.key: tf.TensorSpec(item.shape, item.dtype, name=item.key) for item in loaded.inputs
    }
    with mended_layers(tf, loaded.keras, loaded.model) as mended:
        concrete = serve.get_concrete_function(**specs)
    tf.saved_model.save(module, dest, signatures={SIGNATURE: concrete})
    return {
        "refused": [],
        "used": loaded.used,
        "inputs": {item.key: item.name for item in loaded.inputs},
        "outputs": dict(loaded.outputs),
        "why": loaded.why,
        "keras_version": facts.keras_version,
        "mended": mended,
    }


def run_keras(
    *, path: str, inputs: dict[str, str], outputs: dict[str, str], cases: str, results: str
) -> dict[str, Any]:
    """Call the model on cases, by Keras itself and without its training parts.

    ``inputs`` and ``outputs`` give the names of ``export_keras`` for those of the cases.
    """
    import tensorflow as tf

    from migrator.runtime.run import _each_case

    facts = keras_model_facts(path)
    if facts.dangers:
        raise ValueError(f"{facts.dangers[0].layer}: {facts.dangers[0].text}")
    tf.random.set_seed(0)
    loaded = _load(tf, path, facts)
    types = {item.key: item.dtype for item in loaded.inputs}

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        tensors = {
            inputs[name]: tf.constant(value, dtype=types[inputs[name]])
            for name, value in arguments.items()
        }
        found = loaded.call(tensors)
        return {name: found[own].numpy() for name, own in outputs.items() if own in found}

    outcome = _each_case(call, cases, results)
    return {**outcome, "ran": f"the Keras model, by {loaded.used}", "why": loaded.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    key: str
    """What the signature calls it."""
    name: str
    """What the model calls it."""
    shape: Any
    dtype: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    model: Any = field(repr=False)
    keras: Any = field(repr=False)
    used: str
    why: str
    inputs: tuple[_Input, ...]
    outputs: Mapping[str, str]
    """The signature's name -> the model's own, in the order of what the model gives."""

    def call(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Tensors by the signature's names in, results by the signature's names out."""
        tensors = [arguments[item.key] for item in self.inputs]
        found = self.model(_as_given(self.model, tensors), training=False)
        return dict(zip(self.outputs, _flat(found), strict=True))


def _load(tf: Any, path: str, facts: KerasFacts) -> _Loaded:
    """The model, by the first Keras that can. Raises _NoKeras with what each one says."""
    # Keras 3 reads Keras 2 files where it can, but Keras 2 is sure to read them as they were.
    names = ("tf_keras", "keras") if facts.major in (0, 1, 2) else ("keras",)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    said: list[str] = []
    for name in names:
        try:
            keras = importlib.import_module(name)
        except ImportError:
            said.append(f"{name} is not installed")
            continue
        used = f"{name} {keras.__version__}"
        try:
            with _named_for_loading(path, facts) as link:
                model = keras.models.load_model(link, compile=False, safe_mode=True)
            inputs = _inputs(tf, model)
            outputs = _outputs(model)
        except Exception as error:
            said.append(f"{used}: {short_message(error)}")
            continue
        return _Loaded(
            model=model, keras=keras, used=used, why="; ".join(said), inputs=inputs, outputs=outputs
        )
    hint = f"the file was written by Keras {facts.keras_version or '(unknown)'}"
    if "tf_keras is not installed" in said:
        hint = f"{hint}; {KERAS2_HINT}"
    if facts.major >= 3 and facts.format == "keras_h5":
        hint = f"{hint}, {KERAS3_HDF5_HINT}"
    raise _NoKeras("; ".join(["no Keras here reads it", *said]), hint)


class _NoKeras(ValueError):
    """Neither Keras could load a file, and what would help."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


class _named_for_loading:
    """The file under a name that ends as Keras asks for; Keras goes by that alone."""

    def __init__(self, path: str, facts: KerasFacts) -> None:
        import tempfile

        self._folder = tempfile.TemporaryDirectory(prefix="migrator-keras-")
        ending = ".h5" if facts.format == "keras_h5" else ".keras"
        self._link = os.path.join(self._folder.name, f"model{ending}")
        os.symlink(os.path.abspath(path), self._link)

    def __enter__(self) -> str:
        return self._link

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _inputs(tf: Any, model: Any) -> tuple[_Input, ...]:
    tensors = getattr(model, "inputs", None)
    if not tensors:
        raise ValueError("the model does not say what it takes: it was never built")
    names = [str(item.name).partition(":")[0] for item in tensors]
    listed = getattr(model, "input_names", None)
    if listed and len(listed) == len(tensors):
        names = [str(name) for name in listed]
    keys = _keys(names)
    found = []
    for key, name, item in zip(keys, names, tensors, strict=True):
        if getattr(item, "sparse", False) or getattr(item, "ragged", False):
            raise ValueError(f"input {name!r} is sparse or ragged, which is not handled")
        found.append(
            _Input(key=key, name=name, shape=tuple(item.shape), dtype=tf.as_dtype(item.dtype))
        )
    return tuple(found)


def _outputs(model: Any) -> dict[str, str]:
    count = len(_flat(model.outputs))
    listed = [str(name) for name in getattr(model, "output_names", None) or ()]
    names = listed if len(listed) == count else [f"output_{number}" for number in range(count)]
    return dict(zip(_keys(names), names, strict=True))


def _flat(value: Any) -> list[Any]:
    import tensorflow as tf

    flat: list[Any] = tf.nest.flatten(value)
    return flat


def _as_given(model: Any, tensors: list[Any]) -> Any:
    """The tensors in the structure that the model was made with."""
    import tensorflow as tf

    for attribute in ("_inputs_struct", "_nested_inputs"):
        structure = getattr(model, attribute, None)
        if isinstance(structure, dict) and len(tf.nest.flatten(structure)) == len(tensors):
            return tf.nest.pack_sequence_as(structure, tensors)
    return tensors if len(tensors) > 1 else tensors[0]


def _keys(names: list[str]) -> list[str]:
    """Names that a signature may have: identifiers that differ in more than case."""
    taken: set[str] = set()
    keys = []
    for name in names:
        key = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_") or "tensor"
        if key[0].isdigit():
            key = f"x{key}"
        if keyword.iskeyword(key) or key in ("self", "args", "kwargs"):
            key = f"{key}_"
        free, number = key, 0
        while free.lower() in taken:
            number += 1
            free = f"{key}_{number}"
        taken.add(free.lower())
        keys.append(free)
    return keys


def _variables(tf: Any, model: Any) -> list[Any]:
    """The model's variables as TensorFlow's own."""
    found = []
    for variable in model.variables:
        value = variable if isinstance(variable, tf.Variable) else variable.value
        if not isinstance(value, tf.Variable):
            raise ValueError(f"variable {variable.name!r} is none of TensorFlow's")
        found.append(value)
    return found
