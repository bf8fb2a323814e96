"""Many models: tasks of plain data, run in parallel, kept in a ledger, resumed.

The package is also the public call ``migrator.batch(...)``, see ``run.batch``.
"""

from __future__ import annotations

import sys
import types
from typing import Any


class _Verb(types.ModuleType):
    """The public name of the verb is that of this package, so the package can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from migrator.batch.run import batch

        return batch(*args, **kwargs)


sys.modules[__name__].__class__ = _Verb
