"""Child side: encoded pictures in front of an image model."""

from __future__ import annotations

from typing import Any

_RANGES = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}


def from_pictures(tf: Any, serve: Any, specs: dict[str, Any], decode: dict[str, str]) -> Any:
    """``serve`` with the inputs named in ``decode`` taken as encoded pictures (JPEG, PNG, GIF,
    BMP), one string each; ``decode`` says in what range the model wants its pixels."""
    encoded = {
        name: tf.TensorSpec([spec.shape[0]], tf.string, name=name) if name in decode else spec
        for name, spec in specs.items()
    }

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def serve_pictures(**arguments: Any) -> dict[str, Any]:
        for name, pixels in decode.items():
            arguments[name] = _decoded(tf, arguments[name], specs[name], pixels)
        found: dict[str, Any] = serve(**arguments)
        return found

    return serve_pictures.get_concrete_function(**encoded)


def _decoded(tf: Any, encoded: Any, spec: Any, pixels: str) -> Any:
    _, height, width, channels = spec.shape
    factor, offset = _RANGES[pixels]

    def decode(data: Any) -> Any:
        image = tf.io.decode_image(data, channels=channels or 3, expand_animations=False)
        image.set_shape([None, None, channels or 3])
        if height is not None and width is not None:
            image = tf.image.resize(image, [height, width], antialias=True)
        if spec.dtype.is_integer:
            return tf.saturate_cast(tf.round(tf.cast(image, tf.float32)), spec.dtype)
        return tf.cast(tf.cast(image, tf.float32) * factor + offset, spec.dtype)

    element = tf.TensorSpec([height, width, channels or 3], spec.dtype)
    return tf.map_fn(decode, encoded, fn_output_signature=element)
