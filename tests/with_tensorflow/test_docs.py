"""Blocks of the guides that need TensorFlow, after those that they build on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_examples import DOCS, RUN, TENSORFLOW
from tests.docs_blocks import blocks_of, prepare, run_block

WITH = [name for name in RUN if any(block.needs == TENSORFLOW for block in blocks_of(DOCS / name))]


@pytest.mark.parametrize("name", WITH)
def test_blocks_with_tensorflow_show_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__docs__"}
    for block in blocks_of(DOCS / name):
        if block.needs == TENSORFLOW or not block.needs:
            run_block(block, DOCS / name, names)
