"""Choices that are not in the environment: names of new principals, policies to attach, boundaries."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from iamsim.env.memo import Memo, once
from iamsim.env.overlay import Overlay
from iamsim.env.types import MissingPolicy
from iamsim.env.versions import managed_policy_of
from iamsim.graph.bundled import bundled_for, bundled_like, in_partition
from iamsim.graph.permitted import actions_of, permitted
from iamsim.graph.policies import every_policy
from iamsim.graph.variables import names_in_place
from iamsim.ir.term import all_of, not_
from iamsim.model.pattern import Pattern, match, tokenize
from iamsim.model.policy import Malformed
from iamsim.theory.globs import Found, GlobAtom, solve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.env.types import Environment, Principal
    from iamsim.graph.solved import Calls
    from iamsim.graph.world import Node, Search
    from iamsim.model.policy import Policy, Statement

ADMINISTRATOR = "policy/AdministratorAccess"
FRESH = "iamsim-new"


def administrator(partition: str) -> str:
    """The ARN of AWS's AdministratorAccess, which every account has."""
    return f"arn:{partition}:iam::aws:{ADMINISTRATOR}"


def texts_of(env: Environment, keys: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """For each condition key with one of the prefixes `keys`: the values with which policies compare it."""

    def made() -> Mapping[str, tuple[str, ...]]:
        every = once(env.memo, "texts", _every_text, env)
        return {k: v for k, v in every.items() if k.startswith(keys)}

    return once(env.memo, ("tag-values", keys), made)


def _every_text(env: Environment) -> Mapping[str, tuple[str, ...]]:
    out: dict[str, set[str]] = {}
    for policy in every_policy(env):
        for s in policy.statements:
            for c in s.conditions:
                out.setdefault(c.key.lower(), set()).update(c.values)
            for v in _variables(s):
                out.setdefault(v, set())
    return {k: tuple(sorted(v)) for k, v in sorted(out.items())}


def _variables(statement: Statement) -> Iterator[str]:
    patterns = () if statement.resource is None else statement.resource.patterns
    for p in patterns:
        if isinstance(p, Pattern):
            yield from (v.key for v in p.variables)
    for text in (v for c in statement.conditions for v in c.values if "${" in v):
        yield from (v.key for v in tokenize(text).variables)


def example(text: str) -> str:
    """A text that fits the pattern."""
    return text.replace("*", "x").replace("?", "x")


def new_principals(
    search: Search, env: Environment, node: Node, name: str, actions: tuple[str, ...], instead: str | None = None
) -> Iterator[str]:
    """ARNs of users or roles that do not exist yet: an ordinary one, those that policies of the environment name or test
    with `aws:PrincipalArn` before any change, one for each pattern on which the caller may create, users for whom policy
    variables speak of what is there, those that the question asks for, and where the node may do the actions on none of
    these that a policy asks for, others. `instead` is the user who gets the name, and whose own it may be with another path.
    """
    from iamsim.graph.solved import solved_names

    kind = name.removeprefix("$new-")
    taken = _taken_names(env, kind, node.caller.account) - {(instead or "").rpartition("/")[2].lower()}
    every, _ = _spoken_of(search, env, node, kind)
    plain = [a for a in (*every, *_asked(search, node, kind)) if a.rpartition("/")[2].lower() not in taken]
    yield from plain
    yield from solved_names(search, tuple((a, env, node) for a in actions), _head(node, kind), plain, taken)


def names_between(search: Search, calls: Calls, name: str, plain: Iterable[str]) -> tuple[str, ...]:
    """As the last ones of `new_principals`, where each call is made by one of several."""
    from iamsim.graph.solved import solved_names

    _, env, node = calls[0]
    kind = name.removeprefix("$new-")
    return solved_names(search, calls, _head(node, kind), plain, _taken_names(env, kind, node.caller.account))


def renewed(search: Search, env: Environment, node: Node, name: str, before: str) -> Iterator[str]:
    """ARNs under which the user or role `before` may be created again: those for which something asks by its very name.

    Where any name under a path will do, a new one is not worse.
    """
    kind, own = name.removeprefix("$new-"), before.rpartition("/")[2]
    _, by_name = _spoken_of(search, env, node, kind)
    asked = (a for a in _asked(search, node, kind) if a.rpartition("/")[2] == own)
    yield from (a for a in dict.fromkeys((*by_name.get(own, ()), *asked)) if a != before)


def names_renewed(search: Search, env: Environment, node: Node, kind: str) -> frozenset[str]:
    """The names of the users or roles that have other ARNs under which they may be `renewed`, and perhaps of others."""
    _, by_name = _spoken_of(search, env, node, kind)
    return frozenset((*by_name, *(a.rpartition("/")[2] for a in _asked(search, node, kind))))


def _asked(search: Search, node: Node, kind: str) -> Iterator[str]:
    """The ARNs for which the question asks, beyond those that are spoken of."""
    head = _head(node, kind)
    return (a for a in sorted(search.fresh) if a.startswith(head) and not a.endswith("/" + FRESH))


def _head(node: Node, kind: str) -> str:
    return f"arn:{node.caller.partition}:iam::{node.caller.account}:{kind}/"


def _spoken_of(
    search: Search, env: Environment, node: Node, kind: str
) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    """What the name of a new user or role can be, taken or not, and the same by the names at the ends of the ARNs."""
    from iamsim.graph.unbound import administrators

    head, own = _head(node, kind), tuple(dict.fromkeys((*allowed_patterns(env, node), *passed_patterns(search, node))))
    free, memo = (node.caller.arn or "") in administrators(search.env, node.caller.account), search.env.memo

    def made() -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
        texts = once(memo, "named-principals", _named_by_policies, search.env)
        told = once(memo, ("named-principals", head), _named, texts, head)
        found = (head + FRESH, *told, *_named(own, head), *_by_variables(search, head, _paths(own, head), free=free))
        every = tuple(dict.fromkeys(a for a in found if a.startswith(head) and "${" not in a))
        by_name: dict[str, list[str]] = {}
        for arn in every:
            by_name.setdefault(arn.rpartition("/")[2], []).append(arn)
        return every, {n: tuple(arns) for n, arns in by_name.items()}

    return once(memo, ("spoken-of", head, own, free), made)


def _taken_names(env: Environment, kind: str, account: str | None) -> frozenset[str]:
    """The names of users or roles of an account, in lower case: no second one may differ in case or path alone.

    Source: IAM User Guide, "IAM and AWS STS quotas", name requirements.
    """
    every, memo = env.principals, env.memo
    if isinstance(every, Overlay) and isinstance(memo, Memo):
        before = replace(env, principals=every.base, memo=memo.parent)
        added = _names_among(every.top).get((kind, account), frozenset())
        return _taken_names(before, kind, account) | added
    return once(memo, "taken-names", _names_among, every).get((kind, account), frozenset())


def _names_among(principals: Mapping[str, Principal]) -> Mapping[tuple[str, str | None], frozenset[str]]:
    """The names by kind and account."""
    out: dict[tuple[str, str | None], set[str]] = {}
    for p in principals.values():
        out.setdefault((p.kind.value, p.account), set()).add(p.name.lower())
    return {at: frozenset(names) for at, names in out.items()}


def _named_by_policies(env: Environment) -> tuple[str, ...]:
    names = {
        t for ts in texts_of(env, ("aws:principalarn", "aws:username", "kms:granteeprincipal")).values() for t in ts
    }
    for policy in every_policy(env):
        for s in policy.statements:
            for e in s.principal.entries if s.principal is not None else ():
                if not isinstance(e, Malformed) and e.type == "AWS":
                    names.add(e.value)
    return tuple(sorted(names))


def told_by_name(env: Environment, arn: str) -> bool:
    """Whether some policy tells the user or role from a new one of its account by its name, be it under another path."""
    patterns = once(env.memo, "telling-names", _telling, env)
    new = f"{arn.partition('/')[0]}/{FRESH}"
    return any(match(p, arn) and not match(p, new) for p in patterns)


_VARIABLE = re.compile(r"\$\{[^}]*\}")


def plain_of(text: str) -> str:
    """The text with `*` for each of its variables."""
    return _VARIABLE.sub("*", text)


def _telling(env: Environment) -> tuple[Pattern, ...]:
    """The patterns of ARNs and names of users and roles in policies, in which variables may stand for anything."""
    texts = {t if ":" in t else f"*/{t}" for t in _named_by_policies(env)}
    for policy in every_policy(env):
        for s in policy.statements:
            patterns = s.resource.patterns if s.resource is not None else ()
            texts.update(p.text for p in patterns if isinstance(p, Pattern) and (":iam:" in p.text or ":*:" in p.text))
    plain = {plain_of(t) for t in texts}
    names = {f"*/{t.rpartition('/')[2]}" for t in plain if "/" in t}
    return tuple(tokenize(t, variables=False) for t in sorted(plain | names))


def _named(texts: Iterable[str], head: str) -> tuple[str, ...]:
    """The ARNs, beginning with `head`, of users or roles that the texts name."""
    return tuple(dict.fromkeys(_each_named(texts, head)))


def _each_named(texts: Iterable[str], head: str) -> Iterator[str]:
    for text in texts:
        if text.startswith("arn:"):
            fields = text.split(":", 5)
            if len(fields) == 6 and fields[5].startswith(head.rpartition(":")[2]):
                fields[1], fields[4] = head.split(":")[1], head.split(":")[4]
                yield ":".join([*fields[:5], example(fields[5])]).replace("x/x", "x")
                continue
            if len(fields) == 6 and fields[5].startswith("assumed-role/") and head.endswith(":role/"):
                yield head + example(fields[5].split("/")[1])
                continue
        name = example(text.rpartition("/")[2].rpartition(":")[2])
        if name and name.replace("x", "") and "${" not in text and len(name) <= _NAME:
            yield head + name


def _paths(allowed: Iterable[str], head: str) -> tuple[str, ...]:
    """The beginnings of ARNs of users or roles that the caller may create: without a path, and with those it is bound to."""
    begun = (t.rpartition("/")[0] + "/" for t in allowed if t.startswith(head))
    return tuple(dict.fromkeys((head, *(p for p in begun if not set("*?$") & set(p)))))


def _by_variables(search: Search, head: str, paths: tuple[str, ...], *, free: bool) -> Iterator[str]:
    """Users with the names that policy variables ask for; identity policies aside where the caller can write any anyway."""
    if not head.endswith(":user/"):
        return
    for identity in (False,) if free else (False, True):
        yield from (p + n for n in names_in_place(search.env, identity=identity) for p in paths)


def users_asked(env: Environment, node: Node, names: tuple[str, ...]) -> Iterator[str]:
    """ARNs of new users with those of the names that are not taken, under each path that the node may use."""
    head = f"arn:{node.caller.partition}:iam::{node.caller.account}:user/"
    taken = _taken_names(env, "user", node.caller.account)
    free = [n for n in names if n.lower() not in taken]
    yield from (p + n for n in free for p in _paths(allowed_patterns(env, node), head))


_NAME = 64
"""The length of the name of a user or role at most. Source: IAM User Guide, "IAM and AWS STS quotas"."""


def allowed_patterns(env: Environment, node: Node) -> Iterator[str]:
    """The resource patterns of the node's own policies."""
    principal = env.principals.get(node.caller.arn or "")
    groups = [env.groups[g] for g in principal.groups if g in env.groups] if principal is not None else []
    policies = [*(principal.policies if principal is not None else ()), *(p for g in groups for p in g.policies)]
    yield from _patterns(p for p in policies if not isinstance(p, MissingPolicy))


def passed_patterns(search: Search, node: Node) -> Iterator[str]:
    """The resource patterns of the session policies that the question passes, if the node is the session that has them."""
    if node.caller is search.start:
        yield from _patterns(search.ask.documents.session or ())


def _patterns(policies: Iterable[Policy]) -> Iterator[str]:
    for s in (s for policy in policies for s in policy.statements):
        for p in s.resource.patterns if s.resource is not None else ():
            if isinstance(p, Pattern):
                yield p.text


def new_policies(search: Search, node: Node) -> Iterator[str]:
    """ARNs of customer managed policies that do not exist yet and that conditions on attached policies or boundaries admit: one
    for each pattern of such a condition, one for each on which the caller may create, and one of which no condition speaks.
    """
    from iamsim.graph.solved import may_be, meets, named, solved

    env = search.env
    head = f"arn:{node.caller.partition}:iam::{node.caller.account}:policy/"
    asked = [t for ts in texts_of(env, ("iam:policyarn", "iam:permissionsboundary")).values() for t in ts]
    seen = dict.fromkeys(_by_patterns(search, node, head, asked))
    yield from seen
    demands, calls = [named(t) for t in dict.fromkeys(asked)], (("iam:CreatePolicy", env, node),)
    for demand in (*demands, all_of(not_(d) for d in demands)) if asked else ():
        if any(may_be(search, calls, a) for a in seen if meets(demand, a)):
            continue
        for arn in solved(search, calls, head, demand):
            if arn not in env.managed_policies and _fit_policy(arn.removeprefix(head)):
                seen[arn] = None
                yield arn


def _by_patterns(search: Search, node: Node, head: str, asked: list[str]) -> Iterator[str]:
    """One for each pattern of a condition with each on which the caller may create."""
    env = search.env
    every = (*allowed_patterns(env, node), *passed_patterns(search, node))
    allowed = [t for t in every if t == "*" or ":policy/" in t]
    for text in asked:
        for other in (head + "*", *allowed):
            found = solve([GlobAtom(tokenize(t, variables=False)) for t in dict.fromkeys((text, other, head + "*"))], [],
                          budget=2000, allowed=_POLICY_NAME)  # fmt: skip
            arn = found.text if isinstance(found, Found) else ""
            if arn and arn not in env.managed_policies and _fit_policy(arn.removeprefix(head)):
                yield arn


_POLICY_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-/:"


def _fit_policy(name: str) -> bool:
    return bool(name) and ":" not in name and "//" not in name and not name.startswith("/") and len(name) <= _LONGEST


_LONGEST = 128
"""The length of the name of a managed policy at most. Source: IAM User Guide, "IAM and AWS STS quotas"."""


def granting_policies(search: Search, env: Environment, node: Node) -> Iterator[str]:
    """Managed policies to attach: AdministratorAccess, the account's own, those of AWS that conditions name, and where
    conditions choose among policies those of AWS that allow the action asked about.
    """
    yield administrator(node.caller.partition)
    yield from _in_order(search, env, node, "iam:policyarn")


def is_picky(env: Environment) -> bool:
    """Whether some policy of the environment tells managed policies apart, so that it matters what each of them allows."""
    return bool(texts_of(env, ("iam:policyarn", "iam:permissionsboundary")))


def boundaries(search: Search, env: Environment, node: Node, *, new: bool) -> Iterator[str]:
    """Boundaries to set: none for a new principal, else AdministratorAccess; then as `granting_policies`."""
    if new:
        yield ""
    yield administrator(node.caller.partition)
    yield from _in_order(search, env, node, "iam:permissionsboundary")


def _in_order(search: Search, env: Environment, node: Node, key: str) -> Iterator[str]:
    """What conditions on the key choose among, the widest first."""
    own = _choices(search, env, node, (key,))
    if not is_picky(search.env):
        yield from own
        return
    fitting = (in_partition(node.caller.partition, a) for a in bundled_for(search.env, search.action.lower()))
    yield from sorted(dict.fromkeys((*own, *fitting)), key=lambda a: _breadth(search, env, a))


def _breadth(search: Search, env: Environment, policy: str) -> tuple[bool, int]:
    """A number that is the less, the more of what techniques call a managed policy allows, what is asked about before all."""
    asked, actions = frozenset({search.action.lower()}), actions_of(search.env, search.catalogue)
    found = (managed_policy_of(env, policy),)
    return not permitted(env, found, asked), -len(permitted(env, found, actions))


def _choices(search: Search, env: Environment, node: Node, keys: tuple[str, ...]) -> Iterator[str]:
    own = once(search.env.memo, ("own-policies", node.caller.account), _own_policies, env, node.caller.account)
    named = [t for ts in texts_of(search.env, keys).values() for t in ts]
    bundled = any(":iam::aws:" in t or ("*" in t and ":policy/" in t) for t in named)
    seen = {administrator(node.caller.partition)}
    aws = (in_partition(node.caller.partition, a) for a in (bundled_like(search, named) if bundled else ()))
    for arn in (*own, *aws):
        if arn not in seen:
            seen.add(arn)
            yield arn


def _own_policies(env: Environment, account: str | None) -> tuple[str, ...]:
    """The customer managed policies of an account, which changes leave as they are."""
    return tuple(a for a in env.managed_policies if f":iam::{account}:" in a)
