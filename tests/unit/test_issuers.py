"""Short forms of tokens: what they say of claims, what they refuse, and that no token they mean is left out."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_files import Snapshot

from iamsim import can
from iamsim.aws.issuers import ISSUERS, fits, issuer_of, samples, shapes_of
from iamsim.env.build import environment_of
from iamsim.errors import QueryError
from iamsim.judge.callers import read_callers
from iamsim.judge.tokens import read_token

A = "111122223333"
GITHUB = "token.actions.githubusercontent.com"
EKS = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"


def sub_fits(token, sub):
    """Whether a token with this subject is one of those that `token` means."""
    caller = read_token(token)
    key = f"{caller.provider.lower()}:sub"
    known = dict(caller.claims).get(key)
    return sub in known if known else all(fits(s, sub) for s in caller.claim_shapes if s.key == key)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        (GITHUB, "github"), (GITHUB + "/octocorp", "github"), ("token.actions.octocorp.ghe.com", "github"),
        ("ghes.example.com/_services/token", "github"), (EKS, "eks"), (EKS.upper(), "eks"), ("gitlab.com", "gitlab"),
        ("app.terraform.io", "terraform"), ("oidc.circleci.com/org/1-2", "circleci"), ("oidc.vercel.com/acme", "vercel"),
        ("accounts.google.com", None), ("git.example.com", None), ("eviltoken.actions.githubusercontent.com", None),
        ("gitlab.com.example.com", None),
    ],
)  # fmt: skip
def test_the_issuer_of_a_provider(provider, name):
    found = issuer_of(provider)
    assert (found.name if found else None) == name


def test_the_table():
    assert len({i.name for i in ISSUERS}) == len(ISSUERS)
    for issuer in ISSUERS:
        assert issuer.source
        names = set(issuer.parameters)
        assert set(issuer.forms) | set(issuer.choices) | set(issuer.aliases.values()) <= names, issuer.name
        assert "issuer" not in names
        own = issuer.samples["sub"]
        assert all(fits(s, own) for s in shapes_of(issuer, "x", {}) if s.key == "x:sub"), issuer.name
    assert samples(f"{GITHUB}:aud") == ("sts.amazonaws.com",)
    assert samples("git.example.com:sub") == samples("aws:sourceip") == ()


R = f"oidc://{GITHUB}?"


@pytest.mark.parametrize(
    ("token", "yes", "no"),
    [
        (R, "repo:o/r:ref:refs/heads/a/b", "repo:o"),
        (R, "repo:o@1/r@2:pull_request", "repo:o/r@2:pull_request"),
        (R, "repository_owner:o:repository_visibility:private", "anything"),
        (R, "repo:o/r", "repo:o/r/s"),
        (R + "repo=o/r", "repo:o/r:environment:prod", "repo:o/rs:environment:prod"),
        (R + "repo=o/r", "repo:o@7/r@8:environment:prod", "repo:O/r:environment:prod"),
        (R + "repo=o/r", "repo:o/r:ref:refs/heads/x:job_workflow_ref:a/b/c@d", "repo:p/r:ref:refs/heads/x"),
        (R + "repo=o/r", "workflow:deploy", "repository_owner:p"),
        (R + "owner=o&repo=r&sub-form=classic", "repo:o/r:pull_request", "repo:o@7/r@8:pull_request"),
        (R + "repo=o/r*", "repo:o/rs", "repo:o/r/s"),
        (R + "repo=o/r&branch=main", "repo:o/r:ref:refs/heads/main", "repo:o/r:ref:refs/tags/main"),
        (R + "repo=o/r&branch=main", "repo:o@1/r@2:ref:refs/heads/main", "repo:o/r:environment:main"),
        (R + "repo=o/r&branch=rel/*", "repo:o/r:ref:refs/heads/rel/1/x", "repo:o/r:ref:refs/heads/rel"),
        (R + "repo=o/r&tag=v1", "repo:o/r:ref:refs/tags/v1", "repo:o/r:ref:refs/tags/v12"),
        (R + "owner=o&event=pull_request", "repo:o/x:pull_request", "repo:o/x:pull_request:y"),
        (R + "environment=a%3Ab", "repo:o/r:environment:a%3Ab", "repo:o/r:environment:a:b"),
        (R + "not-owner=o", "repo:op/r:pull_request", "repo:o/r:pull_request"),
        (R + "not-owner=o", "repo:p/o:pull_request", "repo:O@5/r@6:pull_request"),
        (R + "not-owner=o", "actor:o:repo:p/r", "actor:x:repo:o/r"),
        (R + "repo-id=8&sub-form=immutable", "repo:o@1/r@8", "repo:o@8/r@1"),
        (R + "repo=o/r&sub-template=repo", "repo:o/r", "repo:o/r:pull_request"),
        (R + "repo=o/r&sub-template=actor,repo", "actor:me:repo:o/r", "actor:me:repo:o/s"),
        (R + "sub=*&repo=o/r", "anything", None),
        (f"oidc://{EKS}", "system:serviceaccount:ns:name", "system:serviceaccount:name"),
        (f"oidc://{EKS}?namespace=ns", "system:serviceaccount:ns:name", "system:serviceaccount:ns2:name"),
        (f"oidc://{EKS}?namespace=ns&serviceaccount=x.y", "system:serviceaccount:ns:x.y", "system:serviceaccount:ns:x"),
        ("oidc://gitlab.com", "12345", None),
        ("oidc://gitlab.com?project=g/h/p", "project_path:g/h/p:ref_type:tag:ref:v1", "project_path:g/h/pp:ref_type:tag:ref:v1"),
        ("oidc://gitlab.com?project=g/p", "project_path:g/p:environment:prod", "12345"),
        ("oidc://gitlab.com?group=g&ref=main", "project_path:g/h/p:ref_type:branch:ref:main", "project_path:g/p:ref_type:branch:ref:x"),
        ("oidc://gitlab.com?not-group=g", "project_path:gg/p:ref_type:branch:ref:main", "project_path:G/p:ref_type:branch:ref:main"),
        ("oidc://h.example?issuer=gitlab&ref-type=tag", "project_path:g/p:ref_type:tag:ref:v", "project_path:g/p:ref_type:branch:ref:v"),
        ("oidc://app.terraform.io?run-phase=plan", "organization:o:project:Default Project:workspace:w:run_phase:plan",
         "organization:o:project:p:workspace:w:run_phase:apply"),
        ("oidc://app.terraform.io?stack=s", "organization:o:project:p:stack:s:deployment:d:operation:plan",
         "organization:o:project:p:workspace:s:run_phase:plan"),
        ("oidc://app.terraform.io?not-organization=o", "organization:oo:project:p:workspace:w:run_phase:plan",
         "organization:o:project:p:workspace:w:run_phase:plan"),
        ("oidc://oidc.vercel.com/acme?environment=preview", "owner:acme:project:p:environment:preview",
         "owner:acme:project:p:environment:production"),
        ("oidc://oidc.circleci.com/org/o?project=p", "org/o/project/p/user/u/vcs-origin/x/vcs-ref/y", "org/o/project/q/user/u"),
        ("oidc://idp.example.com", "any text", None),
    ],
)  # fmt: skip
def test_subjects(token, yes, no):
    assert sub_fits(token, yes)
    assert no is None or not sub_fits(token, no)


@pytest.mark.parametrize(
    ("token", "message", "remedy"),
    [
        (R + "reop=a/b", "`reop` is no parameter of tokens of github", "did you mean `repo`?"),
        (R + "zzz=1", "`zzz` is no parameter of tokens of github", "parameters are issuer, repo, "),
        (f"oidc://{EKS}?namspace=x", "`namspace` is no parameter of tokens of eks", "did you mean `namespace`?"),
        (f"oidc://{EKS}?namespace=Prod", "`namespace=Prod` is no namespace of eks", "system:serviceaccount:"),
        (R + "repo=web", "`repo=web` names no owner", "write repo=OWNER/REPO"),
        (R + "repo=a/b/c", "`repo=a/b/c` is no repo of github", "repo:octo-org/"),
        (R + "repo=a/b&owner=c", "`repo=a/b` is not of owner `c`", "give one of the two"),
        (R + "owner=a&not-owner=A", "`owner` and `not-owner` are the same", "give one of the two"),
        (R + "branch=a&tag=b", "`branch`, `tag` exclude each other", "give one of them"),
        (R + "branch=a&event=pull_request", "`branch`, `event` exclude each other", "names no ref"),
        (R + "branch=refs/heads/a", "`branch=refs/heads/a` is no branch of github", ""),
        (R + "event=push", "`event=push` is no value of `event`", "pull_request"),
        (R + "sub-form=imutable", "`sub-form=imutable` is no value of `sub-form`", "did you mean `immutable`?"),
        (R + "repo=a/b&repo=a/c", "`repo` is given twice", "each value"),
        (R + "repo=a/b&sub=repo%3Aa%2Fc", "the claim `sub=repo:a/c` contradicts the other parameters", "leave one"),
        (R + "sub-template=repo+contxt", "`contxt` is no claim of a template", "did you mean `context`?"),
        ("oidc://x?issuer=gitlub", "`issuer=gitlub` is no issuer that is known", "did you mean `gitlab`?"),
        ("oidc://gitlab.com?group=g&project=h/p", "the project `h/p` is not in the group `g`", "give one of the two"),
        ("oidc://app.terraform.io?workspace=w&stack=s", "no token has these parameters together", "organization:"),
        ("oidc://?sub=x", "`oidc://?sub=x` names no provider", "write oidc://"),
    ],
)  # fmt: skip
def test_mistakes(token, message, remedy):
    with pytest.raises(QueryError) as caught:
        read_token(token)
    assert str(caught.value) == message
    assert remedy in caught.value.help


def test_claims():
    caller = read_token(R + "repo=o/r&branch=main&environment=prod&actor=me&aud=x")
    claims = {k.rpartition(":")[2]: v for k, v in caller.claims}
    assert claims == {
        "repository": ("o/r",), "ref": ("refs/heads/main",), "environment": ("prod",), "actor": ("me",), "aud": ("x",),
    }  # fmt: skip
    # a subject that is given is taken as it stands, and claims beside it say no more than themselves
    told = read_token(R + "sub=odd&repository_owner=o")
    assert dict(told.claims) == {f"{GITHUB}:sub": ("odd",), f"{GITHUB}:repository_owner": ("o",)}
    assert not [s for s in told.claim_shapes if s.key.endswith(":sub")]
    # one text is left: the claim is known, so that it can be asked about without `ever`
    assert dict(read_token(f"oidc://{EKS}?namespace=a&serviceaccount=b").claims) == {
        f"{EKS.lower()}:sub": ("system:serviceaccount:a:b",)
    }
    # other keys by their full name, claims of issuers without a row by any name
    assert dict(read_token(R + f"{GITHUB}:shoe=4&aws:RequestTag/t=v").claims) == {
        f"{GITHUB}:shoe": ("4",), "aws:requesttag/t": ("v",),
    }  # fmt: skip
    assert dict(read_token("oidc://https%3A%2F%2Fidp.example.com/?Shoe=4").claims) == {"idp.example.com:shoe": ("4",)}
    # the environment of a job is absent where its ref is named
    (absent,) = (s for s in read_token(R + "repo=o/r&branch=b").claim_shapes if s.key.endswith(":environment"))
    assert absent.allowed == ()


TRUSTED = (
    "repo:acme*", "repo:acme/*", "repo:acme/web:*", "repo:*/web:*", "*:environment:prod", "repo:acme@*", "repo:?cme/*", "*acme/web*",
    "repo:acme/web:ref:refs/heads/main", "repo:*:pull_request", "actor:*", "*/*@*",
)  # fmt: skip


@pytest.fixture(scope="module")
def env():
    s = Snapshot()
    arn = f"arn:aws:iam::{A}:oidc-provider/{GITHUB}"
    for n, pattern in enumerate(TRUSTED):
        s.identity("role", f"r{n}")
        s.trust(
            f"role/r{n}",
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {"StringLike": {f"{GITHUB}:sub": pattern}},
                },
            },
        )  # fmt: skip
    return environment_of(s.files())


owners = st.sampled_from(["acme", "Acme", "acme-evil", "evil", "bcme"])
repos = st.sampled_from(["web", "website", "acme"])
contexts = st.sampled_from([
    ("branch=main", "ref:refs/heads/main"), ("tag=v1", "ref:refs/tags/v1"), ("event=pull_request", "pull_request"),
    ("environment=prod", "environment:prod"), ("branch=*", "ref:refs/heads/x@12/y"),
])  # fmt: skip


@given(
    owner=owners, repo=repos, context=contexts, ids=st.booleans(), role=st.integers(0, len(TRUSTED) - 1), data=st.data()
)
def test_no_token_is_left_out(env, owner, repo, context, ids, role, data):
    """What one token may do, some token of each short form that means it may do too."""
    sub = f"repo:{owner}@12/{repo}@34:{context[1]}" if ids else f"repo:{owner}/{repo}:{context[1]}"
    query = [
        "",
        f"owner={owner}",
        f"repo={owner}/{repo}",
        f"repo={owner}/{repo}&{context[0]}",
        context[0],
        f"owner={owner[:2]}*",
    ]
    if owner.lower() != "acme":
        query += ["not-owner=acme", f"not-owner=acme&{context[0]}"]
    short = data.draw(st.sampled_from(query))
    assert sub_fits(R + short, sub)
    target = f"arn:aws:iam::{A}:role/r{role}"
    one = can(env, R + f"sub={quote(sub, safe='')}", "sts:AssumeRoleWithWebIdentity", target)
    some = can(env, R + short, "sts:AssumeRoleWithWebIdentity", target)
    assert some.verdict.value.lower() == "yes" or one.verdict.value.lower() == "no"


def test_callers_know_tokens(env):
    (caller,) = read_callers(env, R + "repo=o/r")
    assert (caller.issuer, caller.provider) == ("github", GITHUB)
