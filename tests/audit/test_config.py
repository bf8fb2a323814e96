"""The configuration: where it is found, what it may say, and that all its faults are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrator.auditing.discovery.globs import PathGlobs
from migrator.auditing.policy.config import AuditConfig, find_config, read_config
from migrator.errors import UsageError
from tests.audit.small_rules import small_rules as small_rules

pytestmark = pytest.mark.usefixtures("small_rules")

WHOLE = """
select = ["security", "H101"]
ignore = ["S2"]
fail-on = ["medium", "blocked"]
deep = true
strict = false
jobs = 3
timeout = 2.5
baseline = "known/baseline.json"
exclude = ["old", "zoo/*/tmp"]

[per-path-ignores]
"legacy/**" = ["S101", "python"]
"*.meta" = ["W"]
"""


def write(folder: Path, text: str, name: str = "migrator.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["migrator.toml", "any.toml", "pyproject.toml"])
def test_every_key_is_read(name: str, tmp_path: Path) -> None:
    text = WHOLE
    if name == "pyproject.toml":
        text = '[project]\nname = "x"\n[tool.migrator]' + WHOLE.replace(
            "[per-path", "[tool.migrator.per-path"
        )
    config = read_config(write(tmp_path, text, name))
    assert config == AuditConfig(
        path=str(tmp_path / name),
        select=("security", "H101"),
        ignore=("S2",),
        fail_on=("medium", "blocked"),
        deep=True,
        strict=False,
        jobs=3,
        timeout=2.5,
        baseline=str(tmp_path / "known/baseline.json"),
        exclude=("old", f"{tmp_path}/zoo/*/tmp"),
        per_path_ignores={
            f"{tmp_path}/legacy/**": ("S101", "python"),
            "*.meta": ("W",),
        },
    )
    assert config.keeps_back


def test_a_text_is_a_list_of_one_or_of_several_as_on_the_command_line(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, 'select = "S101, H"\nfail-on = "low"\n'))
    assert (config.select, config.fail_on) == (("S101", "H"), ("low",))


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert read_config(path) == AuditConfig(path=str(path))
    assert not read_config(path).keeps_back


def test_the_nearest_folder_counts_and_in_it_our_own_file(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    write(tmp_path, "jobs = 1\n")
    assert find_config(inner).jobs == 1
    write(tmp_path / "a", "[tool.migrator]\njobs = 2\n", "pyproject.toml")
    assert find_config(inner).jobs == 2
    write(tmp_path / "a", "jobs = 3\n")
    assert find_config(inner).jobs == 3
    write(inner, "[project]\nname = 'x'\n[tool.other]\njobs = 5\n", "pyproject.toml")
    assert find_config(inner).jobs == 3
    assert find_config(tmp_path).jobs == 1


def test_the_working_directory_is_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "here", "jobs = 7\n")
    write(tmp_path / "models", "jobs = 8\n")
    monkeypatch.chdir(tmp_path / "here")
    assert find_config().jobs == 7
    assert find_config().path == os.path.join(os.getcwd(), "migrator.toml")


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "jobs = 1\n")
    os.makedirs(tmp_path / "a/migrator.toml")
    os.mkfifo(tmp_path / "a/pyproject.toml")
    assert find_config(tmp_path / "a").jobs == 1


def test_a_broken_pyproject_counts_where_it_speaks_of_us(tmp_path: Path) -> None:
    write(tmp_path, "jobs = 1\n")
    write(tmp_path / "a", "[tool.other\n", "pyproject.toml")
    assert find_config(tmp_path / "a").jobs == 1
    write(tmp_path / "a", "[tool.migrator\n", "pyproject.toml")
    with pytest.raises(UsageError, match="not TOML"):
        find_config(tmp_path / "a")


def test_patterns_hold_below_the_folder_of_the_file(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, WHOLE))
    globs = PathGlobs(config.exclude or ())
    assert globs.fits(str(tmp_path / "zoo/a/tmp/model.pb"))
    assert not globs.fits(str(tmp_path / "x/zoo/a/tmp/model.pb"))
    assert globs.fits("any/old/model.pb")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("selct = []\n", ["'selct'", "did you mean select?"]),
        ("fail_on = 'high'\n", ["'fail_on'", "fail-on"]),
        ("select = 3\n", ["select", "list of rules"]),
        ("select = [3]\n", ["select", "list of rules"]),
        ("select = ['S10l']\n", ["select", "S10l", "S101"]),
        ("ignore = ['securty']\n", ["ignore", "security"]),
        ("fail-on = 'hihg'\n", ["fail-on", "did you mean high"]),
        ("fail-on = []\n", ["fail-on", "critical"]),
        ("deep = 1\n", ["deep", "true or false"]),
        ("strict = 'yes'\n", ["strict", "true or false"]),
        ("jobs = 0\n", ["jobs", "one or more"]),
        ("jobs = true\n", ["jobs", "one or more"]),
        ("jobs = 1.5\n", ["jobs", "one or more"]),
        ("timeout = nan\n", ["timeout", "seconds"]),
        ("timeout = -1\n", ["timeout", "seconds"]),
        ("baseline = ''\n", ["baseline", "a path"]),
        ("exclude = 'old'\n", ["exclude", "list of patterns"]),
        ("exclude = ['']\n", ["exclude", "list of patterns"]),
        ("per-path-ignores = ['a']\n", ["per-path-ignores", "a table"]),
        ("[per-path-ignores]\n'a/*' = 'nonsense'\n", ["per-path-ignores", "'a/*'", "nonsense"]),
        ("[per-path-ignores]\n'a/*' = {}\n", ["per-path-ignores", "list of rules"]),
        ("[per-path-ignores]\n'' = ['S']\n", ["empty pattern"]),
        ("jobs = \n", ["not TOML"]),
        ("\0", ["not TOML"]),
        ("a = " + "[" * 100_000, ["not TOML"]),
    ],
)
def test_each_fault_names_file_key_and_what_is_nearest(
    text: str, parts: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "selct = []\njobs = 0\nignore = ['Q1', 'X2']\n[per-path-ignores]\na = ['Z9']\nb = 1\n",
    )
    with pytest.raises(UsageError) as caught:
        read_config(path)
    message = str(caught.value)
    assert "6 faults" in message
    for part in ("selct", "jobs", "'Q1'", "'X2'", "'Z9'", "'b'"):
        assert part in message


@pytest.mark.parametrize("data", [b"\xff\xfe", b'select = ["\xe9"]'], ids=str)
def test_what_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "migrator.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="UTF-8"):
        read_config(path)


def test_a_byte_order_mark_is_none_of_our_business(tmp_path: Path) -> None:
    path = tmp_path / "migrator.toml"
    path.write_bytes(b"\xef\xbb\xbfjobs = 2\n")
    assert read_config(path).jobs == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.toml", "No such file"),
        ("folder", "not a file"),
        ("pipe", "not a file"),
        ("a\0b", "not a path"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_refused(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=why):
        read_config(str(tmp_path / name))


def test_a_named_pyproject_without_our_table_is_refused(tmp_path: Path) -> None:
    for text in ("", "tool = 3\n", "[tool.migrators]\n"):
        with pytest.raises(UsageError, match=r"\[tool.migrator\]"):
            read_config(write(tmp_path, text, "pyproject.toml"))
    with pytest.raises(UsageError, match="a table"):
        read_config(write(tmp_path, "[tool]\nmigrator = 3\n", "pyproject.toml"))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "migrator.toml"
    with path.open("wb") as file:
        file.truncate(10 << 20)
    with pytest.raises(UsageError, match="no configuration"):
        read_config(path)
