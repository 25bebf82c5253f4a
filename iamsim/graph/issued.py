"""What tells the sessions of a role that one technique gives from those that another does: the service that issues them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.keys import key_row
from iamsim.aws.service_sessions import ISSUED_FOR, PASSING, SESSION_NAMES
from iamsim.env.memo import once
from iamsim.graph.candidates import texts_of
from iamsim.graph.policies import every_policy
from iamsim.model.policy import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.aws.escalations import Technique
    from iamsim.env.types import Environment

_END = ".amazonaws.com"


def issuer(env: Environment, technique: Technique) -> tuple[str, ...]:
    """The service that issues the sessions which the technique gives, where some policy may tell them from those of others."""
    told = told_issuers(env)
    return tuple(sorted(services_of(technique) & told))[:1] if told else ()


def services_of(technique: Technique) -> frozenset[str]:
    """The services of which the role that the technique gives must be one."""
    who = technique.outcome.get("who")
    every = (c for v in technique.variants for c in v.preconditions if c.fact == "role-trusts-service")
    passed = {technique.passed_to} if technique.passed_to else set()
    return frozenset({c.get("service") for c in every if c.get("role") == who} | passed)


def told_issuers(env: Environment) -> frozenset[str]:
    """The services whose sessions some policy may tell from those of others: by what they were issued for, by their names, or by
    what the service passes.
    """
    return once(env.memo, "told-issuers", lambda: frozenset(_told(env)))


def _told(env: Environment) -> Iterator[str]:
    read = texts_of(env, ("",))
    yield from (s for s, (key, _) in ISSUED_FOR.items() if key in read)
    present = {key_row(k, None).present: k for k in read}
    if "instance" in present:
        yield "ec2" + _END
    yield from (k.partition(":")[0] + _END for k in read if key_row(k, None).present == "service-session")
    if "aws:userid" in read or session_entries(env):
        yield from SESSION_NAMES
    tags = [k.removeprefix(_TAG) for k in read if k.startswith(_TAG)]
    for passing in PASSING:
        if any(map(passing.tag, tags)) or (passing.identity is not None and "aws:sourceidentity" in read):
            yield passing.service


_TAG = "aws:principaltag/"


def session_entries(env: Environment) -> bool:
    """Whether some policy names a session of a role as a principal."""
    return once(env.memo, "session-entries", _names_sessions, env)


def _names_sessions(env: Environment) -> bool:
    every = (e for p in every_policy(env) for s in p.statements if s.principal is not None for e in s.principal.entries)
    return any(not isinstance(e, Malformed) and ":assumed-role/" in e.value for e in every)


def told_by_session(env: Environment) -> bool:
    """Whether some policy tells sessions of one role apart, or from users."""
    return once(env.memo, "told-by-session", _tells, env)


def _tells(env: Environment) -> bool:
    if any((of_session(k) and k != "aws:currenttime") or k == "aws:principaltype" for k in texts_of(env, ("",))):
        return True
    return session_entries(env)


_OF_SESSION = (
    "session", "aws:sourceidentity", "aws:federatedprovider", "aws:userid", "aws:tokenissuetime", "aws:currenttime",
)  # fmt: skip


def of_session(var: str) -> bool:
    """Whether a variable is about the session that makes a request."""
    name = var.rpartition("|")[2]
    prefix = name.partition(":")[0]
    return (
        name in _OF_SESSION
        or name.startswith(("aws:principaltag/", "saml:", "ec2:", "lambda:", "ssm:", "glue:", "codebuild:", "aws:ec2"))
        or var.startswith("0|")
        or "." in prefix
    )
