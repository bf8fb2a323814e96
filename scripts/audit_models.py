#!/usr/bin/env python3
"""Audit a folder of models and leave a page and a JSON file: a program on the public calls.

    python scripts/audit_models.py MODELS DEST      DEST/audit.html and DEST/audit.json

Exit code 1 where a finding is high or critical, 2 where nothing could be audited.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import migrator
from migrator.report.html_audit import audit_html
from migrator.report.json_audit import audit_result
from migrator.report.json_v1 import dumps


def main() -> int:
    parser = argparse.ArgumentParser(description="Audit a folder of models.")
    parser.add_argument("models", type=Path, help="a tree of models")
    parser.add_argument("dest", type=Path, help="folder for audit.html and audit.json")
    parser.add_argument("--deep", action="store_true", help="read the weights too")
    args = parser.parse_args()
    try:
        settings = migrator.AuditSettings(deep=args.deep)
        found = migrator.audit(args.models, settings=settings, on_progress=tell)
    except migrator.MigratorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    result = audit_result(found)
    args.dest.mkdir(parents=True, exist_ok=True)
    (args.dest / "audit.json").write_text(dumps(result), encoding="utf-8")
    (args.dest / "audit.html").write_text(audit_html(result), encoding="utf-8")
    summary = result["summary"]
    print(f"{len(found.models)} models, {len(found.skipped)} skipped; findings:", summary)
    if not found.models:
        return 2
    return 1 if summary["critical"] or summary["high"] else 0


def tell(count: int, source: str) -> None:
    if count % 100 == 0:
        print(f"{count} models, now at {source!r}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
