"""Prefixes of names that became others: found from pairs, used to find more, told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from migrator.diffing.result import ScopeRename

_FEWEST = 2
"""Nodes under a scope from which on it counts as one."""
_AGREE = 0.8
"""Share of a scope's pairs that have to follow its rename."""
_DEEPEST = 12


def scope_renames(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, int]]:
    """Old scope -> new scope and the number of nodes, from pairs of names.

    Names that share a tail, as ``a/conv/weights`` and ``b/conv/weights`` do, say that the rest
    was renamed. Linear in the length of the names, for scopes of bounded depth.
    """
    pairs = list(pairs)
    votes: dict[str, Counter[str]] = {}
    for left, right in pairs:
        if left != right:
            for old, new in _turns(left, right):
                votes.setdefault(old, Counter())[new] += 1
    under: Counter[str] = Counter({"": len(pairs)})
    for left, _ in pairs if votes else ():
        under.update(scope for scope in _scopes(left) if scope in votes)
    found = {}
    for old, counter in votes.items():
        new, count = counter.most_common(1)[0]
        if count >= max(_FEWEST, _AGREE * under[old]):
            found[old] = new, count
    return found


def told_once(renames: dict[str, tuple[str, int]]) -> tuple[ScopeRename, ...]:
    """The renames without those that follow from one of a scope further out."""
    kept = []
    for old, (new, count) in sorted(renames.items()):
        if any(
            outer in renames and new == _join(renames[outer][0], old[len(outer) :].lstrip("/"))
            for outer in ("", *_scopes(old))
        ):
            continue
        kept.append(ScopeRename(left=old, right=new, nodes=count))
    return tuple(sorted(kept, key=lambda item: (-item.nodes, item.left)))


def renamed(name: str, renames: dict[str, tuple[str, int]]) -> Iterator[str]:
    """What ``name`` may be called now, by the innermost scope that was renamed first."""
    for scope in (*sorted(_scopes(f"{name}/"), key=len, reverse=True), ""):
        if scope in renames:
            yield _join(renames[scope][0], name[len(scope) :].lstrip("/"))


def _join(scope: str, rest: str) -> str:
    return f"{scope}/{rest}" if scope and rest else scope or rest


def _scopes(name: str) -> list[str]:
    """The scopes that a name lies in, from the outermost on; at most a dozen."""
    found: list[str] = []
    at = name.find("/")
    while at > 0 and len(found) < _DEEPEST:
        found.append(name[:at])
        at = name.find("/", at + 1)
    return found


def _turns(left: str, right: str) -> Iterator[tuple[str, str]]:
    """Ways to say a rename as one of a scope: for each tail that both names share."""
    tail = left[left.rfind("/") + 1 :]
    if not right.endswith(tail):
        return
    ours, theirs = left.split("/"), right.split("/")
    tails = zip(reversed(ours[1:]), reversed(theirs), strict=False)
    for same, (a, b) in enumerate(tails, 1):
        if a != b or same > _DEEPEST:
            break
        if len(ours) - same <= _DEEPEST:
            yield "/".join(ours[: len(ours) - same]), "/".join(theirs[: len(theirs) - same])
    if right.endswith(f"/{left}"):
        yield "", right[: -len(left) - 1]
