"""Security: code that is not a graph of known ops."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from migrator.auditing.contents.bodies import Place
from migrator.auditing.facts.programs import PROGRAM_ATTRS, calls_back
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.security.attacks import attack, what_it_is_told
from migrator.auditing.rules.security.keras_metadata import is_mild, saved_model_dangers
from migrator.auditing.subject import Subject
from migrator.formats.keras.dangers import KerasDanger
from migrator.ops.dangerous import PYTHON, dangerous_ops, ops_of


@rule(
    code="S101",
    name="python-function",
    severity=Severity.CRITICAL,
    family="security",
    looks_at=ops_of(PYTHON),
    since="0.1",
)
def python_function(subject: Subject) -> Iterator[Issue]:
    """The graph calls Python functions

    What it detects: PyFunc, PyFuncStateless and EagerPyFunc nodes, in any graph or function body.

    Why it matters: such a node calls a Python function that the running process has registered
    under a number. The function is not in the file, so nobody can tell from the file what it
    does, and a process that has registered others runs those. Without the function the node fails.

    How to fix: Replace the Python function by TensorFlow ops and export the model again. Where
    the function only prepares inputs, cut the graph behind it and prepare them before the call.

    Limits: says nothing about what the function does.
    """
    table = dangerous_ops()
    for place in subject.places(ops_of(PYTHON)):
        op = table[place.node.op]
        told = what_it_is_told(subject, place, op)
        yield attack(subject, place, op, told, severity=Severity.CRITICAL)


_KERAS_SEVERITY = {
    "code": Severity.CRITICAL,
    "lambda": Severity.CRITICAL,
    "link": Severity.HIGH,
    "file": Severity.HIGH,
    "module": Severity.HIGH,
    "function": Severity.HIGH,
    "op": Severity.HIGH,
    "class": Severity.MEDIUM,
}


@rule(
    code="S102",
    name="keras-code",
    severity=Severity.CRITICAL,
    family="security",
    looks_at=("Lambda and other layers of a .h5 or .keras file that hold or name code",),
    since="0.1",
)
def keras_code(subject: Subject) -> Iterator[Issue]:
    """Loading the Keras file runs code, imports modules or opens other files

    What it detects: Lambda layers and other objects of a .h5 or .keras file that hold Python
    code, pickles, names of modules, functions or files, and HDF5 links to other files. So does
    what the model was compiled with: `load_model` loads it unless told `compile=False`.

    Why it matters: Keras restores such layers by running what the file holds, with all rights of
    the process that loads it. `safe_mode` of Keras 3 stops some of it; the .h5 format knows none.

    How to fix: Build the model from source that you trust and load only the weights into it.

    Limits: names inside of stored code are read, the code is not analysed; custom classes are
    reported by name only.
    """
    if subject.keras is None:
        return
    for danger in subject.keras.training_dangers:
        yield Issue(
            message=f"{danger.layer!r} {danger.text}{_names(danger)}, in what the model was "
            "compiled with",
            severity=_training_severity(danger),
            detail=_facts(danger),
            key=f"training {danger.layer} {danger.kind} {danger.argument}",
        )
    for danger in subject.keras.dangers:
        yield Issue(
            message=f"{danger.layer!r} {danger.text}{_names(danger)}",
            severity=_KERAS_SEVERITY.get(danger.kind, Severity.HIGH),
            detail=_facts(danger),
            key=f"{danger.layer} {danger.kind} {danger.argument}",
        )


@rule(
    code="S103",
    name="saved-model-lambda",
    severity=Severity.MEDIUM,
    family="security",
    looks_at=("keras_metadata.pb", "the metadata of Keras objects in saved_model.pb"),
    since="0.1",
)
def saved_model_lambda(subject: Subject) -> Iterator[Issue]:
    """Keras metadata of a SavedModel holds Python code

    What it detects: Lambda layers and pickled code in `keras_metadata.pb`, or in the object graph
    of SavedModels from TensorFlow 2.0 to 2.4. The names in the code are read; where they reach
    outside of computing (`os`, `exec`, `open`, ...), or cannot be read, the finding is high. So
    are layers that call functions or ops which read or write, and vocabularies among the system's
    or hidden files.

    Why it matters: Keras 2's `load_model` unmarshals and may run that code. TensorFlow's own
    loaders and serving run the traced graph and never look at it, which is why a Lambda layer
    without telling names is less grave here than in a .h5 file.

    How to fix: Delete keras_metadata.pb, or load the model with `tf.saved_model.load` only.

    Limits: Python code can hide what it does from a list of names.
    """
    for danger in saved_model_dangers(subject):
        telling = not is_mild(danger)
        yield Issue(
            message=f"{danger.layer!r} {danger.text}{_names(danger)}; Keras 2 runs it, "
            "TensorFlow's own loader does not",
            severity=Severity.HIGH if telling else Severity.MEDIUM,
            detail=_facts(danger),
            key=f"{danger.layer} {danger.kind} {danger.argument}",
        )


def _training_severity(danger: KerasDanger) -> Severity:
    """A loss from a module of the maker's own is usual, one of Python's own modules is not."""
    if danger.kind == "module":
        is_own = danger.argument.partition(".")[0] not in sys.stdlib_module_names
        return Severity.MEDIUM if is_own else Severity.HIGH
    return _KERAS_SEVERITY.get(danger.kind, Severity.HIGH)


def _names(danger: KerasDanger) -> str:
    if danger.kind == "code" and danger.argument:
        return f"; it names {danger.argument}"
    if danger.kind not in ("file", "link") or danger.argument in ("", *danger.text.split("'")):
        return ""
    return f": {danger.argument!r}"


def _facts(danger: KerasDanger) -> dict[str, str]:
    found = {"layer": danger.layer, "kind": danger.kind}
    return {**found, "argument": danger.argument} if danger.argument else found


@rule(
    code="S104",
    name="opaque-program",
    severity=Severity.LOW,
    family="security",
    looks_at=tuple(PROGRAM_ATTRS),
    since="0.1",
)
def opaque_program(subject: Subject) -> Iterator[Issue]:
    """A node holds a compiled program or calls compiled code by name

    What it detects: XlaCallModule, XlaCustomCall and the like, whose attribute holds a program in
    another format, or the name of compiled code to call. One whose program calls back into Python
    is high: such a call goes to an address in memory that the file names.

    Why it matters: a list of ops says nothing of what such a program does. Exporters that come
    from JAX write XlaCallModule as a matter of course, and it computes as other ops do.

    How to fix: Ask the model's maker what the program is, or run it apart from other data.

    Limits: programs are searched for the names of host callbacks, not analysed.
    """
    opaque: dict[str, list[Place]] = {}
    for place in subject.places(PROGRAM_ATTRS):
        names = calls_back(place.node)
        if not names:
            opaque.setdefault(place.node.op, []).append(place)
        else:
            yield Issue(
                message=f"{place.node.op} holds a program that calls back into the process: "
                + ", ".join(names),
                place=place,
                attr=PROGRAM_ATTRS[place.node.op],
                severity=Severity.HIGH,
                detail={"argument": ", ".join(names)},
            )
    for op, rest in opaque.items():
        yield Issue(
            message=f"{len(rest)} {op} node(s) hold programs that cannot be looked into",
            place=rest[0],
            attr=PROGRAM_ATTRS[op],
            detail={"count": len(rest), "nodes": [item.node.name for item in rest[:10]]},
            key=op,
        )
