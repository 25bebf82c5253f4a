"""Explanations: everybody refused, the ceilings, and the near misses of the twins of the techniques."""

import json

import pytest
from pages import ESCALATIONS, read_page

from iamsim import QueryError, Verdict
from iamsim.env.amend import Lack
from iamsim.env.build import environment_of
from iamsim.query.explain import explain
from iamsim.report.explained import explained_json, explained_text

A = "111122223333"
STOP, INSTANCE = "ec2:StopInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/i-1"
SECRET = "arn:aws:s3:::vault/secret"
NAMES = "would have to name"
WITHOUT = "would have to be without its condition"
SPARE = "would have to spare this request"

# Page, scenario, and the one thing that the scenario lacks; it must be among the first three near misses.
TWINS = [
    ("amplify-create-app", "An app without a branch", "amplify:CreateBranch on"),
    ("apigateway-aws-integration", "The role may be passed to functions only", f"{WITHOUT} StringEquals iam:PassedToService"),
    ("apprunner-create", "The access role", f"role/target {NAMES} tasks.apprunner.amazonaws.com"),
    ("apprunner-create", "Passed to the tasks", f"{WITHOUT} StringEquals iam:PassedToService"),
    ("autoscaling-existing-configuration", "A role without instance profile", "role/target would have to be in an instance profile"),
    ("autoscaling-existing-configuration", "The role of a task", f"role/target {NAMES} ec2.amazonaws.com"),
    ("bedrock-agentcore-runtime", "A role of Bedrock's agents", f"role/target {NAMES} bedrock-agentcore.amazonaws.com"),
    ("cloudformation-change-set", "Nobody executes", "cloudformation:ExecuteChangeSet on"),
    ("cloudformation-create-stack-set", "No instances", "cloudformation:CreateStackInstances on"),
    ("cloudformation-update-stack", "An update denied", f"PipelineOnly {SPARE}"),
    ("cloudformation-update-stack-set", "The caller's boundary", "boundary of user/u would have to allow cloudformation:UpdateStackSet"),
    ("codebuild-create-start", "No builds in this account", f"SCP scp-root-1, statement NoBuilds {SPARE}"),
    ("codebuild-create-start", "Create only", "codebuild:StartBuild on"),
    ("codebuild-start-build", "Repeating only", "codebuild:StartBuild on"),
    ("codebuild-start-build-batch", "The vault refuses the role", f"resource policy arn:aws:s3:::vault, statement NoBuildRole {SPARE}"),
    ("codepipeline-update", "Running without change", "codepipeline:UpdatePipeline on"),
    ("cognito-update-identity-pool", "Denied by a group", f"PoolsAreFixed {SPARE}"),
    ("datapipeline-create", "Never activated", "datapipeline:ActivatePipeline on"),
    ("dynamodb-put-resource-policy", "The policy of another table", "dynamodb:PutResourcePolicy on"),
    ("ec2-associate-instance-profile", "The role has a path", f"iam:PassRole on arn:aws:iam::{A}:role/prod/target for user/u"),
    ("ec2-replace-root-volume", "The role is bounded", f"boundary of role/target would have to allow s3:GetObject on {SECRET}"),
    ("ec2-run-instances-new-profile", "The profile stays empty", "iam:AddRoleToInstanceProfile on"),
    ("ec2-serial-console", "The console is denied to the account", f"NoConsole {SPARE}"),
    ("ecs-execute-command", "The tasks are denied", f"NoShells {SPARE}"),
    ("ecs-run-task", "Only roles of a path may be passed", f"iam:PassRole on arn:aws:iam::{A}:role/target for user/u"),
    ("eks-access-entry", "An entry without a policy", "eks:AssociateAccessPolicy on"),
    ("eks-access-entry", "Viewing only", f"{WITHOUT} ArnEquals eks:policyArn"),
    ("emr-run-job-flow", "No service role to pass", f"iam:PassRole on arn:aws:iam::{A}:role/emr for user/u"),
    ("glue-create-job-run", "Create and look", "glue:StartJobRun on"),
    ("glue-create-session", "No statements", "glue:RunStatement on"),
    ("glue-run-statement", "The role trusts Glue in another account", f"trust policy target, statement 1 {WITHOUT} StringEquals aws:SourceAccount"),
    ("glue-update-dev-endpoint", "A unit without full access", "the SCPs of ou-x-web would have to allow glue:UpdateDevEndpoint"),
    ("iam-attach-role-policy-then-assume", "The trust names the account, the caller is not allowed to ask", f"sts:AssumeRole on arn:aws:iam::{A}:role/deploy for user/u"),
    ("iam-attach-role-policy-then-assume", "The role trusts only a service", f"role/deploy {NAMES} user/u"),
    ("iam-create-role-with-policy", "Create only", f"iam:PutRolePolicy on arn:aws:iam::{A}:role/bot-x for user/u"),
    ("iam-rotate-access-key", "Creating is for oneself only", f"iam:CreateAccessKey on arn:aws:iam::{A}:user/target for user/u"),
    ("iam-update-login-profile", "An SCP reserves resets for a role", f"HelpdeskOnly {SPARE}"),
    ("iam-update-saml-provider", "Another provider", f"iam:UpdateSAMLProvider on arn:aws:iam::{A}:saml-provider/corp for user/u"),
    ("iot-role-alias", "No policy on the certificate", "iot:AttachPolicy on"),
    ("lambda-add-permission", "Permissions for a service only", f"{WITHOUT} StringEquals lambda:Principal"),
    ("github-workflow-then-pass-role", "Workflows of the organization", f"trust policy ci, statement 1 {WITHOUT} StringLike token.actions.githubusercontent.com:sub"),
    ("across-accounts-both-sides", "Only the trust", "sts:AssumeRole on arn:aws:iam::444455556666:role/reader for user/u"),
    ("scp-in-the-middle", "A unit without FullAWSAccess", "the SCPs of ou-x-prod would have to let everything pass"),
]  # fmt: skip


def _explained(page, title, number=0):
    path = next(ESCALATIONS.rglob(f"{page}.md"))
    scenario = next(s for s in read_page(path).scenarios if s.title == title)
    asked = [a.question for a in scenario.questions if a.question.expect == "no"][number]
    home = asked.caller.startswith(("user/", "role/"))
    caller = f"{A}:{asked.caller}" if home else asked.caller
    given = {k: None if v is None else list(v) for k, v in asked.given}
    return explain(environment_of(scenario.files), caller, asked.action, asked.resource, context=given, when=asked.when)


@pytest.mark.parametrize(("page", "title", "lacks"), TWINS, ids=[f"{p}: {t}" for p, t, _ in TWINS])
def test_what_a_twin_lacks_is_among_the_first_three(page, title, lacks):
    found = _explained(page, title)
    assert found.verdict is Verdict.NO
    assert any(lacks in m.text for m in found.near[:3]), [m.text for m in found.near]


def _allow(actions, resource="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def _deny(sid, actions, resource="*"):
    return {"Sid": sid, "Effect": "Deny", "Action": actions, "Resource": resource}


def _policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _env(*statements, trusted, role=()):
    inline = [{"PolicyName": "own", "PolicyDocument": _policy(*statements)}]
    user = {"Path": "/", "UserName": "u", "UserId": "AIDAU", "Arn": f"arn:aws:iam::{A}:user/u", "UserPolicyList": inline,
            "GroupList": [], "AttachedManagedPolicies": []}  # fmt: skip
    trust = _policy({"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"})
    made = {"Path": "/", "RoleName": "r", "RoleId": "AROAR", "Arn": f"arn:aws:iam::{A}:role/r", "InstanceProfileList": [],
            "AssumeRolePolicyDocument": trust, "AttachedManagedPolicies": [],
            "RolePolicyList": [{"PolicyName": "does", "PolicyDocument": _policy(*role)}] if role else []}  # fmt: skip
    details = {"UserDetailList": [user], "RoleDetailList": [made], "GroupDetailList": [], "Policies": []}
    return environment_of({"gaad.json": details})


TRUSTED = {"AWS": f"arn:aws:iam::{A}:user/u"}


def test_every_controlled_caller_is_refused_and_says_how_it_is_controlled():
    env = _env(_allow(STOP), _deny("Stop", "ec2:*"), trusted=TRUSTED, role=[_allow("ec2:StartInstances")])
    found = explain(env, f"{A}:user/u", STOP, INSTANCE)
    assert [(r.caller, [t.technique for t in r.steps], r.decision.value) for r in found.reached] == [
        (f"arn:aws:iam::{A}:user/u", [], "explicitDeny"),
        (f"arn:aws:iam::{A}:role/r", ["sts-assume-role"], "implicitDeny"),
    ]
    assert [(c.cited.role, c.cited.text, c.callers) for c in found.ceilings] == [
        ("deny", "identity policy own, statement Stop", 1)
    ]
    assert found.near[0].lack is Lack.DENY
    assert (found.near[0].steps, found.near[0].text) == (0, f"identity policy own, statement Stop {SPARE}")


def test_two_missing_things_are_no_near_miss():
    env = _env(
        _deny("One", "ec2:Stop*"), _deny("Two", "ec2:*"), _allow("ec2:*"), trusted={"Service": "ec2.amazonaws.com"}
    )
    assert explain(env, f"{A}:user/u", STOP, INSTANCE).near == ()


def test_the_bounds_are_said():
    env = _env(
        _allow("iam:PassRole"),
        _allow("sts:AssumeRole"),
        trusted={"Service": "lambda.amazonaws.com"},
        role=[_allow("*")],
    )
    found = explain(env, f"{A}:user/u", STOP, INSTANCE, most=1)
    assert found.left > 0
    assert f"{found.left} candidates more not tried" in explained_text(found)
    assert explain(env, f"{A}:user/u", STOP, INSTANCE, seconds=-1.0).near == ()


def test_a_yes_is_not_explained_and_direct_questions_have_one_caller():
    env = _env(_allow(STOP), trusted=TRUSTED, role=[_allow("ec2:StartInstances")])
    yes = explain(env, f"{A}:user/u", "ec2:StartInstances", INSTANCE)
    assert (yes.verdict, yes.reached, yes.near) == (Verdict.YES, (), ())
    assert explained_json(yes)["explanation"] is None
    direct = explain(env, f"{A}:user/u", "ec2:StartInstances", INSTANCE, via="direct")
    assert (direct.verdict, len(direct.reached)) == (Verdict.NO, 1)
    assert all(m.steps == 0 for m in direct.near)
    roles = explain(env, f"{A}:user/u", "ec2:RebootInstances", INSTANCE, via="roles")
    assert len(roles.reached) == 2


def test_the_replay_engine_does_not_explain():
    with pytest.raises(QueryError, match="does not explain"):
        explain(_env(trusted=TRUSTED), f"{A}:user/u", STOP, INSTANCE, engine="replay")


def test_reports_are_the_same_each_time_and_json_holds_what_the_text_says():
    def asked():
        env = _env(_allow("iam:PassRole"), trusted={"Service": "lambda.amazonaws.com"}, role=[_allow("*")])
        return explain(env, f"{A}:user/u", STOP, INSTANCE)

    first, second = asked(), asked()
    value = json.dumps(explained_json(first))
    assert value == json.dumps(explained_json(second))
    text = explained_text(first, width=200)
    assert "the only caller that is controlled is refused" in text
    for miss in json.loads(value)["explanation"]["near"][:10]:
        assert miss["text"] in text


def test_what_only_a_missing_fact_keeps_from_a_yes_comes_last():
    env = _env(_allow("s3:GetObject"), _deny("Stop", "s3:*"), trusted={"Service": "ec2.amazonaws.com"})
    found = explain(env, f"{A}:user/u", "s3:GetObject", SECRET)
    assert [(m.lack, m.verdict) for m in found.near] == [(Lack.DENY, Verdict.UNKNOWN)]
    assert "(the request itself, then not known)" in explained_text(found, width=200)
