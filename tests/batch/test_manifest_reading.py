"""What the four forms of a manifest say, and what is told of their faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrator.batching.manifest.entry import Entry, choice_of, task_arguments
from migrator.batching.manifest.faults import ManifestError
from migrator.batching.manifest.sources import read_entries
from migrator.batching.manifest.toml_tables import toml_lines
from migrator.batching.task import Task
from tests.batch.manifests import FORMATS, faults_in, read, written

WHOLE = {
    "yaml": """\
manifest: 1
defaults:
  rtol: 1e-3
  tflite: {quantize: dynamic}
models:
  - name: a/b
    source: m.pb
    inputs: {image: x, n: "n:1"}
    output: y
    feeds:
      is_training: false
      keep: 1e-5
      no: [1, [2.5]]
    shapes: {image: [null, 224, -1, 3]}
    control-flow: v1
    tflite: {builtin_only: true}
    memory_limit: 8GB
  - m.pb
  - {source: m.pb, rtol: null, tflite: false, steps: "migrate, verify", tag_set: [a, b]}
""",
    "toml": """\
manifest = 1
[defaults]
rtol = 1e-3
tflite = { quantize = "dynamic" }
[[model]]
name = "a/b"
source = "m.pb"
output = "y"
control-flow = "v1"
memory_limit = "8GB"
[model.inputs]
image = "x"
n = "n:1"
[model.feeds]
is_training = false
keep = 1e-5
no = [1, [2.5]]
[model.shapes]
image = [-1, 224, -1, 3]
[model.tflite]
builtin_only = true
[[model]]
source = "m.pb"
[[model]]
source = "m.pb"
rtol = 1e-5
tflite = false
steps = "migrate, verify"
tag_set = ["a", "b"]
""",
    "csv": """\
name,source,inputs,output,feeds,shape,control-flow,tflite,memory_limit,rtol,steps,tag_set
# the first
a/b,m.pb,image=x;n=n:1,y,"{""is_training"": false, ""keep"": 1e-5, ""no"": [1, [2.5]]}",\
"image=?,224,?,3",v1,"{""quantize"": ""dynamic"", ""builtin_only"": true}",8GB,1e-3,,

,m.pb,,,,,,"{""quantize"": ""dynamic""}",,0.001,,
,m.pb,,,,,,no,,,migrate;verify,"a,b"
""",
    "jsonl": """\
{"manifest": 1, "defaults": {"rtol": 1e-3, "tflite": {"quantize": "dynamic"}}}
{"name": "a/b", "source": "m.pb", "inputs": {"image": "x", "n": "n:1"}, "output": "y", \
"feeds": {"is_training": false, "keep": 1e-5, "no": [1, [2.5]]}, \
"shapes": {"image": [null, 224, -1, 3]}, "control-flow": "v1", "tflite": {"builtin_only": true}, \
"memory_limit": "8GB"}

# a comment
{"source": "m.pb"}
{"source": "m.pb", "rtol": null, "tflite": false, "steps": "migrate, verify", "tag_set": ["a", "b"]}
""",
}


@pytest.mark.parametrize("format", FORMATS)
def test_all_forms_say_the_same(format: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"models.{format}", WHOLE[format])
    first, second, third = read_entries([path])
    source = str(tmp_path / "m.pb")
    assert first == Entry(
        name="a/b",
        source=source,
        inputs=("image=x", "n=n:1"),
        outputs=("y",),
        feeds=("is_training=false", "keep=1e-05", "no=[1, [2.5]]"),
        rtol=1e-3,
        options={"control_flow": "v1", "shapes": ("image=?,224,?,3",)},
        tflite={"quantize": "dynamic", "builtin_only": True},
        memory_limit=8_000_000_000,
    )
    assert first.file == str(path) and first.line > 1
    assert second == Entry(name="m", source=source, rtol=1e-3, tflite={"quantize": "dynamic"})
    assert third.name == "m-2" and third.tag_set == "a,b" and third.tflite is None
    assert third.steps == ("migrate", "verify") and third.rtol in (None, 1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_content_tells_the_form_where_no_suffix_does(format: str, tmp_path: Path) -> None:
    path = written(tmp_path, "models", "# a comment\n\n" + WHOLE[format])
    assert [entry.name for entry in read_entries([path])] == ["a/b", "m", "m-2"]


def test_yaml_takes_merges_quotes_and_numbers_as_people_write_them(tmp_path: Path) -> None:
    text = """\
base: &base {rtol: 1e-4, atol: .5}
models:
  - {<<: *base, source: m.pb, atol: 1, name: 2020-01-01}
  - source: m.pb
    name: "no"
    feeds: {no: yes, 1: 2, on: 'off'}
"""
    text = text.replace("base: &base", "defaults: &base")
    one, two = read(written(tmp_path, "m.yaml", text))
    assert (one.name, one.rtol, one.atol) == ("2020-01-01", 1e-4, 1.0)
    assert (two.name, two.atol) == ("no", 0.5)
    assert two.feeds == ("no=true", "1=2", "on=off")


FAULTY = {
    "yaml": (
        """\
manifest: 1
default: {}
models:
  - name: a
    source: gone.pb
    inptus: x
  - name: a
    source: m.pb
    weights: variable
  - {name: ../b, source: m.pb, rtol: -1}
  - {name: a/c, source: m.pb, inputs: [x, x], feeds: {"x:0": 1}}
  - {source: m.pb, signature: k, outputs: y}
  - name: A
    source: m.pb
    tflite: {quantize: int8}
    steps:
      - plan
      - migrat
""",
        [
            "2: there is no key 'default'; did you mean defaults?",
            "5: source: '{}/gone.pb' does not exist",
            "6: there is no key 'inptus'; did you mean inputs or signatures?",
            "7: name: 'a' is given twice (first in line 4)",
            "9: weights: 'variable'; one of auto, variables, constants",
            "10: name: '../b' leaves DEST: a name is a path below it",
            "10: rtol: -1; a tolerance is zero or more",
            "11: inputs: names x:0 twice",
            "11: name: 'a/c' lies inside of the folder of the model 'a' (line 4)",
            "11: x:0 is both an input and fed",
            "12: names signatures of the source and endpoints too; inputs and outputs make",
            "13: name: 'A' is given twice, 'a' on some file systems (first in line 4)",
            "15: tflite: int8 is calibrated on representative inputs, and none are given; ",
            "18: steps: there is no step 'migrat'; did you mean migrate?",
        ],
    ),
    "toml": (
        """\
manifest = 2
[[models]]
name = "a"
source = '''gone.pb'''
[models.feeds]
"x.y" = [
  1, # ]
  "\\"]",
]
[[models]]
source = "m.pb"
data = "gone.npz"

  [models.tflite]
  quantise = "int8"
[[models]]
name = "b:c"
source = "m.pb"
atol = nan
""",
        [
            "1: manifest: 2; this version reads manifest: 1",
            "4: source: '{}/gone.pb' does not exist",
            "12: data: '{}/gone.npz' does not exist",
            "15: tflite: there is no key 'quantise'; did you mean quantize?",
            "17: name: 'b:c' is not a name on every file system; write 'b%3Ac'",
            "19: atol: nan; a tolerance is zero or more",
        ],
    ),
    "csv": (
        '''\
# models
name,source,inputs,rtol,otput
a,m.pb,"x

",much,
b,gone.pb,"[""x""",,,,
,,x,,
''',
        [
            "2: there is no key 'otput'; did you mean outputs or trust?",
            "3: rtol: 'much'; expected a number",
            "6: has 7 cells under a header of 5",
            "6: inputs: '[\"x\"' begins as JSON does, and is none",
            "6: source: '{}/gone.pb' does not exist",
            "7: has no source",
        ],
    ),
    "jsonl": (
        """\
{"manifest": 1}
{"name": "a", "source": "m.pb", "name": "b"}
{"source": "m.pb"
[]
# comment
{"source": "m.pb", "rtol": Infinity}
{"source": "m.pb", "feeds": {"x": {}}, "seed": 1.5}
{"source": 5}
""",
        [
            "2: the key 'name' stands here twice",
            "3: is not JSON, an object a line: Expecting ',' delimiter (column 18)",
            "4: is no object: a line is {...}",
            "6: is not JSON, an object a line: Infinity is no number of JSON",
            "7: feeds: 'x': a table; expected true, false, a number, a text, or lists of these",
            "7: seed: 1.5; expected a whole number, zero or more",
            "8: source: 5; expected a text (put it in quotes)",
        ],
    ),
}


@pytest.mark.parametrize("format", FORMATS)
def test_all_faults_are_told_at_once_each_with_its_line(format: str, tmp_path: Path) -> None:
    text, expected = FAULTY[format]
    found = faults_in(tmp_path, f"models.{format}", text)
    wanted = [item.replace("{}", str(tmp_path)) for item in expected]
    for line, start in zip(found, wanted, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    "name, text, start",
    [
        pytest.param("a.yaml", "models:\n  - {a: [}\n", "2: is not YAML: "),
        pytest.param("a.yaml", "models: [m.pb]\n---\nb\n", "2: holds a second document"),
        pytest.param("a.yaml", "", "1: holds no models"),
        pytest.param("a.yaml", "x: \x01", "1: is not YAML: "),
        pytest.param(
            "a.yaml",
            "models:\n - source: !!python/object/apply:os.system [true]\n",
            "2: has the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        pytest.param("a.yaml", "models: {}\n", "1: models: expected a list"),
        pytest.param("a.yaml", "models:\n- 5\n", "2: expected a table with"),
        pytest.param("a.yaml", "models:\n- &a [*a]\n", "2: the alias *a stands inside"),
        ("a.toml", "a = 1\nb = = 2\n", "2: is not TOML: "),
        ("a.toml", "defaults = 1\nmodels = []\n", "1: defaults: expected a table"),
        ("a.toml", 'models = []\n[defaults]\n\nname = "x"\n', "4: name: is each model's own"),
        ("a.csv", 'source\n"m.pb\n', "2: is not CSV: unexpected end of data"),
        ("a.csv", "\n# nothing\n", "1: is empty"),
        ("a.csv", "source,source\nm.pb,\n", "1: the column 'source' is there twice"),
        ("a.jsonl", "[" * 100_000, "1: is "),
    ],
)
def test_what_is_no_manifest_is_told_with_its_line(
    name: str, text: str, start: str, tmp_path: Path
) -> None:
    assert any(fault.startswith(start) for fault in faults_in(tmp_path, name, text))


def test_faults_of_all_manifests_and_sources_come_together(tmp_path: Path) -> None:
    one = written(tmp_path, "one.csv", "source\ngone.pb\n")
    two = written(tmp_path, "two.jsonl", '{"source": "m.pb", "x": 1}\n')
    with pytest.raises(ManifestError) as caught:
        read_entries([two, tmp_path / "gone.yaml", one, tmp_path / "*.none"])
    assert caught.value.count == 4 == len(caught.value.faults)
    assert "4 faults: " in str(caught.value)


def test_names_of_two_manifests_must_differ_too(tmp_path: Path) -> None:
    one = written(tmp_path, "one.csv", "name,source\na,m.pb\n")
    two = written(tmp_path, "two.csv", "name,source\nb,m.pb\na,m.pb\n")
    with pytest.raises(ManifestError) as caught:
        read_entries([one, two])
    assert caught.value.faults == (f"{two}:3: name: 'a' is given twice (first in {one}, line 2)",)


def test_variables_of_the_environment_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "m")
    found = faults_in(tmp_path, "a.csv", "source\n$MODEL.pb\n~/m.pb\n")
    assert found[0].startswith(f"2: source: '{tmp_path}/$MODEL.pb' does not exist")
    assert found[1].startswith(f"3: source: '{tmp_path}/~/m.pb' does not exist")


def test_a_missing_source_comes_with_what_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "mobilenet_v1.pb").touch()
    (tmp_path / "tree").mkdir()
    found = faults_in(tmp_path, "a.csv", "source\nmobilnet_v1.pb\ntree\n")
    assert found[0].endswith("does not exist; did you mean mobilenet_v1.pb?")
    assert "is a folder without a checkpoint and without saved_model.pb" in found[1]


def test_paths_count_from_the_manifest_and_addresses_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    text = "source,checkpoint,op_library\nm.pb,w/ckpt,ops.so;/abs.so\ns3://b/zoo/m.pb,,\n"
    written(tmp_path / "sub", "a.csv", text)
    monkeypatch.chdir(tmp_path)
    one, two = read(Path("sub/a.csv"))
    assert one.source == os.path.join("sub", "m.pb")
    assert one.options == {"checkpoint": "sub/w/ckpt", "op_libraries": ("sub/ops.so", "/abs.so")}
    assert two.source == "s3://b/zoo/m.pb"


def test_a_default_is_faulty_once_and_not_in_every_model(tmp_path: Path) -> None:
    text = '[defaults]\ninputs = ["x"]\nfeeds = ["x=1"]\n' + '[[models]]\nsource = "m.pb"\n' * 3
    assert faults_in(tmp_path, "a.toml", text) == ["2: x:0 is both an input and fed"]


def test_an_entry_becomes_a_task_and_a_choice() -> None:
    entry = Entry(
        name="a",
        source="m.pb",
        signatures=("k",),
        tag_set="serve,gpu",
        rtol=0.0,
        options={"weights": "constants", "shapes": ("x=?",)},
        tflite={},
    )
    choice = choice_of(entry)
    assert (choice.signatures, choice.weights, choice.tag_set) == (
        ("k",),
        "constants",
        ("serve", "gpu"),
    )
    task = Task(dest="/out/a", **task_arguments(entry))
    assert task.steps[-1] == "tflite" and task.rtol == 0.0 and task.tag_set == ("serve", "gpu")
    assert task.signature == ("k",) and task.choice["shapes"] == ("x=?",)
    assert task_arguments(Entry(name="a", source="m.pb", tag_set=""))["tag_set"] == ()
    assert "data" not in task_arguments(Entry(name="a", source="m.pb"))


def test_lines_of_toml_are_found_behind_strings_comments_and_lists() -> None:
    text = (
        '# [[models]]\na.b = 1\n"q\\"[" = """\n[[models]]\n"""" # x\n'
        "l = ['[[x]]', # ]\n [1],\n]\n'k' = '''\n'''\n"
        '[[models]]\nx = 1\n[[models.y]]\n[models.y.z]\nw = 1\n[[ models . "y" ]]\nv=2\n[[models]]'
    )
    lines = toml_lines(text)
    assert lines == {
        ("a",): 2,
        ("a", "b"): 2,
        ('q"[',): 3,
        ("l",): 6,
        ("k",): 9,
        ("models",): 11,
        ("models", 0): 11,
        ("models", 0, "x"): 12,
        ("models", 0, "y"): 13,
        ("models", 0, "y", 0): 13,
        ("models", 0, "y", 0, "z"): 14,
        ("models", 0, "y", 0, "z", "w"): 15,
        ("models", 0, "y", 1): 16,
        ("models", 0, "y", 1, "v"): 17,
        ("models", 1): 18,
    }


def test_a_file_address_is_the_path_that_it_is_and_looked_at_as_one(tmp_path: Path) -> None:
    row = '{{"source": "file://{0}/{1}", "data": "file://{0}/d.npz"}}\n'
    path = written(tmp_path, "m.jsonl", row.format(tmp_path, "m.pb"))
    assert [(item.source, item.data) for item in read(path)] == [
        (f"{tmp_path}/m.pb", f"{tmp_path}/d.npz")
    ]
    assert faults_in(tmp_path, "gone.jsonl", row.format(tmp_path, "gone.pb")) == [
        f"1: data: '{tmp_path}/d.npz' does not exist",
        f"1: source: '{tmp_path}/gone.pb' does not exist",
    ]
