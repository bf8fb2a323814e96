"""TensorFlow's checkpoints, version 2 (``PREFIX.index`` and its shards), without TensorFlow."""

from migrator.formats.checkpoint.locate import checkpoint_place as checkpoint_place
from migrator.formats.checkpoint.locate import checkpoint_prefix as checkpoint_prefix
from migrator.formats.checkpoint.reader import Checkpoint as Checkpoint
from migrator.formats.checkpoint.reader import open_checkpoint as open_checkpoint
