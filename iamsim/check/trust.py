"""Trust in other accounts: open to everyone, to a whole account, and without external id. Each is shown by a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.paths import LINKED
from iamsim.check.model import Found
from iamsim.check.outsiders import third_party, whole_account, with_strangers
from iamsim.check.policies import Held, held, place_of, title
from iamsim.env.types import PrincipalKind
from iamsim.judge.answer import Verdict
from iamsim.model.policy import Effect, Malformed, PolicyKind
from iamsim.query.can import can

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.check.outsiders import Wider
    from iamsim.env.types import Environment, Principal
    from iamsim.judge.answer import Witness
    from iamsim.model.policy import Statement

_ASSUME = "sts:AssumeRole"
_ANY_ID = "iamsim-stranger"


def find(env: Environment) -> Iterator[Found]:
    """Trust policies that let in more than principals that somebody named.

    Source: IAM User Guide, "AWS JSON policy elements: Principal" and "The confused deputy problem".
    """
    wider: Wider | None = None
    for entry in held(env):
        if entry.policy.kind is not PolicyKind.TRUST:
            continue
        role = env.principals.get(entry.subjects[0])
        if role is None or role.kind is not PrincipalKind.ROLE:
            continue
        for statement in entry.policy.statements:
            if statement.effect is Effect.ALLOW and statement.malformed is None and statement.principal is not None:
                wider = wider or with_strangers(env)
                yield from _statement(env, wider, entry, role, statement)


def _statement(env: Environment, wider: Wider, entry: Held, role: Principal, statement: Statement) -> Iterator[Found]:
    assert statement.principal is not None
    entries = [e for e in statement.principal.entries if not isinstance(e, Malformed)]
    name = title(entry.policy, statement)
    origin = place_of(entry, statement, "Principal")
    if any(e.value == "*" and e.type in ("*", "AWS") for e in entries):
        witness = _let_in(wider, wider.nobody, role, name)
        if witness is not None:
            yield Found(
                id="trust-everyone",
                message=f"{name} lets every AWS account in",
                origin=origin,
                subjects=entry.subjects,
                proof=(f"shown for a user of account {wider.nobody.split(':')[4]}, which no input mentions",),
                witness=witness,
            )
    for account in dict.fromkeys(a for e in entries if (a := whole_account(e)) is not None):
        if account == role.account:
            continue
        yield from _account(env, wider, entry, role, (account, name), statement)


def _account(
    env: Environment, wider: Wider, entry: Held, role: Principal, about: tuple[str, str], statement: Statement
) -> Iterator[Found]:
    account, name = about
    origin = place_of(entry, statement, "Principal")
    stranger = wider.by_account.get(account)
    if stranger is not None and third_party(env, account):
        tried = (None, _ANY_ID)
        shown = ((i, _let_in(wider, stranger, role, name, {"sts:ExternalId": i})) for i in tried)
        given, without = next(((i, w) for i, w in shown if w is not None), (None, None))
        if without is not None:
            proof = (
                f"no input holds account {account}: it is taken to be a third party's",
                f"any `sts:ExternalId` will do: `{given}`" if given else "the request has no `sts:ExternalId`",
            )
            yield Found(
                id="trust-external-id",
                message=f"{name} asks account {account} for no external id",
                origin=origin,
                subjects=entry.subjects,
                proof=proof,
                witness=without,
            )
        return
    if _narrowed(statement):
        return
    if stranger is None:
        witness = _some_principal(env, account, role, name)
    else:
        witness = _let_in(wider, stranger, role, name)
    if witness is not None:
        yield Found(
            id="trust-account",
            message=f"{name} trusts all of account {account}",
            origin=origin,
            subjects=entry.subjects,
            proof=("whom that account lets call sts:AssumeRole gets the role",),
            witness=witness,
        )


_WHO = ("aws:principalarn", "aws:principaltag/", "aws:userid", "aws:username")


def _narrowed(statement: Statement) -> bool:
    """True iff a condition asks who in the account calls."""
    return any(c.key.lower().startswith(_WHO) for c in statement.conditions)


def _some_principal(env: Environment, account: str, role: Principal, name: str) -> Witness | None:
    """A request of some loaded principal of the account that only this statement lets in."""
    for principal in env.principals.values():
        if principal.account == account and not principal.path.startswith(LINKED):
            answer = can(env, principal.arn, _ASSUME, role.arn, via="direct")
            if answer.verdict is Verdict.YES and answer.witness and name in [c.text for c in answer.witness.allowed_by]:
                return answer.witness
    return None


def _let_in(
    wider: Wider, stranger: str, role: Principal, name: str, context: dict[str, str | None] | None = None
) -> Witness | None:
    """The request by which the stranger obtains the role thanks to the statement `name`; None if it may not."""
    answer = can(wider.env, stranger, _ASSUME, role.arn, via="direct", context=context)
    if answer.verdict is not Verdict.YES or answer.witness is None:
        return None
    return answer.witness if name in [c.text for c in answer.witness.allowed_by] else None
