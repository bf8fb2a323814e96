"""The Python blocks of a guide, run one after the other as a reader would.

A line ``# -> TEXT`` behind a statement (or under it, one for each line) is what the statement
shows: what it prints, and what a prompt would show of its value. A block without any such line,
and without an assertion, shows nothing that could be wrong, and fails.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.corpus import ROOT

_BLOCK = re.compile(
    r"(?:^<!-- needs (?P<needs>[^\n]*) -->\n)?^```python\n(?P<code>.*?)^```$", re.S | re.M
)
_SHOWN = re.compile(r"#\s->(?: (.*))?$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """``line`` is where it starts in its file; ``needs`` what the comment above it asks for."""

    code: str
    line: int
    needs: str = ""


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text("utf-8")
    assert text.count("```python") == len(_BLOCK.findall(text)), "a block that is not read"
    return [
        Block(
            code=found["code"],
            line=text.count("\n", 0, found.start("code")) + 1,
            needs=found["needs"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def run_block(block: Block, path: Path, names: dict[str, Any]) -> None:
    """Run it within ``names``. Raises AssertionError where something else is shown."""
    lines = block.code.splitlines()
    body = ast.parse(block.code).body
    checks = 0
    for number, statement in enumerate(body):
        last = body[number + 1].lineno - 1 if number + 1 < len(body) else len(lines)
        expected = _expected(lines, statement, last)
        found = _shown(statement, f"{path.name}:{block.line}", names)
        where = f"{path.name}:{block.line + statement.lineno - 1}: {lines[statement.lineno - 1]}"
        if expected:
            assert found == expected, where
        checks += bool(expected) + isinstance(statement, ast.Assert)
    assert checks, f"{path.name}:{block.line}: nothing is checked"


def _expected(lines: list[str], statement: ast.stmt, last: int) -> list[str]:
    """What stands behind the end of a statement, and in the comments under it."""
    assert statement.end_lineno is not None
    behind = lines[statement.end_lineno - 1].encode()[statement.end_col_offset :].decode()
    comments = [behind, *lines[statement.end_lineno : last]]
    return [match[1] or "" for text in comments if (match := _SHOWN.search(text))]


def _shown(statement: ast.stmt, where: str, names: dict[str, Any]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), where, "eval"), names)
            if value is not None:
                print(repr(value))
        else:
            exec(compile(ast.Module([statement], []), where, "exec"), names)
    return out.getvalue().splitlines()


def prepare(folder: Path) -> None:
    """Make ``folder`` one in which the guides' paths lead to the fixtures."""
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
