"""TensorFlow's checkpoints, of both versions, without TensorFlow.

The reader is imported when it is asked for: most models have no checkpoint.
"""

from typing import TYPE_CHECKING, Any

from migrator.formats.checkpoint.locate import checkpoint_place as checkpoint_place
from migrator.formats.checkpoint.locate import checkpoint_prefix as checkpoint_prefix

if TYPE_CHECKING:
    from migrator.formats.checkpoint.reader import Checkpoint as Checkpoint
    from migrator.formats.checkpoint.reader import open_checkpoint as open_checkpoint


def __getattr__(name: str) -> Any:
    if name not in ("Checkpoint", "open_checkpoint"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from migrator.formats.checkpoint import reader

    globals()[name] = found = getattr(reader, name)
    return found
