"""Real models through a Dask cluster with TensorFlow on its workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.cli.main import main
from tests.batch.clusters import Cluster, needs_distributed
from tests.corpus import sample

pytestmark = [pytest.mark.tensorflow, needs_distributed]
KINDS = ("mlp", "conv_bn", "multi_io", "while_plain")


def test_the_command_line_brings_models_through_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    for kind in KINDS:
        (zoo / f"{kind}.pb").write_bytes(sample(f"tf1.15.5/{kind}").file.read_bytes())
    (zoo / "broken.pb").write_bytes((zoo / "mlp.pb").read_bytes()[:-20])
    monkeypatch.chdir(tmp_path)
    with Cluster(tmp_path / "dask") as cluster:
        for _ in range(2):
            cluster.start_worker()
        cluster.wait_for_workers()
        words = ["batch", "zoo", "--dest", "out", "--scheduler", cluster.address]
        assert main(words) == 1
        captured = capsys.readouterr()
        assert "the cluster's dashboard: http://127.0.0.1:" in captured.err
        assert "with 2 jobs" in captured.err
        assert "4 of 5 models done" in captured.out
        for kind in KINDS:
            assert (tmp_path / "out" / kind / "saved_model" / "saved_model.pb").is_file()
            assert (tmp_path / "out" / kind / "index.html").is_file()
        assert main([*words, "--retry", "failed"]) == 1
        assert "4 in the ledger already; 1 to do" in capsys.readouterr().err
