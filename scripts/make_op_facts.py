"""Take the facts about ops out of TensorFlow's registries into ``migrator/ops/ops.json``.

Two steps, since no process can hold two TensorFlows::

    python scripts/make_op_facts.py dump OPS.json          # once in each release's environment
    python scripts/make_op_facts.py merge NEWEST.json OLDER.json ...

``dump`` also runs on the Python 3.7 of TensorFlow 1.15; so no newer syntax here. ``merge`` gives
each op its newest definition and notes the first release, from the last, that lacks it.
"""

import json
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "migrator" / "ops" / "ops.json"


def _argument(arg, type_name):
    if arg.type_list_attr:
        kind = "$" + arg.type_list_attr + "[]"
    elif arg.type_attr:
        kind = "$" + arg.type_attr
    else:
        kind = type_name(arg.type)
    if arg.number_attr:
        kind += "*" + arg.number_attr
    return arg.name + ":" + kind + ("&" if arg.is_ref else "")


def _default(attr):
    """Default of a type or an int attribute; the others say nothing about dtypes or counts."""
    if not attr.HasField("default_value"):
        return None
    value = attr.default_value
    if attr.type == "type":
        return value.type
    if attr.type == "int":
        return value.i
    return None


def dump(path):
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2

    try:
        from tensorflow.python.framework import kernels
    except ImportError:
        kernels = None

    def type_name(number):
        return types_pb2.DataType.Name(number)[3:].lower()

    facts = {}
    for op in _registered():
        row = {
            "i": [_argument(arg, type_name) for arg in op.input_arg],
            "o": [_argument(arg, type_name) for arg in op.output_arg],
        }
        defaults = {attr.name: _default(attr) for attr in op.attr if _default(attr) is not None}
        if defaults:
            row["a"] = defaults
        if op.is_stateful:
            row["s"] = 1
        if op.deprecation.version:
            row["d"] = [op.deprecation.version, op.deprecation.explanation]
        if kernels is not None:
            found = kernels.get_registered_kernels_for_op(op.name).kernel
            if not {kernel.device_type for kernel in found} & {"CPU", "DEFAULT"}:
                row["k"] = 0  # no kernel that runs on a CPU
        facts[op.name] = row
    release = {"tensorflow": tf.__version__, "ops": facts}
    Path(path).write_text(json.dumps(release, sort_keys=True))
    print(path, len(facts), "ops of TensorFlow", tf.__version__)


def _registered():
    """The OpDef of every op, whichever module the release keeps its session in."""
    from tensorflow.core.framework import op_def_pb2

    try:
        from tensorflow.python.client import pywrap_tf_session as session

        listed = session.TF_GetBuffer(session.TF_GetAllOpList())
    except (ImportError, AttributeError):
        from tensorflow.python import pywrap_tensorflow as session

        listed = session.TF_GetBuffer(session.TF_GetAllOpList())
    return op_def_pb2.OpList.FromString(listed).op


def merge(paths):
    releases = [json.loads(Path(path).read_text()) for path in paths]
    merged = {}
    for position, release in enumerate(releases):
        for name, row in release["ops"].items():
            if name not in merged:
                merged[name] = dict(row, **({"x": release["tensorflow"]} if position else {}))
    # One op a line, so that a change of release reads in a diff.
    rows = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(row, sort_keys=True, separators=(',', ':'))}"
        for name, row in sorted(merged.items())
    )
    versions = json.dumps([release["tensorflow"] for release in releases])
    TARGET.write_text(f'{{"tensorflow": {versions},\n"ops": {{\n{rows}\n}}}}\n')
    print(TARGET.name, len(merged), "ops", TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "dump":
        dump(sys.argv[2])
    elif len(sys.argv) >= 3 and sys.argv[1] == "merge":
        merge(sys.argv[2:])
    else:
        sys.exit(__doc__)
