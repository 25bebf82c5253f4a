"""The search over hops against a plain closure over concrete sessions, and its speed on cliques of roles."""

from __future__ import annotations

import random
from itertools import product

import pytest
from page_files import Snapshot

from iamsim import can
from iamsim.env.build import environment_of
from iamsim.graph.search import search
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import targets
from iamsim.judge.judge import Ask

A = "111122223333"
USER = f"arn:aws:iam::{A}:user/u"
OBJECT = "arn:aws:s3:::b/k"
ORDER = ("no", "unknown", "yes")
OF_SESSION = (
    {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    {"StringNotEquals": {"aws:PrincipalTag/team": "red"}},
    {"StringLike": {"aws:userid": "*:ss"}},
    {"StringEquals": {"aws:SourceIdentity": "ann"}},
    {"Null": {"aws:SourceIdentity": "true"}},
)
OF_CALL = (
    {"StringEquals": {"sts:RoleSessionName": "ss"}},
    {"StringEquals": {"sts:RoleSessionName": "tt"}},
    {"StringEquals": {"aws:RequestTag/team": "red"}},
    {"StringEquals": {"sts:SourceIdentity": "ann"}},
    {"Null": {"sts:SourceIdentity": "true"}},
    {"Null": {"aws:TagKeys": "true"}},
    {"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "team"}},
    {"Null": {"sts:TransitiveTagKeys": "true"}},
)
CALLS = (
    "sts:AssumeRole",
    "sts:*",
    "sts:TagSession",
    ["sts:AssumeRole", "sts:TagSession"],
    ["sts:AssumeRole", "sts:SetSourceIdentity"],
)


def role_arn(name):
    return f"arn:aws:iam::{A}:role/{name}"


def session_arn(name, session):
    return f"arn:aws:sts::{A}:assumed-role/{name}/{session}"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions, **more):
    return {"Effect": "Allow", "Action": actions, **more}


def conditioned(rng, statement, pool, numbers):
    found = {}
    for condition in rng.sample(pool, rng.choice(numbers)):
        for operator, keys in condition.items():
            found.setdefault(operator, {}).update(keys)
    return {**statement, "Condition": found} if found else statement


def small(rng):
    """A user, two roles and a bucket, with conditions over few values."""
    s, roles = Snapshot(), ("q", "p")
    s.identity("user", "u", document(allow("sts:*", Resource="*")) if rng.random() < 0.5 else None)
    for number, name in enumerate(roles):
        statements = []
        for _ in range(rng.choice((1, 2, 2, 3))):
            others = [role_arn(rng.choice(roles)), role_arn(rng.choice(roles)), session_arn(rng.choice(roles), "ss"), A]
            who = rng.choice([USER if number == 0 or rng.random() < 0.3 else others[0], *others])
            effect = "Deny" if rng.random() < 0.12 else "Allow"
            made = {"Effect": effect, "Principal": {"AWS": who}, "Action": rng.choice(CALLS)}
            statements.append(conditioned(rng, made, (*OF_SESSION, *OF_CALL), (0, 1, 1, 2)))
        tags = {"team": rng.choice(("green", "red"))} if rng.random() < 0.3 else None
        s.identity("role", name, document(allow("sts:*", Resource="*")) if rng.random() < 0.5 else None, tags=tags)
        s.trust(f"role/{name}", document(*statements))
    who = rng.choice((role_arn("p"), session_arn("p", "ss"), role_arn("q"), session_arn("q", "tt")))
    grant = allow("s3:GetObject", Principal={"AWS": who}, Resource="arn:aws:s3:::b/*")
    s.resource("arn:aws:s3:::b", document(conditioned(rng, grant, OF_SESSION, (0, 1, 1, 2))))
    return environment_of(s.files())


class Closure:
    """All concrete sessions that the user can obtain, by direct questions about single requests."""

    def __init__(self, env):
        self.env, self.known = env, {}
        self.roles = sorted(p.name for p in env.principals.values() if p.arn != USER)
        self.own = {n: dict(env.principals[role_arn(n)].tags).get("team") for n in self.roles}

    def ask(self, who, action, resource, context):
        key = (who, action, resource, repr(sorted(context.items())))
        if key not in self.known:
            answer = can(self.env, who, action, resource, context=context, via="direct", strict=True)
            self.known[key] = ORDER.index(answer.verdict.value)
        return self.known[key]

    def hop(self, state, role, call):
        """How sure it is that a session obtains the role by this call."""
        name, tag, passed_on, identity = call
        held, before = (False, None) if state is None else state[3:]
        if (tag and held) or (passed_on and not tag) or (identity and before):
            return 0
        context = {"sts:RoleSessionName": name}
        if tag:
            context |= {"aws:RequestTag/team": tag, "aws:TagKeys": ["team"]}
        if passed_on:
            context["sts:TransitiveTagKeys"] = ["team"]
        if identity:
            context["sts:SourceIdentity"] = identity
        who, arn = described(state), role_arn(role)
        sure = self.ask(who, "sts:AssumeRole", arn, context)
        tagging, setting = (self.ask(who, f"sts:{a}", arn, context) for a in ("TagSession", "SetSourceIdentity"))
        sure = min(sure, tagging) if tag else sure
        sure = min(sure, setting) if identity else sure
        # the permission is needed for what is only inherited, too, or it is not (X25)
        return min(sure, max(tagging, 1) if held else 2, max(setting, 1) if before else 2)

    def verdict(self):
        best, todo, result = {None: 2}, [None], 0
        calls = list(product(("ss", "tt"), (None, "red", "blue"), (False, True), (None, "ann", "bob")))
        while todo:
            state = todo.pop(0)
            if state is not None:
                result = max(result, min(best[state], self.ask(described(state), "s3:GetObject", OBJECT, {})))
            for role, call in product(self.roles, calls):
                sure = min(best[state], self.hop(state, role, call))
                new = after(state, role, call, self.own[role])
                if sure > best.get(new, 0):
                    best[new] = sure
                    todo.append(new)
        return ORDER[result]


def described(state):
    if state is None:
        return "user/u"
    role, name, tag, held, identity = state
    parts = [f"session={name}", f"tag.team={tag}" if tag else "", "transitive=team" if held else ""]
    parts.append(f"source-identity={identity}" if identity else "")
    return f"role/{role}?" + "&".join(p for p in parts if p)


def after(state, role, call, own):
    """The session that a call makes: role, name, tag, whether it is transitive, source identity."""
    name, tag, passed_on, identity = call
    held, before = (False, None) if state is None else state[3:]
    return (role, name, state[2] if held else tag or own, held or passed_on, before or identity)


@pytest.mark.parametrize("seed", range(24))
def test_the_search_agrees_with_the_closure_over_concrete_sessions(seed):
    env = small(random.Random(seed))
    assert can(env, "user/u", "s3:GetObject", OBJECT, via="roles").verdict == Closure(env).verdict()


def clique(size, *, calls="sts:AssumeRole", entry=None, goal=None, condition=None):
    """Roles that all trust each other, the first one the user too, the last one with a right to the bucket."""
    s, names = Snapshot(), [f"r{n:02d}" for n in range(size)]
    s.identity("user", "u")
    s.resource("arn:aws:s3:::b", None)
    for name in names:
        trusted = allow(calls, Principal={"AWS": [role_arn(n) for n in names]})
        statements = [{**trusted, "Condition": condition} if condition else trusted]
        if name == names[0]:
            entering = allow(calls, Principal={"AWS": USER})
            statements.append({**entering, "Condition": entry} if entry else entering)
        s.trust(f"role/{name}", document(*statements))
    if goal is not None:
        right = allow("s3:GetObject", Resource="*")
        s.identity("role", names[-1], document({**right, "Condition": goal} if goal else right))
    return environment_of(s.files())


SET, TAG = ["sts:AssumeRole", "sts:SetSourceIdentity"], ["sts:AssumeRole", "sts:TagSession"]
ANN = {"StringEquals": {"aws:SourceIdentity": "ann"}}
RED = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
FORCED = {
    "StringEquals": {"aws:RequestTag/team": "blue"},
    "ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": "team"},
}


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ("no", {}),
        ("yes", {"goal": {}}),
        ("yes", {"calls": SET, "goal": ANN}),
        ("no", {"calls": SET, "goal": ANN, "entry": {"StringEquals": {"sts:SourceIdentity": "bob"}}}),
        ("yes", {"calls": TAG, "goal": RED}),
        ("no", {"goal": RED}),
        ("no", {"calls": TAG, "goal": RED, "entry": FORCED}),
        ("no", {"goal": {}, "condition": {"StringLike": {"aws:userid": "*:a"}}}),
    ],
)
def test_a_clique_is_decided_without_walking_all_its_paths(expected, options):
    answer = can(clique(12, **options), "user/u", "s3:GetObject", OBJECT)
    assert (answer.verdict, answer.reasons) == (expected, ())


def test_the_shortest_path_is_found():
    answer = can(clique(6, goal={}), "user/u", "s3:GetObject", OBJECT, via="roles")
    assert [h.target for h in answer.path] == [role_arn("r00"), role_arn("r05")]


def searched(env, caller):
    (who,) = read_callers(env, caller)
    found = targets(env, "s3:GetObject", OBJECT, who.account, any_resource=False, owner=None, closed=False)
    return search(Ask(env=env), who, "s3:GetObject", found)


def test_a_search_says_what_it_considered():
    env = clique(3)
    refuted = searched(env, "user/u")
    assert (refuted.route, refuted.reasons) == (None, ())
    assert refuted.reached == tuple(role_arn(f"r0{n}") for n in range(3))
    assert len(refuted.refuted) == 3
    assert searched(env, "anonymous").reached == ()
    assert searched(env, f"{A}:root").reached == ()
