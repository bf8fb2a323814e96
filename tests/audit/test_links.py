"""Links that lead out of a SavedModel's folder (S208)."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from tests.audit.notation import put_model

_MODEL = """
x = Placeholder | dtype=:float shape=:[-1]
y = Identity x | T=:float
signature serving_default: x=x:0 -> y=y:0
"""


def _model(folder: Path) -> Path:
    for name in ("assets", "variables"):
        (folder / name).mkdir(parents=True)
    put_model(_MODEL, folder)
    return folder


def _found(folder: Path) -> list[Finding]:
    findings, skipped = run_rules(open_subject(folder), [find_rule("S208")])
    assert not skipped
    return list(findings)


def test_link_out_of_the_folder_is_told_with_its_target(tmp_path: Path) -> None:
    folder = _model(tmp_path / "model")
    (folder / "assets" / "vocab.txt").symlink_to("/etc/passwd")
    (folder / "variables" / "variables.index").symlink_to("../../other/variables.index")
    asset, other = _found(folder)
    assert (asset.severity.label, asset.detail["file"]) == ("high", "assets/vocab.txt")
    assert asset.detail["argument"] == "/etc/passwd"
    assert (other.severity.label, other.detail["file"]) == ("low", "variables/variables.index")


def test_link_inside_of_the_folder_and_into_a_cache_of_hashes_are_silent(tmp_path: Path) -> None:
    folder = _model(tmp_path / "snapshots" / "model")
    (folder / "assets" / "a.txt").write_text("a")
    (folder / "assets" / "b.txt").symlink_to("a.txt")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / ("0" * 40)).write_text("c")
    (folder / "assets" / "c.txt").symlink_to(f"../../../blobs/{'0' * 40}")
    assert _found(folder) == []


@pytest.mark.parametrize("name", ["0a/" + "b" * 30, "SHA256E-s10--" + "c" * 64 + ".txt"])
def test_links_into_the_stores_of_dvc_and_git_annex_are_silent(tmp_path: Path, name: str) -> None:
    folder = _model(tmp_path / "model")
    (folder / "assets" / "a.txt").symlink_to(f"/store/{name}")
    assert _found(folder) == []


def test_a_folder_all_of_links_as_build_tools_make_it_is_silent(tmp_path: Path) -> None:
    real = _model(tmp_path / "real")
    (real / "assets" / "a.txt").write_text("a")
    linked = tmp_path / "linked"
    (linked / "assets").mkdir(parents=True)
    for name in ("saved_model.pb", "assets/a.txt"):
        (linked / name).symlink_to(real / name)
    assert _found(linked) == []


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    folder = _model(tmp_path / "model")
    (folder / "assets" / "loop").symlink_to(folder)
    assert _found(folder) == []


def test_a_single_file_has_no_folder_of_its_own(tmp_path: Path) -> None:
    put_model("x = Const 1.5", tmp_path)
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert _found(tmp_path / "graph.pb") == []
