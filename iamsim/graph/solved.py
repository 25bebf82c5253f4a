"""Names of new users, roles and policies where what policies say of names leaves none of the plain ones."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.calls import Wanted, check_in
from iamsim.graph.policies import every_policy
from iamsim.ir.bounds import may
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import FALSE, TRUE, And, Like, Or, Term, all_of, any_of, not_, strip
from iamsim.judge.check import settle
from iamsim.model.caller import kin_of
from iamsim.model.pattern import Literal, Pattern, match, tokenize
from iamsim.model.policy import Effect
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from iamsim.env.types import Environment
    from iamsim.graph.world import Node, Search
    from iamsim.judge.check import Check
    from iamsim.model.policy import Condition, Statement

_NEW = "$new"
_ARN = f"{_NEW}|{RESOURCE}"
_TRIES = 4
_MOST = 40
"""Demands on names for which a name is looked for."""

_PATH, _LONGEST = re.compile(r"[!-~]*"), 510
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""What a name may hold. Source: IAM User Guide, "IAM and AWS STS quotas", name requirements."""


Calls = tuple[tuple[str, "Environment", "Node"], ...]
"""Actions, each with who calls it, and in which environment."""


def solved_names(
    search: Search, calls: Calls, head: str, plain: Iterable[str], taken: Collection[str]
) -> tuple[str, ...]:
    """ARNs of users or roles on which all of the calls may be allowed, each as a request of its own, beside the `plain` ones.

    One for each demand that policies make on the name of a caller, and one for all that they refuse, where none of the
    plain ones meets it; their names are none of `taken` (in lower case).
    """
    tried = tuple(plain)
    allowed, checks = _allowed(search, calls)
    if allowed is FALSE or not calls:
        return ()

    gone = frozenset(taken)

    def made() -> tuple[str, ...]:
        usable = cache(lambda a: may_be(search, calls, a))
        out: list[str] = []
        for demand in (TRUE, *once(search.env.memo, ("names-demanded", head), _demands, search.env, head)):
            names = _only(demand)
            met = any(meets(demand, a) for a in out) or any(meets(demand, a) and usable(a) for a in tried)
            if not met and (names is None or not names <= gone):
                out += solved(search, calls, head, demand, taken)
            if not out and not any(map(usable, tried)):
                break  # no name at all will do
        return tuple(out)

    # whoever may create on the same condition may do so under the same names
    by = tuple(kin_of(c.facts.caller) for c in checks)
    key = ("solved-names", strip(allowed), by, head, tried, gone, search.ask.missing, search.ask.ever)
    return once(search.kept if search.ask.given else search.env.memo, key, made)


def may_be(search: Search, calls: Calls, arn: str) -> bool:
    """False only if one of the calls is never allowed on that ARN."""
    every = (check_in(search, env, node, Wanted(a, arn, ())).authorization.allowed for a, env, node in calls)
    return all(a is not FALSE and may(a) is not FALSE for a in every)


def solved(search: Search, calls: Calls, head: str, demand: Term, taken: Collection[str] = ()) -> tuple[str, ...]:
    """One ARN that begins with `head` and meets the demand, on which all of the calls may be allowed; none if there is none."""
    allowed, checks = _allowed(search, calls)
    term = all_of((allowed, demand, named(head + "?*"), not_(named(head + "*/")), not_(named(head + "*:*"))))
    for _ in range(_TRIES):
        found = settle(term, tuple(c.facts for c in checks), search.ask.limits) if term is not FALSE else None
        if found is None or not isinstance(found.sure, Sat):
            return ()
        arn = (found.sure.assignment.get(_ARN) or ("",))[0]
        name = arn.rpartition("/")[2]
        if name.lower() not in taken and may_exist(head, arn):
            return (arn,)
        term = all_of((term, not_(named(f"*/{name}"))))
    return ()


def _allowed(search: Search, calls: Calls) -> tuple[Term, list[Check]]:
    """That all of the calls may be allowed on what is created, whatever its name, with their checks."""
    numbered = enumerate(calls, start=1)
    checks = [check_in(search, env, node, Wanted(a, _NEW, (), f"{n}|")) for n, (a, env, node) in numbered]
    return may(all_of(c.authorization.allowed for c in checks)), checks


def may_exist(head: str, arn: str) -> bool:
    """Whether what stands in the ARN behind `head` can be the path and the name of a user, role or policy."""
    path, _, name = arn.removeprefix(head).rpartition("/")
    return _NAME.fullmatch(name) is not None and _PATH.fullmatch(path) is not None and len(path) <= _LONGEST


def named(text: str) -> Term:
    """That the ARN of what is created matches a text with wildcards."""
    return Like(_ARN, tokenize(text, variables=False))


def meets(demand: Term, arn: str) -> bool:
    """Whether the ARN of what is created meets the demand."""
    return evaluate(demand, {_ARN: (arn,)}) is True


def _only(demand: Term) -> frozenset[str] | None:
    """The names (in lower case) one of which whoever meets the demand has, where it tells them."""
    match demand:
        case Like(pattern=Pattern(parts=(*_, Literal(text)))) if "/" in text:
            return frozenset({text.rpartition("/")[2].lower()})
        case And(args):
            return next((names for a in args if (names := _only(a)) is not None), None)
        case Or(args):
            every = [_only(a) for a in args]
            return frozenset[str]().union(*(n for n in every if n is not None)) if None not in every else None
    return None


def _demands(env: Environment, head: str) -> tuple[Term, ...]:
    """What statements ask of the name of a user or role, each with all that is refused, and alone."""
    users = head.endswith(":user/")
    allows: dict[Term, None] = {}
    refused: dict[Term, None] = {}
    for policy in every_policy(env):
        for s in () if isinstance(policy, MissingPolicy) else policy.statements:
            said = _of_statement(s, head, users=users)
            if said is not TRUE:
                (refused if s.effect is Effect.DENY else allows)[said] = None
    spared = all_of(not_(d) for d in refused)
    every = (*(all_of((a, spared)) for a in allows), spared, *allows, *(not_(d) for d in refused))
    return tuple(t for t in dict.fromkeys(every) if t not in (TRUE, FALSE))[:_MOST]


def _of_statement(statement: Statement, head: str, *, users: bool) -> Term:
    return all_of(
        _of_condition(c, _FORMS[c.key.lower()], head) for c in statement.conditions if _speaks(c, users=users)
    )


_FORMS: dict[str, Callable[[str], str]] = {"aws:principalarn": lambda v: v, "aws:username": lambda v: f"*/{v}"}


def _speaks(condition: Condition, *, users: bool) -> bool:
    key = condition.key.lower()
    compared = condition.operator.startswith(("String", "Arn")) and condition.malformed is None
    return compared and (key == "aws:principalarn" or (key == "aws:username" and users))


def _of_condition(condition: Condition, form: Callable[[str], str], head: str) -> Term:
    values = any_of(named(form(v)) for v in condition.values if "${" not in v and _fits(head, form(v)))
    if any("${" in v for v in condition.values):
        return TRUE
    return not_(values) if "Not" in condition.operator else values


def _fits(head: str, text: str) -> bool:
    """False only if no ARN that begins with `head`, and has no colon behind it, matches a text with wildcards."""
    first, fields = head.split(":"), text.split(":")
    if len(fields) < len(first):
        return True  # some wildcard stands for a colon
    own, last = first[-1], re.split(r"[*?]", fields[-1])[0]
    same = own.startswith(last) if "*" in fields[-1] or "?" in fields[-1] else False
    return (
        len(fields) == len(first)
        and (last.startswith(own) or same)
        and all(match(tokenize(f, variables=False), h) for f, h in zip(fields[:-1], first[:-1], strict=True))
    )
