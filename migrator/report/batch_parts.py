"""Reading a batch's JSON: what its reports share, and the words that they use.

A ledger may be of a newer version, or damaged: what is not as expected is left out, never believed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from migrator.auditing.facts.blocker_codes import RULE_CODES
from migrator.report.escape import shown

DONE, NEEDS_DECISION, BLOCKED, FAILED = OUTCOMES = ("done", "needs_decision", "blocked", "failed")
VERDICTS = ("bitwise", "within_tolerance", "mismatch", "not_run")
STEPS = ("inspect", "audit", "plan", "migrate", "verify", "tflite")
SEVERITIES = ("critical", "high", "medium", "low", "info")

STATUSES: Mapping[str, str] = {
    "bitwise": "done, bit for bit",
    "within_tolerance": "done, within tolerance",
    "done": "done, not verified",
    "looked_at": "done, nothing was to be made",
    "needs_decision": "needs a decision",
    "blocked": "blocked",
    "failed": "failed",
}
"""An outcome, told apart by what the proof of a result says."""
LOOKED_AT = "looked_at"
_LOOKED = {"inspect": "Inspected", "audit": "Audited", "plan": "Planned", "tflite": "TFLite alone"}
TFLITE: Mapping[str, str] = {
    "bitwise": "bit for bit",
    "within_tolerance": "within tolerance",
    "converted": "converted",
    "unverified": "not compared",
    "failed": "not made",
}
"""What became of a conversion to TFLite; others go by their own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A group of models that are not done, in words."""

    title: str
    advice: str
    """What to do about it; code stands in backticks."""
    own: str = ""
    """The same for the model's own page, where that says it otherwise."""


_CAUSES = {
    "bad_input": About(
        title="The source cannot be read",
        advice="Damaged, cut short, or no model. `migrator inspect SOURCE` says where it goes "
        "wrong; bring the file anew from where it came from.",
    ),
    "timeout": About(
        title="Out of time",
        advice="Stopped at `--timeout`. A large model may need more; one that never ends stays "
        "here whatever it is given.",
    ),
    "memory": About(
        title="Out of memory",
        advice="Stopped at `--memory-limit`, or by the system. Raise the limit, or lower `--jobs` "
        "so that each has more room.",
    ),
    "signal": About(
        title="TensorFlow crashed",
        advice="Its process died of a signal, twice, the second time alone. The model's log holds "
        "its last words.",
    ),
    "mismatch": About(
        title="The result computes something else",
        advice="Nothing was put in place. The model's page tells the outputs and how far apart "
        "they are; where rounding explains it, give that model another `rtol` or `atol`.",
        own="Nothing was put in place. Where rounding explains the difference, give the model "
        "another `rtol` or `atol`.",
    ),
    "error": About(
        title="Other errors",
        advice="The reason and the log say what happened.",
        own="The log says more.",
    ),
    "storage": About(
        title="The storage failed",
        advice="Reading the source or writing the result did not work, in several tries. Once "
        "the store is back, `--retry failed` goes on.",
    ),
    "missing_source": About(
        title="The source is not there",
        advice="Correct its address in the manifest, or take it out.",
    ),
}
_KINDS = {
    "endpoints": About(
        title="Which tensors are the inputs and outputs",
        advice="Several are plausible. What the rules are sure of stands plain in the entry; take "
        "the `#` off what else is right, and strike what is wrong.",
    ),
    "tag_set": About(
        title="Which meta graph is meant",
        advice="The file holds several. Take the `#` off one.",
    ),
    "signature": About(
        title="Which signature is meant",
        advice="Take the `#` off those that are wanted.",
    ),
    "feeds": About(
        title="Which value a placeholder is given",
        advice="It has no input and no default. Take the `#` off, with the value for inference.",
    ),
}
_KIND_NAMES = {"tags": "tag_set", "signatures": "signature", "feed": "feeds", "controls": "feeds"}
_OTHER_BLOCKED = About(
    title="Blocked, by no rule of its own",
    advice="The model's page tells the reason.",
    own="The reason says what is in the way.",
)
_RULE = re.compile(r"\[([A-Z]\d{3})\]|`migrator explain ([A-Z]\d{3})`")
_BLOCKERS = {rule: code for code, rule in RULE_CODES.items()}


def status_of(model: Mapping[str, Any]) -> str:
    """Key of ``STATUSES``; what is no known outcome counts as failed."""
    outcome = model.get("outcome")
    if outcome == DONE:
        verdict = word(model.get("verdict"))
        if verdict in ("bitwise", "within_tolerance"):
            return verdict
        return LOOKED_AT if looked(model) else DONE
    return outcome if isinstance(outcome, str) and outcome in OUTCOMES else FAILED


def looked(model: Mapping[str, Any]) -> str:
    """``Inspected``, ... for a model of which no migration was asked for; empty for others."""
    steps = strings(model.get("steps")) or list(as_object(model.get("seconds")))
    if {"migrate", "verify"}.intersection(steps) or count(model.get("result_bytes")):
        return ""
    return next((_LOOKED[step] for step in reversed(STEPS) if step in steps), "")


def tflite_of(model: Mapping[str, Any]) -> str:
    """Key of ``TFLITE``, or what else the outcome calls it; empty where none was asked for."""
    told = as_object(model.get("tflite"))
    outcome, verdict = word(told.get("outcome")), word(told.get("verdict"))
    if outcome == "converted_unverified":
        return "unverified"
    return verdict if outcome == "converted" and verdict in TFLITE else outcome


def group_of(model: Mapping[str, Any]) -> str:
    """Why a model is not done: kind of the decision, code of the rule, or cause; empty if done.

    Models of one status and one group have one remedy.
    """
    status = status_of(model)
    if status == NEEDS_DECISION:
        kind = word(as_object(model.get("decision")).get("kind")) or "other"
        return _KIND_NAMES.get(kind, kind)
    if status == BLOCKED:
        return _rule_of(model)
    return (word(model.get("cause")) or "error") if status == FAILED else ""


def _rule_of(model: Mapping[str, Any]) -> str:
    """Code of the rule that explains the first blocker; empty where none does."""
    told = model.get("rules")
    first = told[0] if isinstance(told, list) and told else None
    if isinstance(first, str) and re.fullmatch(r"[A-Z]\d{3}", first):
        return first
    found = _RULE.search(text_of(model.get("reason"))[:5000])
    return (found[1] or found[2]) if found else ""


def about(status: str, group: str) -> About:
    """A group in words, also one that is not known here. Names in it are escaped."""
    if status == NEEDS_DECISION:
        other = About(
            title=_words(group),
            advice="The model's page tells what is open.",
            own="The reason tells what is open.",
        )
        return _KINDS.get(group, other)
    if status == BLOCKED:
        if not group:
            return _OTHER_BLOCKED
        title = _words(_BLOCKERS[group]) if group in _BLOCKERS else f"Rule {shown(group)}"
        return About(title=title, advice=f"`migrator explain {shown(group)}` says more.")
    other = _CAUSES["error"]
    return _CAUSES.get(group, replace(other, title=_words(group)))


def _words(key: str) -> str:
    text = shown(key, 60).replace("_", " ")
    return text[:1].upper() + text[1:]


def commands(result: Mapping[str, Any]) -> dict[str, str]:
    """How to go on, by outcome: the command to paste once manifest entries are in a file."""
    run = as_object(result.get("run"))
    told = as_object(run.get("next"))
    sources = run.get("sources")
    named = [shlex.quote(shown(item, 300)) for item in strings(sources)[:4]]
    if not named or len(strings(sources)) > 4:
        named = ["SOURCE..."]
    dest = shlex.quote(shown(text_of(run.get("dest")), 300)) if run.get("dest") else "DEST"
    options = [shlex.quote(shown(item, 300)) for item in strings(run.get("options"))[:40]]
    again = " ".join(["migrator batch", *named, "--dest", dest, *options])
    found = {
        NEEDS_DECISION: " ".join(["migrator batch decided.yaml --dest", dest, *options]),
        FAILED: f"{again} --retry failed",
        "unfinished": again,
    }
    return {key: shown(text_of(told.get(key)) or text, 2000) for key, text in found.items()}


def seconds_of(model: Mapping[str, Any]) -> dict[str, float]:
    """Seconds by step, the known steps in their order first."""
    found = as_object(model.get("seconds"))
    order = [*STEPS, *(key for key in found if key not in STEPS and key != "total")]
    return {key: amount(found[key]) for key in order if key in found}


def total_seconds(model: Mapping[str, Any]) -> float:
    told = as_object(model.get("seconds"))
    return amount(told["total"]) if "total" in told else sum(seconds_of(model).values())


def findings_of(model: Mapping[str, Any]) -> dict[str, int]:
    """Severity -> count, all severities, the worst first."""
    found = as_object(model.get("findings"))
    return {key: count(found.get(key)) for key in SEVERITIES}


def models_of(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The models, in the order of the result; ``models`` may be anything that iterates."""
    found = result.get("models")
    if found is not None and not isinstance(found, (str, bytes, Mapping)):
        yield from (item for item in found if isinstance(item, Mapping))


def as_object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def word(value: Any, most: int = 100) -> str:
    return value[:most] if isinstance(value, str) else ""


def count(value: Any) -> int:
    """A whole number that is not negative; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def amount(value: Any) -> float:
    """A finite number that is not negative; 0 for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1e15 else 0.0


def duration(seconds: float) -> str:
    """For a reader: ``0.4 s``, ``3 min 20 s``, ``7 h 5 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {rest} min"
