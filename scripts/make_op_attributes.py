"""Take the attributes of each op in older TensorFlow releases into ``migrator/ops/older.json``.

Two steps, as in ``make_op_facts.py``, whose reading of the registries this uses::

    python scripts/make_op_attributes.py dump ATTRIBUTES.json      # in each release's environment
    python scripts/make_op_attributes.py merge NEWER.json OLDER.json ...
"""

import json
import sys
from pathlib import Path

from make_op_facts import _registered

TARGET = Path(__file__).resolve().parent.parent / "migrator" / "ops" / "older.json"


def dump(path):
    import tensorflow as tf

    ops = {op.name: sorted(attr.name for attr in op.attr) for op in _registered()}
    Path(path).write_text(json.dumps({"tensorflow": tf.__version__, "ops": ops}))
    print(path, len(ops), "ops of TensorFlow", tf.__version__)


def merge(paths):
    releases = [json.loads(Path(path).read_text()) for path in paths]
    lines = []
    for release in releases:
        rows = ",\n".join(
            f"{json.dumps(name)}:{json.dumps(' '.join(attrs))}"
            for name, attrs in sorted(release["ops"].items())
        )
        lines.append(f"{json.dumps(release['tensorflow'])}: {{\n{rows}\n}}")
    TARGET.write_text("{" + ",\n".join(lines) + "}\n")
    print(TARGET.name, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "dump":
        dump(sys.argv[2])
    elif len(sys.argv) >= 3 and sys.argv[1] == "merge":
        merge(sys.argv[2:])
    else:
        sys.exit(__doc__)
