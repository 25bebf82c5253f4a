"""What sessions carry from the calls that created them."""

from __future__ import annotations

from dataclasses import replace

from page_files import Snapshot

from iamsim.env.build import environment_of
from iamsim.graph.hops import hop_check
from iamsim.graph.sessions import (
    HELD_TRANSITIVE,
    Session,
    assumed,
    carried,
    possible,
    presence,
    source_identity,
    tag,
    transitive,
)
from iamsim.ir.bindings import ABSENT, Alias, Ambivalent, Cases, Known, Unknowable
from iamsim.ir.term import FALSE, TRUE, Present, any_of, variables
from iamsim.judge.callers import read_callers
from iamsim.judge.judge import Ask

A = "111122223333"
R = f"arn:aws:iam::{A}:role/"
OPEN = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": A}, "Action": "sts:*"}}


def environment():
    s = Snapshot()
    s.identity("user", "u")
    s.trust("role/q", OPEN)
    s.identity("role", "q", tags={"Team": "red"})
    s.trust("role/p", OPEN)
    s.trust("role/ec2", {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:*"}})  # fmt: skip
    return environment_of(s.files())


ENV = environment()


def step(session, role, number, **ask):
    ask = Ask(env=ENV, **ask)
    principal = ENV.principals[R + role]
    hop = hop_check(ask, session, principal, number, "s3:getobject")
    return assumed(ENV, principal, session, hop.check.facts, number)


def start(text, *, ever=True):
    return Session(read_callers(ENV, text)[0], ever=ever)


def test_a_users_session_has_what_the_call_passes_over_the_roles_own():
    one = step(start("user/u"), "q", 1)
    assert one.name_var == "1|sts:rolesessionname"
    assert source_identity(one) == Alias("1|sts:sourceidentity")
    passed = Alias("1|aws:requesttag/team")
    assert tag(one, "team") == Cases(Present("1|aws:requesttag/team"), passed, Known(("red",)))
    assert tag(one, "other") == Cases(Present("1|aws:requesttag/other"), Alias("1|aws:requesttag/other"), ABSENT)
    assert carried(one) == {"aws:sourceidentity": Alias("1|sts:sourceidentity")}
    assert carried(start("user/u")) == {}


def test_transitive_tags_and_the_source_identity_outlive_the_next_hop():
    two = step(step(start("user/u"), "q", 1), "p", 2)
    assert variables(transitive(two, "team")) == {"1|sts:transitivetagkeys", "2|sts:transitivetagkeys"}
    assert source_identity(two) == Cases(
        Present("1|sts:sourceidentity"), Alias("1|sts:sourceidentity"), Alias("2|sts:sourceidentity")
    )
    found = tag(two, "team")
    assert isinstance(found, Cases)
    assert variables(found.test) == {"1|sts:transitivetagkeys"}


def test_one_concrete_request_passes_nothing_that_is_not_given_but_has_a_name():
    one = step(start("user/u", ever=False), "q", 1, ever=False)
    assert (tag(one, "team"), source_identity(one), transitive(one, "team")) == (Known(("red",)), ABSENT, FALSE)
    assert one.caller.session is None
    named = step(start("user/u"), "q", 1, given={"sts:rolesessionname": ("ops",), "sts:sourceidentity": ("ann",)})
    assert named.caller.session == "ops"
    assert source_identity(named) == Known(("ann",))


def test_what_the_caller_of_the_question_brings_along():
    held = start("role/q?session=s1&tag.team=blue&transitive=team&source-identity=ann", ever=False)
    one = step(held, "p", 1, ever=False)
    assert (tag(one, "team"), source_identity(one)) == (
        Cases(TRUE, Known(("blue",)), ABSENT),
        Known(("ann",)),
    ) or tag(one, "team") == Known(("blue",))
    assert transitive(one, "team") is TRUE
    free = start("role/q")
    assert variables(transitive(free, "team")) == {HELD_TRANSITIVE}
    assert transitive(replace(free, ever=False), "team") is FALSE


def test_keys_of_the_issuing_service_and_of_tokens_last_one_hop():
    issued = step(start("service ec2.amazonaws.com"), "ec2", 1)
    assert issued.caller.open_services == ("ec2.amazonaws.com",)
    assert step(issued, "q", 2).caller.open_services == ()
    token = step(start("oidc://accounts.google.com?sub=7"), "q", 1)
    assert carried(token)["accounts.google.com:sub"] == Known(("7",))
    assert carried(token)["aws:federatedprovider"] == Known(("accounts.google.com",))
    assert "aws:federatedprovider" not in carried(step(token, "p", 2))
    saml = step(start(f"saml://arn:aws:iam::{A}:saml-provider/x"), "q", 1)
    assert isinstance(carried(saml)["aws:federatedprovider"], Ambivalent)


def test_tags_that_no_input_can_show_are_free():
    one = step(start("user/u"), "p", 1)
    unseen = replace(one, caller=replace(one.caller, tags_known=False))
    found = tag(unseen, "team")
    assert isinstance(found, Cases)
    assert found.other == Alias(f"{R}p|aws:principaltag/team")


def test_some_session_of_a_role_is_open_in_every_way():
    who = possible(ENV, ENV.principals[R + "p"])
    assert (who.session, who.open_tags, who.open_source_identity, who.open_provider) == (None, True, True, True)


def test_presence_of_a_binding():
    assert presence(ABSENT) is FALSE
    assert presence(Known(("x",))) is TRUE
    assert presence(Unknowable("X1")) is TRUE
    both = Cases(Present("a"), Alias("b"), Alias("c"))
    assert variables(presence(both)) == {"a", "b", "c"}
    assert presence(Alias("v")) == any_of((Present("v"),))
