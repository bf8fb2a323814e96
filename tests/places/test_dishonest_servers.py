"""Web servers and stores that say one thing and send another: the right model, or one error."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.errors import FormatError, LimitError, MigratorError, StorageError
from migrator.formats.load import load
from migrator.inspection.folder import describe_folder
from migrator.limits import Limits
from migrator.places import remote
from migrator.places.asking import Patience
from tests import tables
from tests.batch.s3 import Bucket
from tests.corpus import HUB
from tests.places.packs import tree
from tests.places.test_remote import heavy
from tests.places.web import Answer, Web, web_server

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


def other_range(answer: Answer) -> None:
    if answer.status == 206:
        end = answer.start + 100 + len(answer.body)
        answer.headers["Content-Range"] = f"bytes {answer.start + 100}-{end - 1}/*"


def no_range_told(answer: Answer) -> None:
    answer.headers.pop("Content-Range", None)


def nonsense_told(answer: Answer) -> None:
    if answer.status == 206:
        answer.headers["Content-Range"] = "bytes " + "9" * 5000


def zipped_body(answer: Answer) -> None:
    answer.body = gzip.compress(answer.body)
    answer.headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(answer.body))}


HONEST_AS_A_WHOLE: dict[str, Callable[[Answer], None]] = {
    "another range": other_range,
    "a range that it does not tell": no_range_told,
    "a range that makes no sense": nonsense_told,
    "ranges of what it compressed": zipped_body,
}


@pytest.mark.parametrize("name", HONEST_AS_A_WHOLE)
def test_a_server_whose_ranges_are_none_is_asked_for_the_whole(name: str) -> None:
    with web_server() as web:
        web.files["m.pb"] = heavy()
        truth = migrator.weights(load(web.address("m.pb")))
        web.alter = HONEST_AS_A_WHOLE[name]
        found = migrator.weights(load(web.address("m.pb")))
        assert found.keys() == truth.keys()
        assert all(np.array_equal(found[key].numpy(), truth[key].numpy()) for key in truth)


def weaker(answer: Answer) -> None:
    answer.headers["ETag"] = f"W/{answer.headers['ETag']}"


def test_a_tag_that_is_weak_in_one_answer_alone_is_no_other_file() -> None:
    with web_server() as web:
        web.files["m.pb"] = heavy()
        web.alter = weaker
        assert migrator.weights(load(web.address("m.pb")))


def shorter(answer: Answer) -> None:
    if answer.status == 206:
        answer.body = answer.body[: 64 << 10]
        size = answer.headers["Content-Range"].partition("/")[2]
        end = answer.start + len(answer.body) - 1
        answer.headers |= {
            "Content-Range": f"bytes {answer.start}-{end}/{size}",
            "Content-Length": str(len(answer.body)),
        }


def test_a_server_that_sends_less_than_it_is_asked_for_is_asked_for_the_rest() -> None:
    with web_server() as web:
        web.files["m.pb"] = heavy()
        truth = migrator.weights(load(web.address("m.pb")))
        web.alter = shorter
        found = migrator.weights(load(web.address("m.pb")))
        assert all(np.array_equal(found[key].numpy(), truth[key].numpy()) for key in truth)


def longer(answer: Answer) -> None:
    answer.body += b"z" * 5000
    answer.headers["Content-Length"] = str(len(answer.body))


def endless(answer: Answer) -> None:
    answer.body = bytes(64 << 20)
    answer.headers["Content-Length"] = str(1 << 40)


@pytest.mark.parametrize("alter", [longer, endless])
def test_more_than_was_asked_for_is_not_taken(alter: Callable[[Answer], None]) -> None:
    with web_server() as web:
        web.files["m.pb"] = heavy()
        load(web.address("m.pb"))
        web.alter = alter
        tracemalloc.start()
        try:
            with pytest.raises(StorageError, match="gave more than the 262,144 bytes"):
                load(web.address("m.pb"))
            # What the server of this test holds is counted, too.
            assert tracemalloc.get_traced_memory()[1] < 160 << 20
        finally:
            tracemalloc.stop()


def test_another_file_of_the_same_size_is_told_also_when_weights_are_read_later() -> None:
    with web_server() as web:
        web.files["m.pb"] = heavy()
        found = migrator.weights(load(web.address("m.pb")))
        web.files["m.pb"] = heavy()[:-1] + b"?"
        with pytest.raises(StorageError, match="was changed while it was read; read it again"):
            found["w3"].numpy()


@pytest.mark.parametrize(("by", "words"), [(-100, "shrank while"), (100, "was changed while")])
def test_another_size_than_was_told_is_told(by: int, words: str) -> None:
    def other_size(answer: Answer) -> None:
        size = int(answer.headers["Content-Range"].rpartition("/")[2]) + by
        head, _, _ = answer.headers["Content-Range"].rpartition("/")
        answer.headers["Content-Range"] = f"{head}/{size}"

    with web_server() as web:
        web.files["m.pb"] = heavy()
        web.alter = other_size
        with pytest.raises(MigratorError, match=words):
            load(web.address("m.pb"))


def test_a_server_that_calls_empty_what_it_makes_when_asked_is_asked() -> None:
    def emptied(web: Web, method: str, path: str) -> None:
        web.files["m.pb"] = b"" if method == "HEAD" else whole

    whole = heavy(1)
    with web_server("none") as web:
        web.files["m.pb"] = whole
        web.before = emptied
        assert "w0" in migrator.weights(load(web.address("m.pb")))


def test_an_endless_download_ends_at_the_limit() -> None:
    with web_server("unsized") as web:
        web.files["m.pb"] = heavy()
        with pytest.raises(LimitError, match="decompressed bytes"):
            load(web.address("m.pb"), limits=Limits(decompressed_bytes=8 << 20))


def test_who_fell_silent_is_not_waited_for_once_a_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=2, each=0.4, whole=0.5, wait=0.01))
    writer = tables.Writer()
    for number in range(20):
        writer.add(f"w{number:02}", np.full(1 << 16, number, np.float32))
    writer.write(tmp_path / "m.ckpt")
    with web_server() as web:
        web.files |= tree(tmp_path)
        found = migrator.weights(load(web.address("m.ckpt")))
        web.kind = "silent"
        began = time.monotonic()
        for tensor in found.values():
            with pytest.raises(StorageError, match="no answer within"):
                tensor.numpy()
        assert time.monotonic() - began < 6  # one by one they would take ten


def test_a_server_that_falls_silent_behind_the_graph_leaves_the_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=2, each=0.4, whole=0.5, wait=0.01))
    with web_server() as web:
        web.files |= {f"hub/{name}": data for name, data in tree(HUB[0].path).items()}
        model = load(web.address("hub/"))
        web.kind = "silent"
        folder = describe_folder(model)
        assert folder is not None
        assert any("no answer within" in line for line in folder.problems)


def test_an_s3_object_that_was_replaced_is_told_with_its_weights(bucket: Bucket) -> None:
    bucket.put("m.pb", heavy())
    found = migrator.weights(load(f"s3://{bucket.name}/m.pb"))
    bucket.put("m.pb", heavy()[:-1] + b"?")
    with pytest.raises(StorageError, match="was changed while it was read; read it again"):
        found["w3"].numpy()


def test_an_object_of_any_store_that_was_replaced_is_told_with_its_weights(memory: Any) -> None:
    memory.pipe_file("/m.pb", heavy())
    found = migrator.weights(load("memory://m.pb"))
    assert found["w2"].numpy()[0, 0] == 2
    memory.pipe_file("/m.pb", heavy()[:-1] + b"?")
    with pytest.raises(StorageError, match="was changed while it was read; read it again"):
        found["w3"].numpy()


def test_a_checkpoint_of_a_wrong_checksum_in_s3_names_shard_and_key(
    bucket: Bucket, tmp_path: Path
) -> None:
    writer = tables.Writer()
    writer.add("good", np.arange(10, dtype=np.float32))
    writer.add("bad", np.arange(10, dtype=np.float32))
    prefix = writer.write(tmp_path / "m.ckpt")
    for name, data in tree(prefix.parent).items():
        bucket.put(name, data[:-1] + b"?" if ".data-" in name else data)
    found = migrator.weights(load(f"s3://{bucket.name}/m.ckpt"))
    assert found["good"].numpy()[9] == 9
    with pytest.raises(FormatError, match=r"m\.ckpt\.data-00000-of-00001: 'bad': its 40 bytes"):
        found["bad"].numpy()
