"""Rules that hold today, proposed for a file of rules: who may do what is sensitive, and nobody else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from iamsim.aws.sensitive import SENSITIVE
from iamsim.check.files import read_rules
from iamsim.check.model import State
from iamsim.check.outsiders import with_strangers
from iamsim.check.run import answers, decide
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.judge.answer import Verdict
from iamsim.judge.callers import read_callers
from iamsim.query.language import Question, Verb, print_question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from iamsim.aws.sensitive import SensitiveRow
    from iamsim.check.model import Rule
    from iamsim.env.types import Environment

MOST = 12
"""A rule that excepts more callers than that says little, and is not proposed."""

_DAY = date(2000, 1, 1)  # no rule that is proposed has a waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """A rule that holds: as text, as it is read, and the callers that it excepts (`unsure`: of whom it is not known)."""

    rule: Rule
    text: str
    callers: tuple[str, ...]
    unsure: tuple[str, ...] = ()


def mine(
    env: Environment, *, via: str = "roles", accounts: Iterable[str] = (), progress: Callable[[int], None] | None = None
) -> tuple[Mined, ...]:
    """The rules about sensitive requests (`aws.sensitive`) that hold in `env`, account by account, in the order of that table.

    For each request all callers are asked about, as `iamsim check` does, and those that can or may are excepted. If one role
    makes the request in its own right and nobody else, the rule says that it is the only way. Each rule is read back and
    decided before it is proposed. `via` is what counts as a way. Raises QueryError for an account that is not loaded.
    """
    wanted = frozenset(accounts) or env.accounts
    for account in sorted(wanted - env.accounts):
        raise QueryError(
            f"account `{printable(account)}` is not loaded", f"loaded are {', '.join(sorted(env.accounts))}"
        )
    out: list[Mined] = []
    for number, (name, row, resource) in enumerate(_requests(env, wanted), 1):
        question = Question(verb=Verb.WHO_CAN, action=row.action, resource=resource, via=via, expect="no")
        found = _mined(env, question, name, row)
        if found is not None:
            out.append(found)
        if progress is not None:
            progress(number)
    return tuple(out)


def _requests(env: Environment, accounts: frozenset[str]) -> Iterator[tuple[str, SensitiveRow, str]]:
    """The name of each rule, its row, and the resource that it is about."""
    partitions = {p.account: p.arn.split(":")[1] for p in env.principals.values()}
    for account in sorted(accounts):
        for row in SENSITIVE:
            if not row.per:
                place = {"partition": partitions.get(account, "aws"), "account": account}
                if row.resource != "*":
                    yield f"{row.id}-{account}", row, row.resource.format(**place)
                continue
            for arn, resource in env.resources.items():
                if resource.account == account and arn.split(":", 2)[2].startswith(row.per):
                    yield f"{row.id}-{_slug(arn)}", row, arn + row.resource
    yield from ((row.id, row, "*") for row in SENSITIVE if not row.per and row.resource == "*")


def _slug(arn: str) -> str:
    """The end of an ARN as part of the name of a rule; the account too where the ARN has one."""
    fields = arn.split(":", 5)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(f for f in (fields[4], fields[5]) if f)).strip("-")


def _mined(env: Environment, question: Question, name: str, row: SensitiveRow) -> Mined | None:
    try:
        said = [s for s in answers(env, question) if s.verdict is not Verdict.NO]
    except QueryError:
        return None  # the action does not fit the resource
    strangers = set(with_strangers(env).by_account.values())
    who = [("outsiders" if s.who in strangers else s.who, s.verdict) for s in said]
    callers = tuple(dict.fromkeys(_named(env, w) for w, _ in who))
    if len(callers) > MOST:
        return None
    unsure = tuple(dict.fromkeys(_named(env, w) for w, v in who if v is Verdict.UNKNOWN))
    whole = replace(question, except_=callers, id=name, severity="warning", reason=row.reason)
    only = _only(env, whole, [w for w, v in who if v is Verdict.YES])
    found = None if only is None else _holding(env, only, callers, ())
    return found or _holding(env, whole, callers, unsure)


def _only(env: Environment, whole: Question, able: list[str]) -> Question | None:
    """The rule that one role is the only way, if just one of the callers makes the request itself."""
    direct = [
        who
        for who in able
        if who in env.principals
        and next(answers(env, replace(whole, verb=Verb.CAN, caller=who, via="direct", except_=()))).verdict
        is Verdict.YES
    ]
    if len(direct) != 1 or ":role/" not in direct[0] or len(able) < 2:
        return None
    return replace(whole, verb=Verb.ONLY_VIA, caller=_named(env, direct[0]), expect="yes", except_=("root",))


def _named(env: Environment, who: str) -> str:
    """The caller by its short name, where that means nobody else."""
    principal = env.principals.get(who)
    if principal is None:
        return who
    short = f"{principal.account}:{principal.kind.value}/{principal.name}"
    try:
        return short if [c.parent or c.arn for c in read_callers(env, short)] == [who] else who
    except QueryError:
        return who


def _holding(env: Environment, question: Question, callers: tuple[str, ...], unsure: tuple[str, ...]) -> Mined | None:
    """The rule, if it is read back as it was meant, and holds."""
    text = _text(question, unsure)
    file = read_rules(text, "<mined>")
    if file.problems or len(file.rules) != 1 or file.rules[0].questions != (question,):
        return None
    try:
        state = decide(env, file.rules[0], _DAY).state
    except QueryError:
        return None
    return Mined(rule=file.rules[0], text=text, callers=callers, unsure=unsure) if state is State.HOLDS else None


def _text(question: Question, unsure: tuple[str, ...]) -> str:
    """The rule with a line for each of its parts."""
    head = replace(question, except_=(), expect=None, id=None, severity=None, reason=None)
    lines = [print_question(head)]
    if question.except_:
        spelled = [
            n if re.fullmatch(r"[^\s;,\"'()#]+", n) else json.dumps(n, ensure_ascii=False) for n in question.except_
        ]
        lines.append("  except " + ",\n    ".join(spelled))
    lines += [
        f"  expect {question.expect}",
        f"  id {question.id}",
        f"  severity {question.severity}",
        f"  reason {json.dumps(question.reason, ensure_ascii=False)}",
    ]
    note = [f"# of {', '.join(unsure)} it is not known whether they can"] if unsure else []
    return "\n".join([*note, *lines]) + "\n"
