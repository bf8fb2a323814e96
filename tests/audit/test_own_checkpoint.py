"""What serves the model's own checkpoint alone, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrator.auditing.strings.own_checkpoint import (
    CHECKPOINT_OPS,
    checkpoint_use,
    is_own_checkpoint,
)
from migrator.auditing.subject import Subject
from migrator.model.model import MetaGraph, Model
from tests import corpus
from tests.audit.notation import read_model

_ALL = corpus.SAVED + corpus.META + corpus.HUB
_HARMLESS = {"own", "unused_saver", "initializer"}


def uses(model: Model) -> dict[str, str]:
    subject = Subject("model", model=model)
    return {
        place.node.name: checkpoint_use(subject, place) for place in subject.places(CHECKPOINT_OPS)
    }


@pytest.mark.parametrize("sample", _ALL, ids=str)
def test_no_fixture_has_a_saver_that_is_not_its_own(sample: corpus.Sample) -> None:
    subject = Subject("model", model=sample.model())
    for place in subject.places(CHECKPOINT_OPS):
        found = checkpoint_use(subject, place)
        run = {"restore", "save"} & set(subject.reached(place))
        assert found == "own" if run else found in _HARMLESS, (place.node.name, found)


@pytest.mark.parametrize("sample", _ALL, ids=str)
def test_what_is_left_of_a_saver_in_a_graph_alone_is_an_unused_one(sample: corpus.Sample) -> None:
    model = sample.model()
    for meta in model.meta_graphs:
        bare = replace(model, meta_graphs=(MetaGraph(graph=meta.graph),))
        assert set(uses(bare).values()) <= _HARMLESS - {"own"}


_SHARDED = """
    w = VarHandleOp | dtype=:float shape=:[2]
    r = ReadVariableOp w | dtype=:float
    x = Placeholder | dtype=:float shape=:[2]
    y = AddV2 x r | T=:float
    save/filename/input = Const "model"
    save/filename = PlaceholderWithDefault save/filename/input | dtype=:string shape=:[]
    save/Const = PlaceholderWithDefault save/filename | dtype=:string shape=:[]
    save/part = Const "_temp_0123/part"
    save/s3 = Const ".part"
    save/match = StaticRegexFullMatch save/Const | pattern="^s3://.*"
    save/which = Select save/match save/s3 save/part | T=:string
    save/StringJoin = StringJoin save/Const save/which | N=2 separator=""
    save/num = Const int32 1
    save/shard = Const int32 0
    save/ShardedFilename = ShardedFilename save/StringJoin save/shard save/num
    save/names = Const "w"
    save/slices = Const ""
    save/SaveV2 = SaveV2 save/ShardedFilename save/names save/slices r | dtypes=[:float]
    save/done = Identity save/ShardedFilename ^save/SaveV2 | T=:string
    save/Pack = Pack save/done | N=1 T=:string
    save/Merge = MergeV2Checkpoints save/Pack save/Const | delete_old_dirs=true
    save/Identity = Identity save/Const ^save/Merge | T=:string
    save/RestoreV2 = RestoreV2 save/Const save/names save/slices | dtypes=[:float]
    save/value = Identity save/RestoreV2 | T=:float
    save/Assign = AssignVariableOp w save/value | dtype=:float
    save/restore_all = NoOp ^save/Assign
    saver filename=save/Const:0 save=save/Identity:0 restore=save/restore_all
    signature serving_default: x=x:0 -> y=y:0
"""


def test_a_sharded_saver_as_tensorflow_writes_it_is_own() -> None:
    assert set(uses(read_model(_SHARDED)).values()) == {"own"}


_ATTACKS = {
    "a suffix that climbs": ('"_temp_0123/part"', '"/../../../root/.bashrc"', "SaveV2"),
    "a suffix of one branch that climbs": ('".part"', '"/../../x"', "SaveV2"),
    "a separator that climbs": ('separator=""', 'separator="/../../"', "SaveV2"),
    "a constant path": ("SaveV2 save/ShardedFilename", "SaveV2 save/evil", "SaveV2"),
    "a constant in front of it": ("Join save/Const save/w", "Join save/evil save/w", "SaveV2"),
    "one branch a constant": ("SaveV2 save/ShardedFilename", "SaveV2 save/either", "SaveV2"),
    "another destination": ("save/Pack save/Const |", "save/Pack save/evil |", "Merge"),
    "another shard among its own": ("save/done | N=1", "save/done save/evil | N=2", "Merge"),
    "a read by a constant path": ("RestoreV2 save/Const", "RestoreV2 save/evil", "RestoreV2"),
    "a path that an input gives": ("RestoreV2 save/Const", "RestoreV2 p", "RestoreV2"),
    "a save that restoring runs": ("NoOp ^save/Assign", "NoOp ^save/SaveV2", "SaveV2"),
    "a save that a signature runs": ("AddV2 x r", "AddV2 x r ^save/SaveV2", "SaveV2"),
    "a read that a signature runs": ("AddV2 x r", "AddV2 x save/value", "RestoreV2"),
    "a save that loading runs": ("tags serve", "main_op save/SaveV2", "SaveV2"),
    "a path that a variable holds": ("SaveV2 save/ShardedFilename", "SaveV2 save/held", "SaveV2"),
    "a path read from a file": ("RestoreV2 save/Const", "RestoreV2 save/read", "RestoreV2"),
    "a path that a loop makes": ("SaveV2 save/ShardedFilename", "SaveV2 save/merge", "SaveV2"),
}
"""What is changed in ``_SHARDED``, and the op that is then no longer the checkpoint's own."""
_MORE = """
    save/evil = Const "/root/.ssh/authorized_keys"
    save/either = Select save/match save/ShardedFilename save/evil | T=:string
    h = VarHandleOp | dtype=:string shape=:[]
    save/held = ReadVariableOp h | dtype=:string
    save/read = ReadFile save/Const
    save/enter = Enter save/Const | T=:string frame_name="f"
    save/merge = Merge save/enter save/next | T=:string N=2
    save/longer = StringJoin save/merge save/part | N=2
    save/next = NextIteration save/longer | T=:string
    p = Placeholder | dtype=:string shape=:[]
    tags serve
    signature other: p=p:0 -> y=y:0
"""


@pytest.mark.parametrize("name", _ATTACKS)
def test_an_attack_in_the_shape_of_a_saver_is_foreign(name: str) -> None:
    old, new, op = _ATTACKS[name]
    text = _SHARDED + _MORE
    assert text.count(old) == 1
    found = uses(read_model(text.replace(old, new)))
    assert found[f"save/{op}"] == "foreign"
    assert uses(read_model(text))[f"save/{op}"] == "own"


def test_another_op_on_the_way_to_restoring_is_not_exempt() -> None:
    subject = Subject(
        "model",
        model=read_model(
            _SHARDED.replace("NoOp ^save/Assign", "NoOp ^save/Assign ^drop")
            + "\n    drop = WriteFile save/Const save/names"
        ),
    )
    (place,) = subject.places(["WriteFile"])
    assert subject.reached(place) == ("restore",)
    assert not is_own_checkpoint(subject, place)


_TRACED = """
    name = Placeholder | dtype=:string shape=:[]
    w = VarHandleOp | dtype=:float shape=:[2]
    evil = Const "/etc/cron.d/x"
    saved = StatefulPartitionedCall name w | f=@save Tin=[:string,:resource] Tout=[:string]
    back = StatefulPartitionedCall name w | f=@back Tin=[:string,:resource] Tout=[:string]
    def save(prefix: string, v: resource) -> (out: string = id:output:0):
        suffix = Const "_temp/part"
        join = StringJoin prefix suffix:output:0 | N=2 separator=""
        names = Const "w"
        r = ReadVariableOp v | dtype=:float
        SaveV2 = SaveV2 join:output:0 names:output:0 names:output:0 r:value:0 | dtypes=[:float]
        id = Identity prefix ^SaveV2 | T=:string
    def back(prefix: string, v: resource) -> (out: string = id:output:0):
        names = Const "w"
        RestoreV2 = RestoreV2 prefix names:output:0 names:output:0 | dtypes=[:float]
        a = AssignVariableOp v RestoreV2:tensors:0 | dtype=:float
        id = Identity prefix ^a | T=:string
    saver filename=name:0 save=saved:0 restore=back
"""


def test_traced_functions_are_own_by_every_caller() -> None:
    assert uses(read_model(_TRACED)) == {"SaveV2": "own", "RestoreV2": "own"}


def test_a_function_with_another_caller_is_foreign() -> None:
    text = _TRACED + "\n    more = StatefulPartitionedCall evil w | f=@save Tout=[:string]"
    assert uses(read_model(text)) == {"SaveV2": "foreign", "RestoreV2": "own"}


def test_a_loop_that_does_not_go_round_gives_what_it_was_given() -> None:
    text = _TRACED.replace(
        "StatefulPartitionedCall name w | f=@back", "While evil name w | body=@b"
    )
    text = text.replace("saver filename", "out = RestoreV2 back:0 evil evil\n    saver filename")
    text += """
        def b(x: string, prefix: string, v: resource) -> (x_o: string=prefix, p_o: string=prefix):
            n = NoOp
    """
    text = text.replace("restore=back", "restore=out")
    assert uses(read_model(text))["out"] == "foreign"
    assert uses(read_model(text.replace("RestoreV2 back:0", "RestoreV2 back:1")))["out"] == "own"


def test_a_saver_of_a_graph_by_hand_is_unused() -> None:
    saver = """
        x = Placeholder | dtype=:float shape=:[2]
        w = VariableV2 | dtype=:float shape=:[2] container="" shared_name=""
        y = Add x w | T=:float
        f = Const "NAME"
        names = Const "w"
        SaveV2 = SaveV2 f names names w | dtypes=[:float]
        RestoreV2 = RestoreV2 f names names | dtypes=[:float]
        a = Assign w RestoreV2 | T=:float
    """
    unused = {"SaveV2": "unused_saver", "RestoreV2": "unused_saver"}
    assert uses(read_model(saver.replace("NAME", "model"))) == unused
    assert uses(read_model(saver.replace("NAME", "my-net.ckpt"))) == unused
    for path in ("/etc/passwd", "../x", "a/../../b", "s3://bucket/x", "/", ".."):
        assert uses(read_model(saver.replace("NAME", path)))["SaveV2"] == "foreign", path
    alone = "\n".join(line for line in saver.splitlines() if "RestoreV2" not in line)
    assert uses(read_model(alone.replace("NAME", "my-net.ckpt"))) == {"SaveV2": "foreign"}
    reached = saver.replace("Add x w", "Add x RestoreV2").replace("NAME", "model")
    assert uses(read_model(reached))["RestoreV2"] == "foreign"


def test_a_read_for_the_first_value_of_a_variable_is_told_from_others() -> None:
    model = """
        w = VariableV2 | dtype=:float shape=:[2] container="" shared_name=""
        x = Placeholder | dtype=:float shape=:[2]
        y = Add x w | T=:float
        prefix = Const "/home/somebody/bert/bert_model.ckpt"
        names = Const "w"
        RestoreV2 = RestoreV2 prefix names names | dtypes=[:float]
        value = Identity RestoreV2 | T=:float
        Assign = Assign w value | T=:float
        signature serving_default: x=x:0 -> y=y:0
    """
    assert uses(read_model(model)) == {"RestoreV2": "initializer"}
    for change in ("main_op Assign", "signature s: x=x:0 -> y=Assign:0"):
        assert uses(read_model(f"{model}\n{change}")) == {"RestoreV2": "foreign"}
    elsewhere = "send = WriteFile names value"
    assert uses(read_model(f"{model}\n{elsewhere}")) == {"RestoreV2": "foreign"}


def test_a_saver_inside_of_a_constant_is_foreign() -> None:
    from tests import handmade, wire

    inner = wire.graph(
        [
            handmade.text_const("f", b"model"),
            wire.node("SaveV2", "SaveV2", ["f", "f", "f"], {"dtypes": [wire.F]}),
        ]
    )
    model = handmade.model(
        handmade.text_const("g", inner), handmade.op("d", "DatasetFromGraph", "g")
    )
    assert uses(model) == {"SaveV2": "foreign"}
