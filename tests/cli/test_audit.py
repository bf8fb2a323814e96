"""``migrator audit``: what it prints, when it fails, and what it says to bad input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import handmade, wire
from tests.commands import Outcome, environment, run, spawn
from tests.corpus import ROOT, sample
from tests.fuzz.survive import assert_harmless
from tests.schemas import parsed

MLP = sample("tf1.15.5/mlp")
TABLE = sample("tf1.15.5/sm_table")
Capture = pytest.CaptureFixture[str]

READER = wire.graph(
    [
        handmade.placeholder("x"),
        handmade.text_const("path", b"/etc/passwd"),
        wire.node("read", "ReadFile", ["path"]),
        *handmade.dense("y", "x"),
        handmade.unary("z", "Relu", "y"),
    ]
)
HARMLESS = wire.graph(
    [handmade.placeholder("x"), *handmade.dense("y", "x"), handmade.unary("z", "Relu", "y")]
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with one model that is dangerous and one that is not."""
    monkeypatch.chdir(tmp_path)
    put("zoo/bad/read.pb", READER)
    put("zoo/good.pb", HARMLESS)
    return tmp_path


def put(name: str, data: bytes | str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def result(capsys: Capture, *words: str | os.PathLike[str]) -> dict[str, Any]:
    return parsed(run(capsys, "audit", *words, "--format", "json").out)


def codes(found: dict[str, Any]) -> set[str]:
    return {item["code"] for item in found["findings"]}


def sources(found: dict[str, Any]) -> list[str]:
    return [item["source"] for item in found["models"]]


def test_a_tree_is_one_result_and_fails_for_what_is_dangerous(capsys: Capture) -> None:
    done = run(capsys, "audit", "zoo")
    assert done.code == 1
    assert done.err == "migrator: note: exit code 1: 1 finding at high or above\n"
    assert "zoo/bad/read.pb" in done.out
    assert "/etc/passwd" in done.out
    found = result(capsys, "zoo")
    assert sources(found) == ["zoo/bad/read.pb", "zoo/good.pb"]
    (finding,) = (item for item in found["findings"] if item["severity"] == "high")
    assert finding["location"]["node"] == "read"
    assert finding["detail"]["argument"] == "/etc/passwd"


def test_a_harmless_model_is_clean(capsys: Capture) -> None:
    for path in (MLP.path, TABLE.path, TABLE.file, Path("zoo/good.pb")):
        done = run(capsys, "audit", path)
        assert (done.code, done.err) == (0, ""), done.out


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [
        ("critical", 0),
        ("high", 1),
        ("medium", 1),
        ("low", 1),
        ("never", 0),
        ("blocked", 0),
        ("critical,needs_you", 0),
    ],
)
def test_what_fails_is_chosen(fail_on: str, code: int, capsys: Capture) -> None:
    assert run(capsys, "audit", "zoo", "--fail-on", fail_on).code == code


def test_readiness_can_fail_it(capsys: Capture) -> None:
    put("odd/m.pb", wire.graph([handmade.placeholder("x"), wire.node("y", "NoSuchOp", ["x"])]))
    found = result(capsys, "odd")
    verdict = found["models"][0]["readiness"]["verdict"]
    assert verdict in ("needs_you", "blocked")
    assert run(capsys, "audit", "odd", "--fail-on", "needs_you").code == 1
    assert run(capsys, "audit", "odd", "--fail-on", "never").code == 0


def test_rules_are_selected_and_ignored_with_commas_and_again(capsys: Capture) -> None:
    assert codes(result(capsys, "zoo", "--select", "S201,W", "--select", "B")) >= {"S201"}
    assert codes(result(capsys, "zoo", "--select", "reads-file")) == {"S201"}
    assert codes(result(capsys, "zoo", "--select", "security", "--ignore", "S2")) == set()
    assert run(capsys, "audit", "zoo", "--ignore", "s201").code == 0


def test_a_deep_rule_that_is_asked_for_by_name_needs_deep(capsys: Capture) -> None:
    from migrator.auditing.registry import all_rules

    code = next(rule.code for rule in all_rules() if rule.deep)
    done = run(capsys, "audit", "zoo", "--select", code)
    assert done.code == 0
    assert code in done.err
    assert "--deep" in done.err
    assert run(capsys, "audit", "zoo", "--select", code, "-q").err == ""
    done = run(capsys, "audit", "zoo", "--select", code, "--deep")
    assert done.err == ""
    assert result(capsys, "zoo", "--deep")["deep"] is True


def test_what_cannot_be_read_in_a_tree_is_skipped_and_fails_if_strict(capsys: Capture) -> None:
    put("odd/labels.pbtxt", "item { id: 1 }")
    put("odd/cut.pb", HARMLESS[:-25])
    put("odd/empty.h5", b"")
    put("odd/m.pb", HARMLESS)
    done = run(capsys, "audit", "odd")
    assert done.code == 0
    for name in ("labels.pbtxt", "cut.pb", "empty.h5"):
        assert name in done.out
    found = result(capsys, "odd")
    assert {item["source"] for item in found["skipped"]} == {
        "odd/labels.pbtxt",
        "odd/cut.pb",
        "odd/empty.h5",
    }
    assert run(capsys, "audit", "odd", "--strict").code == 1
    assert run(capsys, "audit", "zoo", "--strict", "--fail-on", "never").code == 0


def test_a_named_file_that_cannot_be_read_is_exit_code_two(capsys: Capture) -> None:
    put("a.pb", "<html>")
    put("b.pb", b"")
    done = run(capsys, "audit", "a.pb")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("migrator: error: a.pb: is a text file")
    done = run(capsys, "audit", "a.pb", "b.pb")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2
    assert run(capsys, "audit", "a.pb", "zoo/good.pb").code == 0
    assert run(capsys, "audit", "a.pb", "zoo/good.pb", "--strict").code == 1


def test_a_saved_model_folder_that_cannot_be_read_is_exit_code_two(capsys: Capture) -> None:
    put("m/saved_model.pb", wire.saved_model(wire.meta_graph(HARMLESS))[:-20])
    done = run(capsys, "audit", "m")
    assert (done.code, done.out) == (2, "")
    assert "m/saved_model.pb: " in done.err


def test_a_tree_without_models_says_so(capsys: Capture) -> None:
    put("docs/README.md", "# hello")
    done = run(capsys, "audit", "docs")
    assert done.code == 0
    assert "no model found in docs" in done.err
    assert result(capsys, "docs")["models"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone.pb"], "gone.pb: cannot be read: No such file"),
        (["zoo", "gone"], "gone: cannot be read: No such file"),
        (["a\0b"], "is not a path"),
        ([""], "cannot be read"),
        (["zoo", "--select", "S2O1"], "did you mean S201"),
        (["zoo", "--select", "reads-flie"], "did you mean reads-file"),
        (["zoo", "--select", ","], "empty"),
        (["zoo", "--ignore", "Q"], "no rule is called 'Q'"),
        (["zoo", "--fail-on", "hihg"], "did you mean high"),
        (["zoo", "--fail-on", "never,low"], "contradict"),
        (["zoo", "--jobs", "0"], "0 jobs"),
        (["zoo", "--timeout", "0"], "a timeout of 0.0 s"),
        (["zoo", "--memory-limit", "0"], "a memory limit of 0 bytes"),
        (["zoo", "--baseline", "gone.json"], "gone.json: cannot be read"),
        (["zoo", "--baseline", "zoo/good.pb"], "zoo/good.pb: is not JSON"),
        (["zoo", "--config", "gone.toml"], "gone.toml: cannot be read"),
        (["zoo", "--config", "zoo"], "zoo: is not a file"),
        (["zoo", "--write-baseline", "zoo/good.pb"], "add --overwrite"),
        (["zoo", "-o", "zoo/good.pb"], "add --overwrite"),
        (["zoo", "-o", "gone/a.txt"], "cannot be written"),
        (["zoo", "--write-baseline", "gone/a.json"], "cannot be written"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_two(
    words: list[str], message: str, capsys: Capture
) -> None:
    done = run(capsys, "audit", *words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("migrator: error: ")
    assert message in done.err
    assert Path("zoo/good.pb").read_bytes() == HARMLESS


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["zoo", "--jobs", "many"],
        ["zoo", "--format", "xml"],
        ["zoo", "--memory-limit", "much"],
        ["zoo", "--config", "a", "--no-config"],
    ],
)
def test_bad_usage_is_exit_code_two(words: list[str], capsys: Capture) -> None:
    done = run(capsys, "audit", *words)
    assert (done.code, done.out) == (2, "")
    assert "usage: migrator audit" in done.err


def test_the_file_decides_where_the_line_is_silent(capsys: Capture) -> None:
    put("migrator.toml", 'select = ["S201"]\nfail-on = "never"\nexclude = ["good.pb"]\n')
    done = run(capsys, "audit", "zoo", "--format", "json")
    assert done.code == 0
    found = parsed(done.out)
    assert codes(found) == {"S201"}
    assert sources(found) == ["zoo/bad/read.pb"]
    assert run(capsys, "audit", "zoo", "--fail-on", "high").code == 1
    assert sources(result(capsys, "zoo", "--exclude", "bad")) == ["zoo/good.pb"]
    assert len(sources(result(capsys, "zoo", "--no-config"))) == 2
    assert run(capsys, "audit", "zoo", "--no-config").code == 1


def test_a_switch_of_the_file_can_be_turned_off(capsys: Capture) -> None:
    put("migrator.toml", "deep = true\nstrict = true\n")
    put("odd/m.pb", HARMLESS)
    put("odd/bad.pb", "no")
    assert result(capsys, "odd")["deep"] is True
    assert result(capsys, "odd", "--no-deep")["deep"] is False
    assert run(capsys, "audit", "odd").code == 1
    assert run(capsys, "audit", "odd", "--no-strict").code == 0


def test_a_named_file_decides_in_place_of_the_one_that_is_there(capsys: Capture) -> None:
    put("migrator.toml", 'ignore = ["S"]\n')
    put("other.toml", "jobs = 1\n")
    assert run(capsys, "audit", "zoo").code == 0
    assert run(capsys, "audit", "zoo", "--config", "other.toml").code == 1


def test_what_is_audited_has_no_say_in_how(capsys: Capture) -> None:
    for name in ("zoo/migrator.toml", "zoo/bad/migrator.toml"):
        put(name, 'ignore = ["S"]\nexclude = ["bad"]\n')
    assert run(capsys, "audit", "zoo").code == 1
    assert run(capsys, "audit", "zoo/bad/read.pb").code == 1


def test_a_file_in_the_working_directory_that_is_audited_itself_is_told(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("zoo/migrator.toml", 'ignore = ["S"]\n')
    monkeypatch.chdir("zoo")
    done = run(capsys, "audit", ".")
    assert done.code == 0
    assert "migrator.toml" in done.err
    assert "--no-config" in done.err
    assert run(capsys, "audit", ".", "--no-config").code == 1
    assert run(capsys, "audit", ".", "-q").err == ""


def test_all_faults_of_a_file_are_told_in_one_message(capsys: Capture) -> None:
    put("pyproject.toml", "[tool.migrator]\nselct = ['S']\nignore = ['S2O1']\njobs = 'x'\n")
    done = run(capsys, "audit", "zoo")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    for part in ("pyproject.toml", "'selct'", "did you mean select", "S201", "jobs"):
        assert part in line


def test_findings_can_be_ignored_by_path(capsys: Capture) -> None:
    put("migrator.toml", '[per-path-ignores]\n"zoo/bad" = ["security"]\n')
    done = run(capsys, "audit", "zoo", "--format", "json")
    found = parsed(done.out)
    assert done.code == 0
    assert not {code for code in codes(found) if code[0] == "S"}
    assert found["accepted"] == 1


def test_a_baseline_is_written_and_keeps_back_what_it_holds(capsys: Capture) -> None:
    done = run(capsys, "audit", "zoo", "--write-baseline", "known.json")
    assert done.code == 0
    assert "/etc/passwd" in done.out
    assert "recorded in known.json" in done.err
    first = Path("known.json").read_bytes()
    done = run(capsys, "audit", "zoo", "--baseline", "known.json", "--format", "json")
    assert (done.code, done.err) == (0, "")
    found = parsed(done.out)
    assert found["findings"] == []
    assert found["accepted"] == len(json.loads(first)["models"]["zoo/bad/read.pb"]) + len(
        json.loads(first)["models"].get("zoo/good.pb", [])
    )
    put("zoo/new.pb", READER)
    done = run(capsys, "audit", "zoo", "--baseline", "known.json")
    assert done.code == 1
    assert "zoo/new.pb" in done.out
    words = ("audit", "zoo", "--write-baseline", "known.json")
    assert run(capsys, *words).code == 2
    assert Path("known.json").read_bytes() == first
    done = run(capsys, *words, "--baseline", "known.json", "--overwrite")
    assert done.code == 0
    assert set(json.loads(Path("known.json").read_bytes())["models"]) > {"zoo/new.pb"}


def test_what_a_baseline_holds_in_vain_is_told(capsys: Capture) -> None:
    run(capsys, "audit", "zoo", "--write-baseline", "known.json")
    put("zoo/bad/read.pb", HARMLESS + wire.number(9, 1))
    done = run(capsys, "audit", "zoo", "--baseline", "known.json")
    assert done.code == 0
    (line,) = (line for line in done.err.splitlines() if "S201" in line)
    assert "found no more" in line
    assert run(capsys, "audit", "zoo", "--baseline", "known.json", "-q").err == ""


def test_a_baseline_of_the_file_lies_beside_it(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("migrator.toml", 'baseline = "known.json"\n')
    assert run(capsys, "audit", "zoo").code == 2  # the configured one is to be there
    assert run(capsys, "audit", "zoo", "--write-baseline", "other.json").code == 2
    monkeypatch.chdir("zoo")
    assert run(capsys, "audit", ".", "--write-baseline", "../known.json").code == 0  # the first
    monkeypatch.chdir("..")
    assert run(capsys, "audit", "zoo").code == 0
    monkeypatch.chdir("zoo")
    assert run(capsys, "audit", "bad").code == 0
    assert run(capsys, "audit", "bad", "--no-config").code == 1


@pytest.mark.parametrize("form", ["text", "json", "sarif", "html"])
def test_every_format_goes_to_a_file_and_names_do_no_harm(form: str, capsys: Capture) -> None:
    name = "\x1b]0;owned\x07</script><script>alert(1)</script>\u202e"
    put("odd/m.pb", wire.graph([handmade.text_const("p", b"/x"), wire.node(name, "ReadFile", "p")]))
    put("odd/\x1b[31m\n.pb", READER)
    put("odd/\x1b[31mbad.pb", "no")
    done = run(capsys, "audit", "odd", "--format", form, "-o", f"out.{form}")
    assert (done.code, done.out) == (1, "")
    text = Path(f"out.{form}").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "<script>alert(1)" not in text or form in ("json", "sarif", "text")
    if form == "text":
        assert_harmless(text)
    assert run(capsys, "audit", "odd", "--format", form, "-o", f"out.{form}").code == 2


def test_errors_with_odd_names_are_harmless(capsys: Capture) -> None:
    put("\x1b[31m\n.pb", "no")
    done = run(capsys, "audit", "\x1b[31m\n.pb")
    assert done.code == 2
    assert_harmless(done.err)
    assert len(done.err.splitlines()) == 1


def test_a_program_that_is_no_terminal_gets_no_color_and_no_progress(folder: Path) -> None:
    done = spawn(["audit", "zoo", "-q"], cwd=folder)
    assert done.code == 1
    assert done.err == ""
    assert "\x1b" not in done.out
    assert "\x1b" not in spawn(["audit", "zoo"], cwd=folder).err


@pytest.mark.parametrize(("terminal", "colored"), [("dumb", False), ("xterm", True)])
def test_a_terminal_that_knows_no_sequences_gets_none(
    terminal: str, colored: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert ("\x1b" in run(capsys, "audit", "zoo").out) == colored


def test_what_fails_it_is_told() -> None:
    shutil.copy("zoo/good.pb", "zoo/other.pb")
    put("zoo/odd.pb", wire.graph([handmade.placeholder("x"), wire.node("y", "NoSuchOp", ["x"])]))
    put("zoo/empty.pb", b"")
    line = ["audit", "zoo", "-o", "page.html", "--format", "html"]
    done = spawn([*line, "--strict", "--fail-on", "high,needs_you"], cwd=Path.cwd())
    assert (done.code, done.out) == (1, "")
    assert "exit code 1: 1 finding at high or above; 1 model needing you; 1 item not" in done.err


@pytest.mark.parametrize("option", ["--output", "--baseline", "--write-baseline"])
def test_a_name_that_is_empty_is_told(option: str, capsys: Capture) -> None:
    """As ``-o "$UNSET"`` gives it."""
    done = run(capsys, "audit", "zoo", option, "")
    assert (done.code, done.out) == (2, "")
    assert "name" in done.err


# As hooks call it.


def hook() -> dict[str, str]:
    """The only hook; its definition is so plain that no reader of YAML is needed."""
    lines = (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines()
    plain = [line[2:] for line in lines if ": " in line and "#" not in line]
    return dict(line.split(": ", 1) for line in plain)


def test_the_hook_is_defined_as_pre_commit_asks() -> None:
    found = hook()
    assert found["id"] == "migrator-audit"
    assert found["entry"].split() == ["migrator", "audit"]
    assert found["language"] == "python"


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a/saved_model.pb", True),
        ("m.h5", True),
        ("m.keras", True),
        ("model.ckpt-10.meta", True),
        ("v/variables.index", True),
        ("v/variables.data-00000-of-00001", True),
        ("a.py", False),
        ("config.pbtxt", False),
        ("pb", False),
        ("a.pb.md", False),
    ],
)
def test_the_hook_is_called_for_models_and_their_parts(name: str, fits: bool) -> None:
    import re

    assert bool(re.search(hook()["files"], name)) == fits


def as_hook(capsys: Capture, *names: str) -> Outcome:
    """What pre-commit runs: the entry with the names of the files."""
    return run(capsys, *hook()["entry"].split()[1:], *names)


def test_several_files_of_a_saved_model_are_one_model(capsys: Capture) -> None:
    shutil.copytree(TABLE.path, "m")
    put("m/fingerprint.pb", wire.number(1, 5) + wire.number(2, 7))
    files = ["m/fingerprint.pb", "m/saved_model.pb"]
    files += [str(path) for path in sorted(Path("m/variables").iterdir())]
    done = as_hook(capsys, *files, "--format", "json")
    assert done.code == 0
    assert sources(parsed(done.out)) == ["m/saved_model.pb"]
    assert as_hook(capsys, *files[2:]).code == 0
    assert as_hook(capsys, "zoo/bad/read.pb", *files).code == 1


def test_a_git_hook_stops_a_dangerous_model(folder: Path) -> None:
    """The entry as the hook of a real repository: added, changed, deleted."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    script = (
        "#!/bin/sh\n"
        "git diff --cached --name-only --diff-filter=ACMRT -z |"
        f" grep -zE '{hook()['files']}' |"
        f" xargs -0 -r '{sys.executable}' -m migrator audit\n"
    )
    shutil.rmtree("zoo")
    git("init", "-q")
    put(".git/hooks/pre-commit", script).chmod(0o755)
    put("good.pb", HARMLESS)
    assert commit().returncode == 0
    put("sub dir/read.pb", READER)
    done = commit()
    assert done.returncode != 0
    assert b"/etc/passwd" in done.stdout + done.stderr
    put("sub dir/read.pb", HARMLESS)
    put("README.md", "hello")
    assert commit().returncode == 0
    Path("good.pb").unlink()
    assert commit().returncode == 0


def git(*words: str) -> subprocess.CompletedProcess[bytes]:
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull}
    names |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_SYSTEM": ""}
    return subprocess.run(["git", *words], env=environment(names), capture_output=True, timeout=50)


def commit() -> subprocess.CompletedProcess[bytes]:
    git("add", "-A")
    return git("commit", "-q", "-m", "x")


def test_the_example_program_leaves_a_page_and_a_result(folder: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/audit_models.py"), "zoo", "out/here"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, timeout=50)
    assert done.returncode == 1, done.stderr
    assert parsed(Path("out/here/audit.json").read_text())["summary"]["high"] == 1
    assert "zoo/bad/read.pb" in Path("out/here/audit.html").read_text(encoding="utf-8")
