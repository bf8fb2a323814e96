"""Work that is to grow with its input, and not with its square."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRIES = 6


def assert_linear(
    make: Callable[[int], Callable[[], object]], few: int, many: int, *, slack: float = 4
) -> None:
    """``make(count)`` readies work on ``count`` things, which is then timed (CPU of this process).

    The least of several tries counts, as a busy machine makes any of them longer; ``slack`` is for
    caches. Sixteen times as many things make a square visible through both.
    """
    least = {few: float("inf"), many: float("inf")}
    assert slack * 3 <= many / few, "a square would pass"
    for _ in range(_TRIES):
        for count in least:
            work = make(count)
            start = time.process_time()
            work()
            least[count] = min(least[count], time.process_time() - start)
        if least[many] < slack * (many / few) * max(least[few], 0.001):
            return
    raise AssertionError(f"{many / few:g} times as many take {least[many] / least[few]:.0f} times")
