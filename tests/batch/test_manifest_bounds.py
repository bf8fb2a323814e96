"""A hostile manifest is refused in short time and little memory, and never runs anything."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from migrator.batching.manifest.faults import ManifestError
from migrator.batching.manifest.sources import read_entries
from migrator.batching.manifest.tables import MOST_BYTES
from tests.batch.manifests import faults_in, read, written

SECONDS = 20.0
"""Far more than any takes on a slow machine, far less than what is guarded against."""


def refused(folder: Path, name: str, text: str) -> list[str]:
    start = time.monotonic()
    found = faults_in(folder, name, text)
    assert time.monotonic() - start < SECONDS
    return found


def test_aliases_of_aliases_are_counted_before_they_are_followed(tmp_path: Path) -> None:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    text = "models:\n" + "\n".join(lines) + "\n- {source: m.pb, feeds: {x: *a29}}\n"
    assert "aliases included" in refused(tmp_path, "laughs.yaml", text)[0]


def test_merges_of_merges_are_counted_too(tmp_path: Path) -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(1000))
    many = "\n".join(f"- {{<<: [{', '.join(['*a'] * 1000)}]}}" for _ in range(100))
    text = f"defaults: &a {{{keys}}}\nmodels:\n{many}\n"
    assert any("aliases included" in fault for fault in refused(tmp_path, "merges.yaml", text))


@pytest.mark.parametrize(
    "name, text",
    [
        pytest.param("deep.yaml", "models: " + "[" * 200_000),
        pytest.param("deep.yaml", "a: {" * 100_000),
        ("deep.toml", "models = " + "[" * 200_000),
        ("deep.toml", "models = [{source = " + "[" * 40 + "]" * 40 + "}]"),
        ("deep.jsonl", '{"source": ' + "[" * 200_000),
        ("deep.jsonl", '{"source": ' + "[" * 40 + "]" * 40 + "}"),
        ("deep.csv", "source,feeds\nm.pb," + "[" * 100_000),
        ("deep.csv", 'source,feeds\nm.pb,"' + "[" * 40 + "]" * 40 + '"'),
    ],
)
def test_depth_is_bounded(name: str, text: str, tmp_path: Path) -> None:
    assert refused(tmp_path, name, text)


@pytest.mark.parametrize(
    "name, text",
    [
        pytest.param("number.yaml", "rtol: " + "1:" * 500_000 + "1"),
        pytest.param("key.yaml", "a" * 500_000 + ": 1"),
        ("dots.toml", "a." * 500_000 + "a = 1"),
        ("dots.toml", "[" + "a." * 500_000 + "a]"),
        ("dots.toml", "x = {" + "a." * 500_000 + "a = 1}"),
        ("key.toml", '"' + "a" * 5_000_000 + '" = 1'),
        ("escapes.toml", 'x = """' + "\\n" * 2_000_000 + '"""'),
        ("key.jsonl", json.dumps({"a" * 5_000_000: 1})),
        ("keys.jsonl", json.dumps({f"k{n}": 1 for n in range(200_000)})),
        ("cell.csv", "source\n" + "a" * 500_000),
        ("number.csv", "source,rtol\nm.pb," + "9" * 100_000),
        ("cells.csv", "source," + "," * 100_000 + "\nm.pb" + ",x" * 100_000),
        ("number.jsonl", '{"source": "m.pb", "seed": ' + "9" * 1_000_000 + "}"),
    ],
)
def test_long_keys_numbers_and_lines_cost_little(name: str, text: str, tmp_path: Path) -> None:
    found = refused(tmp_path, name, text)
    assert all(len(fault) < 3000 for fault in found)


def test_a_file_past_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ManifestError, match="make several manifests"):
        read_entries([path])


@pytest.mark.parametrize("name", ["a.csv", "a.toml", "a.jsonl"])
def test_bytes_that_are_no_text_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\n\xff\xfe\x00s\x00o")
    with pytest.raises(ManifestError, match="is not UTF-8"):
        read_entries([tmp_path / name])


def test_names_and_paths_that_no_file_system_holds_are_told(tmp_path: Path) -> None:
    text = '{"source": "m.pb", "name": "a\\u0000b"}\n{"source": "\\ud800.pb"}\n'
    found = faults_in(tmp_path, "a.jsonl", text)
    assert found[0].startswith("1: name: 'a\\x00b' holds what no name")
    assert found[1].startswith("2: source: ") and found[1].isprintable()


def test_hostile_text_is_escaped_where_it_is_told(tmp_path: Path) -> None:
    text = '{"source": "m.pb", "\\u001b[31m\\u202e": 1, "name": "\\u001b[2J"}\n'
    found = faults_in(tmp_path, "a.jsonl", text)
    assert len(found) == 2 and all(fault.isprintable() for fault in found)


def test_of_very_many_faults_the_first_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"source": "m.pb", "seed": -1}\n' * 3000)
    with pytest.raises(ManifestError) as caught:
        read_entries([path])
    assert caught.value.count == 3000 and len(caught.value.faults) == 1000
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("format", ["csv", "jsonl", "toml", "yaml"])
def test_ten_thousand_models_are_read_quickly(format: str, tmp_path: Path) -> None:
    rows = {
        "csv": "m{0},zoo/m{0}.pb,x;y\n",
        "jsonl": '{{"name": "m{0}", "source": "zoo/m{0}.pb", "inputs": ["x", "y"]}}\n',
        "toml": '[[models]]\nname = "m{0}"\nsource = "zoo/m{0}.pb"\ninputs = ["x", "y"]\n',
        "yaml": "- name: m{0}\n  source: zoo/m{0}.pb\n  inputs: [x, y]\n",
    }
    head = {"csv": "name,source,inputs\n", "yaml": "models:\n"}.get(format, "")
    text = head + "".join(rows[format].format(number) for number in range(10_000))
    path = written(tmp_path, f"a.{format}", text)
    start = time.monotonic()
    found = read(path)
    assert time.monotonic() - start < SECONDS
    assert len(found) == 10_000 and found[-1].inputs == ("x", "y")
