"""Resources that no input lists, of a question about resources with wildcards, whose policy somebody controlled may write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.resource_policies import has_resource_policy, may_meet_policy
from iamsim.graph.means import TAKEOVERS, may_do, rows_on, techniques_of
from iamsim.graph.sources import filled
from iamsim.graph.state import SIGNED
from iamsim.graph.takeover import governing
from iamsim.ir.evaluate import evaluate
from iamsim.ir.lower import RESOURCE
from iamsim.ir.term import Like, subterms
from iamsim.judge.candidates import Target
from iamsim.model.arn import parse_arn
from iamsim.model.pattern import Pattern
from iamsim.model.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iamsim.graph.state import Closure
    from iamsim.graph.world import Node

_REGION, _NAME = "us-east-1", "iamsim"


def with_unlisted(closure: Closure, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """`targets`, and single resources for those that stand for all resources of an account that no input lists: of a plain
    name, and of those that the question and the policies of whoever may write the policy of such a resource name.

    In accounts of which somebody may do everything there are none: whoever does may make the request itself.
    """
    search = closure.search
    env, action = search.env, search.action.lower()
    wild = [t for t in targets if t.resource is None and t.holder is None and t.owner in env.accounts]
    wild = [t for t in wild if t.owner not in closure.rulers()]
    if not wild or not may_meet_policy(action):
        return targets
    found: dict[str, Target] = {}
    for technique in techniques_of(search, TAKEOVERS):
        kind = technique.outcome.get("resource").removeprefix("$owned-")
        calls = frozenset(a for v in technique.variants for a in v.actions)
        for target in wild:
            by = [n for n in _of(closure, target.owner) if calls & may_do(search, env, n)]
            for arn in _named(closure, kind, target, by, calls) if by else ():
                single = Target(arn, target.owner)
                meant = has_resource_policy(arn, action) and evaluate(target.domain, {RESOURCE: (arn,)})
                if meant and governing(search, single, kind) is not None:
                    found[arn] = single
    return tuple(dict.fromkeys((*targets, *(found[arn] for arn in sorted(found)))))


def _of(closure: Closure, account: str | None) -> Iterator[Node]:
    return (n for n in closure.nodes.values() if n.caller.kind in SIGNED and n.caller.account == account)


def _named(closure: Closure, kind: str, target: Target, by: list[Node], calls: frozenset[str]) -> Iterator[str]:
    """ARNs that fit the type, the question and what the policies of `by` say of the calls, without wildcards."""
    search = closure.search
    template = search.catalogue.resource_types.get(kind)
    if template is None:
        return
    texts = [filled(template, search.start.partition, target.owner or "*")]
    texts += [t.pattern.text for t in subterms(target.domain) if isinstance(t, Like) and t.var == RESOURCE]
    for node in by:
        principal = search.env.principals.get(node.caller.parent or node.caller.arn or "")
        for policy in principal.policies if principal is not None else ():
            rows = (
                [r for a in sorted(calls) for r in rows_on(search.env, a, policy)] if isinstance(policy, Policy) else []
            )
            elements = [r.statement.resource for r in rows if r.statement.resource is not None]
            texts += [p.text for e in elements for p in e.patterns if isinstance(p, Pattern) and not p.variables]
    arns = [a for a in map(parse_arn, dict.fromkeys(texts)) if a is not None and a.service == texts[0].split(":")[2]]
    regions = dict.fromkeys([_REGION, *(a.region for a in arns if a.region and "*" not in a.region)])
    lasts = dict.fromkeys(a.resource.replace("*", _NAME).replace("?", "x") for a in arns)
    for last in lasts:
        for region in regions if arns[0].region else ("",):
            owner = target.owner if arns[0].account else ""
            yield f"arn:{search.start.partition}:{arns[0].service}:{region}:{owner}:{last}"
