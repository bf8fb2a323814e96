"""Plans of SavedModels, MetaGraphs and hub modules: what is kept, found, rebuilt and refused."""

from __future__ import annotations

import pytest

from migrator.errors import MigratorError, NeedsDecision, UsageError
from migrator.formats.messages import message_class
from migrator.inspection.endpoints import find_endpoints
from migrator.migration.naming import is_usable
from migrator.migration.plan import PREDICT
from migrator.migration.planning import plan
from migrator.migration.storage.tables import KINDS
from migrator.model.model import Model
from migrator.ops.state import VARIABLE_OPS
from tests import wire
from tests.corpus import HUB, META, SAVED, Sample, sample
from tests.handmade import (
    op,
    placeholder,
    read_saved_model,
    unary,
)
from tests.migration.planned import of, planned

SERVED = SAVED + HUB


# --- every fixture


@pytest.mark.parametrize("item", SERVED, ids=str)
def test_all_signatures_are_planned(item: Sample) -> None:
    found = planned(item)
    meta = next(m for m in item.model().meta_graphs if sorted(m.tags) == sorted(found.tags))
    wanted = [key for key in meta.signatures if not key.startswith("__saved_model")]
    assert [signature.key for signature in found.signatures] == wanted
    assert [signature.source_key for signature in found.signatures] == wanted
    for signature in found.signatures:
        assert signature.method_name == (meta.signatures[signature.key].method_name or PREDICT)
        names = [entry.name for entry in signature.inputs]
        assert all(map(is_usable, names))
        assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize("item", SERVED + META, ids=str)
def test_nothing_is_left_in_the_graph_that_must_come_from_outside(item: Sample) -> None:
    found = planned(item)
    assert found.blockers == ()
    parts = [signature.subgraph for signature in found.signatures]
    for part in [*parts, *([found.initial] if found.initial else [])]:
        for node in part.nodes:
            assert node.op not in VARIABLE_OPS and node.op not in KINDS, node.name
        held, tables = {w.name for w in found.held}, {t.name for t in found.tables}
        assert {*part.handles.values(), *part.weights.values()} <= held
        assert set(part.tables.values()) <= tables
        assert set(part.assets.values()) <= set(found.files)
    assert found.weights == "variables"
    assert found.weights_reason == "the source holds variables"


@pytest.mark.parametrize(
    "item", [item for item in SERVED + META if "checkpoint" in item.record], ids=str
)
def test_variables_have_the_types_of_the_checkpoint_and_train_as_the_source_says(
    item: Sample,
) -> None:
    found = planned(item)
    assert found.held
    stored = item.record["checkpoint"]
    for weight in found.held:
        if weight.name in stored and weight.value is not None:
            dtype, shape = stored[weight.name]
            assert [weight.value.dtype.name, weight.value.shape.as_list()] == [dtype, shape]
            assert weight.value.numpy().shape == tuple(shape)
    if "trainable" in item.record:
        trainable = {weight.name for weight in found.held if weight.trainable}
        assert trainable == set(item.record["trainable"]) & {w.name for w in found.held}


# --- signatures


def test_names_that_tensorflow_does_not_take_are_bent_and_the_record_says_how() -> None:
    found = of("tf1.15.5/sm_scattered")
    (signature,) = found.signatures
    by_tensor = {tensor: name for name, tensor in sample("tf1.15.5/sm_scattered").inputs.items()}
    renamed = {by_tensor[entry.tensor]: entry.name for entry in signature.inputs}
    assert renamed["class"] == "class_"
    assert renamed["in-put"] == "in_put"
    assert renamed["1st"] == "x1st"
    assert {renamed["a/b"], renamed["a_b"]} == {"a_b", "a_b_1"}
    assert len({renamed["x"].lower(), renamed["X"].lower()}) == 2
    assert [entry.name for entry in signature.outputs] == ["again y", "echo", "return", "y"]
    told = " ".join(step.text for step in found.steps if step.code == "rename")
    assert "'class_'" in told and "'in_put'" in told


def test_a_sparse_tensor_becomes_three_dense_ones() -> None:
    found = of("tf1.15.5/sm_sparse")
    entries = {entry.name: entry for entry in found.inputs}
    assert {name: str(entry.dtype) for name, entry in entries.items()} == {
        "scale": "float32",
        "words_values": "int64",
        "words_indices": "int64",
        "words_dense_shape": "int64",
    }
    assert entries["words_values"].shape.rank == 1
    assert entries["words_indices"].shape.rank == 2
    assert {"weights_values", "weights_indices", "weights_dense_shape"} < {
        entry.name for entry in found.outputs
    }


def test_classify_and_regress_keep_their_methods() -> None:
    found = of("tf1.15.5/sm_estimator")
    assert {item.key: item.method_name.rpartition("/")[2] for item in found.signatures} == {
        "classification": "classify",
        "predict": "predict",
        "regression": "regress",
        "serving_default": "classify",
    }


def test_one_signature_is_chosen_and_only_its_variables_are_held() -> None:
    found = of("tf2.21.0/sm2_choice", signatures=["fixed"])
    assert [item.key for item in found.signatures] == ["fixed"]
    assert [item.name for item in found.held] == ["spare"]


def test_a_signature_is_renamed_and_the_source_key_kept() -> None:
    found = of("tf1.15.5/sm_variables", signatures=["serving_default=embed", "probe=classify"])
    assert [(item.key, item.source_key) for item in found.signatures] == [
        ("serving_default", "embed"),
        ("probe", "classify"),
    ]


def test_one_signature_may_come_twice_under_two_names() -> None:
    found = of("tf1.15.5/sm_variables", signatures=["embed", "again=embed"])
    assert [item.source_key for item in found.signatures] == ["embed", "embed"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["nothing"], "has no signature 'nothing'.*classify, embed, serving_default"),
        (["new=nothing"], "has no signature 'nothing'"),
        (["embed", "embed=classify"], "'embed' is empty or taken"),
        (["=embed"], "'' is empty or taken"),
    ],
)
def test_signatures_that_cannot_be_chosen(asked: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of("tf1.15.5/sm_variables", signatures=asked)


def test_a_bare_graph_has_no_signature_to_choose() -> None:
    with pytest.raises(UsageError, match="has no signatures"):
        of("tf1.15.5/mlp", signatures=["serving_default"])


def test_endpoints_may_be_named_in_a_saved_model_too() -> None:
    found = plan(sample("tf1.15.5/sm_variables").path, inputs=["net/x"], outputs=["net/embedded"])
    (signature,) = found.signatures
    assert (signature.key, signature.source_key) == ("serving_default", "")
    assert {item.name for item in found.held} == {"net/hidden/kernel", "net/hidden/bias"}


def test_a_tensor_of_a_signature_that_does_not_exist_is_named() -> None:
    signature = wire.block(1, "serve") + wire.block(2, entry(2, "y", "gone:0"))
    data = wire.saved_model(
        wire.meta_graph(
            wire.graph([placeholder("x"), unary("y", "Relu", "x")]), more=wire.block(5, signature)
        )
    )
    with pytest.raises(MigratorError, match=r"signature 'serve', 'y'.*no node 'gone'"):
        plan(read_saved_model(data))


def entry(field: int, name: str, tensor: str) -> bytes:
    """A SignatureDef with one input (field 1) or output (field 2)."""
    info = wire.block(1, tensor) + wire.number(2, wire.FLOAT)
    return wire.block(field, wire.block(1, name) + wire.block(2, info))


# --- meta graphs of one model


@pytest.mark.parametrize(
    ("name", "tags", "chosen"),
    [
        ("tf1.15.5/sm_tags", None, {"serve"}),
        ("tf1.15.5/sm_tags", ["gpu", "serve"], {"serve", "gpu"}),
        ("tf1.15.5/sm_tags", ["train"], {"train"}),
        ("tf1.15.5/hub_image", None, set()),
        ("tf1.15.5/hub_image", [], set()),
        ("tf1.15.5/hub_image", ["train"], {"train"}),
        ("tf1.15.5/sm_untagged", None, set()),
        ("tf1.15.5/sm_estimator_modes", None, {"serve"}),
    ],
)
def test_tags_choose_the_meta_graph(name: str, tags: list[str] | None, chosen: set[str]) -> None:
    assert set(of(name, tag_set=tags).tags) == chosen


def test_unknown_tags_list_the_real_ones() -> None:
    with pytest.raises(UsageError, match=r"tags nothing; it has: .*gpu"):
        of("tf1.15.5/sm_tags", tag_set=["nothing"])


# --- models of TensorFlow 2 without a signature


def unsigned(*functions: str) -> Model:
    """What TensorFlow 2 saves of an object with functions, no signature asked for."""
    message = message_class("SavedObjectGraph")()
    root = message.nodes.add()
    for number, name in enumerate(functions, start=1):
        root.children.add(node_id=number, local_name=name)
        message.nodes.add().function.concrete_functions.append(f"__inference_{name}_7")
        message.concrete_functions[f"__inference_{name}_7"].SetInParent()
    nodes = [
        op("saver_filename", "Placeholder", dtype=wire.S, shape=wire.Dims(())),
        op("StatefulPartitionedCall", "StatefulPartitionedCall", "saver_filename"),
        op("NoOp", "NoOp"),
    ]
    more = wire.block(7, message.SerializeToString())
    return read_saved_model(wire.saved_model(wire.meta_graph(wire.graph(nodes), more=more)))


def test_no_endpoints_are_made_of_what_saves_a_model_without_signatures() -> None:
    with pytest.raises(NeedsDecision, match="it has no signatures") as told:
        plan(unsigned("serve", "tokens"))
    assert "serve, tokens" in told.value.what
    assert "signatures=" in told.value.hint
    assert told.value.options == ()
    ends = find_endpoints(unsigned("serve").meta_graphs[0])
    assert (ends.inputs, ends.outputs, ends.decided) == ((), (), False)


def test_a_model_without_signatures_and_functions_says_so() -> None:
    with pytest.raises(NeedsDecision, match="no signatures and no functions"):
        plan(unsigned())


def test_tensors_of_a_model_without_signatures_can_be_named() -> None:
    found = plan(unsigned("serve"), inputs=["saver_filename"], outputs=["StatefulPartitionedCall"])
    assert [item.tensor for item in found.outputs] == ["StatefulPartitionedCall:0"]
