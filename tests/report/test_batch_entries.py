"""Entries of a manifest to paste, one for each model that needs a decision."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.executors.local import LocalExecutor
from migrator.batching.manifest.entry import task_arguments
from migrator.batching.manifest.faults import Faults
from migrator.batching.manifest.planning import plan_manifest
from migrator.batching.manifest.reading import read_drafts
from migrator.batching.manifest.sources import read_entries
from migrator.batching.run.batch import batch
from migrator.report.batch_entry import candidates, entry, entry_lines
from tests.batch import made
from tests.batch.made import HOSTILE
from tests.corpus import FIXTURES
from tests.report.batches import Json


def read(text: str) -> Any:
    return pytest.importorskip("yaml").safe_load(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_entries_hold_any_name_and_nothing_else(name: str) -> None:
    decision = {
        "options": ["--input image:0", "--output='x y:0'", "--feed t:0=false"],
        "candidates": sure("image:0", "x y:0", "t:0"),
    }
    found = read(entry(name, f"/a/{name}.pb", entry_lines(decision)))
    told = {"inputs": ["image:0"], "outputs": ["x y:0"], "feeds": None}
    assert found == [{"name": name, "source": f"/a/{name}.pb", **told}]


def sure(*tensors: str, score: float = 0.9) -> list[Json]:
    return [{"tensor": tensor, "score": score} for tensor in tensors]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_tensors_add_nothing_to_an_entry(name: str) -> None:
    asked = shlex.join(["--output", name])
    told = [{"tensor": name, "score": 0.9, "reasons": [name], "dtype": name}]
    for decision in ({"options": [asked], "candidates": told}, {"options": [asked, name]}):
        [found] = read(entry("n", "s", entry_lines(decision)))
        assert set(found) <= {"name", "source", "outputs"}
        assert found.get("outputs") in (None, [name], [f"{name}:0"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--tag-set serve,gpu", "--tag-set train"],
            ['# tag_set: ["serve,gpu"]', '# tag_set: ["train"]'],
        ),
        (["--signature a", "--signature=b"], ['# signatures: ["a"]', '# signatures: ["b"]']),
        (["--input=-odd:0"], ["inputs:", '  # - "-odd:0"']),
        (["name them with --input"], ["# name them with --input"]),
        (["--output 'unclosed"], ["# --output 'unclosed"]),
        (["--output"], ["# --output"]),
        (["--weights auto"], ["# --weights auto"]),
    ],
)
def test_what_is_open_becomes_a_comment_to_take_in(options: list[str], told: list[str]) -> None:
    assert entry_lines({"options": options}) == told


def test_what_the_rules_are_sure_of_is_plain_and_each_tensor_stands_once() -> None:
    outputs = [*sure("score:0"), *sure("Mean:0", "score:0", score=0.45)]
    options = ["--input x:0", "--output score:0", "--output Mean:0", "--output score:0"]
    decision = {
        "kind": "endpoints",
        "candidates": {"inputs": sure("x:0"), "outputs": outputs},
        "options": options,
    }
    assert entry_lines(decision) == [
        "inputs:",
        '  # - "x:0"',  # other outputs may need others
        "outputs:",
        '  - "score:0"',
        '  # - "Mean:0"',
    ]
    assert [item.text for item in candidates(decision)] == ["x:0", "score:0", "Mean:0"]
    assert candidates(decision)[1].score == 0.9
    decision["options"] = ["--input x:0", "--output score:0", "--feed t:0=false"]
    assert entry_lines(decision) == [
        *("inputs:", '  - "x:0"', "outputs:", '  - "score:0"', "feeds:", '  # - "t:0=false"')
    ]


def test_more_options_than_an_entry_holds_are_counted() -> None:
    lines = entry_lines({"options": [f"--output t{n}:0" for n in range(100)]})
    assert len(lines) == 62
    assert lines[-1] == "# and 40 more"


def test_entry_of_every_fixture_that_needs_a_decision_reads_back(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    models = [item for item in planned(tmp_path) if item["outcome"] == "needs_decision"]
    assert len(models) > 5
    pasted = "".join(
        entry(item["name"], item["source"], entry_lines(item["decision"])) for item in models
    )
    for number, text in enumerate((pasted, pasted.replace("# - ", "- "))):
        file = tmp_path / f"decided{number}.yaml"
        file.write_text(f"models:\n{text}", "utf-8")
        found = read_entries([str(file)])
        assert [item.name for item in found] == [item["name"] for item in models]
    again = tmp_path / "again.yaml"
    again.write_text(plan_manifest([tmp_path / "decided0.yaml"], jobs=1), "utf-8")
    found = [*read_entries([str(again)]), *read_entries([str(tmp_path / "decided0.yaml")])]
    assert {item.name for item in found} == {item["name"] for item in models}
    known = {item.name: item for item in found}
    for item in models:
        options = item["decision"]["options"]
        for tensor in known[item["name"]].outputs:
            assert f"--output {tensor}" in options


def planned(folder: Path) -> Sequence[Json]:
    """Outcomes of all fixtures, planned."""
    with LocalExecutor(2, warm=False) as executor:
        sources = [FIXTURES / name for name in ("tf1.4.1", "tf1.15.5", "tf2.21.0")]
        steps = ("inspect", "plan")
        return batch(sources, folder / "out", steps=steps, executor=executor).models


def test_entries_are_read_back_as_a_manifest(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    faults = Faults()
    models = [made.needs_decision(f"team/{n}", item) for n, item in enumerate(made.DECISIONS)]
    pasted = "".join(
        entry(item["name"], item["source"], entry_lines(item["decision"])) for item in models
    )
    file = tmp_path / "decided.yaml"
    file.write_text(f"models:\n{pasted}", "utf-8")
    drafts = read_drafts(str(file), "yaml", faults, check=lambda key, path: "")
    faults.check()
    endpoints, tags, feeds = (task_arguments(draft.entry) for draft in drafts)
    assert endpoints["inputs"] == ("image:0",) and endpoints["outputs"] == ("probabilities:0",)
    assert not tags.get("tag_set") and not feeds.get("feeds")
    assert [draft.entry.source for draft in drafts] == [item["source"] for item in models]
