"""Security: what the graph does to the network and to the process."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.security.attacks import attack, what_it_is_told
from migrator.auditing.subject import Subject
from migrator.ops.dangerous import NETWORK, PROCESS, dangerous_ops, ops_of

_TABLE = dangerous_ops()
_DEBUG = tuple(name for name in ops_of(NETWORK) if "debug_urls" in _TABLE[name].attrs)
_TASKS = tuple(
    name
    for name in ops_of(NETWORK)
    if name.startswith("Collective")
    or name.removeprefix("_").removeprefix("Host") in ("Send", "Recv")
    or name in ("RemoteCall", "RemoteFusedGraphExecute")
)
_SERVERS = tuple(name for name in ops_of(NETWORK) if name not in (*_DEBUG, *_TASKS))


@rule(
    code="S301",
    name="opens-network",
    severity=Severity.HIGH,
    family="security",
    looks_at=_SERVERS,
    since="0.1",
)
def opens_network(subject: Subject) -> Iterator[Issue]:
    """The graph opens a network connection or a port

    What it detects: RPC clients and servers, the data service (RegisterDataset,
    DataServiceDataset, DistributedSave) and readers of cloud services, with their addresses.

    Why it matters: such an op sends data of the machine elsewhere, takes orders from elsewhere,
    or offers a function of the process on a port. DistributedSave also writes files.

    How to fix: Remove the op, or do not run the model. Run what you must in a sandbox that has no
    network.

    Limits: file ops reach the network too, by paths such as `gs://`, `http://` or `s3://`; the
    rules on files report these.
    """
    for place in subject.places(_SERVERS):
        op = _TABLE[place.node.op]
        yield attack(subject, place, op, what_it_is_told(subject, place, op))


@rule(
    code="S302",
    name="debug-urls",
    severity=Severity.HIGH,
    family="security",
    looks_at=_DEBUG,
    since="0.1",
)
def debug_urls(subject: Subject) -> Iterator[Issue]:
    """A debug op sends tensors to an address or a file

    What it detects: DebugIdentity and its relatives whose `debug_urls` is not empty.

    Why it matters: the op looks like Identity, is not marked stateful, and copies every tensor
    that passes to `grpc://` addresses or `file://` paths, inputs of users included.

    How to fix: Replace the node by its input, or export the model outside of the debugger.

    Limits: debug ops without addresses do nothing; they are among the mild ones of S407.
    """
    for place in subject.places(_DEBUG):
        if place.node.attrs.get("debug_urls") in (None, [], [b""], b""):
            continue
        op = _TABLE[place.node.op]
        yield attack(subject, place, op, what_it_is_told(subject, place, op))


@rule(
    code="S303",
    name="touches-process",
    severity=Severity.HIGH,
    family="security",
    looks_at=ops_of(PROCESS),
    since="0.1",
)
def touches_process(subject: Subject) -> Iterator[Issue]:
    """The graph ends the process or changes its settings

    What it detects: Abort, FileSystemSetConfiguration, the settings of cloud storage, and
    WorkerHeartbeat, which can shut a worker down.

    Why it matters: Abort takes a server down with one request. A changed file system setting
    sends what the rest of the process reads and writes to another place.

    How to fix: Remove the op, or do not run the model.

    Limits: a model can also exhaust memory or time with ordinary ops; that is not looked for.
    """
    for place in subject.places(ops_of(PROCESS)):
        op = _TABLE[place.node.op]
        yield attack(subject, place, op, what_it_is_told(subject, place, op))


@rule(
    code="S304",
    name="talks-to-tasks",
    severity=Severity.HIGH,
    family="security",
    looks_at=_TASKS,
    since="0.1",
)
def talks_to_tasks(subject: Subject) -> Iterator[Issue]:
    """The graph exchanges data with other devices or tasks by itself

    What it detects: Send and Recv nodes in the file, RemoteCall, collective ops, and graphs that
    are run elsewhere (RemoteFusedGraphExecute).

    Why it matters: TensorFlow puts Send and Recv in while it runs a graph; a file that brings its
    own can read what another graph of the process sends. Collective ops wait for other tasks, so
    they can stall a server for ever.

    How to fix: Export the model for serving from a process without a distribution strategy.

    Limits: on a single machine these ops reach other graphs of the same process only.
    """
    for place in subject.places(_TASKS):
        op = _TABLE[place.node.op]
        yield attack(subject, place, op, what_it_is_told(subject, place, op))
