"""Byte strings that parse as what a decoder op reads."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

# A 32 by 24 gradient, encoded once by TensorFlow itself.
_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEBLAEsAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVG"
    "ZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAARCAAYACADASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAABAADBv/EABcQ"
    "AAMBAAAAAAAAAAAAAAAAAAADBGH/xAAYAQADAQEAAAAAAAAAAAAAAAACAwUEBv/EABcRAAMBAAAAAAAAAAAAAAAAAAAB"
    "AwL/2gAMAwEAAhEDEQA/AOZXPglc+C1z4JXPgK0DG4Rc+CVz4LXPglc+DForRuYLnwSufCIyJnIx2xK58ErnwiGJleO2"
    "f//Z"
)
_SIDE = 32


def sample_bytes(decoder: str, random: Any) -> bytes:
    """A string for ``decoder`` (an op name, "" for any text), drawn from ``random``."""
    if decoder in ("DecodeJpeg", "DecodeAndCropJpeg"):
        return _JPEG
    if decoder in ("DecodePng", "DecodeImage"):
        return encode_png(random.integers(0, 256, (_SIDE, _SIDE, 3), dtype="uint8"))
    if decoder == "DecodeBmp":
        return _bmp(random.integers(0, 256, (_SIDE, _SIDE, 3), dtype="uint8"))
    if decoder == "DecodeGif":
        return _GIF
    if decoder == "DecodeWav":
        return _wav(random.integers(-20_000, 20_000, 16_000, dtype="int16"))
    if decoder == "DecodeRaw":
        return bytes(random.integers(0, 256, 784, dtype="uint8"))
    if decoder == "DecodeBase64":
        return base64.urlsafe_b64encode(bytes(random.integers(0, 256, 30, dtype="uint8")))
    if decoder == "StringToNumber":
        return f"{random.uniform(-9, 9):.3f}".encode()
    if decoder == "DecodeJSONExample":
        return b'{"features": {"feature": {}}}'
    words = (b"the", b"quick", b"brown", b"fox", b"jumps", b"over", b"a", b"lazy", b"dog")
    return b" ".join(words[index] for index in random.integers(0, len(words), 3))


_GIF = (
    b"GIF89a\x02\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,"
    b"\x00\x00\x00\x00\x02\x00\x02\x00\x00\x02\x03D\x02\x05\x00;"
)


def encode_png(pixels: Any) -> bytes:
    """Bytes [height, width, channels] as a PNG; 1 channel is grey, 3 are RGB, 4 have an alpha.

    Source: the PNG specification, section 11.
    """
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _bmp(pixels: Any) -> bytes:
    """24-bit, uncompressed; the width is a multiple of four, so rows need no padding."""
    height, width, _ = pixels.shape
    data: bytes = pixels[::-1, :, ::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(data), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + info + data


def _wav(samples: Any) -> bytes:
    """16-bit mono at 16 kHz."""
    data: bytes = samples.tobytes()
    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(data)) + b"WAVE" + chunks + data
