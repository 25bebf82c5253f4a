"""What a question says of the requests of a path: which given keys and which conditions speak of which request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iamsim.env.applicable import NO_DOCUMENTS
from iamsim.env.memo import once
from iamsim.ir.term import TRUE, And, Term, all_of, variables
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller

# Keys of the network, transport and time: given ones hold for every request of a path. A VPC endpoint is one of a
# service, so the keys of the endpoint speak of the last request only.
_AROUND = frozenset(
    {
        "aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:securetransport", "aws:currenttime", "aws:epochtime",
        "aws:useragent",
    }
)  # fmt: skip
# Keys of the caller: given ones describe the caller of the question, who makes the first request.
_CALLER = (
    "aws:principal", "aws:userid", "aws:username", "aws:multifactorauth", "aws:tokenissuetime", "aws:sourceidentity",
    "aws:federatedprovider", "aws:assumedroot", "ec2:sourceinstancearn", "ec2:roledelivery", "aws:ec2instance",
    "lambda:sourcefunctionarn",
)  # fmt: skip
_MFA = "aws:multifactorauth"


def given_for(
    given: Mapping[str, tuple[str, ...]], action: str, start: Caller, *, first: bool, last: bool
) -> dict[str, tuple[str, ...]]:
    """The given keys that speak of one request of a path that `start` begins and a request of `action` ends.

    Those of network, transport and time speak of all requests, those of the caller (and the claims of its token) of the
    first, those of STS (external id, session name, …) of the hops unless `action` is itself one of STS, all others of
    the last.
    """
    if first and last:
        return dict(given)
    return {k: v for k, v in given.items() if _speaks(k, action, start, first=first, last=last, caller=_CALLER)}


def when_for(when: Term, action: str, start: Caller, *, first: bool, last: bool) -> Term:
    """The part of the question's condition that speaks of one request of a path.

    A conjunct all of whose keys speak of the same request binds that one; any other binds the last. Of the caller's keys
    only those of multi-factor authentication speak of the first request: the others may be those of a later session.
    """
    parts = when.args if isinstance(when, And) else (when,)
    out = []
    for part in parts:
        keys = variables(part)
        spoken = bool(keys) and all(_speaks(k, action, start, first=first, last=last, caller=(_MFA,)) for k in keys)
        elsewhere = bool(keys) and any(
            all(_speaks(k, action, start, first=f, last=False, caller=(_MFA,)) for k in keys) for f in (True, False)
        )
        if spoken or (last and not elsewhere):
            out.append(part)
    return all_of(out)


def _speaks(key: str, action: str, start: Caller, *, first: bool, last: bool, caller: tuple[str, ...]) -> bool:
    if key in _AROUND:
        return True
    if key.startswith(caller) or (_of_token(key) and start.kind in (CallerKind.WEB_IDENTITY, CallerKind.SAML)):
        return first
    if key.startswith("sts:") and not action.startswith("sts:"):
        return not last
    return last


def _of_token(key: str) -> bool:
    prefix = key.partition(":")[0]
    return prefix == "saml" or "." in prefix


def requests_kept(ask: Ask) -> dict[Any, Any] | None:
    """The checks of the last requests of earlier questions, where the question says nothing but who asks for what; else None.

    Who asks for the same request later meets the same callers on the way. They are forgotten when there are too many.
    """
    if ask.given or ask.when is not TRUE or ask.documents != NO_DOCUMENTS:
        return None
    kept: dict[Any, Any] = once(ask.env.memo, "requests", dict)
    if len(kept) > _KEPT:
        kept.clear()
    return kept


_KEPT = 10_000
