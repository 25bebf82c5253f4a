"""Which of many actions are worth a check: one of each class that nothing tells apart, those that a policy grants first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.actions import action_info, fits
from iamsim.aws.resource_policies import has_resource_policy
from iamsim.env.facts import principal_at
from iamsim.env.granted import granted_actions
from iamsim.env.types import MissingPolicy
from iamsim.ir.lower import normal_arn
from iamsim.ir.term import variables
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.env.types import Environment
    from iamsim.judge.judge import Ask
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy

    Documents = list[Policy | MissingPolicy | None]

_FEW = 40
_NAMED = (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER)


def suiting_actions(actions: tuple[str, ...], resource: str, *, any_resource: bool) -> tuple[str, ...]:
    """The actions of `actions` that can be asked about `resource`, at least one: the first, which then tells what is wrong.

    An action without resource types is about no single resource. So it is asked, about `*`, where no other of several suits.
    """
    if any_resource or resource == "*" or len(actions) == 1:
        return actions
    arn = normal_arn(resource)
    about = tuple(a for a in actions if not _wildcard_only(a) and fits(a, arn) is not False)
    return about or tuple(a for a in actions if _wildcard_only(a)) or actions[:1]


def possible_actions(
    ask: Ask, caller: Caller, actions: tuple[str, ...], resource: str, *, via: str, any_resource: bool
) -> tuple[str, ...]:
    """Actions of which one may be allowed on `resource` iff one of `actions` may be; at least one.

    Few actions are returned as they are. Of many, one of each class that no policy and no rule of AWS tells apart; first
    those of which an Allow speaks, then those that may be allowed all the same: by a resource policy that no input holds
    or, unless `via` is direct, by what somebody else may do or change.
    """
    if len(actions) <= _FEW:
        return actions
    from iamsim.query.what_classes import alike

    bits = 0
    for action in actions:
        bits |= _bit(action)
    policies = _policies(ask, caller, via)
    granted = _granted(ask, caller, policies)
    documents = ask.documents
    apart = [*policies, *_ceilings(ask.env), *(documents.session or ()), *(p for _, p in documents.endpoints)]
    keys = frozenset(ask.given) | variables(ask.when) | _keys(ask.env, apart)
    first: list[str] = []
    others: list[str] = []
    for members in alike(bits, apart, caller, lambda _: keys):
        for action in _by_grants(ask.env, members):
            if granted & _bit(action):
                first.append(action)
            elif via != "direct" or _unread(ask, action, resource, any_resource=any_resource):
                others.append(action)
    return (*first, *others) or actions[:1]


def _bit(action: str) -> int:
    from iamsim.aws.universe import bits_of

    return bits_of(action.lower())


def _keys(env: Environment, policies: Documents) -> frozenset[str]:
    from iamsim.judge.problem import keys_read

    return frozenset(keys_read(env, policies))


def _wildcard_only(action: str) -> bool:
    info = action_info(action)
    return info is not None and info.wildcard_only


def _policies(ask: Ask, caller: Caller, via: str) -> Documents:
    """The policies that may allow something to the caller or, unless `via` is direct, to anybody."""
    env = ask.env
    out: Documents = [r.policy for r in env.resources.values()]
    out += [p.trust for p in env.principals.values()]
    if via != "direct":
        for other in env.principals.values():
            out += [*other.policies, other.boundary]
        for group in env.groups.values():
            out += group.policies
        out += env.managed_policies.values()
        out += [v.policy for versions in env.versions.values() for v in versions]
        return out
    principal = principal_at(env, _own(caller)) if _own(caller) else None
    if principal is not None:
        out += [*principal.policies, principal.boundary]
        for name in principal.groups:
            held = env.groups.get(name)
            out += held.policies if held is not None else (MissingPolicy(name, principal.origin),)
    return out


def _own(caller: Caller) -> str:
    """The ARN of the user or role whose policies the caller has; empty if there is none."""
    return (caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn) or ""


def _granted(ask: Ask, caller: Caller, policies: Documents) -> int:
    """The actions that may be allowed by what is loaded, or to which the caller needs no permission."""
    from iamsim.aws.universe import universe
    from iamsim.query.what_classes import free_actions

    own = _own(caller)
    unlimited = caller.kind is CallerKind.ROOT or own.endswith(":root")
    if unlimited or (caller.kind in _NAMED and principal_at(ask.env, own) is None and ask.missing != "closed"):
        return universe().all
    return granted_actions(policies) | free_actions(caller)


def _ceilings(env: Environment) -> Iterator[Policy | MissingPolicy | None]:
    yield from (e.policy for e in env.endpoints.values())
    stack = [o.root for o in env.organizations]
    while stack:
        node = stack.pop()
        yield from (*node.scps, *node.rcps)
        stack += node.children


def _by_grants(env: Environment, members: tuple[str, ...]) -> list[str]:
    """The first of a class, and those of which KMS grants speak, which are no policies."""
    granted = {f"kms:{op}".lower() for r in env.resources.values() for g in r.kms_grants or () for op in g.operations}
    return [a for n, a in enumerate(members) if n == 0 or a.lower() in granted]


def _unread(ask: Ask, action: str, resource: str, *, any_resource: bool) -> bool:
    """Whether an action of which no Allow speaks may be granted by what no input tells, or not be granted by IAM at all."""
    if action.lower().startswith(("elasticfilesystem:client", "kms:")):
        return True
    if ask.missing == "closed" or (_wildcard_only(action) and not any_resource):
        return False
    wild = "*" in resource or "?" in resource
    return wild or ask.missing == "strict" or has_resource_policy(normal_arn(resource), action)
