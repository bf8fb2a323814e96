"""Every fixture cut off at every byte: a model or one clear error, never anything else."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.corpus import DTYPE_SETS, FUZZED, Sample
from tests.fuzz.survive import outcome_of_bytes, outcome_of_file

SMALL = 20_000
"""Up to this many bytes every length is tried, above it ``STEPS`` of them, ends and starts too."""
STEPS = 2000
FILES = [*(pytest.param(item.file, id=item.name) for item in FUZZED)]
FILES += [pytest.param(path, id=path.stem) for path in DTYPE_SETS]


def lengths(size: int) -> list[int]:
    """Falling, so that one file can be cut shorter and shorter."""
    if size <= SMALL:
        return list(range(size - 1, -1, -1))
    step = size // STEPS | 1
    some = {*range(0, size, step), *range(400), *range(size - 400, size)}
    return sorted(some, reverse=True)


@pytest.mark.parametrize("file", FILES)
def test_every_truncation_is_a_model_or_a_clear_error(file: Path) -> None:
    data = file.read_bytes()
    outcomes = Counter(outcome_of_bytes(data[:length]) for length in lengths(len(data)))
    # What is cut between two fields of the top level cannot be told from a smaller model.
    assert outcomes["FormatError"] > 0.9 * outcomes.total()


@pytest.mark.parametrize("sample", FUZZED, ids=str)
def test_truncated_files_load_or_fail_clearly(sample: Sample, tmp_path: Path) -> None:
    """The same through ``load``, at fewer places."""
    path = tmp_path / "model.pb"
    path.write_bytes(sample.file.read_bytes())
    size = path.stat().st_size
    for length in range(size - 1, -1, -(size // 60 | 1)):
        os.truncate(path, length)
        outcome_of_file(path)


@pytest.mark.parametrize("sample", FUZZED[::3], ids=str)
def test_a_cut_inside_a_field_is_called_truncated(sample: Sample) -> None:
    from migrator.errors import FormatError
    from migrator.formats import graph_def, saved_model
    from migrator.limits import DEFAULT_LIMITS
    from migrator.places.source import ByteSource

    data = sample.file.read_bytes()[:-1]
    read = graph_def.read if sample.kind == "graph_def" else saved_model.read
    with pytest.raises(FormatError) as caught:
        read(ByteSource.of_bytes(data, name="cut.pb"), DEFAULT_LIMITS)
    assert "truncated" in caught.value.hint
    assert "byte" in caught.value.what
