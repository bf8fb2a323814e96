"""Laws of manifests: what is written reads back the same, and names are always unique and safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.batching.manifest.checks import contradictions
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.faults import Faults
from migrator.batching.manifest.reading import read_drafts
from migrator.batching.manifest.writing import write_entries
from migrator.batching.names import (
    RESERVED,
    ancestors,
    folded,
    name_fault,
    safe_name,
    unique_names,
)

FORMATS = [
    "yaml",
    "toml",
    "csv",
    "jsonl",
]
ANY = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
ODD = st.sampled_from([*"\"'\\,;:#[]{}=-?!&*|>%@` \t\r\n\x85\u2028\ufeff\x1b~", "é", "\U0001f600"])
HOSTILE = st.one_of(
    st.text(st.one_of(ANY, ODD), min_size=1, max_size=12),
    st.sampled_from(
        "null true no 1 1e5 - : # --- ... << = ~ 2020-01-01 {} [] [x {a} % !!int 0x1f".split()
    ),
)
LISTS = st.lists(HOSTILE, max_size=3).map(tuple)
TOLERANCES = st.none() | st.floats(0, 1e300, allow_nan=False)
NAMES = st.text(st.one_of(ANY, ODD, st.just("/")), max_size=300).map(safe_name)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    values: dict[str, Any] = {
        "inputs": draw(LISTS),
        "outputs": draw(LISTS),
        "feeds": draw(st.lists(st.tuples(HOSTILE, HOSTILE).map("=".join), max_size=3).map(tuple)),
        "signatures": draw(LISTS),
        "tag_set": draw(st.none() | st.just("") | HOSTILE),
        "rtol": draw(TOLERANCES),
        "atol": draw(TOLERANCES),
        "data": draw(st.just("") | PATHS),
        "seed": draw(st.none() | st.integers(0, 2**62)),
        "trust": draw(st.none() | st.booleans()),
        "timeout": draw(st.none() | st.floats(1e-9, 1e9)),
        "memory_limit": draw(st.none() | st.integers(1, 2**62)),
        "steps": draw(st.sampled_from([(), ("inspect",), ("plan", "migrate", "verify", "tflite")])),
    }
    options: dict[str, Any] = {
        "weights": draw(st.sampled_from(["auto", "variables", "constants"])),
        "control_flow": draw(st.sampled_from(["auto", "functional", "v1"])),
        "shapes": draw(st.lists(HOSTILE.map(lambda name: f"{name}=?,2"), max_size=2).map(tuple)),
        "decode_images": draw(LISTS),
        "optimize": draw(st.booleans()),
        "op_libraries": draw(st.lists(PATHS, max_size=2).map(tuple)),
        "checkpoint": draw(st.just("") | PATHS),
    }
    values["options"] = {
        key: item for key, item in options.items() if item not in ("auto", (), False, "")
    }
    tflite: dict[str, Any] | None = draw(
        st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "builtin_only": st.just(True),
                "custom_ops": st.just(True),
                "rtol": st.floats(0, 9),
            },
        )
    )
    if tflite is None and "tflite" in values["steps"]:
        tflite = {}
    if tflite is not None and values["steps"] == ("inspect",):
        values["steps"] = ()
    if any(True for _ in contradictions({**values, "tflite": tflite, "steps": None})):
        values |= {"inputs": (), "outputs": (), "feeds": ()}
    return Entry(name="", source=draw(PATHS), tflite=tflite, **values)


PATHS = HOSTILE.map(lambda text: f"/zoo/{text}")


def named(items: list[Entry]) -> list[Entry]:
    from dataclasses import replace

    names = unique_names([safe_name(item.source) for item in items])
    return [replace(item, name=name) for item, name in zip(items, names, strict=True)]


def read(path: Path, format: str) -> list[Entry]:
    faults = Faults()
    drafts = read_drafts(str(path), format, faults, check=lambda key, name: "")
    faults.check()
    return [draft.entry for draft in drafts]


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=60)
@given(st.lists(entries(), max_size=3).map(named))
def test_what_is_written_reads_back_the_same(
    format: str, tmp_path_factory: pytest.TempPathFactory, items: list[Entry]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"law.{format}"
    path.write_text(write_entries(items, format, folder=str(path.parent)), "utf-8", newline="")
    assert read(path, format) == items


@given(st.lists(NAMES, max_size=12), st.lists(NAMES, max_size=4))
def test_names_are_unique_and_inside_dest_on_every_file_system(
    wanted: list[str], fixed: list[str]
) -> None:
    taken = unique_names(fixed)
    names = [*taken, *unique_names(wanted, taken)]
    assert not [fault for name in names if (fault := name_fault(name))]
    plain = [folded(name) for name in names]
    assert len(set(plain)) == len(plain)
    assert set(plain).isdisjoint(above for name in plain for above in ancestors(name))
    assert unique_names(wanted, taken) == names[len(taken) :]


@given(st.lists(st.sampled_from("a A a/b A/B a/b/c a-2 a-2/b b é e\u0301 index.html".split())))
def test_names_that_collide_in_every_way_are_told_apart(wanted: list[str]) -> None:
    names = unique_names([safe_name(name) for name in wanted])
    plain = [folded(name) for name in names]
    assert len(set(plain)) == len(plain)
    assert set(plain).isdisjoint(above for name in plain for above in ancestors(name))
    assert RESERVED.isdisjoint(plain)


@given(st.text(max_size=400))
def test_a_name_that_is_refused_comes_with_one_that_is_not(text: str) -> None:
    assert not name_fault(safe_name(text))
    if not name_fault(text):
        assert len(text.encode()) > 400 or "%" in text or safe_name(text) == text or len(text) > 100
