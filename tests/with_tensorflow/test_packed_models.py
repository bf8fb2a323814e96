"""What TensorFlow makes of models in archives: the same as of those on disk, under their names."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from migrator.actions.migrate import migrate
from migrator.actions.run import run
from migrator.actions.verify import verify

from .conftest import load_fixture


def _packed(folder: Path, path: Path) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.add(folder, "export/1")
    path.write_bytes(gzip.compress(out.getvalue()))
    return path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_saved_model_in_an_archive_is_migrated_and_verified(
    tmp_path: Path, scratch: Path
) -> None:
    source = _packed(Path(load_fixture("tf1.15.5/sm_variables").model), tmp_path / "m.tar.gz")
    dest = tmp_path / "out"
    record = migrate(source, dest)
    assert record.outcome == "migrated"
    assert record.source.path == f"{source}/export/1/saved_model.pb"
    kept = (dest / "assets.extra" / "migrator.json").read_text()
    assert json.loads(kept)["source"]["path"] == record.source.path
    assert str(scratch) not in kept
    assert verify(source, dest).passed
    assert list(scratch.iterdir()) == []


def test_a_compressed_graph_runs_under_its_name(tmp_path: Path, scratch: Path) -> None:
    source = tmp_path / "m.pb.gz"
    source.write_bytes(gzip.compress(Path(load_fixture("tf1.15.5/mlp").model).read_bytes()))
    found = run(source, generate=True)
    assert found.source.path == str(source)
    assert list(scratch.iterdir()) == []


def test_errors_and_results_of_the_command_line_tell_the_name(tmp_path: Path) -> None:
    source = _packed(Path(load_fixture("tf1.15.5/sm_variables").model), tmp_path / "m.tar.gz")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "migrator",
            "tflite",
            source,
            tmp_path / "o.tflite",
            "--tag-set",
            "x",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"migrator: error: {source}/export/1")
    assert "migrator-" not in done.stderr
