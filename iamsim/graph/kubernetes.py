"""Service accounts of EKS clusters: in which namespaces an access policy that is associated reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.graph.candidates import texts_of
from iamsim.graph.preconditions import providers_of
from iamsim.ir.reduce import reduce
from iamsim.ir.term import Like, Present, all_of, any_of, implies, not_, some, variables
from iamsim.model.pattern import plain, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from iamsim.aws.escalations import Call
    from iamsim.env.types import Environment, Principal
    from iamsim.ir.term import Term
    from iamsim.judge.check import Check

_SCOPE, _NAMESPACES = "eks:accessscope", "eks:namespaces"
_SUBJECT = "system:serviceaccount"
_CLUSTER = ":oidc-provider/oidc.eks."


def namespaced(env: Environment, call: Call, role: Principal | None, checks: Sequence[Check]) -> Iterator[Term]:
    """Where policies read the scope with which an access policy is associated: that it covers the service account whose token the
    role's trust policy lets in.

    Source: Amazon EKS User Guide, "Associate access policies with access entries".
    """
    if call.action != "eks:AssociateAccessPolicy" or role is None:
        return
    hop = checks[0].facts.hop
    read = {v for c in checks for v in variables(c.authorization.allowed)}
    if not read & {f"{hop}{_SCOPE}", f"{hop}{_NAMESPACES}"}:
        return
    hosts = [p.partition("oidc-provider/")[2].lower() for p in providers_of(role) if _CLUSTER in p]
    whole = all_of((Like(_SCOPE, plain("cluster")), not_(Present(_NAMESPACES))))
    some_of_it = all_of((Like(_SCOPE, plain("namespace")), Present(_NAMESPACES)))
    yield reduce(any_of((whole, some_of_it)), checks[0].lookup)
    for host in hosts:
        subject = f"token|{host}:sub"
        covered = any_of(_covered(env, subject, host, checks[0]))
        yield implies(Present(subject), any_of((reduce(whole, checks[0].lookup), covered)))


def _covered(env: Environment, subject: str, host: str, check: Check) -> Iterator[Term]:
    """For each namespace, or pattern of namespaces, that policies name: that it is the service account's and among those of the
    request; and for one that none of them names.
    """
    told = set().union(*texts_of(env, (_NAMESPACES,)).values())
    told |= {n for t in texts_of(env, (f"{host}:sub",)).get(f"{host}:sub", ()) for n in _namespace(t)}
    told = {t for t in told if t and "${" not in t}
    for text in sorted(told):
        yield all_of((_is_in(subject, text), reduce(some(_NAMESPACES, any_of(_covering(text))), check.lookup)))
    ordinary = not_(any_of(Like(_NAMESPACES, tokenize(t, variables=False)) for t in sorted(told)))
    elsewhere = not_(any_of(_is_in(subject, t) for t in sorted(told)))
    yield all_of((elsewhere, reduce(some(_NAMESPACES, ordinary), check.lookup)))


def _namespace(subject: str) -> Iterator[str]:
    """The namespace of the subject of a service account, as far as a text says it."""
    head, _, name = subject.rpartition(":")
    if head.startswith(f"{_SUBJECT}:"):
        yield head.removeprefix(f"{_SUBJECT}:") if name else ""


def _is_in(subject: str, namespace: str) -> Term:
    return Like(subject, tokenize(f"{_SUBJECT}:{namespace}:*", variables=False))


def _covering(namespace: str) -> Iterator[Term]:
    """That a value of the request covers the namespace: it is the same, or a pattern that leaves out one of its ends."""
    yield Like(_NAMESPACES, tokenize(namespace, variables=False))
    for at in range(len(namespace)):
        yield Like(_NAMESPACES, plain(f"{namespace[:at]}*"))
        yield Like(_NAMESPACES, plain(f"*{namespace[at + 1 :]}"))
