"""The role-assumption graph: its nodes, its edges by the existing checks, and the questions that networkx answers."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import pytest
from page_files import Snapshot

from iamsim.env.build import environment_of, load
from iamsim.graph.edges import edges_from
from iamsim.graph.links import role_links, technique_links
from iamsim.graph.nodes import describe, outsiders, providers, services
from iamsim.graph.roles import (
    Link,
    between,
    certain,
    choke_points,
    cycles,
    is_admin,
    of_account,
    reachable_from,
    reaching,
    role_graph,
)
from iamsim.ir.term import FALSE, TRUE
from iamsim.judge.callers import caller_of
from iamsim.judge.judge import Ask
from iamsim.report.term_text import term_text

A, B, C, D = "111122223333", "444455556666", "999988887777", "222211110000"
ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
GITHUB = f"arn:aws:iam::{A}:oidc-provider/token.actions.githubusercontent.com"
SAML = f"arn:aws:iam::{A}:saml-provider/idp"


def allow(action, resource="*", **more):
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": resource, **more}}


def trust(principal, action="sts:AssumeRole", **condition):
    statement = {"Sid": "T", "Effect": "Allow", "Principal": principal, "Action": action}
    return {"Version": "2012-10-17", "Statement": [{**statement, **({"Condition": condition} if condition else {})}]}


def role(name, account=A):
    return f"arn:aws:iam::{account}:role/{name}"


def user(name, account=A):
    return f"arn:aws:iam::{account}:user/{name}"


def web(**condition):
    return trust({"Federated": GITHUB}, "sts:AssumeRoleWithWebIdentity", **condition)


@pytest.fixture(scope="module")
def env():
    s = Snapshot()
    s.identity("user", "root-like", ALL)
    s.identity("user", "idle")
    s.identity("user", "narrow", allow("sts:AssumeRole", role("mfa")))
    s.identity("role", f"{B}:far", allow("sts:*"))
    s.identity("role", "one", allow("sts:AssumeRole", role("two")))
    s.identity("role", "two", allow("sts:AssumeRole", role("one")))
    s.boundary("role/two", allow("sts:*"))
    s.trust("role/one", trust({"AWS": A}))
    s.trust("role/two", trust({"AWS": A}))
    s.trust("role/mfa", trust({"AWS": A}, Bool={"aws:MultiFactorAuthPresent": "true"}))
    s.trust("role/never", trust({"AWS": A}, StringEquals={"aws:PrincipalAccount": B}))
    tag = {"StringEquals": {"aws:RequestTag/team": "red"}}
    s.trust("role/tagged", trust({"AWS": user("idle")}, ["sts:AssumeRole", "sts:TagSession"], **tag))
    s.trust("role/untaggable", trust({"AWS": user("idle")}, **tag))
    s.trust("role/function", trust({"Service": "Lambda.amazonaws.com"}))
    s.trust("role/github", web(StringLike={"token.actions.githubusercontent.com:sub": "repo:acme/*"}))
    s.trust("role/saml", trust({"Federated": SAML}, "sts:AssumeRoleWithSAML"))
    s.trust("role/open", trust("*"))
    s.trust("role/organization", trust("*", StringEquals={"aws:PrincipalOrgID": "o-acme"}))
    s.trust("role/other-organizations", trust("*", StringNotEquals={"aws:PrincipalOrgID": "o-acme"}))
    s.trust("role/by-name", trust("*", ArnLike={"aws:PrincipalArn": "arn:aws:iam::*:role/deploy/*"}))
    s.trust("role/by-name-of-a", trust("*", ArnLike={"aws:PrincipalArn": f"arn:aws:iam::{A}:role/*"}))
    s.trust("role/account-c", trust({"AWS": f"arn:aws:iam::{C}:root"}, StringEquals={"sts:ExternalId": "x1"}))
    s.trust("role/account-d", trust("*", StringEquals={"aws:PrincipalAccount": D}))
    s.trust("role/role-c", trust({"AWS": role("partner", C)}))
    s.trust("role/user-c", trust({"AWS": user("partner", C)}))
    s.identity("role", "service-linked", path="/aws-service-role/lambda.amazonaws.com/", tags={"k": "v"})
    return environment_of(s.files())


@pytest.fixture(scope="module")
def ask(env):
    return Ask(env=env)


@pytest.fixture(scope="module")
def graph(ask):
    return role_graph(ask, role_links(ask))


def edge(graph, source, target):
    found = graph.get_edge_data(source, target)
    assert found is None or len(found) == 1
    return None if found is None else next(iter(found.values()))


def sure(graph, source, target):
    found = edge(graph, source, target)
    return None if found is None else found["sure"]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (user("root-like"), role("one"), True),
        (user("idle"), role("one"), None),
        (user("narrow"), role("mfa"), True),
        (user("root-like"), role("never"), None),
        (user("idle"), role("tagged"), True),
        (user("idle"), role("untaggable"), None),
        (role("one"), role("two"), True),
        (role("far", B), role("one"), None),
        (role("far", B), role("never"), None),
        (role("far", B), role("open"), True),
        (user("idle"), role("open"), True),
        ("lambda.amazonaws.com", role("function"), True),
        ("lambda.amazonaws.com", role("one"), None),
        (GITHUB, role("github"), True),
        (GITHUB, role("saml"), None),
        (SAML, role("saml"), True),
        ("anyone", role("open"), True),
        ("anyone", role("organization"), None),
        ("anyone", role("other-organizations"), True),
        ("anyone", role("one"), None),
        ("anyone", role("by-name"), True),
        ("anyone", role("by-name-of-a"), None),
        (f"account {C}", role("account-c"), True),
        (f"account {C}", role("open"), None),  # anyone says so
        (f"account {D}", role("account-d"), True),
        (f"account {C}", role("account-d"), None),
        ("anyone", role("account-d"), None),
        (role("partner", C), role("role-c"), False),
        (user("partner", C), role("user-c"), False),
        (user("root-like"), role("partner", C), False),
        (user("root-like"), f"account {C}", False),
    ],
)
def test_edges(graph, source, target, expected):
    assert sure(graph, source, target) is expected


def test_a_role_session_has_no_mfa_so_the_edge_is_of_users_only(graph):
    assert sure(graph, role("far", B), role("mfa")) is None
    assert {u for u, _ in graph.in_edges(role("mfa"))} == {user("narrow"), user("root-like")}


def test_hops_are_those_of_the_search(env, ask):
    mine = {(k.source, k.target): k.sure for k in role_links(ask) if k.kind == "assume" and k.source in env.principals}
    theirs = {}
    for arn, principal in env.principals.items():
        found = edges_from(ask, caller_of(env, principal), "" if principal.kind == "user" else arn, "*")
        for target, e in found.items():
            known = target if "some-role" not in target else f"account {target.split(':')[4]}"
            theirs[arn, known] = e.sure
    assert mine == theirs


@pytest.mark.parametrize("missing", ["assume", "strict", "closed"])
def test_hops_of_acme_are_those_of_the_search(missing):
    env = load("corpus/organizations/acme/snapshot")
    ask = Ask(env=env, missing=missing)
    mine = {(k.source, k.target): k.sure for k in role_links(ask) if k.kind == "assume" and k.source in env.principals}
    theirs = {}
    for arn, principal in env.principals.items():
        found = edges_from(ask, caller_of(env, principal), "" if principal.kind == "user" else arn, "*")
        theirs.update({(arn, t): e.sure for t, e in found.items() if "some-role" not in t})
    assert {k: v for k, v in mine.items() if not k[1].startswith("account ")} == theirs


def test_what_an_edge_says(graph):
    found = edge(graph, GITHUB, role("github"))
    assert (found["technique"], found["kind"]) == ("sts-web-identity-wide-trust", "trust")
    assert term_text(found["guard"]) == 'token.actions.githubusercontent.com:sub like "repo:acme/*"'
    assert any("trust" in s for s in found["statements"])
    hop = edge(graph, user("narrow"), role("mfa"))
    assert (hop["technique"], hop["kind"]) == ("sts-assume-role", "assume")
    assert term_text(hop["guard"]) == 'aws:MultiFactorAuthPresent = "true" ignoring case'
    assert edge(graph, SAML, role("saml"))["technique"] == "sts-assume-role-with-saml"
    outside = edge(graph, f"account {C}", role("account-c"))
    assert term_text(outside["guard"]) == 'sts:ExternalId = "x1"'
    assert f"account {C} allows its caller the call" in outside["assumptions"]


def test_nodes(graph):
    linked = graph.nodes[f"arn:aws:iam::{A}:role/aws-service-role/lambda.amazonaws.com/service-linked"]
    assert linked["service_linked"] is True
    assert linked["tags"] == ("k=v",)
    assert graph.nodes[user("root-like")] == {
        "kind": "user", "name": "root-like", "arn": user("root-like"), "account": A, "path": "/", "tags": (),
        "admin": True, "boundary": False, "service_linked": False, "outside": False,
    }  # fmt: skip
    assert graph.nodes[role("two")]["boundary"] is True
    assert graph.nodes[role("two")]["admin"] is False
    kinds = {n: d["kind"] for n, d in graph.nodes(data=True) if d["kind"] not in ("user", "role")}
    assert kinds == {
        "lambda.amazonaws.com": "service", "ec2.amazonaws.com": "service", GITHUB: "oidc-provider", SAML: "saml-provider", "anyone": "anyone",
        f"account {C}": "account", f"account {D}": "account",
    }  # fmt: skip
    assert graph.nodes[role("partner", C)]["outside"] is True
    assert graph.nodes[role("partner", C)]["account"] == C


def test_closed_leaves_out_what_is_outside(env):
    ask = Ask(env=env, missing="closed")
    graph = role_graph(ask, role_links(ask))
    assert {n for n, d in graph.nodes(data=True) if d["outside"]} == {"anyone"}
    assert outsiders(env, "closed").accounts == ()


def test_names_of_nodes(env):
    assert services(env) == ("ec2.amazonaws.com", "lambda.amazonaws.com")
    assert [n for n, _ in providers(env)] == [GITHUB, SAML]
    assert describe(env, "accounts.google.com")["kind"] == "oidc-provider"
    assert describe(env, f"arn:aws:lambda:eu-west-1:{A}:function:f") == {
        "kind": "resource", "name": "function:f", "arn": f"arn:aws:lambda:eu-west-1:{A}:function:f", "account": A, "outside": False,
    }  # fmt: skip
    assert describe(env, f"arn:aws:iam::{B}:policy/team/p")["name"] == "policy/team/p"


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([ALL], True),
        ([allow(["iam:*", "s3:*", "ec2:*"])], True),
        ([allow("iam:*")], False),
        ([allow("*", "arn:aws:s3:::x")], False),
        ([ALL, {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}], False),
        ([ALL, {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}}], True),
        ([{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}], False),
        ([], False),
    ],
)  # fmt: skip
def test_administrators(documents, expected):
    s = Snapshot()
    s.identity("user", "u")
    for document in documents:
        s.identity("user", "u", document)
    env = environment_of(s.files())
    assert is_admin(Ask(env=env), env.principals[user("u")]) is expected


def test_an_administrator_by_group_and_one_behind_a_boundary():
    s = Snapshot()
    s.group("g", ALL, ["grouped"])
    s.identity("user", "bounded", ALL)
    s.boundary("user/bounded", allow("s3:*"))
    env = environment_of(s.files())
    found = {p.name: is_admin(Ask(env=env), p) for p in env.principals.values()}
    assert found == {"bounded": False, "grouped": True}


LINK = Link("a", "b", "sts-assume-role", "assume", True, TRUE, (), ())


def made(*pairs, unsure=()):
    links = [replace(LINK, source=u, target=v, sure=(u, v) not in unsure) for u, v in pairs]
    return role_graph(Ask(env=environment_of(Snapshot().files())), links)


def test_the_surer_of_two_links_of_one_technique_stays():
    empty = Ask(env=environment_of(Snapshot().files()))
    weak = replace(LINK, sure=False, guard=FALSE)
    other = replace(weak, technique="iam-create-access-key", kind="credential")
    found = role_graph(empty, [weak, LINK, weak, other])
    assert [(k, d["sure"]) for _, _, k, d in found.edges(keys=True, data=True)] == [
        ("iam-create-access-key", False),
        ("sts-assume-role", True),
    ]


def test_reachability_and_cycles():
    g = made(("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("x", "y"), ("y", "x"), ("s", "s"), unsure={("b", "c")})
    assert reachable_from(g, "b") == {"a", "b", "c", "d"}
    assert reachable_from(certain(g), "b") == {"b"}
    assert reachable_from(g) == set()
    assert reaching(g, "d") == {"a", "b", "c", "d"}
    assert cycles(g) == (("a", "b", "c"), ("x", "y"))
    assert cycles(certain(g)) == (("x", "y"),)
    assert set(between(g, ["c"], ["d"])) == {"a", "b", "c", "d"}
    assert set(between(g, ["x"], ["d"])) == set()
    assert set(between(g, [], [])) == set(g)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((("a", "m"), ("b", "m"), ("m", "z")), ("m",)),
        ((("a", "m"), ("b", "n"), ("m", "z"), ("n", "z")), ("m", "n")),
        ((("a", "m"), ("a", "n"), ("m", "o"), ("n", "o"), ("o", "z")), ("o",)),
        ((("a", "z"), ("b", "m"), ("m", "z")), None),
        ((("a", "m"), ("n", "z")), ()),
        ((("a", "b"), ("b", "m"), ("m", "z"), ("z", "a")), ("m",)),
    ],
)
def test_choke_points(pairs, expected):
    g = made(*pairs)
    assert choke_points(g, ["a", "b"], ["z"]) == expected
    assert choke_points(g, ["a"], ["a"]) is None
    assert choke_points(g, ["nobody"], ["z"]) == ()


def test_choke_points_cut_the_graph(graph):
    sources = [n for n, d in graph.nodes(data=True) if d["kind"] == "user" and not d["outside"]]
    found = choke_points(graph, sources, [role("two")])
    assert found is None  # root-like assumes it at once
    cut = choke_points(graph, [GITHUB, user("idle"), "anyone"], [role("role-c")])
    rest = graph.subgraph(set(graph) - set(cut))
    assert not any(nx.has_path(rest, s, role("role-c")) for s in (GITHUB, user("idle"), "anyone"))


def test_the_edges_of_an_account(graph):
    part = of_account(graph, B)
    assert all(B in (graph.nodes[u].get("account"), graph.nodes[v].get("account")) for u, v in part.edges())
    assert set(part.nodes) >= {role("far", B), role("open")}


def test_order_does_not_depend_on_that_of_links(ask, graph):
    again = role_graph(ask, reversed(list(role_links(ask))))
    assert list(again.nodes(data=True)) == list(graph.nodes(data=True))
    assert list(again.edges(keys=True, data=True)) == list(graph.edges(keys=True, data=True))


def test_technique_links_are_links(ask):
    assert all(isinstance(k, Link) for k in technique_links(ask))


BEFORE, AFTER = ({kind: {"aws:CurrentTime": "2026-01-01T00:00:00Z"}} for kind in ("DateLessThan", "DateGreaterThan"))
HERE, THERE = ({"StringEquals": {"aws:PrincipalOrgID": of}} for of in ("o-a", "o-b"))


@pytest.mark.parametrize(
    ("making", "invoking", "possible"),
    [(BEFORE, AFTER, True), (AFTER, BEFORE, False), (HERE, HERE, True), (HERE, THERE, False)],
)
def test_what_an_edge_takes_is_possible_one_call_after_the_other_in_one_organization(making, invoking, possible):
    s = Snapshot()
    statements = [("iam:PassRole", {}), ("lambda:CreateFunction", making), ("lambda:InvokeFunction", invoking)]
    every = [allow(action, Condition=condition)["Statement"] for action, condition in statements]
    s.identity("user", "u", {"Version": "2012-10-17", "Statement": every})
    s.trust("role/r", trust({"Service": "lambda.amazonaws.com"}))
    found = {(k.source, k.target, k.sure) for k in technique_links(Ask(env=environment_of(s.files())))}
    assert found == ({(user("u"), role("r"), True)} if possible else set())


@pytest.mark.parametrize(
    ("now", "issued", "possible"), [(AFTER, AFTER, True), (BEFORE, BEFORE, True), (BEFORE, AFTER, False)]
)
def test_a_session_does_nothing_before_it_is_issued(now, issued, possible):
    s = Snapshot()
    s.identity("role", "a", allow("sts:AssumeRole"))
    (kind, times), *_ = issued.items()
    condition = {**now, kind: {**now.get(kind, {}), "aws:TokenIssueTime": times["aws:CurrentTime"]}}
    s.trust("role/b", trust({"AWS": role("a")}, **condition))
    found = [k.sure for k in role_links(Ask(env=environment_of(s.files()))) if k.target == role("b")]
    assert found == ([True] if possible else [])
