"""The table of controls: who decides the value of a condition key in a request."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Control(StrEnum):
    """Who decides: the word is printed behind the value."""

    CALLER = "caller"
    ENVIRONMENT = "environment"
    SECRET = "secret"  # noqa: S105 - a word of the report
    PROVIDER = "identity provider"
    SERVICE = "calling service"
    ADMINISTRATOR = "administrator"
    OWNER = "resource owner"


MEANING: Mapping[Control, str] = MappingProxyType(
    {
        Control.CALLER: "the caller chooses it",
        Control.ENVIRONMENT: "it depends on where, how and when the call is made",
        Control.SECRET: "only those who were told know it",
        Control.PROVIDER: "the identity provider issues it",
        Control.SERVICE: "the AWS service that makes the call sets it",
        Control.ADMINISTRATOR: "whoever manages the identity sets it",
        Control.OWNER: "whoever manages the resource sets it",
    }
)

# Condition key, or beginning of a family, in lower case. Source: IAM User Guide, "AWS global condition context keys",
# "IAM and AWS STS condition context keys".
_ROWS: Mapping[str, Control] = MappingProxyType(
    {
        "aws:sourceip": Control.ENVIRONMENT,
        "aws:vpcsourceip": Control.ENVIRONMENT,
        "aws:sourcevpc": Control.ENVIRONMENT,
        "aws:sourcevpcarn": Control.ENVIRONMENT,
        "aws:sourcevpce": Control.ENVIRONMENT,
        "aws:vpceaccount": Control.ENVIRONMENT,
        "aws:vpceorgid": Control.ENVIRONMENT,
        "aws:vpceorgpaths": Control.ENVIRONMENT,
        "aws:currenttime": Control.ENVIRONMENT,
        "aws:epochtime": Control.ENVIRONMENT,
        "aws:tokenissuetime": Control.ENVIRONMENT,
        "aws:ec2instancesourcevpc": Control.ENVIRONMENT,
        "aws:ec2instancesourceprivateipv4": Control.ENVIRONMENT,
        "ec2:sourceinstancearn": Control.ENVIRONMENT,
        "ec2:roledelivery": Control.ENVIRONMENT,
        "lambda:sourcefunctionarn": Control.ENVIRONMENT,
        "s3:accesspointnetworkorigin": Control.OWNER,
        "sts:externalid": Control.SECRET,
        "aws:sourcearn": Control.SERVICE,
        "aws:sourceaccount": Control.SERVICE,
        "aws:sourceowner": Control.SERVICE,
        "aws:sourceorgid": Control.SERVICE,
        "aws:sourceorgpaths": Control.SERVICE,
        "aws:calledvia": Control.SERVICE,
        "aws:calledviafirst": Control.SERVICE,
        "aws:calledvialast": Control.SERVICE,
        "aws:viaawsservice": Control.SERVICE,
        "kms:viaservice": Control.SERVICE,
        "kms:grantisforawsresource": Control.SERVICE,
        "ssm:sourceinstancearn": Control.SERVICE,
        "glue:roleassumedby": Control.SERVICE,
        "glue:credentialissuingservice": Control.SERVICE,
        "codebuild:buildarn": Control.SERVICE,
        "codebuild:projectarn": Control.SERVICE,
        "identitystore:userid": Control.SERVICE,
        "aws:principalorgid": Control.ADMINISTRATOR,
        "aws:principalorgpaths": Control.ADMINISTRATOR,
        "aws:federatedprovider": Control.PROVIDER,
        "saml:": Control.PROVIDER,
        "aws:principaltag/": Control.ADMINISTRATOR,
        "aws:resourcetag/": Control.OWNER,
        "aws:resourceaccount": Control.OWNER,
        "aws:resourceorgid": Control.OWNER,
        "aws:resourceorgpaths": Control.OWNER,
    }
)


def control_of(key: str) -> Control:
    """Who decides the value of the condition key; request parameters, tags, MFA and headers are the caller's choice.

    Source: IAM User Guide, "AWS global condition context keys".
    """
    lower = key.lower()
    found = _ROWS.get(lower)
    if found is not None:
        return found
    stem, slash, _ = lower.partition("/")
    prefix, _, name = stem.partition(":")
    if slash and (family := _ROWS.get(stem + "/")) is not None:
        return family
    if slash and name == "resourcetag":
        return Control.OWNER
    if prefix == "saml" or "." in prefix:
        return Control.PROVIDER
    return Control.CALLER
