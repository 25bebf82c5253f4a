"""Trust in web identities: whose tokens get a role besides those that were meant. Each finding shows such a token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from iamsim.aws.issuers import issuer_of
from iamsim.aws.services import BUILT_IN_PROVIDERS
from iamsim.check.model import Found
from iamsim.check.policies import Held, held, place_of, title
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.ir.term import Like, Present, all_of, not_
from iamsim.judge.answer import Verdict
from iamsim.model.pattern import plain
from iamsim.model.policy import Effect, Malformed, PolicyKind, Quantifier
from iamsim.query.can import can
from iamsim.query.satisfy import model_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment, Principal
    from iamsim.judge.answer import Witness
    from iamsim.model.policy import Condition, Statement

_ASSUME = "sts:AssumeRoleWithWebIdentity"
_STRANGER = "iamsim-stranger"

# A token of somebody whom no policy means, as parameters of the issuer.
_FOREIGN = {
    "github": f"repo={_STRANGER}/any",
    "eks": f"namespace={_STRANGER}&serviceaccount=any",
    "gitlab": f"project={_STRANGER}/any",
    "terraform": f"organization={_STRANGER}",
    "vercel": f"owner={_STRANGER}",
}
# How a subject begins with its owner, and the parameter that rules an owner out.
# Source: GitHub, GitLab, HCP Terraform and Vercel documentation, as the rows of iamsim.aws.issuers name them.
_OWNERS = {
    "github": ("not-owner", re.compile(r"repo:([\w-]+)")),
    "gitlab": ("not-group", re.compile(r"project_path:([\w.-]+)")),
    "terraform": ("not-organization", re.compile(r"organization:([^:*?]+)")),
    "vercel": ("not-owner", re.compile(r"owner:([^:*?]+)")),
}


@dataclass(frozen=True, slots=True)
class _Trust:
    """A statement of a role that trusts `provider`, as the policy spells its host and path; keys begin with them."""

    env: Environment
    entry: Held
    role: Principal
    statement: Statement
    provider: str

    @property
    def host(self) -> str:
        return self.provider.lower()

    @property
    def name(self) -> str:
        return title(self.entry.policy, self.statement)

    def on(self, claim: str) -> list[Condition]:
        key = f"{self.host}:{claim}"
        return [c for c in self.statement.conditions if c.key.lower() == key and c.malformed is None]

    @property
    def others(self) -> bool:
        """True iff a condition reads a claim of the token beside `sub` and `aud`."""
        plain_ = {f"{self.host}:sub", f"{self.host}:aud"}
        keys = {c.key.lower() for c in self.statement.conditions}
        return any(k.startswith(f"{self.host}:") and k not in plain_ for k in keys)


def find(env: Environment) -> Iterator[Found]:
    """What is loose in trust policies for OpenID Connect providers.

    Source: IAM User Guide, "Create a role for OpenID Connect federation (console)".
    """
    for entry in held(env):
        role = env.principals.get(entry.subjects[0])
        if entry.policy.kind is not PolicyKind.TRUST or role is None:
            continue
        for statement in entry.policy.statements:
            for provider in _providers(statement):
                trust = _Trust(env, entry, role, statement, provider)
                yield from _subject(trust)
                yield from _audience(trust)
                yield from _for_all(trust)


def _providers(statement: Statement) -> list[str]:
    if statement.effect is not Effect.ALLOW or statement.malformed is not None or statement.principal is None:
        return []
    found = []
    for entry in statement.principal.entries:
        if not isinstance(entry, Malformed) and entry.type == "Federated":
            _, mark, provider = entry.value.partition(":oidc-provider/")
            if mark or entry.value in BUILT_IN_PROVIDERS:
                found.append(provider or entry.value)
    return list(dict.fromkeys(found))


def _found(trust: _Trust, id: str, what: str, proof: tuple[str, ...], witness: Witness | None, at: str = "") -> Found:  # noqa: A002
    conditions = trust.on(at) if at else []
    place = conditions[0].origin if conditions and conditions[0].origin else None
    return Found(
        id=id,
        message=f"{trust.name} {what}",
        origin=place or place_of(trust.entry, trust.statement),
        subjects=trust.entry.subjects,
        proof=proof,
        witness=witness,
    )


def _gets(trust: _Trust, query: str, when: str | None = None) -> tuple[Verdict, Witness | None] | None:
    """Whether a token of the provider with these parameters gets the role by this very statement; None if none is such."""
    try:
        who = f"oidc://{quote(trust.provider, safe='/')}" + (f"?{query}" if query else "")
        answer = can(trust.env, who, _ASSUME, trust.role.arn, via="direct", when=when)
    except QueryError:
        return None
    if answer.verdict is Verdict.YES and answer.witness is not None:
        here = trust.name in [c.text for c in answer.witness.allowed_by]
        return (Verdict.YES, answer.witness) if here else (Verdict.UNKNOWN, None)
    return answer.verdict, None


# --- whose tokens


def _subject(trust: _Trust) -> Iterator[Found]:
    if trust.others or trust.provider in BUILT_IN_PROVIDERS:
        return  # another claim says whom the statement means; of the providers that AWS knows, `aud`
    issuer = issuer_of(trust.host)
    name = issuer.name if issuer is not None else ""
    foreign = _gets(trust, _FOREIGN.get(name, f"sub={_STRANGER}"))
    if foreign is not None and foreign[0] is Verdict.YES:
        if trust.on("sub"):
            yield _found(
                trust, "oidc-foreign-subject", "takes tokens of anybody", _token(foreign[1]), foreign[1], "sub"
            )
        else:
            yield _found(trust, "oidc-any-subject", "takes every subject", _token(foreign[1]), foreign[1])
        return
    if name in _OWNERS:
        yield from _foreign(trust, name)
    if name == "github":
        yield from _github(trust)


def _token(witness: Witness | None) -> tuple[str, ...]:
    if witness is None:
        return ()
    subjects = [v for k, values in witness.request.context.items() if k.lower().endswith(":sub") for v in values]
    return tuple(f"a token with `sub` = `{printable(s)}` gets the role" for s in subjects)


def _owners(trust: _Trust, name: str) -> list[str]:
    """The owners that the statement means, as far as its values spell them out."""
    _, form = _OWNERS[name]
    values = [v for c in trust.on("sub") for v in c.values]
    return list(dict.fromkeys(m[1] for v in values if (m := form.match(v))))


def _foreign(trust: _Trust, name: str) -> Iterator[Found]:
    """A token of another owner than those that are meant; the first is ruled out by the issuer's row, the others by name."""
    owners = _owners(trust, name)
    if not owners:
        return
    parameter, _ = _OWNERS[name]
    head = {"github": "repo:", "gitlab": "project_path:", "terraform": "organization:", "vercel": "owner:"}[name]
    key = f'"{trust.host}:sub"'
    rest = [f'{key} like "{head}{o}{end}*"' for o in owners[1:] for end in ("/", ":", "@")]
    found = _gets(trust, f"{parameter}={quote(owners[0])}", f"not ({' or '.join(rest)})" if rest else None)
    if found is not None and found[0] is Verdict.YES:
        told = ", ".join(f"`{printable(o)}`" for o in owners)
        what = f"takes tokens of others than {told}"
        yield _found(trust, "oidc-foreign-subject", what, _token(found[1]), found[1], "sub")


def _github(trust: _Trust) -> Iterator[Found]:
    owners = _owners(trust, "github")
    values = [v for c in trust.on("sub") for v in c.values]
    if len(owners) != 1 or not values:
        return
    owner = f"owner={owners[0]}"
    if any("*" in v or "?" in v for v in values) and not any("pull_request" in v for v in values):
        found = _gets(trust, f"{owner}&event=pull_request")
        if found is not None and found[0] is Verdict.YES:
            what = "takes tokens of pull requests"
            yield _found(trust, "oidc-pull-request", what, _token(found[1]), found[1], "sub")
    classic, immutable = _gets(trust, f"{owner}&sub-form=classic"), _gets(trust, f"{owner}&sub-form=immutable")
    if classic is None or immutable is None:
        return
    if classic[0] is Verdict.YES and immutable[0] is Verdict.NO:
        proof = (*_token(classic[1]), f"proved: no token of `{owners[0]}` with an immutable subject does")
        what = "takes no immutable subject"
        yield _found(trust, "oidc-immutable-subject", what, proof, classic[1], "sub")


# --- conditions that do not bind


def _holds(trust: _Trust, claim: str, *, absent: bool) -> bool:
    """True iff the statement can match where the claim is absent, or has a value that nobody has chosen."""
    key = f"{trust.host}:{claim}"
    special = not_(Present(key)) if absent else Like(key, plain(_STRANGER))
    found = model_of(all_of((*parts_of(trust.entry.policy, trust.statement), special)))
    return found is not None and not isinstance(found, str)


def _audience(trust: _Trust) -> Iterator[Found]:
    if not _holds(trust, "aud", absent=False):
        return
    found = _gets(trust, "")
    if found is not None and found[0] is Verdict.YES:
        proof = (f"it also matches where `{trust.host}:aud` is `{_STRANGER}`",)
        what = "takes tokens for every audience of the provider"
        yield _found(trust, "oidc-no-audience", what, proof, found[1])


def _for_all(trust: _Trust) -> Iterator[Found]:
    for claim in dict.fromkeys(c.key.lower().removeprefix(f"{trust.host}:") for c in trust.statement.conditions):
        own = [c for c in trust.on(claim) if c.quantifier is Quantifier.ALL]
        if own and _holds(trust, claim, absent=True):
            proof = (f"proved: its conditions also hold of a request without `{printable(own[0].key)}`",)
            what = f"asks with `ForAllValues` for `{printable(own[0].key)}`"
            yield _found(trust, "oidc-for-all-values", what, proof, None, claim)
