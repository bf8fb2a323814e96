"""Results of audits that every format is tried on: from none to a thousand, meek and hostile."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.engine import fingerprint
from migrator.auditing.finding import Audit, AuditedModel, Finding, Location, Severity, Skipped
from migrator.auditing.rule import FAMILIES, Issue, Rule, rule
from migrator.auditing.subject import Subject
from migrator.migration.readiness import (
    BLOCKED,
    CHANGES,
    NEEDS_YOU,
    READY,
    UNKNOWN,
    Readiness,
    Reason,
)

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.lldm\u2066",
    "line\r\nbreak\u2028separator",
    "%00%2e%2e/../../etc/passwd?a#b:c",
    "[click](https://example.com/\u200b)",
    "| table | `tick` {0} ${x} {{y}}",
    "\x00\x7f\x9b31m",
    "lone\ud800surrogate\udcff",
    "a" * 5000,
    "名前 mit Umlaut äöü",
)
"""Names that try to break out of where they are shown."""


def _rule(code: str, name: str, severity: Severity) -> Rule:
    family = next(family for family, letter in FAMILIES.items() if letter == code[0])

    def check(subject: Subject) -> Iterator[Issue]:
        yield from ()

    check.__doc__ = f"""Title of {name}

    What it detects: Something of the kind `{name}`, wherever it lies.

    Why it matters: It matters. It does so for [two](reasons) | and more.

    How to fix: Take {name} out and export the model anew. Then audit it again.

        Another paragraph.

    Limits: There are some.
    """
    return rule(
        code=code, name=name, severity=severity, family=family, looks_at=["WriteFile"], since="0.4"
    )(check)


RULES = (
    _rule("S901", "writes-a-file", Severity.HIGH),
    _rule("S902", "runs-python", Severity.CRITICAL),
    _rule("B901", "deprecated-op", Severity.MEDIUM),
    _rule("W901", "old-control-flow", Severity.LOW),
    _rule("H901", "dead-nodes", Severity.INFO),
)
_BY_CODE = {item.code: item for item in RULES}


def finding(
    code: str = "S901",
    source: str = "zoo/a.pb",
    *,
    message: str = "writes the file '/tmp/x'",
    node: str = "scope/WriteFile",
    severity: Severity | None = None,
    function: str = "",
    meta_graph: str = "",
    key: str = "",
    fix: str = "",
    confidence: str = "high",
    **detail: object,
) -> Finding:
    found = _BY_CODE[code]
    location = Location(source=source, meta_graph=meta_graph, function=function, node=node)
    return Finding(
        code=code,
        name=found.name,
        family=found.family,
        severity=found.severity if severity is None else severity,
        confidence=confidence,
        message=message,
        location=location,
        detail=detail or {"op": "WriteFile", "reached": ["load", "signature:serving_default"]},
        fix=fix or found.fix,
        fingerprint=fingerprint(code, location, key),
    )


def model(
    source: str = "zoo/a.pb",
    findings: tuple[Finding, ...] = (),
    *,
    readiness: Readiness | None = None,
    format: str = "graph_def",
    skipped: tuple[Skipped, ...] = (),
    version: str = "1.15.5",
) -> AuditedModel:
    return AuditedModel(
        source=source,
        format=format,
        bytes=3_400_000,
        nodes=2012,
        tensorflow_version=version,
        readiness=readiness or Readiness(verdict=READY),
        findings=tuple(sorted(findings, key=lambda item: (-item.severity, item.code))),
        skipped=skipped,
    )


EMPTY = Audit(models=())
CLEAN = Audit(models=(model(),))
ALL_SEVERITIES = Audit(
    models=(
        model(
            findings=(
                finding("S902", message="runs the Python function 'pyfunc_0'", node="PyFunc"),
                *(
                    finding(message=f"writes the file '/tmp/{index}'", node=f"w{index}")
                    for index in range(19)
                ),
                finding("S901", severity=Severity.CRITICAL, function="body_7"),
                finding(
                    "B901", message="4 ops are deprecated", node="", count=40, nodes=["a", "b"]
                ),
                finding("W901", confidence="medium", function="cst!inner", meta_graph="serve"),
                finding("W901", meta_graph="serve,gpu", fix="Another remedy for this one."),
                finding("H901", reached=[f"signature:{index}" for index in range(9)]),
            ),
            readiness=Readiness(
                verdict=BLOCKED,
                reasons=(
                    Reason(code="B901", text="TileGrad is gone", node="t", fix="Rebuild it."),
                    Reason(code="other", text="a table has no initializer", fix="Supply it."),
                ),
            ),
            skipped=(Skipped(source="zoo/a.pb", rule="H901", reason="the rule failed: KeyError"),),
        ),
    ),
    skipped=(Skipped(source="zoo/broken.pb", reason="is no model"),),
    accepted=3,
    deep=True,
)
READINESS = Audit(
    models=tuple(
        model(f"/models/{verdict}/saved_model.pb", readiness=item, format="saved_model")
        for verdict, item in {
            READY: Readiness(verdict=READY),
            CHANGES: Readiness(
                verdict=CHANGES,
                reasons=tuple(
                    Reason(code=f"step{index}", text=f"change number {index}") for index in range(9)
                ),
            ),
            NEEDS_YOU: Readiness(
                verdict=NEEDS_YOU,
                reasons=(Reason(code="endpoints", text="which tensors are the inputs is open"),),
                options=("--input char_inputs:0", "--feed dropout:0=1.0"),
            ),
            BLOCKED: Readiness(
                verdict=BLOCKED, reasons=(Reason(code="B901", text="it cannot", fix="Do this."),)
            ),
            UNKNOWN: Readiness(verdict=UNKNOWN),
        }.items()
    )
)
NASTY = Audit(
    models=tuple(
        model(
            f"/zoo/{name}/{index}.pb",
            (
                finding(
                    "SBWH"[index % 4] + "901",
                    f"/zoo/{name}/{index}.pb",
                    message=f"reads {name}\n{name}",
                    node=name,
                    function=f"{name}!{name}",
                    meta_graph=name,
                    fix=f"Do {name}.",
                    key=name,
                    op=name,
                    argument=name,
                    nodes=[name, name],
                    reached=["load", f"signature:{name}", name],
                    ratio=float("nan"),
                    raw=(b"\xff\x1b", {name: name}),
                ),
                finding("S901", f"/zoo/{name}/{index}.pb", node="", op=name),
            ),
            readiness=Readiness(
                verdict=NEEDS_YOU,
                reasons=(Reason(code=name, text=name, node=name, fix=name),),
                options=(f"--input {name}",),
            ),
            format=name,
            version=name,
            skipped=(Skipped(source=name, rule="S901", reason=name),),
        )
        for index, name in enumerate(HOSTILE)
    ),
    skipped=tuple(Skipped(source=name, reason=name) for name in HOSTILE),
)


def _zoo(count: int) -> Audit:
    models = []
    for index in range(count):
        source = f"/data/zoo/{index // 100}/model_{index:04}/saved_model.pb"
        found = [
            finding("W901", source, message=f"{index} switches", node="cond/Switch", count=index)
            for _ in range(index % 3)
        ]
        if index % 2:
            found.append(finding("H901", source, message="dead nodes", node=""))
        if index % 97 == 5:
            found.append(finding("S901", source))
        verdict = (READY, CHANGES, NEEDS_YOU, BLOCKED)[(index % 7) % 4] if index % 5 else READY
        ready = Readiness(verdict=verdict, reasons=(Reason(code="x", text="because"),))
        models.append(model(source, tuple(found), readiness=ready, format="saved_model"))
    return Audit(models=tuple(models), accepted=12)


THOUSAND = _zoo(1000)
AUDITS = {
    "empty": EMPTY,
    "clean": CLEAN,
    "all severities": ALL_SEVERITIES,
    "readiness": READINESS,
    "nasty": NASTY,
    "thousand": THOUSAND,
}
