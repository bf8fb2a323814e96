"""What a run leaves for the next: decisions stay, and nothing that is finished is lost unasked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.executors.local import LocalExecutor
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.run.batch import BatchResult, batch
from tests.batch.poison import sound
from tests.commands import run
from tests.corpus import sample

PLAN = ("inspect", "audit", "plan")
OPEN = sample("tf1.15.5/two_towers").file.read_bytes()


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """One model that is ready, and one that needs a decision."""
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "plain.pb").write_bytes(sound())
    (tmp_path / "zoo" / "open.pb").write_bytes(OPEN)
    return tmp_path / "zoo"


def go(source: Path, *, steps: tuple[str, ...] = PLAN, **options: Any) -> BatchResult:
    with LocalExecutor(1, warm=False) as executor:
        return batch([source], source.parent / "out", steps=steps, executor=executor, **options)


def outcomes(found: BatchResult) -> dict[str, str]:
    return {item["name"]: item["outcome"] for item in found.models}


def decided(zoo: Path, **more: object) -> Path:
    """A manifest with an answer for the open one, by the graph's own candidates."""
    ends = json.loads((zoo.parent / "out/open/inspect.json").read_text())["meta_graphs"][0]["graph"]
    output = ends["endpoints"]["outputs"][0]["tensor"]
    path = zoo.parent / "decided.jsonl"
    told = {"name": "open", "source": "zoo/open.pb", "outputs": [output], **more}
    path.write_text(json.dumps(told) + "\n")
    return path


def settle(zoo: Path) -> None:
    """Bring the zoo through, and decide what is open."""
    assert outcomes(go(zoo)) == {"open": "needs_decision", "plain": "done"}
    assert outcomes(go(decided(zoo))) == {"open": "done", "plain": "done"}


@pytest.mark.parametrize("retry", [(), ("failed",), ("all",)])
def test_what_a_manifest_decided_holds_when_the_tree_is_run_again(
    zoo: Path, retry: tuple[str, ...]
) -> None:
    settle(zoo)
    found = go(zoo, retry=retry)
    assert outcomes(found) == {"open": "done", "plain": "done"}
    assert found.run["ran"] == (2 if retry == ("all",) else 0)


def test_a_decided_model_that_changed_is_done_again_as_it_was_decided(zoo: Path) -> None:
    settle(zoo)
    (zoo / "open.pb").write_bytes(OPEN + b"\x22\x02\x08\x01")  # versions, once more
    found = go(zoo)
    assert found.run["ran"] == 1
    assert outcomes(found)["open"] == "done"


def test_another_manifest_decides_otherwise(zoo: Path) -> None:
    settle(zoo)
    found = go(decided(zoo, rtol=0.5))
    assert found.run["ran"] == 1
    assert go(zoo).run["ran"] == 0
    with Ledger(zoo.parent / "out") as ledger:
        line = ledger.line("open")
        assert line is not None and line.decided is not None and line.decided["rtol"] == 0.5


def test_a_decision_goes_with_its_model_s_folder(zoo: Path) -> None:
    settle(zoo)
    shutil.rmtree(zoo.parent / "out" / "open")
    assert outcomes(go(zoo))["open"] == "needs_decision"


def test_a_decision_for_one_model_is_none_for_another_of_its_name(zoo: Path) -> None:
    settle(zoo)
    other = zoo.parent / "other"
    other.mkdir()
    (other / "open.pb").write_bytes(OPEN + b"\x22\x02\x08\x01")
    assert outcomes(go(other, overwrite=True))["open"] == "needs_decision"


def test_who_asks_for_less_than_there_is_loses_nothing(zoo: Path) -> None:
    go(zoo)
    found = go(zoo, steps=("inspect",))
    assert found.run["ran"] == 0
    assert (zoo.parent / "out" / "plain" / "plan.json").exists()


def test_who_asks_for_more_gets_it(zoo: Path) -> None:
    go(zoo, steps=("inspect",))
    assert not (zoo.parent / "out" / "plain" / "plan.json").exists()
    assert go(zoo).run["ran"] == 2
    assert (zoo.parent / "out" / "plain" / "plan.json").exists()


def test_a_path_is_the_same_source_however_it_is_given(
    zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(zoo)
    monkeypatch.chdir(zoo.parent)
    with LocalExecutor(1, warm=False) as executor:
        assert batch(["zoo"], "out", steps=PLAN, executor=executor).run["ran"] == 0


def test_the_result_of_another_model_of_the_same_name_is_kept_until_it_is_given_up(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go(zoo)
    other = zoo.parent / "other"
    other.mkdir()
    (other / "plain.pb").write_bytes(OPEN)
    before = (zoo.parent / "out" / "plain" / "inspect.json").read_bytes()
    words = ["batch", other, "--dest", zoo.parent / "out", "--steps", ",".join(PLAN)]
    done = run(capsys, *words)
    assert (done.code, done.out) == (2, "")
    assert "'plain' is the result of " in done.err and "--overwrite" in done.err
    assert (zoo.parent / "out" / "plain" / "inspect.json").read_bytes() == before
    assert run(capsys, *words, "--overwrite", "-q").code == 3
    assert (zoo.parent / "out" / "plain" / "inspect.json").read_bytes() != before


def test_a_model_that_moved_keeps_its_name_and_its_result(zoo: Path) -> None:
    go(zoo)
    zoo.rename(zoo.parent / "moved")
    found = go(zoo.parent / "moved")
    assert outcomes(found) == {"open": "needs_decision", "plain": "done"}


def test_the_way_to_go_on_has_the_options_of_this_run(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "cut.pb").write_bytes(OPEN[:-9])
    dest = zoo.parent / "out"
    done = run(
        capsys, "batch", zoo, "--dest", dest, "--steps", "inspect,plan", "--rtol", "0.5", "-q"
    )
    options = "--steps inspect,plan --rtol 0.5"
    for line in (f"{zoo} --dest {dest}", f"decided.yaml --dest {dest}"):
        assert any(
            f"migrator batch {line} " in told and all(word in told for word in options.split())
            for told in done.out.splitlines()
        )
