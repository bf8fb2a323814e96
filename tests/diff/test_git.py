"""``migrator diff`` as git's external diff driver and as its textconv, in a real repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.formats.load import load
from migrator.report.canonical_text import canonical_text, lines_text
from tests import handmade as h
from tests import wire
from tests.commands import environment
from tests.corpus import PROTOBUF, Sample, sample
from tests.fuzz.survive import assert_harmless

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
_COMMAND = f'"{sys.executable}" -m migrator diff'


def graph(kind: str, name: str = "y") -> bytes:
    return wire.graph([h.placeholder("x"), h.unary(name, kind, "x")])


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder.parent / "home"
        home.mkdir()
        self._env = environment(
            {
                "HOME": str(home),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_PAGER": "cat",
                **{f"GIT_{who}_NAME": "n" for who in ("AUTHOR", "COMMITTER")},
                **{f"GIT_{who}_EMAIL": "n@example.com" for who in ("AUTHOR", "COMMITTER")},
            }
        )
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            self._env.pop(name, None)
        self.git("init", "-q")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def commit(self, **files: bytes) -> None:
        for name, data in files.items():
            (self.folder / f"{name}.pb").write_bytes(data)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "models")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "repository"
    folder.mkdir()
    made = Repository(folder)
    (folder / ".gitattributes").write_text("*.pb diff=model\n")
    return made


def test_external_driver_tells_what_changed(repository: Repository) -> None:
    repository.git("config", "diff.model.command", _COMMAND)
    repository.commit(model=graph("Relu"))
    repository.commit(model=graph("Tanh"))
    text = repository.git("diff", "HEAD~1", "HEAD")
    assert "a/model.pb: GraphDef" in text
    assert "b/model.pb: GraphDef" in text
    assert "op  Relu -> Tanh" in text


def test_external_driver_survives_new_gone_renamed_and_broken_files(
    repository: Repository,
) -> None:
    repository.git("config", "diff.model.command", _COMMAND)
    repository.commit(model=graph("Relu"), gone=graph("Selu", "other"), broken=graph("Relu"))
    (repository.folder / "gone.pb").unlink()
    (repository.folder / "model.pb").rename(repository.folder / "moved.pb")
    repository.commit(new=graph("Tanh"), broken=b"no model at all")
    text = repository.git("diff", "-M100%", "HEAD~1", "HEAD")
    assert "gone.pb deleted" in text
    assert "new.pb added" in text
    assert "migrator diff: b/broken.pb: " in text
    assert "git-blob" not in text


def test_renamed_file_that_changed_is_told_under_both_names(repository: Repository) -> None:
    repository.git("config", "diff.model.command", _COMMAND)
    nodes = [h.unary(f"n{number}", "Tanh", "x") for number in range(50)]
    repository.commit(model=wire.graph([h.placeholder("x"), *nodes]))
    (repository.folder / "model.pb").unlink()
    repository.commit(moved=wire.graph([h.placeholder("x"), *nodes[:-1]]))
    text = repository.git("log", "-p", "--ext-diff", "-M40%", "-1")
    assert "a/model.pb: GraphDef" in text
    assert "b/moved.pb: GraphDef" in text


def test_saved_model_is_named_by_its_folder_and_lacks_what_git_does_not_hand_over(
    repository: Repository,
) -> None:
    repository.git("config", "diff.model.command", _COMMAND)
    for release in ("1.4.1", "1.15.5"):
        shutil.rmtree(repository.folder / "export", ignore_errors=True)
        source = sample(f"tf{release}/sm_variables").path
        shutil.copytree(source, repository.folder / "export")
        repository.commit()
    text = repository.git("diff", "HEAD~1", "HEAD", "--", "export/saved_model.pb")
    assert "a/export: SavedModel" in text
    assert "not compared" in text


def test_texts_of_two_files_do_not_run_into_each_other(repository: Repository) -> None:
    repository.git("config", "diff.model.command", _COMMAND)
    repository.commit(one=graph("Relu"), two=graph("Relu"))
    repository.commit(one=graph("Tanh"), two=graph("Tanh"))
    assert "\n\nleft   a/two.pb" in repository.git("diff", "HEAD~1", "HEAD")


def test_textconv_shows_the_lines_that_changed(repository: Repository) -> None:
    repository.git("config", "diff.model.textconv", f"{_COMMAND} --textconv")
    repository.commit(model=graph("Relu"))
    repository.commit(model=graph("Tanh"))
    lines = repository.git("diff", "HEAD~1", "HEAD").splitlines()
    assert "-y = Relu(x)" in lines
    assert "+y = Tanh(x)" in lines
    assert not [line for line in lines if line[:1] in "+-" and "Placeholder" in line]
    assert "+y = Tanh(x)" in repository.git("log", "-p", "-1").splitlines()


def test_textconv_of_what_is_no_model_is_a_line(repository: Repository) -> None:
    repository.git("config", "diff.model.textconv", f"{_COMMAND} --textconv")
    repository.commit(model=graph("Relu"))
    repository.commit(model=b"no model at all")
    assert "+not readable: " in repository.git("diff", "HEAD~1", "HEAD")


def test_order_of_nodes_leaves_no_trace_in_the_text(tmp_path: Path) -> None:
    nodes = [h.placeholder("x"), h.const("c", [1.0, float("nan")]), h.unary("y", "Relu", "x")]
    texts = []
    for number, items in enumerate((nodes, list(reversed(nodes)))):
        path = tmp_path / f"{number}.pb"
        path.write_bytes(wire.graph(items))
        texts.append(lines_text(canonical_text(load(path))))
    assert texts[0] == texts[1]
    assert "  value: float32 [2] [1.0, nan]" in texts[0].splitlines()


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_text_of_every_fixture_names_all_its_nodes_and_is_harmless(item: Sample) -> None:
    text = lines_text(canonical_text(item.model()))
    assert_harmless(text)
    ops = [line for line in text.splitlines() if " = " in line and ": " not in line.split(" = ")[0]]
    graphs = [meta.graph for meta in item.model().meta_graphs]
    total = sum(1 for found in graphs for _ in found.all_nodes())
    assert len(ops) >= total
