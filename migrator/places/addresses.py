"""Addresses as texts: what they are, how they are shown, what lies below them."""

from __future__ import annotations

import re
from urllib.parse import unquote

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.:_-]*://")
_LOCAL = re.compile(r"(?:file|local)://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(?P<head>://[^\s?'\"]*)\?[^\s'\"]*=[^\s'\"]*")
_MAGIC = re.compile(r"[*?\[]")


def is_remote(address: str) -> bool:
    """True for an address (``s3://...``), False for a path and for a ``file://`` that is one."""
    return _ADDRESS.match(address) is not None and _LOCAL.match(address) is None


def local_path(address: str) -> str:
    """``file:///a/b`` as ``/a/b``; anything else as it is."""
    found = _LOCAL.match(address)
    return address if found is None else unquote(address[found.end() :]) or "/"


def protocol_of(address: str) -> str:
    """``s3`` of ``s3://bucket/key``; the outermost of a chain."""
    return address.partition("://")[0].partition("::")[0].lower()


def shown(text: str) -> str:
    """An address, or a text with some, without the secrets that may stand in them.

    These are a user with his password, and what comes after a question mark: signatures do.
    """
    return _QUERY.sub(r"\g<head>?...", _USER.sub("", text))


def below(address: str, name: str) -> str:
    """The address of ``name``, a relative path, below ``address``."""
    return f"{address.rstrip('/')}/{name}"


def last_part(address: str) -> str:
    """The name of a file or folder, without a question mark's rest."""
    path = address.partition("://")[2].partition("::")[0]
    if address.startswith(("http://", "https://")):
        path = path.partition("?")[0].partition("#")[0]
    return path.rstrip("/").rpartition("/")[2]


def pattern_base(address: str) -> str | None:
    """The address above the first part that is a pattern; None where none is.

    What looks like one in a web address is its query.
    """
    if address.startswith(("http://", "https://")):
        return None
    head, mark, path = address.partition("://")
    parts = path.split("/")
    for number, part in enumerate(parts):
        if _MAGIC.search(part):
            return f"{head}{mark}{'/'.join(parts[:number])}" if number else None
    return None
