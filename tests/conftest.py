"""Set-up for all tests: hypothesis profiles and a limit on the seconds that a test may take.

``HYPOTHESIS_PROFILE=explore`` draws new examples on each run instead of the same ones.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

_ROOT = Path(__file__).resolve().parent.parent


def _prefer_installed() -> None:
    """Import an installed migrator before the one that pytest's own path entry would give.

    So the environment without TensorFlow tests what a user installs, schemas and data included.
    """
    asked = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if any(part and Path(part).resolve() == _ROOT for part in asked):
        return
    before = sys.path[:]
    sys.path[:] = [part for part in before if Path(part or ".").resolve() != _ROOT]
    try:
        import migrator  # noqa: F401
    except ImportError:
        pass
    finally:
        sys.path[:] = before


_prefer_installed()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, a shell hands down that Ctrl-C be ignored; tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SECONDS = int(os.environ.get("MIGRATOR_TEST_SECONDS", "60"))
"""More than any test without TensorFlow needs on a slow machine, far less than for ever."""
_UNLIMITED = ("tensorflow", "real_model", "fuzz")

settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("explore", settings.get_profile("same"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the contracts: they must hold with TensorFlow beside them and without."""
    for item in items:
        if _ROOT / "tests" / "contract" in item.path.parents:
            item.add_marker("contract")


class TookTooLong(BaseException):
    """A test passed its limit. No ``except Exception`` swallows it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Stop a test that hangs: on hostile input that is a failure like any other."""
    if any(item.get_closest_marker(name) for name in _UNLIMITED):
        return (yield)

    def stop(number: int, frame: FrameType | None) -> None:
        raise TookTooLong(f"{item.nodeid} took more than {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
