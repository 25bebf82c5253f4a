"""Condition keys about the caller and its session, by the kind of caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.service_sessions import passing_of
from iamsim.aws.services import TRUST_ACTIONS
from iamsim.ir.bindings import ABSENT, Alias, Ambivalent, Cases, Known, Prefixed, Unknowable
from iamsim.ir.principals import SESSION
from iamsim.ir.term import Present
from iamsim.model.caller import CallerKind, Credentials

if TYPE_CHECKING:
    from iamsim.aws.keys import KeyRow
    from iamsim.env.facts import Facts
    from iamsim.ir.bindings import Binding
    from iamsim.model.caller import Caller

_FEDERATION = (CallerKind.WEB_IDENTITY, CallerKind.SAML)
_TYPES = {
    CallerKind.USER: "User",
    CallerKind.ROLE_SESSION: "AssumedRole",
    CallerKind.FEDERATED_USER: "FederatedUser",
    CallerKind.ROOT: "Account",
    CallerKind.ANONYMOUS: "Anonymous",
}
# The service whose credentials carry the key.
_ISSUED = {
    "ec2:sourceinstancearn": "ec2.amazonaws.com",
    "ec2:roledelivery": "ec2.amazonaws.com",
    "aws:ec2instancesourcevpc": "ec2.amazonaws.com",
    "aws:ec2instancesourceprivateipv4": "ec2.amazonaws.com",
    "lambda:sourcefunctionarn": "lambda.amazonaws.com",
    "ssm:sourceinstancearn": "ssm.amazonaws.com",
    "glue:roleassumedby": "glue.amazonaws.com",
    "glue:credentialissuingservice": "glue.amazonaws.com",
    "codebuild:buildarn": "codebuild.amazonaws.com",
    "codebuild:projectarn": "codebuild.amazonaws.com",
}


def caller_binding(facts: Facts, var: str, row: KeyRow) -> Binding | None:
    """The binding of a key about the caller, or None if `var` is none.

    Source: IAM User Guide, "AWS global condition context keys", properties of the principal and of a role session.
    """
    caller = facts.caller
    if (facts.action or "").startswith(TRUST_ACTIONS) and (passed := _passed(facts, var)) is not None:
        return passed
    match var:
        case "aws:principalarn":
            return _principal_arn(caller)
        case "aws:principalaccount":
            return _principal_account(caller)
        case "aws:principaltype":
            return _unclear(caller) or Known((_TYPES[caller.kind],))
        case "aws:userid":
            return _userid(facts)
        case "aws:username":
            return Known((caller.name,)) if caller.kind is CallerKind.USER and caller.name else ABSENT
        case "aws:principalisawsservice":
            return Known((str(caller.kind is CallerKind.SERVICE).lower(),)) if caller.signed else ABSENT
        case "aws:principalservicename":
            return Known(caller.services[:1]) if caller.kind is CallerKind.SERVICE else ABSENT
        case "aws:principalservicenameslist":
            return Known(caller.services) if caller.kind is CallerKind.SERVICE else ABSENT
        case "aws:assumedroot":
            return Known(("true",)) if caller.assumed_root else ABSENT
        case "aws:multifactorauthpresent" | "aws:multifactorauthage":
            return _mfa(facts, var)
        case "aws:tokenissuetime":
            return _issue_time(facts, var)
        case "aws:sourceidentity":
            return _source_identity(facts, var)
        case "aws:federatedprovider":
            return _provider(facts, var)
        case _:
            pass
    if row.present == "caller-organization":
        from iamsim.env.context import organization_binding

        return organization_binding(facts, caller.account, var) if caller.signed else ABSENT
    if row.present == "caller-tag":
        return _tag(facts, var)
    if row.present in ("instance", "function", "service-session"):
        return _issued(facts, var)
    return None


# Issuers whose tokens can carry neither session tags nor a source identity: their claims are fixed.
_PLAIN_TOKENS = (
    "token.actions.githubusercontent.com", "oidc.eks.", "accounts.google.com", "www.amazon.com", "graph.facebook.com",
)  # fmt: skip
_PASSED = ("aws:tagkeys", "sts:transitivetagkeys", "sts:sourceidentity")


def _passed(facts: Facts, var: str) -> Binding | None:
    """The binding of what the call that obtains a role passes, where the token or the service fixes it.

    The session name is in every such call, so that of a hop is free where other keys are absent.
    Source: IAM User Guide, "Pass session tags in AWS STS"; Amazon EKS User Guide, "Grant Pods access to AWS resources
    based on tags"; IAM Roles Anywhere User Guide, "Trust model".
    """
    caller = facts.caller
    if var == "sts:rolesessionname" and facts.hop:
        return Alias(facts.hop + var)
    tag = var.startswith("aws:requesttag/")
    if not (tag or var in _PASSED):
        return None
    if caller.kind is CallerKind.SERVICE:
        return None if _service_passes(caller.services, var) else ABSENT
    if caller.kind not in _FEDERATION:
        return None
    claims = dict(caller.claims)
    if var in claims:
        return Known(claims[var])
    if var == "aws:tagkeys" and not facts.ever:
        return Known(tuple(k.partition("/")[2] for k in claims if k.startswith("aws:requesttag/")))
    host = (caller.provider or "").partition("oidc-provider/")[2] or caller.provider or ""
    return ABSENT if caller.kind is CallerKind.WEB_IDENTITY and host.lower().startswith(_PLAIN_TOKENS) else None


def _service_passes(services: tuple[str, ...], var: str) -> bool:
    passing = passing_of(services)
    if passing is None:
        return False
    if var == "sts:sourceidentity":
        return passing.identity is not None
    if var == "sts:transitivetagkeys":
        return passing.transitive
    return var == "aws:tagkeys" or passing.tag(var.partition("/")[2])


def _unclear(caller: Caller) -> Binding | None:
    """AWS does not say what identity keys hold for service callers and federation calls (semantics X17)."""
    return Unknowable("X17") if caller.kind is CallerKind.SERVICE or caller.kind in _FEDERATION else None


def _principal_arn(caller: Caller) -> Binding:
    if caller.kind is CallerKind.SERVICE:
        return Unknowable("X17")
    if caller.any_role:
        return Unknowable(f"missing:roles of account {caller.account}")
    return Known((caller.arn,)) if caller.signed and caller.arn else ABSENT


def _principal_account(caller: Caller) -> Binding:
    if caller.kind is CallerKind.ANONYMOUS:
        return Known(("anonymous",))
    return _unclear(caller) or Known((caller.account or "",))


def _userid(facts: Facts) -> Binding:
    caller = facts.caller
    match caller.kind:
        case CallerKind.ANONYMOUS:
            return Known(("anonymous",))
        case CallerKind.ROOT:
            return Known((caller.account or "",))
        case CallerKind.FEDERATED_USER:
            return Known((f"{caller.account}:{caller.name}",))
        case CallerKind.USER if caller.unique_id:
            return Known((caller.unique_id,))
        case CallerKind.ROLE_SESSION if caller.unique_id:
            if caller.session is not None:
                return Known((f"{caller.unique_id}:{caller.session}",))
            return Prefixed(f"{caller.unique_id}:", facts.session or SESSION)
        case CallerKind.USER | CallerKind.ROLE_SESSION:
            return Unknowable(f"missing:unique id of {caller.arn}")
        case _:
            return Unknowable("X17")


def _mfa(facts: Facts, var: str) -> Binding:
    """Semantics 4.6. A user may choose to use MFA; a role session never shows it.

    Source: IAM User Guide, "Secure API access with MFA" and "AWS global condition context keys".
    """
    caller = facts.caller
    flag = var == "aws:multifactorauthpresent"
    match caller.kind:
        case CallerKind.ROLE_SESSION:
            return Ambivalent(ABSENT, Known(("false",)), "X15") if flag else ABSENT
        case CallerKind.USER | CallerKind.ROOT:
            pass
        case _:
            return ABSENT
    if caller.mfa is False or (caller.mfa is None and not facts.ever):
        temporary = caller.credentials is Credentials.SESSION_TOKEN
        return Known(("false",)) if flag and temporary else ABSENT
    if caller.mfa:
        return Known(("true",)) if flag else _free(facts, var)
    if caller.credentials is Credentials.LONG_TERM and facts.action != "sts:assumerole":
        return ABSENT
    return Alias(facts.hop + var)


def _free(facts: Facts, var: str) -> Binding:
    return Alias(facts.hop + var) if facts.ever else ABSENT


def _issue_time(facts: Facts, var: str) -> Binding:
    caller = facts.caller
    if caller.kind in (CallerKind.SERVICE, CallerKind.ANONYMOUS, *_FEDERATION):
        return ABSENT
    if caller.kind in (CallerKind.USER, CallerKind.ROOT):
        if caller.credentials is Credentials.LONG_TERM and not caller.assumed_root:
            return ABSENT
        if caller.credentials is Credentials.ANY and not facts.ever:
            return ABSENT
    return Alias(facts.hop + var) if facts.ever else Unknowable("missing:aws:TokenIssueTime")


def _source_identity(facts: Facts, var: str) -> Binding:
    caller = facts.caller
    if caller.source_identity is not None:
        return Known((caller.source_identity,))
    return _free(facts, var) if caller.open_source_identity else ABSENT


def _provider(facts: Facts, var: str) -> Binding:
    """The OIDC provider of the session, and of the token while a trust policy is evaluated; SAML is unclear (X18)."""
    caller = facts.caller
    if caller.kind is CallerKind.WEB_IDENTITY and caller.provider:
        return Known((caller.provider,))
    if caller.kind is CallerKind.SAML and caller.provider:
        return Ambivalent(ABSENT, Known((caller.provider,)), "X18")
    return _free(facts, var) if caller.open_provider else ABSENT


def _tag(facts: Facts, var: str) -> Binding:
    """A principal tag: of the user, or of the session (semantics 4.5)."""
    caller = facts.caller
    if caller.kind is CallerKind.SERVICE:
        return _certified(facts, var)
    if facts.carried_tags is not None:
        return facts.carried_tags(var.partition("/")[2])
    if caller.kind not in (CallerKind.USER, CallerKind.ROLE_SESSION, CallerKind.FEDERATED_USER):
        return ABSENT
    name = var.partition("/")[2]
    own: Binding = next((Known((v,)) for k, v in caller.tags if k.lower() == name), ABSENT)
    if own is ABSENT and not caller.tags_known:
        return ABSENT if facts.missing == "closed" else _free(facts, var)
    if (caller.open_tags or name in caller.open_keys) and facts.ever:
        passed = facts.hop + var
        return Cases(Present(passed), Alias(passed), own) if own is not ABSENT else Alias(passed)
    return own


def _certified(facts: Facts, var: str) -> Binding:
    """A tag that Roles Anywhere takes from a certificate: a principal tag already in the call that passes it.

    Source: IAM Roles Anywhere User Guide, "Trust model in AWS Identity and Access Management Roles Anywhere".
    """
    passing = passing_of(facts.caller.services)
    name = var.partition("/")[2]
    if passing is None or passing.transitive or not passing.tag(name):
        return ABSENT
    passed = f"aws:requesttag/{name}"
    return Known(facts.given[passed]) if passed in facts.given else _free(facts, passed)


def _issued(facts: Facts, var: str) -> Binding:
    """Keys that only credentials issued by one service carry; the session must be one of that service."""
    caller = facts.caller
    if caller.kind is not CallerKind.ROLE_SESSION:
        return ABSENT
    if caller.instance is not None and var == "ec2:sourceinstancearn":
        return Known((caller.instance,))
    service = _ISSUED.get(var)
    if caller.instance is not None and service == "ec2.amazonaws.com":
        return _free(facts, var)
    return (
        _free(facts, var) if service in caller.open_services or (service is None and caller.open_services) else ABSENT
    )
