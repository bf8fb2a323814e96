"""Patterns by which the reader takes what most of a text is at one look.

Each part is bounded and begins with what the one before it cannot hold, so a look takes a time that
does not grow.
"""

from __future__ import annotations

import re

_WS = rb"[ \t\n\r\f\v]{0,256}"
FIELD = re.compile(
    rb"(?:([A-Za-z_]\w{0,63})WS(?::WS(?:"
    rb'"([^"\\\n]{0,1000})"WS(?!["\'#\s])|(-?[.\w][-+.\w]{0,62})(?![-+.\w])WS|([{<])WS)|([{<])WS)'
    rb"|([}>])WS)[,;]?WS".replace(b"WS", _WS)
)
"""A field, up to behind its value or its bracket; or a closing bracket. The groups are: 1 name,
2 string, 3 word, 4 and 5 opening, 6 closing."""
PLAIN = 2
"""The group of a string, which has no escapes; ``scan`` has the numbers of the others."""
_PART = rb"[^{}<>\[\]\"'#]{0,120}(?:\"[^\"\\\n]{0,64}\"[^{}<>\[\]\"'#]{0,64})?"
_BLOCK = _PART
for _times in (b"{0,6}", b"{0,2}", b"?"):
    _BLOCK = _PART + rb"(?:\{" + _BLOCK + rb"\}" + _PART + rb")" + _times
WHOLE = re.compile(_BLOCK + rb"\}WS[,;]?WS".replace(b"WS", _WS))
"""The rest of a small message, with those in it: most attributes are word for word alike."""
