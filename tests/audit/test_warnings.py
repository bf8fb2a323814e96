"""What the warnings say of real models: of fixtures whose nature is known."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding, Severity
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import all_rules
from migrator.auditing.subject import Subject
from tests import corpus
from tests.audit.notation import read_model

RULES = tuple(rule for rule in all_rules() if rule.family == "warning")
GRAPHS = corpus.PROTOBUF + corpus.META + corpus.HUB
TRAINING = ("W303", "W304")
"""What says that a model serves as it trained."""


@cache
def warnings_of(name: str) -> tuple[Finding, ...]:
    found, skipped = run_rules(open_subject(corpus.sample(name).path), RULES)
    assert not skipped
    return found


def codes(name: str, least: Severity = Severity.INFO) -> set[str]:
    return {finding.code for finding in warnings_of(name) if finding.severity >= least}


def one(name: str, code: str) -> Finding:
    (found,) = (finding for finding in warnings_of(name) if finding.code == code)
    return found


@pytest.mark.parametrize("sample", GRAPHS, ids=str)
def test_real_models_get_few_warnings_and_none_above_low(sample: corpus.Sample) -> None:
    """Nothing among the fixtures is silently wrong, so nothing is medium."""
    found = warnings_of(sample.name)
    assert all(finding.severity <= Severity.LOW for finding in found)
    assert sum(finding.severity == Severity.LOW for finding in found) <= 6
    assert len({finding.fingerprint for finding in found}) == len(found)


@pytest.mark.parametrize(
    "name",
    [
        "tf1.15.5/mlp",
        "tf1.4.1/mlp",
        "tf1.15.5/conv_bn",
        "tf1.4.1/conv_bn",
        "tf1.15.5/argmax_post",
        "tf1.15.5/multi_io",
        "tf1.15.5/rnn_while",
        "tf1.15.5/sm_rnn",
        "tf1.15.5/sm_table",
        "tf1.15.5/sm_averages",
        "tf1.15.5/sm_estimator",
        "tf1.15.5/sm_switches",
        "tf1.4.1/sm_switches",
        "tf2.21.0/keras_export",
        "tf2.21.0/sm_functions",
    ],
)
def test_models_that_migrate_deals_with_get_information_only(name: str) -> None:
    assert not codes(name, Severity.LOW)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tf1.15.5/is_training", "is_training:0=false"),
        ("tf1.4.1/is_training", "is_training:0=false"),
        ("tf1.15.5/is_training_residue", "is_training:0=false"),
        ("tf1.15.5/keep_prob", "keep_prob:0=1.0"),
    ],
)
def test_a_training_switch_is_named_with_the_option_to_paste(name: str, wanted: str) -> None:
    found = one(name, "W209")
    assert found.severity is Severity.LOW
    assert f"--feed {wanted}" in found.fix
    assert not codes(name) & {*TRAINING, "W305"}, "what a switch decides is told with the switch"


def test_a_training_graph_names_both_switches_and_its_residue() -> None:
    found = [item for item in warnings_of("tf1.15.5/mg_train") if item.code == "W209"]
    assert {item.location.node for item in found} == {"is_training", "keep_prob"}
    assert {"W301", "W302", "W103"} <= codes("tf1.15.5/mg_train")
    assert "6 optimizer steps" in one("tf1.15.5/mg_train", "W301").message


def test_defaults_that_stand_are_told_as_information() -> None:
    nodes = {
        item.location.node: item.severity
        for item in warnings_of("tf1.15.5/sm_switches")
        if item.code == "W210"
    }
    assert nodes == {"training": Severity.INFO, "keep_prob": Severity.INFO}


def test_loops_and_conditions_are_counted() -> None:
    assert "1 loop and 1 condition" in one("tf1.15.5/cond_in_while", "W101").message
    assert "2 loops" in one("tf1.15.5/nested_while", "W101").message
    assert "(1 condition)" in one("tf1.15.5/cond", "W101").message
    assert "W101" not in codes("tf2.21.0/sm_functions"), "functional control flow is no old one"


def test_several_tag_sets_are_listed_with_the_one_that_is_taken() -> None:
    found = one("tf1.15.5/sm_tags", "W206")
    assert found.severity is Severity.LOW
    assert found.message == "3 meta graphs: serve, gpu+serve, train; migrate takes serve"
    assert found.detail["tag_sets"] == ["gpu+serve", "serve", "train"]
    assert "W206" not in codes("tf1.15.5/sm_untagged")


def test_a_train_graph_beside_one_to_serve_is_not_judged() -> None:
    """Its dropout and batch norm are meant to train."""
    for name in ("tf1.15.5/sm_tags", "tf1.15.5/sm_estimator_modes", "tf1.15.5/hub_image"):
        tags = {item.location.meta_graph for item in warnings_of(name)}
        assert not tags & {"train", "eval"}


def test_sparse_inputs_are_told_and_a_dense_signature_is_not() -> None:
    assert one("tf1.15.5/sm_sparse", "W205").detail["names"] == ["words", "weights"]
    assert "W205" not in codes("tf1.15.5/sm_scattered")


def test_renamed_inputs_are_those_of_the_plan() -> None:
    renamed = one("tf1.15.5/sm_scattered", "W204").detail["renamed"]
    assert renamed["a/b"] == "a_b"
    assert renamed["class"] == "class_"
    assert len({"x", "X"} & set(renamed)) == 1, "one of the two may keep its name"


def test_noise_names_its_output() -> None:
    assert one("tf1.15.5/random_unseeded", "W305").detail["outputs"] == ["sampled"]
    assert "without a seed" in one("tf1.15.5/random_unseeded", "W305").message
    assert "seeded" in one("tf1.15.5/random_seeded", "W305").message


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("tf1.15.5/conv_nchw", "W111"),
        ("tf1.15.5/sm_counter", "W306"),
        ("tf1.15.5/sm_counter_resource", "W306"),
        ("tf1.15.5/sm_table_mutable", "W306"),
        ("tf1.15.5/sm_variables", "W307"),
        ("tf1.15.5/sm_shapeless", "W211"),
        ("tf1.15.5/sm_untagged", "W207"),
        ("tf1.15.5/image_string", "W114"),
        ("tf1.15.5/string_ops", "W115"),
        ("tf2.21.0/sm2_choice", "W212"),
    ],
)
def test_what_a_fixture_was_made_for_is_told(name: str, code: str) -> None:
    assert code in codes(name)


def test_keras_files_have_no_graph_to_warn_of() -> None:
    for sample in corpus.KERAS:
        assert not warnings_of(sample.name)


_HOSTILE = (
    "x = Placeholder | dtype=:float shape=:[-1,4]\n"
    "s = Switch x | frame_name=7\n"
    "e = Enter | frame_name=[1,2]\n"
    "h = Identity x | _gradient_op_type=[1,2] T=3\n"
    "u = RandomUniform\n"
    "ge = GreaterEqual u\n"
    "d = SquaredDifference\n"
    "n = FusedBatchNormV3 x | is_training=3 data_format=7\n"
    "v = VariableV2 | dtype=7\n"
    "w = FakeQuantWithMinMaxArgs x | _class=[1,2]\n"
    "p = PlaceholderWithDefault | dtype=7\n"
    "y = AddN s e h u ge d n v w p | T=:float _class=7\n"
)


@pytest.mark.parametrize(
    "tail", ["", "signature a: x=x:0 -> y=y:0", "signature a: x= -> y=nowhere"]
)
def test_attributes_and_inputs_that_make_no_sense_fail_no_rule(tail: str) -> None:
    subject = Subject("model.pb", model=read_model(_HOSTILE + tail))
    _, skipped = run_rules(subject, RULES)
    assert not skipped


def _chain(count: int) -> Iterator[str]:
    yield "x = Placeholder | dtype=:float shape=:[-1,4]"
    yield "c = PartitionedCall x | f=@f0 Tin=[:float] Tout=[:float]"
    yield "y = Identity c | T=:float"
    for number in range(count):
        callee = f"f{(number + 1) % count}"
        yield f"def f{number}(a: float) -> (r = t:output:0):"
        yield f"    t = PartitionedCall a | f=@{callee} Tin=[:float] Tout=[:float]"


def test_functions_that_call_each_other_in_a_ring_are_walked_once() -> None:
    subject = Subject("model.pb", model=read_model("\n".join(_chain(2000))))
    _, skipped = run_rules(subject, RULES)
    assert not skipped
