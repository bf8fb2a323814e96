"""Outcomes of a batch as the ledger holds them, made up: all kinds, reproducible."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

from migrator._version import __version__

Json = dict[str, Any]

HOSTILE = (
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 2'>",
    "javascript:window.pwned = 3",
    "{{data}}{{script}}",
    "=1+1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    '=HYPERLINK("http://x.invalid";"click")',
    "a;=1+1",
    "\u202egnp.exe",
    "\x1b[31mred\x1b[0m",
    "tab\there",
    "line\nbreak",
    "zero\u200bwidth",
    "$(touch pwned)",
    "quote\"and'both",
    "back\\slash",
    "very/" + "long" * 300,
    "名前/モデル",
    "# comment: [yaml, {flow: 1}]",
    "null",
    "..hidden",
)
"""Names that a batch may meet, or that someone puts there. None leaves the destination."""

FORMATS = ("graph_def", "saved_model", "meta_graph", "checkpoint", "hub_module", "keras_h5")
_NETS = ("resnet_v1_50", "mobilenet_v2", "inception_v3", "bert_base", "ssd_coco", "lstm_lm")
_TEAMS = ("vision", "speech", "ranking", "fraud", "maps", "legacy/2017")
_START = 1_760_000_000
_VERSIONS = {"migrator": __version__, "python": "3.11.7", "tensorflow": "2.21.0"}

ENDPOINTS: Json = {
    "kind": "endpoints",
    "candidates": {
        "inputs": [
            {
                "tensor": "image:0",
                "dtype": "float32",
                "shape": [None, 224, 224, 3],
                "score": 0.95,
                "reasons": ["a placeholder"],
            },
        ],
        "outputs": [
            {
                "tensor": "probabilities:0",
                "dtype": "float32",
                "shape": [None, 1000],
                "score": 0.9,
                "reasons": ["nothing reads it", "a softmax"],
            },
            {
                "tensor": "logits/BiasAdd:0",
                "dtype": "float32",
                "shape": None,
                "score": 0.7,
                "reasons": ["feeds a softmax"],
            },
        ],
    },
    "options": ["--input image:0", "--output probabilities:0"],
}
TAGS: Json = {
    "kind": "tag_set",
    "candidates": ["train", "serve,gpu"],
    "options": ["--tag-set train", "--tag-set serve,gpu"],
}
FEEDS: Json = {
    "kind": "feeds",
    "candidates": [{"tensor": "is_training:0", "dtype": "bool", "shape": []}],
    "options": ["--feed is_training:0=false", "--feed 'keep prob:0=VALUE'"],
}
DECISIONS = (ENDPOINTS, TAGS, FEEDS)

BLOCKED = {
    "B101": "op MyLayer is in no TensorFlow that we know (node 'a/my')",
    "B105": "runs Python (node 'PyFunc')",
    "B201": "variable 'w' is in no checkpoint",
    "": "something that no rule tells",
}
FAILED = {
    "bad_input": "node[17]: length 4096 passes the end of its message; is the file truncated?",
    "timeout": "took longer than 600 s, in step verify",
    "memory": "passed the memory limit of 8 GB, in step migrate",
    "signal": "TensorFlow died of signal 11 (SIGSEGV), twice",
    "mismatch": "output 'probs' differs by 0.31 in case 'zeros'",
    "error": "KeyError: 'shape'",
    "storage": "s3://bucket/x: 503 Slow Down, in five tries",
    "missing_source": "no such file",
}


def outcome(name: str, **changes: Any) -> Json:
    """A model that is done, bit for bit the same; ``changes`` replaces keys."""
    return {
        "schema": "migrator.batch-model/1",
        "name": name,
        "source": f"/srv/zoo/{name}/frozen.pb",
        "dest": f"/srv/out/{name}",
        "steps": ["inspect", "audit", "plan", "migrate", "verify"],
        "decided": {},
        "outcome": "done",
        "verdict": "bitwise",
        "readiness": "ready",
        "reason": "",
        "cause": "",
        "decision": None,
        "rules": [],
        "findings": {"critical": 0, "high": 0, "medium": 1, "low": 2, "info": 3},
        "format": "graph_def",
        "source_bytes": 1_200_000,
        "result_bytes": 1_300_000,
        "source_sha256": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(),
        "source_stamp": "",
        "seconds": {"inspect": 0.01, "audit": 0.05, "plan": 0.02, "migrate": 0.4, "verify": 0.3},
        "peak_rss_bytes": 420_000_000,
        "attempts": 1,
        "again": False,
        "started": stamp(0),
        "finished": stamp(1),
        "versions": _VERSIONS,
        "fingerprint": "ab" * 32,
        "signatures": ["serving_default"],
        "tflite": None,
        **changes,
    }


def needs_decision(name: str, decision: Json = ENDPOINTS, **changes: Any) -> Json:
    reason = "which tensors are the inputs and outputs is open: several outputs are plausible"
    told = {"readiness": "needs_you", "reason": reason, **changes}
    return _undone(name, outcome="needs_decision", decision=decision, **told)


def blocked(name: str, rule: str = "B101", **changes: Any) -> Json:
    told = {"reason": BLOCKED.get(rule, "an op of a later version"), **changes}
    rules = [rule] if rule else []
    return _undone(name, outcome="blocked", readiness="blocked", rules=rules, **told)


def failed(name: str, cause: str = "error", **changes: Any) -> Json:
    verdict = "mismatch" if cause == "mismatch" else ""
    told = {"verdict": verdict, "readiness": "unknown", "reason": FAILED[cause], **changes}
    return _undone(name, outcome="failed", cause=cause, **told)


def _undone(name: str, **changes: Any) -> Json:
    seconds = {"inspect": 0.01, "audit": 0.05, "plan": 0.02}
    base = {"verdict": "", "result_bytes": 0, "seconds": seconds, "signatures": []}
    return outcome(name, **{**base, **changes})


def zoo(models: int, *, hostile: bool = True, seed: int = 6) -> list[Json]:
    """So many models of all outcomes, causes and kinds, hostile names first, in no order."""
    return list(each(models, hostile=hostile, seed=seed))


def each(models: int, *, hostile: bool = True, seed: int = 6) -> Iterator[Json]:
    rng = random.Random(seed)
    names: Sequence[str] = HOSTILE if hostile else ()
    for number in range(models):
        plain = f"{rng.choice(_TEAMS)}/{rng.choice(_NETS)}/{number:06d}"
        yield _one(rng, names[number] if number < len(names) else plain, number)


def _one(rng: random.Random, name: str, number: int) -> Json:
    kind = number % 20
    size = int(rng.lognormvariate(15, 2))
    common: Json = {
        "source_bytes": size,
        "format": rng.choice(FORMATS),
        "started": stamp(number),
        "finished": stamp(number + 4),
        "findings": {
            "critical": int(rng.random() < 0.02),
            "high": int(rng.random() < 0.1),
            "medium": rng.randrange(4),
            "low": rng.randrange(9),
            "info": rng.randrange(20),
        },
    }
    if kind < 14:
        seconds = {"inspect": 0.01, "audit": 0.04, "plan": 0.02, "migrate": 0.2, "verify": 0.3}
        spent = {key: round(value * rng.lognormvariate(0, 1), 3) for key, value in seconds.items()}
        verdict = "bitwise" if kind < 10 else "within_tolerance" if kind < 13 else "not_run"
        changes: Json = {"verdict": verdict, "result_bytes": int(size * 1.1), "seconds": spent}
        if kind < 5:
            changes["tflite"] = {
                "outcome": "converted",
                "bytes": size // 2,
                "verdict": "within_tolerance",
            }
            changes["seconds"] = {**spent, "tflite": 0.8}
        return outcome(name, **{**common, **changes})
    if kind < 16:
        return needs_decision(name, _decision(rng, number), **common)
    if kind < 18:
        return blocked(name, rng.choice([*BLOCKED]), **common)
    cause = [*FAILED][(number // 20 * 2 + kind) % len(FAILED)]
    attempts = 2 if cause in ("signal", "memory") else 1
    return failed(name, cause, **{**common, "attempts": attempts})


def _decision(rng: random.Random, number: int) -> Json:
    if rng.random() < 0.6:
        return DECISIONS[number % len(DECISIONS)]
    head = f"head_{number}/Softmax:0"
    return {**ENDPOINTS, "options": ["--input image:0", f"--output {head}"], "candidates": [head]}


def stamp(second: int) -> str:
    """Some time in October 2025 as UTC, ISO."""
    from datetime import datetime, timezone

    moment = datetime.fromtimestamp(_START + second, tz=timezone.utc)
    return moment.isoformat().replace("+00:00", "Z")


RUN: Json = {
    "sources": ["/srv/zoo"],
    "dest": "/srv/out",
    "started": stamp(0),
    "finished": stamp(7200),
    "seconds": 7200.0,
    "jobs": 4,
    "scheduler": "",
    "ran": 5000,
    "interrupted": False,
    "unfinished": 0,
}
"""A run as ``batch_result`` is told of it."""
