"""Results of audits as JSON objects, made up: a zoo of any size, an empty one, a hostile one."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from typing import Any

Json = dict[str, Any]
SEVERITIES = ("critical", "high", "medium", "low", "info")
VERDICTS = ("blocked", "needs_you", "ready_with_changes", "ready", "unknown")

_RULES = (
    # code, name, severity, title, ops, message, argument
    ("S001", "runs-python", "critical", "Runs Python code of the process that loads it",
     ("PyFunc", "EagerPyFunc"), "calls the Python function {argument}", "pyfunc_3"),
    ("S101", "reads-file", "high", "Reads a file that is not the model's own",
     ("ReadFile", "MatchingFiles"), "reads a file of the machine that runs it", "/etc/passwd"),
    ("S102", "writes-file", "high", "Writes a file that is not the model's own",
     ("WriteFile", "PrintV2"), "writes to a file whenever it runs", "/home/app/.ssh/keys"),
    ("S201", "opens-connection", "high", "Sends tensors over the network",
     ("DebugIdentityV3",), "sends a tensor to an address", "grpc://203.0.113.7:6064"),
    ("B101", "unregistered-op", "medium", "Uses ops that TensorFlow 2 does not have",
     ("GatherTree", "Resampler"), "2 ops are not registered in TensorFlow 2", ""),
    ("B102", "deprecated-op", "medium", "Uses ops that were taken out",
     ("BatchNormWithGlobalNormalization",), "the op was removed at GraphDef version 9", ""),
    ("B201", "unfrozen-variable", "medium", "Variables are left in a graph that seems frozen",
     ("VariableV2",), "14 variables have no value in the file", ""),
    ("W101", "unfed-switch", "low", "A training switch has no value",
     ("Placeholder",), "is_training must be fed at each call", ""),
    ("W102", "training-residue", "low", "Holds nodes that only training needs",
     ("ApplyAdam", "Assign"), "1,204 nodes belong to training", ""),
    ("W201", "no-signature", "low", "Has no signature",
     ("Placeholder",), "nothing says what its inputs are", ""),
    ("W301", "summary-op", "info", "Writes summaries", ("ScalarSummary",), "12 summaries", ""),
    ("H101", "dead-nodes", "info", "Nodes that no output needs",
     ("Identity",), "312 of 2,104 nodes lead to no output", ""),
    ("H102", "duplicate-constant", "low", "The same constant is stored more than once",
     ("Const",), "3.2 MB are stored 4 times", ""),
    ("H103", "unfused-batch-norm", "info", "Batch normalisation in pieces",
     ("Rsqrt", "Mul"), "53 can be folded", ""),
)  # fmt: skip
_FAMILY = {"S": "security", "B": "blocker", "W": "warning", "H": "health"}
_SECTIONS = {
    "detects": "Nodes of these ops, at the top level, in every function body and in graphs that"
    " are hidden in constants, together with the constant that says which file they mean.",
    "matters": "The op runs with the rights of the process that serves the model. Whoever made the"
    " file chooses what is touched.\n\nA file that is read at load needs no call at all.",
    "fix": "Cut the node off, or take the model from a source that you trust. When the path is"
    " wanted, pass the content in as an input instead.",
    "limits": "A path that is computed while the model runs is told as such, but not worked out.",
}
_REASONS = {
    "blocked": ("B101", "the op GatherTree is not registered in TensorFlow 2.21",
                "pass the library that holds it with --op-library"),
    "needs_you": ("endpoints", "three outputs are equally plausible", "choose one with --output"),
    "ready_with_changes": ("batch-norm", "BatchNormWithGlobalNormalization is rewritten", ""),
}  # fmt: skip
_TEAMS = ("search", "vision", "speech", "ads", "maps", "archive/2017", "archive/2018", "research")
_NAMES = ("ranker", "mobilenet_v1_1.0_224", "inception_v3", "tagger-ner", "wavenet", "ssd_coco",
          "ctr_wide_deep", "seq2seq_attention", "deepspeech", "segment-cityscapes")  # fmt: skip
_FORMATS = ("graph_def", "saved_model", "saved_model", "meta_graph", "hub_module", "keras_h5")
_FILES = {"graph_def": "{}.pb", "saved_model": "{}/saved_model.pb", "meta_graph": "{}.meta",
          "hub_module": "{}/saved_model.pb", "keras_h5": "{}.h5"}  # fmt: skip


def rule(code: str) -> Json:
    _, name, severity, title, ops, _, _ = next(item for item in _RULES if item[0] == code)
    return {
        "name": name,
        "family": _FAMILY[code[0]],
        "severity": severity,
        "confidence": "high",
        "title": title,
        "looks_at": list(ops),
        "since": "0.4",
        "deep": False,
        "sections": dict(_SECTIONS),
    }


def finding(source: str, code: str, number: int = 0, /, **changes: Any) -> Json:
    _, name, severity, _, ops, message, argument = next(item for item in _RULES if item[0] == code)
    op = ops[number % len(ops)]
    detail: Json = {"op": op, "reached": [("load", "signature:serving_default")[number % 2]]}
    if argument:
        detail["argument"] = argument
    else:
        detail |= {"count": 2 + number, "nodes": [f"model/block_{i}/{op}" for i in range(4)]}
    return {
        "code": code,
        "name": name,
        "family": _FAMILY[code[0]],
        "severity": severity,
        "confidence": "high",
        "message": message.format(argument=argument),
        "location": {
            "source": source,
            "meta_graph": "serve" if "saved_model" in source else "",
            "function": "__inference_call_112" if number % 3 == 2 else "",
            "node": f"model/block_{number}/{op}_{number}",
            "attr": "",
        },
        "detail": detail,
        "fix": "Cut the node off, or take the model from a source that you trust.",
        "fingerprint": hashlib.sha256(
            f"{source} {code} {number}".encode("utf-8", "replace")
        ).hexdigest()[:32],
        **changes,
    }


def model(source: str, verdict: str | None = "ready", /, **changes: Any) -> Json:
    readiness = None
    if verdict is not None:
        reasons = []
        if verdict in _REASONS:
            code, text, fix = _REASONS[verdict]
            reasons = [{"code": code, "text": text, "node": "decoder/GatherTree", "fix": fix}]
        options = ["--output scores=logits:0", "--output scores=probabilities:0"]
        readiness = {
            "verdict": verdict,
            "reasons": reasons,
            "options": options if verdict == "needs_you" else [],
        }
    return {
        "source": source,
        "format": "graph_def",
        "bytes": 24_100_000,
        "nodes": 2104,
        "tensorflow_version": "1.15.5",
        "readiness": readiness,
        "summary": dict.fromkeys(SEVERITIES, 0),
        **changes,
    }


def result(
    models: list[Json], findings: list[Json], skipped: list[Json] | None = None, **changes: Any
) -> Json:
    """Puts the parts together as an audit does, with its counts."""
    by_source = {item["source"]: item for item in models}
    for item in findings:
        by_source[item["location"]["source"]]["summary"][item["severity"]] += 1
    counts = Counter(item["severity"] for item in findings)
    verdicts = Counter((item["readiness"] or {}).get("verdict", "unknown") for item in models)
    codes = sorted({item["code"] for item in findings})
    known = {item[0] for item in _RULES}
    return {
        "schema": "migrator.audit/1",
        "migrator": "0.4.0",
        "deep": False,
        "findings": findings,
        "skipped": skipped or [],
        "summary": {name: counts[name] for name in SEVERITIES},
        "accepted": 0,
        "readiness": {name: verdicts[name] for name in VERDICTS},
        "models": models,
        "rules": {code: rule(code) for code in codes if code in known},
        **changes,
    }


def zoo(models: int, findings: int, seed: int = 1) -> Json:
    """A tree of ``models`` with about ``findings`` in all; most are harmless, a few are not."""
    draw = random.Random(seed)
    mild = [item[0] for item in _RULES if item[2] in ("low", "info")]
    made, found = [], []
    for index in range(models):
        kind = draw.choice(_FORMATS)
        stem = f"/srv/models/{draw.choice(_TEAMS)}/{draw.choice(_NAMES)}-{index:04d}"
        source = _FILES[kind].format(stem)
        verdict: str | None = draw.choices(
            [*VERDICTS, None], weights=(6, 14, 38, 34, 6, 2) if index > 4 else (3, 2, 1, 1, 1, 1)
        )[0]
        made.append(
            model(
                source,
                verdict,
                format=kind,
                bytes=int(10 ** draw.uniform(4, 8.6)),
                nodes=int(10 ** draw.uniform(1.5, 4.4)),
                tensorflow_version=draw.choice(("1.4.1", "1.12.0", "1.15.5", "2.3.0", "")),
            )
        )
        codes = draw.choices(mild, k=max(0, round(draw.gauss(findings / models, 6))))
        if verdict == "blocked":
            codes += ["B101", "B201"]
        if draw.random() < 0.04 or index == 2:
            codes += draw.choices(["S001", "S101", "S102", "S201"], k=draw.randint(1, 4))
        found += [finding(source, code, number) for number, code in enumerate(sorted(codes))]
    skipped = [
        {"source": "/srv/models/archive/2017/cut.pb", "rule": "",
         "reason": "cut.pb: node[17]: length 4096 passes the end of its message (byte 20311)"},
        {"source": made[0]["source"], "rule": "H103", "reason": "the rule failed: KeyError: 'x'"},
    ] if made else []  # fmt: skip
    return result(made, found, skipped, accepted=3)


HOSTILE = (
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror=\"window.pwned = 1\">",
    "\"><svg onload='window.pwned=1'>",
    "javascript:window.pwned=1//",
    "<!--<script>",
    "</noscript><h1 id=pwned>x</h1>",
    "{{script}}{{data}}",
    "a\u202etxt.exe\u2066b",
    "\u2028window.pwned=1\u2029",
    "\x1b[31mred\x07\r\n",
    "__proto__",
    "constructor",
    "lone\ud800surrogate",
    "&lt;b&gt;&#60;",
    "x" * 5000,
)  # fmt: skip
"""Names that a file may hold."""


def hostile() -> Json:
    """A result in which every text is one of ``HOSTILE``, keys and codes too."""
    models, found, skipped, rules = [], [], [], {}
    for number, bad in enumerate(HOSTILE):
        readiness = {
            "verdict": VERDICTS[number % 5],
            "reasons": [{"code": bad, "text": bad, "node": bad, "fix": bad}],
            "options": [bad],
        }
        models.append(
            model(bad, None, format=bad, tensorflow_version=bad) | {"readiness": readiness}
        )
        where = {"source": bad, "meta_graph": bad, "function": bad, "node": bad, "attr": bad}
        detail = {"op": bad, "argument": bad, "reached": [bad, f"signature:{bad}"], bad: [bad]}
        found += [
            finding(bad, code, location=where, detail=detail, message=bad, fix=bad, **extra)
            for code, extra in (("S101", {}), ("S101", {"code": bad, "name": bad, "family": bad}))
        ]
        skipped.append({"source": bad, "reason": bad, "rule": bad})
        rules[bad] = rule("S101") | {
            "name": bad,
            "title": bad,
            "looks_at": [bad],
            "sections": dict.fromkeys(_SECTIONS, bad),
        }
    made = result(models, found, skipped, migrator=HOSTILE[1])
    return made | {"rules": made["rules"] | rules}
