"""The result of ``migrator freeze`` as text."""

from __future__ import annotations

from migrator.migration.freezing.record import FreezeRecord
from migrator.report.escape import shown, size
from migrator.report.table import table
from migrator.report.text import bullets
from migrator.report.text_record import verdict_line
from migrator.verification.result import MISMATCH

_MOST_OPS = 5


def freeze_text(record: FreezeRecord) -> str:
    """What became of a freeze, and how to call what was made."""
    where = shown(record.dest) if record.dest else "nothing was put in place"
    failed = "" if record.passed else "FAILED: "
    steps = [
        shown(step.text) + (f" ({step.count:,})" if step.count > 1 else "") for step in record.steps
    ]
    stay = map(shown, record.functions)
    parts = [
        f"{failed}{shown(record.source.path)} -> {where}, {size(record.dest_bytes)}",
        f"Verdict: {verdict_line(record.verification)}",
        *(_signature(record, key) for key in record.signatures),
        bullets("Functions that could not be inlined", stay),
        _runtimes(record),
        bullets("What was changed", steps),
        bullets("Note", map(shown, record.notes)),
        f"{record.seconds:.1f} s, {size(record.peak_rss_bytes)} in the largest process, "
        f"TensorFlow {record.versions.get('tensorflow', '?')}",
    ]
    if not record.dest and record.verification.verdict == MISMATCH:
        parts.append("--keep-mismatch keeps the result all the same")
    return "\n\n".join(part for part in parts if part) + "\n"


def _signature(record: FreezeRecord, key: str) -> str:
    item = record.signatures[key]
    rows = [
        (side, shown(name), shown(end.tensor), str(end.dtype or "?"), str(end.shape))
        for side, ends in (("in", item.inputs), ("out", item.outputs))
        for name, end in ends.items()
    ]
    heads = ("", "name", "tensor of the graph", "dtype", "shape")
    return f"Signature {shown(key)}\n{table(rows, heads)}"


def _runtimes(record: FreezeRecord) -> str:
    lines = []
    for release, missing in record.missing.items():
        if not missing:
            lines.append(f"TensorFlow {release} knows all of it")
            continue
        listed = [f"{op} ({why})" for op, why in list(missing.items())[:_MOST_OPS]]
        more = len(missing) - len(listed)
        tail = f" and {more} more" if more > 0 else ""
        lines.append(f"TensorFlow {release} lacks: {shown(', '.join(listed), 1000)}{tail}")
    lines.append(f"GraphDef version {record.producer}, readers from {record.min_consumer} on")
    return bullets("Runtimes", lines)
