"""The Python of the guides does what it says, and shows what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

import migrator
from tests.corpus import ROOT
from tests.docs_blocks import Block, blocks_of, prepare, run_block

DOCS = ROOT / "docs"
RUN = ("api.md", "export.md", "graph.md")
TENSORFLOW = "TensorFlow"
ELSEWHERE = {
    "architecture.md": "a signature, not a program",
    "audit.md": "on a folder of the reader's",
    "batch.md": "on a cluster",
    "checkpoints.md": "on the reader's checkpoint; tests/formats has the same calls",
    "inspect.md": "on the reader's model; api.md has the same calls",
    "keras.md": "shows no values; tests/formats has the same calls",
    "manifest.md": "on the reader's manifest; tests/batch has the same calls",
    "migration.md": "trains; tests/with_tensorflow has the same",
    "places.md": "on the reader's archive; tests/places has the same calls",
    "readiness.md": "on the reader's model; tests/migration has the same calls",
    "savedmodel.md": "on the reader's model; tests/inspection has the same calls",
    "shapes.md": "shows no values; tests/shapes has the same calls",
    "text-formats.md": "on the reader's file; tests/formats has the same calls",
    "tflite-files.md": "shows no values; tests/formats has the same calls",
    "tflite.md": "needs LiteRT",
    "verification.md": "a line that makes a file",
    "view.md": "on the reader's models; tests/report has the same calls",
}
"""Guides whose blocks are not programs that run here, and why."""


@pytest.mark.parametrize("name", RUN)
def test_blocks_show_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__docs__"}
    blocks = blocks_of(DOCS / name)
    assert blocks
    for block in blocks:
        if not block.needs:
            run_block(block, DOCS / name, names)


def test_every_guide_with_python_is_run_or_says_why_not() -> None:
    found = {path.name for path in DOCS.glob("*.md") if "```python" in path.read_text("utf-8")}
    assert found - {*ELSEWHERE} == {*RUN}
    needs = {block.needs for name in RUN for block in blocks_of(DOCS / name)}
    assert needs <= {"", TENSORFLOW}


def test_api_names_everything_public() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    for name in migrator.__all__:
        assert name == "__version__" or f"`{name}" in text, name


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 + 1\n", "nothing is checked"),
        ("1 + 1  # -> 3\n", "1 \\+ 1"),
        ("print(1)\nprint(2)\n# -> 1\n", r"print\(2\)"),
        ("for i in (1, 2):\n    print(i)\n# -> 1\n", "for i"),
        ("x = 1  # -> 1\n", "x = 1"),
        ("assert 1 == 2, 'one'\n", "one"),
    ],
)
def test_a_block_that_is_wrong_fails(code: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        run_block(Block(code=code, line=1), Path("doc.md"), {})


def test_a_block_that_is_right_passes() -> None:
    code = 'x = [1]\nx  # -> [1]\nfor i in x:\n    print("é", i)\n# -> é 1\nprint()\n# ->\n'
    run_block(Block(code=code, line=1), Path("doc.md"), {})
