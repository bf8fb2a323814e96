"""Take the defaults of all ops' attributes into ``migrator/ops/defaults.json``.

Two steps, as in ``make_op_facts.py``, whose reading of the registries this uses::

    python scripts/make_op_defaults.py dump DEFAULTS.json      # in each release's environment
    python scripts/make_op_defaults.py merge NEWER.json OLDER.json ...

Types and integers are among the facts already. In the result an attribute's ops stand behind the
default that they give it: ``{"attribute": [[default, "Op Op ..."], ...]}``.
"""

import json
import sys
from pathlib import Path

from make_op_facts import _registered

TARGET = Path(__file__).resolve().parent.parent / "migrator" / "ops" / "defaults.json"
_PLAIN = {"s": lambda text: text.decode("latin-1"), "f": float, "b": bool}


def dump(path):
    found = {}
    for op in _registered():
        for attr in op.attr:
            if not attr.HasField("default_value"):
                continue
            kind = attr.default_value.WhichOneof("value")
            if kind in ("s", "f", "b"):
                value = _PLAIN[kind](getattr(attr.default_value, kind))
            elif kind == "list" and attr.type in ("list(int)", "list(shape)", "list(type)"):
                value = list(attr.default_value.list.i)
                if not value and attr.default_value.list.ByteSize():
                    continue
            elif kind == "shape":
                shape = attr.default_value.shape
                value = {"shape": None if shape.unknown_rank else [d.size for d in shape.dim]}
            else:
                continue
            found.setdefault(attr.name, []).append([op.name, value])
    Path(path).write_text(json.dumps(found))


def merge(paths):
    merged = {}
    for path in paths:
        for name, rows in json.loads(Path(path).read_text()).items():
            for op, value in rows:
                merged.setdefault(name, {}).setdefault(op, value)
    lines = []
    for name, ops in sorted(merged.items()):
        by_value = {}
        for op, value in sorted(ops.items()):
            by_value.setdefault(json.dumps(value), []).append(op)
        rows = ", ".join(
            f"[{value}, {json.dumps(' '.join(names))}]" for value, names in by_value.items()
        )
        lines.append(f"{json.dumps(name)}: [{rows}]")
    TARGET.write_text("{" + ",\n".join(lines) + "}\n")
    print(TARGET.name, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "dump":
        dump(sys.argv[2])
    elif len(sys.argv) >= 3 and sys.argv[1] == "merge":
        merge(sys.argv[2:])
    else:
        sys.exit(__doc__)
