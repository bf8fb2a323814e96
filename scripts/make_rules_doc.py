"""Write docs/rules.md from the rules' docstrings; a test holds the two against each other.

python scripts/make_rules_doc.py [-o FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from migrator.auditing.registry import all_rules
from migrator.report.explain import rules_markdown

TARGET = Path(__file__).resolve().parent.parent / "docs" / "rules.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    target = parser.parse_args().output
    target.write_text(rules_markdown(all_rules()), encoding="utf-8")
    print(f"{target}: {len(all_rules())} rules")


if __name__ == "__main__":
    main()
