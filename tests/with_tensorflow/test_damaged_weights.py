"""Weights whose bytes are not those that were written never get into a result."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import migrator
from migrator.errors import FormatError
from migrator.formats.checkpoint import open_checkpoint
from migrator.migration.record import MIGRATED
from tests.corpus import sample

NAME = "tf1.15.5/mg_train"


def spoilt(folder: Path, *, taken: bool) -> Path:
    """A copy of a trained model, one bit of a weight turned that is taken (or is not)."""
    item = sample(NAME)
    shutil.copytree(item.path.parent, folder / "copy")
    model = folder / "copy" / item.path.name
    checkpoint = open_checkpoint(model.with_suffix(""))
    ending = "kernel" if taken else "kernel/Adam"
    key = next(key for key in checkpoint.tensors if key.endswith(ending))
    place = checkpoint.tensors[key].place()
    assert place is not None
    with open(place.path, "r+b") as file:
        file.seek(place.offset)
        byte = file.read(1)
        file.seek(place.offset)
        file.write(bytes([byte[0] ^ 1]))
    return model


@pytest.mark.parametrize("verify", (True, False))
def test_a_weight_with_another_checksum_is_an_error(tmp_path: Path, verify: bool) -> None:
    model = spoilt(tmp_path, taken=True)
    item = sample(NAME)
    with pytest.raises(FormatError, match="checksum"):
        migrator.migrate(
            model,
            tmp_path / "made",
            inputs=[*item.inputs.values()],
            outputs=[*item.outputs.values()],
            feeds=["is_training=false", "keep_prob=1"],
            verify=verify,
        )
    assert not (tmp_path / "made").exists()


def test_what_no_output_needs_may_be_damaged(tmp_path: Path) -> None:
    model = spoilt(tmp_path, taken=False)
    item = sample(NAME)
    record = migrator.migrate(
        model,
        tmp_path / "made",
        inputs=[*item.inputs.values()],
        outputs=[*item.outputs.values()],
        feeds=["is_training=false", "keep_prob=1"],
        verify=False,
    )
    assert record.outcome == MIGRATED
