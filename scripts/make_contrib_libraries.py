"""Take which part of tf.contrib an op came from into ``migrator/ops/contrib.json``.

Run by TensorFlow 1.15, the last release with tf.contrib (so on Python 3.7, no newer syntax)::

    python scripts/make_contrib_libraries.py

An op belongs to the folder of tf.contrib whose shared library registers it, or, where the library
is linked into TensorFlow, whose generated wrapper calls it.
"""

import json
import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "migrator" / "ops" / "contrib.json"
_CALL = re.compile(r"_apply_op_helper\(\s*\"(\w+)\"")


def main():
    import tensorflow as tf

    root = Path(tf.__file__).resolve().parent
    contrib = root / "contrib"
    if not contrib.is_dir():
        contrib = root.parent / "tensorflow_core" / "contrib"
    found = {}
    for wrapper in sorted(contrib.rglob("gen_*.py")):
        for op in _CALL.findall(wrapper.read_text()):
            found.setdefault(op, _part(wrapper, contrib))
    for library in sorted(contrib.rglob("*.so")):
        if library.name.startswith("lib"):
            continue  # holds messages, no ops
        for op in tf.load_op_library(str(library)).OP_LIST.op:
            found.setdefault(op.name, _part(library, contrib))
    rows = ",\n".join(f"{json.dumps(op)}: {json.dumps(part)}" for op, part in sorted(found.items()))
    TARGET.write_text(f'{{"tensorflow": {json.dumps(tf.__version__)},\n"ops": {{\n{rows}\n}}}}\n')
    print(TARGET.name, len(found), "ops of", len(set(found.values())), "parts")


def _part(path, contrib):
    return "tf.contrib." + path.relative_to(contrib).parts[0]


if __name__ == "__main__":
    sys.exit(main())
