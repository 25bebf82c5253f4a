"""Callers: what signs, or does not sign, a request."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iamsim.model.pattern import Pattern


class CallerKind(StrEnum):
    """The kinds of callers of semantics 0.2; the value is the word used in output."""

    USER = "user"
    ROLE_SESSION = "role-session"
    FEDERATED_USER = "federated-user"
    ROOT = "root"
    SERVICE = "service"
    ANONYMOUS = "anonymous"
    WEB_IDENTITY = "web-identity"
    SAML = "saml"


class Credentials(StrEnum):
    """What a user or root signs with; ANY leaves the choice to the caller."""

    ANY = "any"
    LONG_TERM = "long-term"
    SESSION_TOKEN = "session-token"  # noqa: S105 - the name of AWS's call


@dataclass(frozen=True, slots=True)
class ClaimShape:
    """What a claim that is not given looks like: like one of `allowed` and, ignoring case, like none of `excluded`.

    With `when` both hold only of values like it. `allowed` of None allows every value; an empty one says that the token
    lacks the claim, or with `when` that no value is like that.
    """

    key: str
    allowed: tuple[Pattern, ...] | None = None
    excluded: tuple[Pattern, ...] = ()
    when: Pattern | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One caller. Fields that do not apply to its kind keep their defaults.

    `arn` is the user, federated-user or root ARN, or the *role* ARN of a role session. `session` is the session name of a
    role session, None if it is free. `parent` is the user or root ARN of a federated user. `mfa` is None where the
    caller may choose. `claims` are the known keys of a web identity or SAML token by their full condition key,
    `claim_shapes` what its other claims look like, `issuer` the name of its row in `iamsim.aws.issuers`, if it has one.
    `tags` are the tags that the credentials carry; `open_tags`, `open_source_identity` and `open_provider` say that the
    session may have been created with others (`open_keys`: that tags of these keys, in lower case, may have any value;
    `stated_tags`: that the question gives them), a source identity, or a token; `open_services` are the services that may
    have issued it, `issuing_service` the one that has. `bounded`: it has a permissions boundary. `any_role`: it stands for
    every role of its account.
    Source: IAM User Guide, "AWS JSON policy elements: Principal".
    """

    kind: CallerKind
    arn: str | None = None
    account: str | None = None
    partition: str = "aws"
    name: str | None = None
    unique_id: str | None = None
    session: str | None = None
    parent: str | None = None
    services: tuple[str, ...] = ()
    provider: str | None = None
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()
    claim_shapes: tuple[ClaimShape, ...] = ()
    issuer: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    tags_known: bool = True
    transitive: tuple[str, ...] = ()
    open_tags: bool = False
    stated_tags: bool = False
    open_keys: tuple[str, ...] = ()
    open_source_identity: bool = False
    open_provider: bool = False
    open_services: tuple[str, ...] = ()
    issuing_service: str | None = None
    credentials: Credentials = Credentials.ANY
    mfa: bool | None = None
    source_identity: str | None = None
    instance: str | None = None
    service_linked: bool = False
    bounded: bool = False
    any_role: bool = False
    assumed_root: bool = False
    task_policy: str | None = None

    def __hash__(self) -> int:
        # callers are keys of much that is looked up, and what else differs between them seldom does alone
        return hash((self.arn, self.session, self.account, self.provider))

    @property
    def signed(self) -> bool:
        """True iff the request is signed: not anonymous and not a federation call."""
        return self.kind not in (CallerKind.ANONYMOUS, CallerKind.WEB_IDENTITY, CallerKind.SAML)

    @property
    def session_arn(self) -> str | None:
        """The ARN of the role session, or None where its name is free or the caller is none."""
        if self.kind is not CallerKind.ROLE_SESSION or self.session is None:
            return None
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.name}/{self.session}"

    def __str__(self) -> str:
        match self.kind:
            case CallerKind.ROLE_SESSION:
                return self.session_arn or f"{self.arn}"
            case CallerKind.SERVICE:
                return f"service {self.services[0]}"
            case CallerKind.ANONYMOUS:
                return "anonymous"
            case CallerKind.WEB_IDENTITY | CallerKind.SAML:
                return f"{self.kind} {self.provider}"
            case _:
                return self.arn or self.kind.value


def kin_of(caller: Caller) -> tuple[object, ...]:
    """What is equal for callers that differ at most in who they are: in their ARN, name, unique id and tags."""
    return _BUT_WHO(caller)


_BUT_WHO = attrgetter(*(f.name for f in fields(Caller) if f.name not in ("arn", "name", "unique_id", "tags")))
