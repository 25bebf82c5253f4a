"""Names of new users, roles and policies where what policies say of names leaves none of the plain ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.env.types import MissingPolicy
from iamsim.graph.calls import Wanted, check_in
from iamsim.graph.policies import every_policy
from iamsim.ir.bounds import may
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import FALSE, TRUE, Like, Term, all_of, any_of, not_, strip
from iamsim.judge.check import settle
from iamsim.model.caller import kin_of
from iamsim.model.pattern import tokenize
from iamsim.model.policy import Effect
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

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

    def made() -> tuple[str, ...]:
        usable = _Lazy(a for a in tried if may_be(search, calls, a))
        out: list[str] = []
        for demand in (TRUE, *once(search.env.memo, ("names-demanded", head), _demands, search.env, head)):
            if not any(meets(demand, a) for a in (*out, *usable)):
                out += solved(search, calls, head, demand, taken)
            if not out and not any(True for _ in usable):
                break  # no name at all will do
        return tuple(out)

    # whoever may create on the same condition may do so under the same names
    by = tuple(kin_of(c.facts.caller) for c in checks)
    key = ("solved-names", strip(allowed), by, head, tried, frozenset(taken), search.ask.missing, search.ask.ever)
    return once(search.kept if search.ask.given else search.env.memo, key, made)


class _Lazy:
    """What an iterator gives, kept, so that it can be gone through again and no further than need be."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source, self._kept = source, list[str]()

    def __iter__(self) -> Iterator[str]:
        yield from self._kept
        for value in self._source:
            self._kept.append(value)
            yield value


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


def _demands(env: Environment, head: str) -> tuple[Term, ...]:
    """What statements ask of the name of a user or role, each with all that is refused, and alone."""
    users = head.endswith(":user/")
    allows: dict[Term, None] = {}
    refused: dict[Term, None] = {}
    for policy in every_policy(env):
        for s in () if isinstance(policy, MissingPolicy) else policy.statements:
            said = _of_statement(s, users=users)
            if said is not TRUE:
                (refused if s.effect is Effect.DENY else allows)[said] = None
    spared = all_of(not_(d) for d in refused)
    every = (*(all_of((a, spared)) for a in allows), spared, *allows, *(not_(d) for d in refused))
    return tuple(t for t in dict.fromkeys(every) if t not in (TRUE, FALSE))[:_MOST]


def _of_statement(statement: Statement, *, users: bool) -> Term:
    return all_of(_of_condition(c, _FORMS[c.key.lower()]) for c in statement.conditions if _speaks(c, users=users))


_FORMS: dict[str, Callable[[str], str]] = {"aws:principalarn": lambda v: v, "aws:username": lambda v: f"*/{v}"}


def _speaks(condition: Condition, *, users: bool) -> bool:
    key = condition.key.lower()
    compared = condition.operator.startswith(("String", "Arn")) and condition.malformed is None
    return compared and (key == "aws:principalarn" or (key == "aws:username" and users))


def _of_condition(condition: Condition, form: Callable[[str], str]) -> Term:
    values = any_of(named(form(v)) for v in condition.values if "${" not in v)
    if any("${" in v for v in condition.values):
        return TRUE
    return not_(values) if "Not" in condition.operator else values
