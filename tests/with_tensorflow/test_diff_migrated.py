"""A frozen graph against its migrated SavedModel: the same computation, and nothing unexplained."""

from __future__ import annotations

from pathlib import Path

import pytest

import migrator
from tests.with_tensorflow.conftest import load_fixture


@pytest.mark.parametrize("weights", ("constants", "variables"))
@pytest.mark.parametrize("name", ("tf1.15.5/mlp", "tf1.15.5/conv_bn", "tf1.15.5/cond"))
def test_migrated_model_computes_the_same_and_its_record_says_the_rest(
    name: str, weights: str, tmp_path: Path
) -> None:
    source = load_fixture(name).model
    migrator.migrate(source, tmp_path / "saved", choice=migrator.Choice(weights=weights))
    for pair in ((source, tmp_path / "saved"), (tmp_path / "saved", source)):
        found = migrator.diff(*pair, weights=True)
        assert found.same_computation, found.headline
        assert found.counts["weights_different"] == found.counts["weights_unknown"] == 0
        assert "but what its migration record says" in "\n".join(found.headline)
