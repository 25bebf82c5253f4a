"""Future actions: a question about a pattern of actions, asked of the names that the data does not know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info, data_date
from iamsim.env.facts import Facts
from iamsim.env.resource_policy import owner_of
from iamsim.ir.lower import ACTION, normal_arn
from iamsim.ir.reduce import reduce
from iamsim.ir.term import Like, Term, all_of, any_of, not_
from iamsim.judge.check import check_of, problem_of, settle
from iamsim.judge.problem import flat, policies_of
from iamsim.model.pattern import Pattern, plain, tokenize
from iamsim.smt.types import Sat

if TYPE_CHECKING:
    from iamsim.judge.check import Check
    from iamsim.query.prepare import Prepared


def future_notes(asked: Prepared) -> tuple[str, ...]:
    """What holds for actions that AWS may add, as sentences; nothing if the question names one action.

    The action is a free text that fits the pattern; names that policies spell out and that exist today are left out.
    """
    pattern = asked.question.action
    if "*" not in pattern and "?" not in pattern:
        return ()
    text = asked.question.resource
    resource = normal_arn(text)
    resource = resource if "*" not in text or text == "*" else resource.replace("*", "x")
    for caller in dict.fromkeys(c for c, _, _ in asked.runs):
        facts = Facts(
            env=asked.ask.env,
            caller=caller,
            action=None,
            resource=resource,
            owner=owner_of(asked.ask.env, resource, caller.account),
            given=asked.ask.given,
            ever=asked.ask.ever,
            missing=asked.ask.missing,
        )
        check = check_of(facts, asked.ask.documents)
        term = all_of((problem_of(check), reduce(asked.ask.when, check.lookup), _new(check, pattern)))
        settled = settle(term, (facts,), asked.ask.limits)
        if isinstance(settled.sure, Sat):
            name = (settled.sure.assignment.get(ACTION) or ("",))[0]
            return (f"an action that AWS may add later would be allowed (one called `{name}`, say)",)
        if settled.possible:
            return ("whether an action that AWS may add later would be allowed is not known",)
    return (f"no action that AWS may add after {data_date()} and that matches `{pattern}` would be allowed either",)


def _new(check: Check, pattern: str) -> Term:
    known = {
        p.text.lower()
        for policy in flat(policies_of(check))
        if policy is not None and hasattr(policy, "statements")
        for s in policy.statements
        if s.action is not None
        for p in s.action.patterns
        if isinstance(p, Pattern) and p.literal is not None and action_info(p.text) is not None
    }
    wanted = Like(ACTION, tokenize(pattern.lower() if pattern != "*" else "*:*", variables=False), fold_case=True)
    return all_of((wanted, not_(any_of(Like(ACTION, plain(n), fold_case=True) for n in sorted(known)))))
