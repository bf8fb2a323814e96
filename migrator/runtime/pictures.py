"""Child task: decode picture files, as TensorFlow's own ops in a graph would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrator.arrays import save_arrays
from migrator.runtime.messages import short_message


def read_pictures(*, pictures: list[dict[str, Any]], results: str) -> dict[str, Any]:
    """Decode each of ``pictures`` (``path``, ``channels``, ``height`` and ``width`` or null).

    File ``results`` gets arrays "0", "1", ... of [height, width, channels]: uint8 as decoded, or
    float32 where a picture was resized (bilinear, antialiased). The outcome holds the decoded
    ``sizes`` by index, None with an entry in ``errors`` for a file that does not decode.
    """
    import tensorflow as tf

    found: dict[str, Any] = {}
    sizes: list[list[int] | None] = []
    errors: dict[str, str] = {}
    for index, wanted in enumerate(pictures):
        try:
            data = Path(wanted["path"]).read_bytes()
            picture = tf.io.decode_image(data, channels=wanted["channels"], expand_animations=False)
            height, width = (int(size) for size in picture.shape[:2])
            target = (wanted["height"] or height, wanted["width"] or width)
            if target != (height, width):
                picture = tf.image.resize(picture, target, antialias=True)
            found[str(index)] = picture.numpy()
            sizes.append([height, width])
        except Exception as error:
            errors[str(index)] = short_message(error)
            sizes.append(None)
    save_arrays(Path(results), found)
    return {"sizes": sizes, "errors": errors}
