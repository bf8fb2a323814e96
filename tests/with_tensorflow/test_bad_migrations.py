"""Whatever goes wrong in mid-task: one clear error, no process and no file left behind."""

from __future__ import annotations

import os
import random
import resource
import select
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from migrator.errors import WorkerError
from migrator.runtime import client
from migrator.runtime.client import Child, ChildLimits
from tests import wire
from tests.commands import environment
from tests.handmade import const, op, placeholder

from .conftest import FIXTURES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

MLP = FIXTURES / "tf1.15.5/mlp/model.pb"
SAVED = FIXTURES / "tf1.15.5/sm_variables/saved_model"
TF2 = FIXTURES / "tf2.21.0/sm2_choice/saved_model"
MARK = "MIGRATOR_TEST_MARK"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command under way, all processes of which bear a mark in their environment."""

    process: subprocess.Popen[str]
    mark: bytes

    def alive(self) -> dict[int, int]:
        """Process id -> its parent's, of all that came of the command."""
        found = {}
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.mark not in file.read_bytes():
                    continue
                stat = (file.parent / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[0] != "Z":
                found[int(file.parent.name)] = int(stat[1])
        return found

    def wait_for(self, ready: Callable[[dict[int, int]], list[int]]) -> list[int]:
        """Look until there are such processes."""
        deadline = time.monotonic() + 60
        while not (found := ready(self.alive())):
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        return found

    def server(self) -> list[int]:
        """The process that imports TensorFlow and forks the others."""
        return self.wait_for(lambda all: [i for i, p in all.items() if p == self.process.pid])

    def workers(self) -> list[int]:
        """Processes that it forked."""
        return self.wait_for(
            lambda all: [i for i, p in all.items() if all.get(p) == self.process.pid]
        )

    def wait_until_it_listens(self) -> None:
        """Until its handler of SIGTERM is set: before, Python itself is yet to start."""
        status = Path(f"/proc/{self.process.pid}/status")
        deadline = time.monotonic() + 30
        while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) >> 14 & 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self, timeout: float = 100) -> tuple[int, list[str]]:
        """Exit code and lines on standard error, once it is gone with all that it started."""
        _, errors = self.process.communicate(timeout=timeout)
        deadline = time.monotonic() + 3
        while found := self.alive():
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return self.process.returncode, errors.splitlines()


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands in an empty folder. Nothing of them may be left there, nor among the
    temporary files."""
    temporary = tmp_path / "temporary"
    work = tmp_path / "work"
    temporary.mkdir()
    work.mkdir()
    commands = []

    def begin(*words: object, fsize: int | None = None) -> Command:
        def prepare() -> None:
            # Started in the background, a shell hands down that SIGINT be ignored.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if fsize is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (fsize, fsize))

        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, "-m", "migrator", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=work,
            env=environment({"TMPDIR": str(temporary), MARK: mark}),
            preexec_fn=prepare,
        )
        commands.append(Command(process=process, mark=mark.encode()))
        return commands[-1]

    yield begin
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
            command.process.communicate()
    assert os.listdir(temporary) == []
    assert os.listdir(work) == []


def refused(command: Command, *texts: str) -> str:
    """The one line of the error."""
    code, lines = command.end()
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("migrator: error: ")
    for text in texts:
        assert text in lines[0]
    return lines[0]


def graph(path: Path, *nodes: bytes) -> Path:
    path.write_bytes(wire.graph(nodes, producer=27))
    return path


def endless() -> list[bytes]:
    """A TensorFlow 1 loop whose condition is always true."""
    frame = {"frame_name": b"f", "is_constant": False, "parallel_iterations": 1}
    return [
        placeholder("x", dims=()),
        op("enter", "Enter", "x", T=wire.F, **frame),
        op("merge", "Merge", "enter", "next", T=wire.F, N=2),
        op("true", "Const", "^merge", dtype=wire.B, value=np.array(True)),
        op("cond", "LoopCond", "true"),
        op("switch", "Switch", "merge", "cond", T=wire.F),
        op("body", "Identity", "switch:1", T=wire.F),
        op("next", "NextIteration", "body", T=wire.F),
        op("exit", "Exit", "switch", T=wire.F),
        op("y", "Neg", "exit", T=wire.F),
    ]


def voracious() -> list[bytes]:
    """12 GB that no constant folding can do without, for they hold what is fed."""
    sums = {"T": wire.F, "Tidx": wire.I32, "keep_dims": False}
    return [
        placeholder("x"),
        const("all", [0, 1], "int32"),
        const("dims", [60_000, 50_000], "int32"),
        op("one", "Sum", "x", "all", **sums),
        op("many", "Fill", "dims", "one", T=wire.F, index_type=wire.I32),
        op("y", "Sum", "many", "all", **sums),
    ]


def waiting(folder: Path) -> Path:
    """A SavedModel that takes from a queue which nobody fills."""
    queue = {"capacity": 4, "container": b"", "shared_name": b""}
    types = {"component_types": [wire.F]}
    nodes = [
        placeholder("x"),
        op("queue", "FIFOQueueV2", shapes=[wire.Dims((4,))], **types, **queue),
        op("taken", "QueueDequeueV2", "queue", timeout_ms=-1, **types),
        op("y", "Add", "x", "taken", T=wire.F),
    ]

    def info(name: str) -> bytes:
        return wire.block(1, name) + wire.number(2, wire.FLOAT) + wire.block(3, wire.shape((-1, 4)))

    signature = b"".join(
        wire.block(field, wire.block(1, name) + wire.block(2, info(f"{name}:0")))
        for field, name in ((1, "x"), (2, "y"))
    )
    signature += wire.block(3, "tensorflow/serving/predict")
    more = wire.block(5, wire.block(1, "serving_default") + wire.block(2, signature))
    meta = wire.meta_graph(wire.graph(nodes, producer=27), more=more)
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(wire.saved_model(meta))
    return folder


def test_a_shape_that_contradicts_the_graph_is_one_error(start: Start) -> None:
    command = start("migrate", MLP, "deep/dest", "--shape", "x=?,9")
    refused(command, str(MLP), "are 9 and 8", "hidden/MatMul", "what --shape says?")


def test_a_loop_without_end_is_stopped_once(start: Start, tmp_path: Path) -> None:
    """Keeping the loop as it was instead would take as long again."""
    source = graph(tmp_path / "endless.pb", *endless())
    began = time.monotonic()
    command = start("migrate", source, "dest", "--timeout", 10)
    refused(command, f"running {source}: did not finish within 10 s", "raise --timeout")
    assert time.monotonic() - began < 20


def test_a_queue_that_nobody_fills_is_stopped(start: Start, tmp_path: Path) -> None:
    source = waiting(tmp_path / "waiting")
    command = start("verify", source, source, "--timeout", 8)
    refused(command, f"running {source}: did not finish within 8 s")


def test_a_graph_that_eats_memory_is_stopped(start: Start, tmp_path: Path) -> None:
    source = graph(tmp_path / "voracious.pb", *voracious())
    command = start("migrate", source, "dest", "--memory-limit", "900MB")
    refused(command, f"running {source}: grew to", "past the limit of 900,000,000", "--memory-l")


def test_an_op_library_that_is_none_is_one_error(start: Start, tmp_path: Path) -> None:
    library = tmp_path / "ops.so"
    library.write_text("int main() {}")
    command = start("migrate", MLP, "dest", "--op-library", library)
    refused(command, f"the op library {library} does not load", "must be a shared library")


@pytest.mark.parametrize(
    ("room", "text"),
    [(1 << 10, "dest: cannot be written: File too large"), (4 << 10, "saved_model.pb")],
)
def test_a_full_disk_is_one_error(start: Start, room: int, text: str) -> None:
    """Where we write, and where TensorFlow does. Files that may not grow stand for the disk."""
    command = start("migrate", MLP, "deep/dest", fsize=room)
    refused(command, text, "File too large; make room there")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("file systems may not be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_small_disk_is_full_and_then_read_only(start: Start, small_disk: Path) -> None:
    command = start("migrate", SAVED, small_disk / "deep/dest")
    refused(command, "No space left on device", "make room there")
    assert os.listdir(small_disk) == []
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    command = start("migrate", SAVED, small_disk / "deep/dest")
    refused(command, f"{small_disk}/deep/dest: cannot be written: Read-only file system")


def test_a_lambda_is_refused_with_its_layer(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "sneaky.keras"
    layer = '{"class_name": "Lambda", "config": {"name": "sneaky", "function": ["4wEA", null]}}'
    with zipfile.ZipFile(file, "w") as archive:
        config = '{"class_name": "Sequential", "config": {"name": "m", "layers": [%s]}}'
        archive.writestr("config.json", config % layer)
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
    code, lines = start("migrate", file, "dest").end()
    assert code == 2
    assert len(lines) == 2
    assert lines[0].startswith(f"migrator: error: {file}: is not loaded")
    assert lines[1].startswith("  - sneaky: is a Lambda layer")


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"z": np.zeros((2, 8), np.float32)}, "holds 'z', which is no input; inputs: x"),
        ({"x": np.zeros((2, 9), np.float32)}, "'x' has shape [2, 9], the input takes [?, 8]"),
        ({"x": np.zeros((2, 8), "S3")}, "'x' is |S3, the input is float32"),
        ({"x": np.array([{}])}, "object arrays are not read"),
        (None, "No such file"),
    ],
)
def test_data_that_do_not_fit_are_one_error(
    start: Start, tmp_path: Path, arrays: dict[str, np.ndarray] | None, text: str
) -> None:
    file = tmp_path / "data.npz"
    if arrays is not None:
        np.savez(file, **arrays)
    refused(start("migrate", MLP, "dest", "--data", file), f"{file}: ", text)


def test_killed_workers_are_one_error(start: Start) -> None:
    command = start("migrate", MLP, "deep/dest")
    for pid in command.workers():
        os.kill(pid, signal.SIGKILL)
    refused(command, str(MLP), "was killed by SIGKILL (out of memory?)")


def test_a_killed_server_of_workers_is_one_error(start: Start) -> None:
    command = start("migrate", MLP, "deep/dest")
    command.workers()
    for pid in command.server():
        os.kill(pid, signal.SIGKILL)
    refused(command, str(MLP), "was killed by SIGKILL")


def test_killing_us_ends_all_that_we_started(start: Start, tmp_path: Path) -> None:
    command = start("migrate", MLP, "dest")
    command.workers()
    command.process.kill()
    assert command.end()[0] == -signal.SIGKILL
    for folder in (tmp_path / "work", tmp_path / "temporary"):
        for left in folder.iterdir():  # who is killed cannot tidy up
            assert left.name.startswith((".dest.", "migrator-"))
            subprocess.run(["rm", "-r", str(left)], check=True)


def test_of_two_migrations_to_one_place_the_second_is_refused(start: Start, tmp_path: Path) -> None:
    commands = [start("migrate", MLP, "dest", "--no-verify") for _ in range(2)]
    ends = sorted(command.end() for command in commands)
    assert [code for code, _ in ends] == [0, 2]
    (line,) = ends[1][1]
    assert "dest: exists already; add --overwrite to replace it" in line
    assert os.listdir(tmp_path / "work") == ["dest"]
    subprocess.run(["rm", "-r", str(tmp_path / "work/dest")], check=True)


_MOMENTS = random.Random(3)
INTERRUPTED = [
    *[("migrate", [MLP, "deep/dest"], _MOMENTS.uniform(0, 6)) for _ in range(8)],
    ("migrate", [SAVED, "deep/dest"], _MOMENTS.uniform(0, 0.5)),
    ("migrate", [SAVED, "deep/dest"], _MOMENTS.uniform(0, 6)),
    ("tflite", [MLP, "deep/dest.tflite"], _MOMENTS.uniform(3, 9)),
    ("run", [MLP, "--generate"], _MOMENTS.uniform(0.3, 4)),
    ("freeze", [TF2, "deep/dest.pb", "--signature", "serving_default"], _MOMENTS.uniform(0.3, 4)),
    ("verify", [SAVED, SAVED], _MOMENTS.uniform(0.3, 5)),
]


@pytest.mark.parametrize("number", range(len(INTERRUPTED)))
def test_an_interruption_at_any_moment_leaves_nothing(
    start: Start, tmp_path: Path, number: int
) -> None:
    verb, words, moment = INTERRUPTED[number]
    sent = (signal.SIGINT, signal.SIGTERM)[number % 2]
    command = start(verb, *words)
    command.wait_until_it_listens()
    time.sleep(moment)
    over = command.process.poll() is not None
    began = time.monotonic()
    command.process.send_signal(sent)
    if number % 3 == 0:  # people press it twice
        time.sleep(0.02)
        command.process.send_signal(sent)
    code, lines = command.end(timeout=20)
    if over or code == 0:  # it was faster than us
        subprocess.run(["rm", "-rf", str(tmp_path / "work/deep")], check=True)
        return
    assert time.monotonic() - began < 10
    assert code == 128 + sent
    assert lines == (["migrator: interrupted"] if sent == signal.SIGINT else [])


def test_an_answer_that_waits_to_be_read_is_in_time() -> None:
    with Child(ChildLimits(timeout=300)) as child:
        child.start("nonsense")
        assert select.select([child._in], [], [], 60)[0]
        child._deadline = time.monotonic() - 1
        time.sleep(1)
        with pytest.raises(WorkerError, match="no task is called 'nonsense'"):
            child.finish()
        child.start("nonsense")
        with pytest.raises(WorkerError, match="no task is called 'nonsense'"):
            child.finish()


def test_what_a_child_prints_without_end_does_not_fill_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_LOG_DISK", 1 << 20)
    with Child() as child:
        log = child._log.fileno()
        for _ in range(8):
            os.write(log, b"noise\n" * 50_000)
        deadline = time.monotonic() + 10
        while os.fstat(log).st_blocks * 512 > 1 << 20:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.write(log, b"the end\n")
        assert child.log().endswith("the end\n")
