"""Model Explorer's own server, shown what we made and kept from everything else.

It gets graphs as JSON, never a model's file. Left to itself it hands out any file of its user to
whoever asks, converts what is uploaded, asks a package index for newer versions of itself, and its
page takes fonts from elsewhere; here none of that happens.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from migrator.errors import MigratorError, UsageError
from migrator.report.explorer.files import Explored, text

PACKAGE = "ai-edge-model-explorer"
NEAR = ("localhost", "127.0.0.1")
"""Hosts that only this machine reaches."""
_FIRST_PORT = 8080
_PORTS = 20
_PATIENCE = 30.0
"""Seconds that the server may take to begin."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' "
    "blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' data: "
    "blob:; font-src 'self' data:"
)
_CONVERTERS = ("ai_edge_model_explorer_adapter", "torch")
"""Large libraries that read models themselves; the server does without them."""
_FOLLOWED = {"mode": "match_node_id"}
"""What is selected in one pane is looked for by its id in the other."""


def require_package() -> None:
    """Raise MigratorError where Model Explorer is not installed."""
    if importlib.util.find_spec("model_explorer") is None:
        raise MigratorError("Model Explorer is not installed", hint="pip install 'migrator[view]'")


def free_port(host: str, port: int | None = None) -> int:
    """``port``, or the first one from 8080 on that can be listened on.

    Raises UsageError where there is no such host, or the port cannot be had.
    """
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"{port} is no port", hint="ports are numbers from 1 to 65535")
    wanted = [port] if port is not None else [*range(_FIRST_PORT, _FIRST_PORT + _PORTS), 0]
    for number in wanted:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, number))
                return int(listener.getsockname()[1])
        except socket.gaierror:
            raise UsageError(f"there is no host called {host!r}") from None
        except OSError as error:
            reason = error.strerror or str(error)
    raise UsageError(f"port {port} of {host} cannot be had: {reason}")


def serve(
    explored: Explored,
    *,
    host: str = "localhost",
    port: int,
    browser: bool = True,
    on_address: Callable[[str], None] = lambda address: None,
    quiet: bool = True,
) -> None:
    """Show ``explored``, made with ``same_ids``, until Ctrl-C.

    ``port`` is a free one; ``on_address`` is told the page's address. Raises MigratorError without
    the package.
    """
    require_package()
    with _without(_CONVERTERS):
        package = importlib.import_module("model_explorer")
        server: Any = importlib.import_module("model_explorer.server")
        server._check_new_version = lambda *_: {"version": "", "runningVersion": ""}
        config = _config(package, explored)
        address = f"http://{host}:{port}/?data={config.to_url_param_value()}"
        with contextlib.suppress(KeyboardInterrupt):
            on_address(address)
            if browser:
                words = (address, host, port)
                threading.Thread(target=_open_browser, args=words, daemon=True).start()
            with (
                open(os.devnull, "w") as nowhere,
                contextlib.redirect_stdout(nowhere if quiet else sys.stderr),
                _guarded(host, port),
            ):
                _start(server, host=host, port=port, config=config)


def _start(server: Any, **words: Any) -> None:
    """Raises MigratorError where another took the port meanwhile."""
    try:
        # Left to wait until it answers, it would swallow a Ctrl-C, and wait for ever.
        server.start(**words, no_open_in_browser=True, skip_health_check=True)
    except SystemExit as error:
        if error.code != 1:  # a signal's
            raise
        raise MigratorError(
            f"port {words['port']} was taken by another program just now", hint="try again"
        ) from None


def _open_browser(address: str, host: str, port: int) -> None:
    """A browser with ``address``, once somebody listens there."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            webbrowser.open_new_tab(address)
            return
        time.sleep(0.05)


def page_data(explored: Explored) -> dict[str, Any]:
    """What the page's address tells it: which graphs, which overlays, which panes."""
    sources: list[str] = []
    targets: list[str] = []
    for pane in explored.panes:
        for name in reversed(pane.overlays):  # the page shows the last one first
            sources.append(f"node_data://{_title(explored, name)}/{len(sources)}")
            targets.append(pane.label)
    shown: dict[str, Any] = {
        "models": [
            {"url": f"graphs://{pane.label}/{number}"} for number, pane in enumerate(explored.panes)
        ],
        "nodeData": sources,
        "nodeDataTargets": targets,
        "uiState": {"paneStates": [*_panes(explored)]},
    }
    if len(explored.panes) > 1:
        shown["sync"] = _FOLLOWED
    return shown


def _panes(explored: Explored) -> Iterator[dict[str, Any]]:
    for number, pane in enumerate(explored.panes):
        yield {
            "deepestExpandedGroupNodeIds": [],
            "selectedNodeId": "",
            "selectedGraphId": pane.graph,
            "selectedCollectionLabel": pane.label,
            "widthFraction": 1 / len(explored.panes),
            "selected": number == 0,
        }


def _title(explored: Explored, name: str) -> str:
    overlay = next(iter(explored.files[name].values()))
    return str(overlay["name"]).replace("/", "-")


def _config(package: Any, explored: Explored) -> Any:
    """The package's configuration with our graphs and overlays; its address tells of both panes."""
    data = page_data(explored)
    made = package.config()

    class Shown(type(made)):  # type: ignore[misc]
        def to_url_param_value(self) -> str:
            return quote(json.dumps(data))

    config = Shown()
    graphs = [{"graphs": explored.files[pane.file]["graphs"]} for pane in explored.panes]
    config.set_transferrable_data(
        {
            "graphs_list": json.dumps([text(item) for item in graphs]),
            "model_sources": data["models"],
            "node_data_sources": [],
            "node_data_target_models": [],
        }
    )
    for pane in explored.panes:
        for name in reversed(pane.overlays):
            config.add_node_data(
                _title(explored, name), text(explored.files[name]), model_name=pane.label
            )
    return config


@contextlib.contextmanager
def _guarded(host: str, port: int) -> Iterator[None]:
    """Requests for files of the user, and those that another site's page sends under a name of
    its own, are refused; our page may ask nobody else."""
    flask = importlib.import_module("flask")
    ours = {f"{name}:{port}" for name in NEAR} if host in NEAR else None

    def before(sender: Any, **_: Any) -> None:
        request = flask.request
        is_file = "path" in request.args or "json" in request.args
        if request.method != "GET" or is_file or (ours is not None and request.host not in ours):
            flask.abort(403)

    def after(sender: Any, response: Any, **_: Any) -> None:
        response.headers["Content-Security-Policy"] = _POLICY

    flask.request_started.connect(before)
    flask.request_finished.connect(after)
    try:
        yield
    finally:
        flask.request_started.disconnect(before)
        flask.request_finished.disconnect(after)


@contextlib.contextmanager
def _without(modules: tuple[str, ...]) -> Iterator[None]:
    """These cannot be imported, unless they are already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
