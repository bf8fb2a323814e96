"""One self-contained HTML page: template, style, script and data put together when it is drawn.

The page works from a file without network. Its Content-Security-Policy names the hashes of its own
style and script, so that nothing else in it can run or load, whatever a model's names hold.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from migrator.report.escape import shown

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_CLOSES = re.compile(r"</(script|style)|<!--", re.IGNORECASE)


def page(
    *, title: str, data: Any, styles: Sequence[str], scripts: Sequence[str], fallback: str
) -> str:
    """The page: ``data`` (JSON values) for the script to draw, ``fallback`` (HTML) without one.

    ``styles`` and ``scripts`` name files of the templates; they are joined in this order, the
    scripts as the body of one function. ``data`` may come from anywhere; ``fallback`` is HTML
    that the caller has escaped (see ``text``).
    """
    style = "\n".join(map(template, styles))
    script = '(() => {\n"use strict";\n' + "\n".join(map(template, scripts)) + "\n})();\n"
    early = template("early.js")
    slots = {
        "title": text(title),
        "policy": policy(scripts=(early, script), styles=(style,)),
        "early": _inline(early),
        "style": _inline(style),
        "script": _inline(script),
        "data": embedded(data),
        "fallback": fallback,
    }
    # One pass, so that nothing that is put in is looked through for slots again.
    return _SLOT.sub(lambda match: slots[match[1]], template("page.html"))


def policy(*, scripts: Sequence[str], styles: Sequence[str]) -> str:
    """The Content-Security-Policy that lets exactly these inline scripts and styles act."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_source, scripts))}",
            f"style-src {' '.join(map(_source, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def embedded(data: Any) -> str:
    """``data`` as JSON that can stand in a script element: no markup, and nothing but ASCII."""
    try:
        found = json.dumps(data, allow_nan=False, separators=(",", ":"))
    except ValueError:  # Python reads and writes NaN in JSON, browsers do not
        found = json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda match: _ESCAPED[match[0]], found)


def text(value: object, most: int = 200) -> str:
    """Anything as HTML text: what does not print is written out, markup is escaped."""
    return html.escape(shown(str(value), most))


@cache
def template(name: str) -> str:
    """A file of ``templates``, with line feeds for line ends: a browser hashes it so."""
    folder = resources.files("migrator.report").joinpath("templates")
    return folder.joinpath(name).read_text("utf-8").replace("\r\n", "\n")


def _inline(code: str) -> str:
    found = _CLOSES.search(code)
    if found:
        raise ValueError(f"a template holds {found[0]!r}, which would end its element")
    return code


def _source(code: str) -> str:
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
