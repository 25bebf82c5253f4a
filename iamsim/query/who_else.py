"""Callers beside the loaded users and roles that the policies of a resource may reach."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.aws.services import TRUST_ACTIONS
from iamsim.env.hits import slice_policy
from iamsim.env.memo import once
from iamsim.env.resource_policy import holder_of
from iamsim.graph.outside import SOME
from iamsim.ir.bindings import ABSENT, Alias
from iamsim.ir.term import strip
from iamsim.judge.answer import Verdict
from iamsim.judge.judge import decide_check, facts_of
from iamsim.judge.members import concerned_roots
from iamsim.model.arn import parse_arn
from iamsim.model.caller import Caller, CallerKind
from iamsim.model.policy import Effect, Malformed
from iamsim.query.who_rows import Who

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.judge.judge import Ask, Found
    from iamsim.judge.members import Scene
    from iamsim.model.policy import PrincipalEntry, Statement

_ORDER = ("root", "account", "user", "role", "service", "token", "anonymous")
_KEYS = ("aws:principalaccount", "aws:principalarn", "aws:userid")
_FRESH = "000000000000"
"""An account that is none: it stands for those that nobody knows of."""


def others(ask: Ask, scenes: tuple[Scene, ...]) -> tuple[tuple[str, str], ...]:
    """The callers (as `can` takes them) with their kind that may be allowed in some of the scenes: a superset, sorted."""
    found: dict[str, str] = {}
    for scene in scenes:
        for account in _roots(ask.env, scene):
            found[f"arn:{_partition(ask.env, account)}:iam::{account}:root"] = "root"
        for statement in _granting(scene):
            for entry in _entries_of(statement):
                found |= dict(_of_entry(ask.env, scene, entry))
            found |= dict(_of_conditions(ask.env, scene, statement))
        holder = holder_of(replace(scene.sample, resource=scene.target.resource, holder=scene.target.holder))
        for grant in (holder.kms_grants or ()) if holder is not None else ():
            kind = "service" if grant.grantee.endswith(".amazonaws.com") else _kind(grant.grantee)
            if kind == "service" or _outside(ask.env, grant.grantee):
                found[grant.grantee] = kind
    return tuple(sorted(found.items(), key=lambda pair: (_ORDER.index(pair[1]), pair[0])))


def _granting(scene: Scene) -> Iterator[Statement]:
    if scene.governing is not None:
        rows = slice_policy(scene.sample, scene.governing)
        yield from (r.statement for r in rows if r.statement.effect is not Effect.DENY)


def _entries_of(statement: Statement) -> Iterator[PrincipalEntry]:
    for entry in statement.principal.entries if statement.principal is not None else ():
        if not isinstance(entry, Malformed):
            yield entry


def _is_anyone(entry: PrincipalEntry) -> bool:
    return entry.type == "*" or (entry.type == "AWS" and entry.value == "*")


def _roots(env: Environment, scene: Scene) -> Iterator[str]:
    """The loaded accounts whose root user is worth a check."""
    some = concerned_roots(scene)
    yield from (a for a in sorted(env.accounts) if some is None or a in some)


def _partition(env: Environment, account: str) -> str:
    known = once(env.memo, "partitions", lambda: {p.account: p.arn.split(":")[1] for p in env.principals.values()})
    return known.get(account, "aws")


def _outside(env: Environment, arn: str) -> bool:
    parsed = parse_arn(arn)
    return parsed is not None and parsed.account.isdigit() and parsed.account not in env.accounts


def _kind(arn: str) -> str:
    parsed = parse_arn(arn)
    if parsed is None or parsed.resource == "root":
        return "account"
    return "user" if parsed.resource.startswith("user/") else "role"


def _of_entry(env: Environment, scene: Scene, entry: PrincipalEntry) -> Iterator[tuple[str, str]]:
    if _is_anyone(entry):
        yield "anonymous", "anonymous"
        return
    match entry.type:
        case "Service":
            yield entry.value.lower(), "service"
        case "Federated":
            yield from _tokens(entry.value)
        case "AWS":
            yield from _of_aws(env, scene, entry.value)
        case _:
            pass


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    host = value.partition(":oidc-provider/")[2]
    if host or not value.startswith("arn:"):
        yield f"oidc://{host or value}", "token"
    elif ":saml-provider/" in value:
        yield f"saml://{value}", "token"


def _of_aws(env: Environment, scene: Scene, value: str) -> Iterator[tuple[str, str]]:
    """An account that is not loaded: its root user, and for roles (which no root user assumes) some role of it."""
    account = value if value.isdigit() else ""
    parsed = parse_arn(value)
    if parsed is not None and parsed.resource == "root":
        account = parsed.account
    partition = parsed.partition if parsed is not None else "aws"
    if account:
        if account not in env.accounts and len(account) == len(_FRESH):
            trusts = scene.action.startswith(TRUST_ACTIONS)
            who = f"role/{SOME}" if trusts else "root"
            yield f"arn:{partition}:iam::{account}:{who}", "account"
    elif parsed is not None and parsed.service in ("iam", "sts") and _outside(env, value):
        yield value, _kind(value)


def _of_conditions(env: Environment, scene: Scene, statement: Statement) -> Iterator[tuple[str, str]]:
    """Accounts that are not loaded and that conditions of a statement for everybody speak of."""
    if not any(_is_anyone(e) for e in _entries_of(statement)):
        return
    for condition in statement.conditions:
        if condition.key.lower() in _KEYS:
            for value in condition.values:
                account = value if value.isdigit() else value.split(":")[4] if value.count(":") >= 5 else ""
                if account.isdigit():
                    yield from _of_aws(env, scene, account)


def any_account(ask: Ask, scenes: tuple[Scene, ...]) -> Who | None:
    """The row of all accounts that no input holds, where a policy speaks to everybody: YES iff a principal of any account
    whatever can pass, UNKNOWN if one can that is in an organization, or has an ARN, that conditions ask for.
    """
    maybe: Found | None = None
    for scene in scenes:
        if not any(_is_anyone(e) for s in _granting(scene) for e in _entries_of(s)):
            continue
        plain = _by_fresh(ask, scene, anything=False)
        if plain.yes:
            return _outsiders(plain, Verdict.YES, ())
        found = _by_fresh(ask, scene, anything=True)
        if maybe is None and (found.yes or found.unknown or plain.unknown):
            maybe = found if found.yes or found.unknown else plain
    if maybe is None:
        return None
    reasons = {*maybe.reasons, "missing:accounts that are not loaded"}
    return _outsiders(maybe, Verdict.UNKNOWN, tuple(sorted(reasons)))


def _by_fresh(ask: Ask, scene: Scene, *, anything: bool) -> Found:
    """The outcome for a principal of an account that nobody knows; `anything`: who it is, is left to the solver."""
    trusts = scene.action.startswith(TRUST_ACTIONS)
    who = f"role/{SOME}" if trusts else "root"
    caller = Caller(
        kind=CallerKind.ROLE_SESSION if trusts else CallerKind.ROOT,
        arn=f"arn:aws:iam::{_FRESH}:{who}",
        account=_FRESH,
        name=SOME,
        any_role=trusts,
        open_tags=trusts,
        tags_known=not trusts,
        open_source_identity=trusts,
    )
    keys = ("aws:principalorgid", "aws:principalorgpaths", "kms:calleraccount")
    carried = {k: Alias(k) if anything else ABSENT for k in keys}
    if anything:
        carried |= {k: Alias(k) for k in (*_KEYS, "aws:principaltype", "aws:username")}
    facts = facts_of(ask, caller, scene.action, scene.target)
    return decide_check(ask, replace(facts, carried=carried), scene.target.domain)


def _outsiders(found: Found, verdict: Verdict, reasons: tuple[str, ...]) -> Who:
    facts = found.check.facts
    return Who(
        principal="*",
        kind="outside",
        account=None,
        verdict=verdict,
        action=facts.action or "*",
        resource=facts.resource or "*",
        condition=strip(found.term),
        reasons=reasons,
        assumptions=found.check.assumptions,
    )
