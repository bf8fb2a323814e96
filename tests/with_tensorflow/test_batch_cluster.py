"""Real models through a Dask cluster, and through the program to copy, with TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.cli.main import main
from tests.batch.clusters import Cluster, needs_distributed
from tests.batch.test_scripts import script
from tests.corpus import sample

pytestmark = pytest.mark.tensorflow
KINDS = ("mlp", "conv_bn", "multi_io", "while_plain")


@needs_distributed
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


def test_the_batch_program_brings_a_model_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main_of_script = script("batch_migrate", monkeypatch)
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    (zoo / "mlp.pb").write_bytes(sample("tf1.15.5/mlp").file.read_bytes())
    out = tmp_path / "out"
    assert main_of_script([str(zoo), str(out), "--jobs", "1"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert (told[0], told[-1]) == ("1 of 1 models to do", f"page: {out / 'index.html'}")
    assert (out / "mlp" / "saved_model" / "saved_model.pb").is_file()
