"""Folders of a tree that hold the results of batches: nothing in them is a source."""

from __future__ import annotations

import os

from migrator.batching.task import LEDGER

REASON = "holds the results of a batch"
_BEGINS = b'{"schema": "migrator.batch-model/'


class EarlierResults:
    """Looks at each folder once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def above(self, path: str, top: str) -> str:
        """The folder with results that ``path`` lies in, below ``top``; "" where there is none."""
        folder = os.path.dirname(path)
        if len(folder) <= len(top.rstrip("/")) or not folder.startswith(top):
            return ""
        if folder not in self._known:
            self._known[folder] = folder if _has_ledger(folder) else self.above(folder, top)
        return self._known[folder]


def _has_ledger(folder: str) -> bool:
    try:
        with open(os.path.join(folder, LEDGER), "rb") as file:
            return file.read(len(_BEGINS)) == _BEGINS
    except OSError:
        return False
