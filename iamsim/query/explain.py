"""Why not: whom the caller comes to control and why each is refused, the ceilings that hold, and what is nearly enough."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from iamsim.aws.escalations import Catalogue
from iamsim.env.amend import Amendment, Lack, amended
from iamsim.env.types import EMPTY
from iamsim.errors import QueryError
from iamsim.graph.derive import depths, smallest
from iamsim.graph.ever import ever
from iamsim.graph.lacking import EVERYTHING
from iamsim.graph.near import REQUEST, Budget, Candidate, candidates
from iamsim.graph.reach import within_reach
from iamsim.graph.refuted import refuted
from iamsim.graph.state import OUTSIDER, START
from iamsim.graph.world import short
from iamsim.ir.bounds import may
from iamsim.ir.term import FALSE
from iamsim.judge.answer import Decision, Verdict
from iamsim.judge.core import parts_of
from iamsim.judge.judge import refutation_of
from iamsim.query.can import can
from iamsim.query.cut import cut
from iamsim.query.ever import named, said, searches
from iamsim.query.prepare import Options, prepare

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.graph.moves import Firing
    from iamsim.graph.state import Closure
    from iamsim.judge.answer import Answer, Cited, Core
    from iamsim.judge.judge import Found
    from iamsim.query.cut import Cut
    from iamsim.query.prepare import Prepared

MAX_TRIED = 200
"""Amended environments in which one explanation asks again."""

SECONDS = 10.0
"""After so long no further environment is tried."""

ENOUGH = 3
"""With so many near misses, techniques of which no call is allowed yet are not tried."""

_NOT_KNOWN = "not refused for certain: what is not known decides"
_CEILINGS = ("deny", "service", "scp", "boundary", "session", "endpoint", "resource")
_NO_TECHNIQUES = Catalogue(EMPTY, EMPTY, EMPTY)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step by which a caller came to be controlled: who took it, by which technique, and what it gave."""

    caller: str
    technique: str
    gains: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A caller that is controlled, and why it is refused.

    `steps` lead to it from the question's caller (none: it is that caller); `sure` iff they certainly can be taken. `core` is
    None where no policy refuses the request: `why` says so (what is controlled are only some calls, or what a session carries
    contradicts the request; under an UNKNOWN, that the caller may be allowed it).
    """

    caller: str
    steps: tuple[Taken, ...]
    sure: bool
    decision: Decision
    core: Core | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A deny, SCP, boundary, resource policy or rule that stops the request by itself, and how many callers it stops."""

    cited: Cited
    callers: int


@dataclass(frozen=True, slots=True)
class NearMiss:
    """One thing that, if it were otherwise, would make the answer another one: verified by asking again.

    `verdict` is YES, or UNKNOWN where only facts that no input holds would then be in doubt.
    `lack` is the kind of thing and `text` says what; `who`, `what`, `on` are its parts (see `env.amend.Lack`). `steps` is the
    number of steps of the way that it opens, `technique` that of which the rest holds already (empty: the request itself).
    `held` counts the calls and preconditions of that technique which hold.
    """

    lack: Lack
    text: str
    who: str
    what: str
    on: str
    technique: str
    steps: int
    held: int
    verdict: Verdict
    amendment: Amendment


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer and what stands behind it: of a YES `cut`, where it was asked for, else all the others.

    `reached` are all callers that are controlled, nearer ones first. `left` is the number of candidates for near misses that
    were not tried; `complete` iff all cases were looked at for candidates.
    """

    answer: Answer
    reached: tuple[Refused, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    near: tuple[NearMiss, ...] = ()
    left: int = 0
    complete: bool = True
    cut: Cut | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict of the answer."""
        return self.answer.verdict


def explain(
    env: Environment,
    principal: str,
    action: str,
    resource: str,
    *,
    most: int = MAX_TRIED,
    seconds: float = SECONDS,
    flip: bool = False,
    **options: Any,
) -> Explanation:
    """The answer to the question that `can` takes with the same `options`, with what stands behind a NO or UNKNOWN.

    Near misses are looked for under a NO only: at most `most` amended environments are tried, none after `seconds`. Under a YES
    and with `flip` the smallest set of statements without which it would be a NO.
    Raises what `can` raises, and QueryError for the replay engine.
    """
    if options.get("engine") == "replay":
        raise QueryError("the replay engine does not explain", "leave out --engine, or --explain")
    answer = can(env, principal, action, resource, **options)
    if answer.verdict is Verdict.YES:
        closing = cut(env, principal, action=action, resource=resource, **options) if flip else None
        return Explanation(answer, cut=closing)
    about = prepare(env, principal, action, resource, Options(**options))
    reached: dict[str, Refused] = {}
    stopped: dict[Cited, set[str]] = {}
    found: list[Candidate] = []
    budget = Budget()
    for search, targets in searches(about):
        if about.question.via != "escalation":
            search = replace(search, catalogue=_NO_TECHNIQUES)  # noqa: PLW2901 - the same search, without techniques
        closure = ever(search, targets).closure  # type: ignore[arg-type]
        if about.question.via == "direct":
            closure = _alone(closure)
        _refuse(closure, targets, reached, stopped, unknown=answer.verdict is Verdict.UNKNOWN)
        if answer.verdict is Verdict.NO:
            found += candidates(closure, targets, budget)  # type: ignore[arg-type]
    near, left = _verified(about, _ranked(found), most, time.monotonic() + seconds)
    return Explanation(answer, tuple(reached.values()), _ceilings(stopped), near, left, budget.left >= 0)


def _alone(closure: Closure) -> Closure:
    """The closure of a question that follows no way: the caller itself."""
    nodes = {START: closure.nodes[START]}
    return replace(closure, nodes=nodes, how={START: []}, cost={START: 0}, unsettled=set(), done={})


def _refuse(
    closure: Closure,
    targets: tuple[object, ...],
    reached: dict[str, Refused],
    stopped: dict[Cited, set[str]],
    *,
    unknown: bool,
) -> None:
    """Adds each node of the closure with why it is refused, and what stops it by itself."""
    depth = depths(closure)
    for name in sorted((n for n in closure.nodes if n != OUTSIDER), key=lambda n: (depth.get(n, 0), n)):
        node = closure.nodes[name]
        caller = node.caller.arn or node.name or node.caller.kind.value
        key = name or caller
        if key in reached:
            continue
        fired = smallest(closure, name, frozenset()) or ()
        steps = tuple(_taken(closure, f) for f in fired)
        sure = all(f.sure for f in fired)
        if not within_reach(node, closure.search.action):
            what = ", ".join(node.only) if node.only else node.reach
            reached[key] = Refused(caller, steps, sure, Decision.IMPLICIT_DENY, None, f"only some calls as it: {what}")
            continue
        found, possible = refuted(closure, node, targets)  # type: ignore[arg-type]
        if possible:
            why = _NOT_KNOWN if unknown else "no session of it that can be had carries what the request would need"
            reached[key] = Refused(caller, steps, sure, Decision.IMPLICIT_DENY, None, why)
            continue
        core, decision = refutation_of(found, closure.search.ask.limits)
        reached[key] = Refused(caller, steps, sure, decision, core)
        for cited in _stops(found, core):
            stopped.setdefault(cited, set()).add(key)


def _taken(closure: Closure, fired: Firing) -> Taken:
    node = closure.nodes[fired.node]
    return Taken(
        short(node.caller.arn or node.name or node.caller.kind.value),
        named(closure, fired),
        "; ".join(map(said, fired.gains)),
    )


def _stops(found: Found, core: Core) -> tuple[Cited, ...]:
    """What stops the request by itself, and what its core names beside."""
    if found.check.layers.refused is not None:
        return tuple(replace(c, details=()) for c in core.items)
    alone = [c for c, t in parts_of(found.check, found.when) if may(t) is FALSE]
    return tuple(dict.fromkeys(replace(c, details=()) for c in (*core.items, *alone) if c.role in _CEILINGS))


def _ceilings(stopped: dict[Cited, set[str]]) -> tuple[Ceiling, ...]:
    every = (Ceiling(cited, len(callers)) for cited, callers in stopped.items())
    return tuple(sorted(every, key=lambda c: (-c.callers, _CEILINGS.index(c.cited.role), c.cited.text)))


def _ranked(found: list[Candidate]) -> list[Candidate]:
    """One candidate for each amendment, that of which most holds; those of which something holds first."""
    best: dict[Amendment, Candidate] = {}
    for c in sorted(found, key=_promise):
        best.setdefault(c.amendment, c)
    return sorted(best.values(), key=_promise)


def _promise(c: Candidate) -> tuple[object, ...]:
    a = c.amendment
    nothing = not (c.held or c.close)
    return (
        nothing,
        nothing and c.technique != REQUEST,
        _whole(a),
        not c.close,
        -c.held,
        c.depth,
        c.technique,
        a.lack,
        a.who,
        a.what,
        a.on,
    )


def _verified(about: Prepared, found: list[Candidate], most: int, until: float) -> tuple[tuple[NearMiss, ...], int]:
    """The candidates that make the answer a YES, nearest first, and how many were not tried."""
    out: list[tuple[tuple[object, ...], NearMiss]] = []
    tried = 0
    for c in found[:most]:
        if time.monotonic() > until:
            break
        if len(out) >= ENOUGH and not (c.held or c.close) and c.technique != REQUEST:
            break  # ways of which nothing holds yet, the last in order
        tried += 1
        if _whole(c.amendment) and any(_narrower(m, c.amendment) for _, m in out):
            continue
        answer = _again(about, c.amendment)
        if answer is None or not _nearer(answer):
            continue
        miss = _miss(c, answer)
        out.append((_distance(c, miss), miss))
    return tuple(m for _, m in sorted(out, key=lambda p: p[0])), len(found) - tried


def _nearer(answer: Answer) -> bool:
    """Whether the answer is no longer a NO, for want of more than time."""
    match answer.verdict:
        case Verdict.UNKNOWN:
            return not all(r.startswith("budget:") for r in answer.reasons)
        case verdict:
            return verdict is Verdict.YES


def _miss(c: Candidate, answer: Answer) -> NearMiss:
    a = c.amendment
    steps = len(answer.path) if answer.verdict is Verdict.YES else c.depth + bool(c.technique)
    return NearMiss(a.lack, text_of(a), a.who, _what(a), a.on, c.technique, steps, c.held, answer.verdict, a)


def _distance(c: Candidate, miss: NearMiss) -> tuple[object, ...]:
    """What near misses are ordered by: certain ones first, and those of which something holds; then steps, and how much holds."""
    nothing = not (c.held or c.close)
    return (miss.verdict is not Verdict.YES, nothing, miss.steps, not c.close, -c.held, c.technique, miss.text)


def _whole(amendment: Amendment) -> bool:
    return EVERYTHING in (amendment.what, amendment.on)


def _narrower(miss: NearMiss, amendment: Amendment) -> bool:
    """Whether the near miss is a part of what the amendment would allow."""
    own = miss.amendment
    return (own.lack, own.who) == (amendment.lack, amendment.who) and amendment.what in (EVERYTHING, own.what)


def _again(about: Prepared, amendment: Amendment) -> Answer | None:
    env = amended(about.ask.env, amendment)
    if env is None:
        return None
    asked, given = about.question, about.options
    options = {name: getattr(given, name) for name in Options.__slots__}
    try:
        return can(env, asked.principal, asked.action, asked.resource, **options)
    except QueryError:  # what the question names is no longer there
        return None


def text_of(amendment: Amendment) -> str:
    """The amendment as what would have to be: a sentence without user markup."""
    a, who = amendment, short(amendment.who)
    match a.lack:
        case Lack.PERMISSION:
            return f"{_spelled(a.what)} on {a.on} for {who}"
        case Lack.BOUNDARY:
            if a.what == EVERYTHING:
                return f"the permissions boundary of {who} would have to go"
            return f"the permissions boundary of {who} would have to allow {_spelled(a.what)} on {a.on}"
        case Lack.SCP:
            if a.what == EVERYTHING:
                return f"the SCPs of {a.who} would have to let everything pass"
            return f"the SCPs of {a.who} would have to allow {_spelled(a.what)}"
        case Lack.TRUST:
            return (
                f"the trust policy of {who} would have to name {short(a.on.partition(' ')[2])} for {_spelled(a.what)}"
            )
        case Lack.GRANT:
            return f"the policy of {a.who} would have to grant {_spelled(a.what)} to {short(a.on.partition(' ')[2])}"
        case Lack.DENY:
            return f"{a.who} would have to spare this request"
        case Lack.CONDITION:
            return f"{a.who} would have to be without its condition {a.what} {a.on}"
        case _:
            return f"{who} would have to be in an instance profile"


def _what(amendment: Amendment) -> str:
    return amendment.what if amendment.lack in (Lack.DENY, Lack.CONDITION) else _spelled(amendment.what)


def _spelled(actions: str) -> str:
    from iamsim.aws.actions import action_info

    infos = [(action_info(a), a) for a in actions.split(",")]
    return ", ".join(i.name if i is not None else a for i, a in infos)
