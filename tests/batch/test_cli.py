from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

from migrator.batching.run.events import Tally
from migrator.batching.task import Outcome
from migrator.cli.batch_progress import ShownProgress
from tests.batch.poison import sound, truncated, unknown_op
from tests.commands import run
from tests.corpus import sample
from tests.schemas import validate

STEPS = ["--steps", "inspect,audit,plan"]


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    folder = tmp_path / "zoo"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.pb").write_bytes(sound())
    return folder


def batch(
    capsys: pytest.CaptureFixture[str], zoo: Path, *words: str | Path, dest: str = "out"
) -> tuple[int, str, str]:
    found = run(capsys, "batch", zoo, "--dest", zoo.parent / dest, *STEPS, *words)
    return found.code, found.out, found.err


def test_all_done_is_exit_code_0_and_told_in_a_few_lines(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = batch(capsys, zoo)
    assert code == 0
    assert out.startswith("All of 2 models done.")
    assert "index.html" in out
    assert err.startswith("2 models; 2 to do with ")
    assert "\x1b" not in out + err
    assert (zoo.parent / "out" / "index.html").exists()


def test_some_failed_is_exit_code_1_and_each_is_named_with_its_reason(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "bad.pb").write_bytes(truncated())
    (zoo / "odd.pb").write_bytes(unknown_op())
    code, out, err = batch(capsys, zoo)
    assert code == 1
    assert "2 of 4 models done" in out
    assert "bad: failed, " in err
    assert "is the file truncated?" in err


def test_open_questions_alone_are_exit_code_3(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "towers.pb").write_bytes(sample("tf1.15.5/two_towers").file.read_bytes())
    code, out, _ = batch(capsys, zoo)
    assert code == 3
    assert "Need a decision" in out


def test_a_result_as_json_is_by_the_schema_and_names_all(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = batch(capsys, zoo, "--format", "json", "-q")
    assert code == 0
    found = json.loads(out)
    validate(found)
    assert [item["name"] for item in found["models"]] == ["one", "two"]


def test_a_second_run_does_what_is_new_and_retry_does_the_rest(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "bad.pb").write_bytes(truncated())
    batch(capsys, zoo)
    assert batch(capsys, zoo)[2].startswith("3 models, 3 in the ledger already; 0 to do")
    assert batch(capsys, zoo, "--retry", "failed")[2].startswith("3 models, 2 in the ledger")
    assert batch(capsys, zoo, "--retry", "all")[2].startswith("3 models; 3 to do")


def test_results_that_lie_in_the_tree_are_no_sources(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch(capsys, zoo, dest="zoo/results")
    assert batch(capsys, zoo, dest="zoo/results")[2].startswith("2 models, 2 in the ledger")


def test_events_and_metrics_are_written_where_they_are_asked_for(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events, metrics = zoo.parent / "events.jsonl", zoo.parent / "batch.prom"
    batch(capsys, zoo, "--events", events, "--prometheus", metrics)
    lines = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert lines == ["run_started", "model_finished", "model_finished", "run_finished"]
    assert "migrator_batch_running" in metrics.read_text()


def test_plan_writes_a_manifest_that_can_be_fed_back(
    zoo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (zoo / "towers.pb").write_bytes(sample("tf1.15.5/two_towers").file.read_bytes())
    manifest = tmp_path / "models.toml"
    found = run(capsys, "batch", zoo, "--plan", "-o", manifest)
    assert found.code == 0
    assert not (tmp_path / "out").exists()
    assert "two" in manifest.read_text()
    again = run(capsys, "batch", manifest, "--dest", tmp_path / "out", *STEPS, "-v")
    assert "3 models; 3 to do" in again.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "there is no DEST"),
        (["--dest", "OUT", "--steps", "guess"], "no step is called 'guess'"),
        (["--dest", "OUT", "--steps", "plan", "--tflite"], "--steps says it all"),
        (["--dest", "OUT", "--retry", "faild"], "--retry 'faild'"),
        (["--dest", "OUT", "--jobs", "0"], "0 jobs"),
        (["--dest", "OUT", "--timeout", "0"], "timeout"),
        (["--dest", "OUT", "--timeout", "nan"], "timeout"),
        (["--dest", "OUT", "--memory-limit", "0"], "memory limit"),
        (["--dest", "OUT", "--scheduler", "x", "--jobs", "2"], "--jobs is for this machine"),
        (["--dest", "memory://out"], "the memory of this process"),
        (["--dest", "OUT/no.pb"], "is a file"),
        (["--dest", "OUT", "--events", "/no/such/folder/x"], "cannot be written"),
    ],
)
def test_options_that_make_no_sense_are_exit_code_2_before_anything_runs(
    zoo: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    (zoo.parent / "no.pb").touch()
    places = {"OUT": f"{zoo.parent}/o", "OUT/no.pb": f"{zoo.parent}/no.pb"}
    here = [places.get(word, word) for word in words]
    found = run(capsys, "batch", zoo, *here)
    assert (found.code, found.out) == (2, "")
    assert told in found.err
    assert not (zoo.parent / "o" / "ledger.jsonl").exists()


def test_a_source_that_is_not_there_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, "batch", tmp_path / "no", "--dest", tmp_path / "out")
    assert found.code == 2
    assert not (tmp_path / "out").exists()


def test_a_run_on_a_folder_that_another_has_is_exit_code_2(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from migrator.batching.ledger.lock import DestinationLock

    with DestinationLock(zoo.parent / "out"):
        code, _, err = batch(capsys, zoo)
    assert code == 2
    assert "another run works on it" in err


def test_options_hold_for_every_model_of_which_a_manifest_does_not_say_otherwise(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = sample("tf1.15.5/two_towers").file.read_bytes()
    for name in ("left", "right"):
        (zoo / f"{name}.pb").write_bytes(plain)
    manifest = zoo.parent / "models.csv"
    found = json.loads(run(capsys, "inspect", zoo / "left.pb", "--format", "json").out)
    ends = found["meta_graphs"][0]["graph"]["endpoints"]["outputs"]
    one, other = (item["tensor"] for item in ends[:2])
    manifest.write_text(f"source,outputs\nzoo/left.pb,a={one}\nzoo/right.pb,\n")
    words = ("--dest", zoo.parent / "out", *STEPS, "--output", f"b={other}", "--rtol", "0.5")
    done = run(capsys, "batch", manifest, *words, "-q")
    assert done.code == 0
    for name, tensor in (("left", one), ("right", other)):
        told = json.loads((zoo.parent / "out" / "zoo" / name / "plan.json").read_text())
        (signature,) = told["signatures"].values()
        assert [item["source_tensor"] for item in signature["outputs"].values()] == [tensor]
    # Another option for all is another migration, of all.
    assert "2 models; 2 to do" in run(capsys, "batch", manifest, *words, "--rtol", "0.25").err


def test_limits_hold_for_the_reading_of_each_model_and_are_no_reason_to_do_it_again(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    big = sample("tf1.15.5/mlp").file
    (zoo / "big.pb").write_bytes(big.read_bytes())
    (zoo / "packed.pb.gz").write_bytes(gzip.compress(big.read_bytes()))
    code, out, err = batch(capsys, zoo, "--limit", "nodes=10")
    assert code == 1
    assert "2 of 4 models done" in out
    told = "holds 16 nodes, the limit is 10; if you trust it: --limit nodes="
    assert err.count(told) == 2
    assert "--limit nodes=10" in (zoo.parent / "out" / "index.html").read_text()
    code, out, err = batch(capsys, zoo, "--retry", "failed")
    assert (code, "4 models, 2 in the " in err) == (0, True)
    assert "All of 4 models done" in batch(capsys, zoo, "--limit", "nodes=10")[1]


@pytest.mark.parametrize("name", ["decompressed_bytes=1k", "seconds=0.000001"])
def test_limits_hold_for_what_is_unpacked(
    name: str, zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (zoo / "packed.pb.gz").write_bytes(gzip.compress(sample("tf1.15.5/mlp").file.read_bytes()))
    found = run(
        capsys, "batch", zoo / "packed.pb.gz", "--dest", zoo.parent / "o", *STEPS, "--limit", name
    )
    assert found.code in (1, 2)
    assert f"--limit {name.partition('=')[0]}=MORE" in found.err


def test_limits_hold_where_a_manifest_is_planned(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, "batch", "--plan", zoo, "--limit", "nodes=1")
    assert found.code == 0
    assert found.out.count("the limit is 1; if you trust it: --limit nodes=") == 2


@pytest.mark.parametrize("words", [["--retry", "all"], ["--input", "x"], ["--tflite"]])
def test_an_option_that_says_nothing_beside_plan_is_refused(
    words: list[str], zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(capsys, "batch", "--plan", zoo, *words, "-o", zoo.parent / "models.toml")
    assert (done.code, done.out) == (2, "")
    assert words[0] in done.err
    assert not (zoo.parent / "models.toml").exists()


def test_every_fault_of_a_manifest_has_a_line_of_its_own(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = zoo.parent / "models.jsonl"
    wrong = [{"source": "zoo/one.pb", f"kay{number}": 1} for number in range(30)]
    manifest.write_text("".join(json.dumps({**item, "name": "a"}) + "\n" for item in wrong))
    done = run(capsys, "batch", manifest, "--dest", zoo.parent / "out")
    assert (done.code, done.out) == (2, "")
    head, *lines = done.err.splitlines()
    assert head == f"migrator: error: {len(lines)} faults"
    for number in range(30):
        assert any(f"models.jsonl:{number + 1}: " in line for line in lines)
        assert sum(f"'kay{number}'" in line for line in lines) == 1
    assert not (zoo.parent / "out").exists()


# --- what is shown on the way


def shown(capsys: pytest.CaptureFixture[str], *, terminal: bool, **options: bool) -> str:
    """What two models, one of them failed, leave on standard error."""
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
        patched.setenv("TERM", "xterm")
        patched.setenv("COLUMNS", "200")
        patched.setenv("NO_COLOR", "1")
        progress = ShownProgress(**options)
        progress.began(Tally(total=10, kept=2, jobs=2))
        progress._drawn = 0.0
        good = Outcome(name="good", source="s", dest="d", outcome="done", verdict="bitwise")
        bad = Outcome(name="b\x1b[2Jad", source="s", dest="d", outcome="failed", reason="broken")
        progress.ended(good, Tally(total=10, kept=2, counts={"done": 1}, seconds=2.0))
        progress._drawn = 0.0
        counts = {"done": 1, "failed": 1}
        progress.ended(bad, Tally(total=10, kept=2, counts=counts, waiting=1, seconds=4.0))
        progress.over(Tally(total=10), "finished")
    return capsys.readouterr().err


def test_a_pipe_gets_plain_lines_with_counts_rate_and_what_remains(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys, terminal=False).splitlines()
    assert lines[0] == "10 models, 2 in the ledger already; 8 to do with 2 jobs"
    assert "3/10  1 done  0.5/s  14 s left" in lines
    assert "b\\x1b[2Jad: failed, broken" in lines
    assert lines[-1] == "4/10  1 done  1 failed  1 once more  0.5/s  12 s left"


def test_a_terminal_gets_a_bar_that_goes_away_again(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, terminal=True)
    assert "[#######                 ] 3/10  1 done" in text
    assert text.endswith("\r\x1b[2K")
    assert "good" not in text


def test_verbose_names_each_model_and_quiet_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "good: done, bitwise" in shown(capsys, terminal=False, verbose=True)
    assert shown(capsys, terminal=False, quiet=True) == ""
