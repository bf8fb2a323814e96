"""Bytes by which a file is told that several readers look for."""

HDF5 = b"\x89HDF\r\n\x1a\n"
"""At the start, or at byte 512, 1,024, 2,048, ..."""
TABLE_END = bytes.fromhex("57fb808b247547db")
"""The end of a checkpoint's index, and of the files of version 1."""
