"""Python code that a Keras configuration stores: the names in it, without running or loading it.

A Lambda layer keeps its function as base64 of what ``marshal`` wrote. The names and strings in
there are read off by their length prefixes; nothing is unmarshalled.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

_MOST_CODE = 4 << 20
_MOST_NAME = 200
_SHORT = frozenset(kind | flag for kind in b"zZ" for flag in (0, 0x80))
_LONG = frozenset(kind | flag for kind in b"aAut" for flag in (0, 0x80))
"""Marks of marshal's strings: a length of one byte follows, or one of four."""
_HOLDERS = ("items", "code", "value")
"""Keys that hold the code, or a list that begins with it."""
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_TELLING = frozenset(
    (
        "os sys nt posix pty subprocess commands popen Popen system spawn execv exec eval execfile "
        "compile open getattr setattr delattr globals locals vars breakpoint builtins importlib "
        "imp runpy import_module ctypes socket socketserver asyncio urllib urllib2 urllib3 "
        "urlopen urlretrieve requests http httplib ftplib smtplib telnetlib xmlrpc webbrowser "
        "paramiko shutil pathlib tempfile glob io fileinput mmap zipfile tarfile pickle cPickle "
        "dill cloudpickle joblib marshal shelve base64 codecs binascii zlib multiprocessing "
        "threading signal_handler inspect gc pdb code codeop platform psutil getpass pwd "
        "write_file read_file matching_files gfile GFile raw_ops py_function numpy_function "
        "py_func load_library load_op_library load_file_system_library load_model saved_model "
        "get_file TextFileInitializer TextLineDataset TFRecordDataset FixedLengthRecordDataset "
        "CsvDataset make_csv_dataset list_files TFRecordWriter create_file_writer write_graph "
        "output_stream load loads save read_pickle load_weights save_weights gi_frame gi_code "
        "f_back f_builtins f_globals f_locals tb_frame cr_frame ag_frame co_code fromhex "
        "fromfile tofile memmap loadtxt savetxt genfromtxt savez rmtree unlink remove"
    ).split()
)
"""Names by which Python code gets out of computing. A list like this is never complete."""


def telling_names(function: Any) -> tuple[str, ...] | None:
    """Names in a Lambda's stored code that reach outside of computing, in alphabetical order.

    ``function`` is what the configuration holds: base64, in a list or a tuple's encoding. None
    where the code cannot be read, so that nothing is known of it.
    """
    code = _code(function)
    if code is None:
        return None
    names = {name for text in _texts(code) for name in _WORD.findall(text)}
    found = {name.decode("ascii") for name in names}
    return tuple(sorted(name for name in found if name in _TELLING or _is_special(name)))


def _is_special(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")


def _code(function: Any) -> bytes | None:
    """The marshalled code in any of the forms that Keras has written it in."""
    for _ in range(4):
        if isinstance(function, dict):
            inner = function.get("config", function)
            inner = inner if isinstance(inner, dict) else {}
            function = next((inner[key] for key in _HOLDERS if inner.get(key)), None)
        elif isinstance(function, list):
            function = function[0] if function else None
    if not isinstance(function, str) or len(function) > _MOST_CODE:
        return None
    try:
        code = base64.b64decode("".join(function.split()), validate=True)
    except (binascii.Error, ValueError):
        try:
            code = function.encode("raw_unicode_escape")  # Keras before 2.1
        except UnicodeError:
            return None
    return code if code[:1] in (b"\xe3", b"c") else None


def _texts(code: bytes) -> Iterator[bytes]:
    """Every run of bytes that could be one of marshal's strings: too many rather than too few."""
    for place, mark in enumerate(code):
        if mark in _SHORT:
            start = place + 2
            length = code[place + 1] if place + 1 < len(code) else 0
        elif mark in _LONG:
            start = place + 5
            length = int.from_bytes(code[place + 1 : start], "little")
        else:
            continue
        text = code[start : start + min(length, _MOST_NAME)]
        if len(text) == min(length, _MOST_NAME):
            yield text
