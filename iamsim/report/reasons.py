"""The table of reasons: what a code of an unknown answer means, and what would decide it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Reason:
    """What is not known, as a sentence, and what to load, state or change to have it decided."""

    sentence: str
    remedy: str


_STATE = "state the value with --context KEY=VALUE"
_TEST = "try it in AWS, or write the policy so that it does not depend on this"

# Source: semantics, "Undocumented or disputed".
LEDGER: Mapping[str, Reason] = MappingProxyType(
    {
        "X1": Reason("whether `*` and `?` in the resource part of an ARN cross colons is disputed", _TEST),
        "X2": Reason(
            "a resource pattern with fewer than six segments fits only if AWS completes it with `*`, which is "
            "documented for identity policies alone",
            "write the pattern with all six segments",
        ),
        "X3": Reason(
            "whether an ARN pattern covers an action that takes no resource is documented in two ways",
            'write `"Resource": "*"` for such actions',
        ),
        "X4": Reason(
            "a policy variable in a Bool condition may be substituted or taken literally", "write `true` or `false`"
        ),
        "X5": Reason("how an absent policy variable acts under a negated operator is disputed", _TEST),
        "X6": Reason(
            "whether `*` or `?` inside the value of a policy variable acts as a wildcard is undocumented", _STATE
        ),
        "X7": Reason(
            "how a policy variable with a default acts on a multivalued or empty key is undocumented",
            "drop the default, or use a single-valued key",
        ),
        "X8": Reason(
            "a multivalued key is present under an operator without ForAllValues or ForAnyValue, whose result "
            "AWS leaves undefined",
            "add ForAllValues or ForAnyValue to the operator",
        ),
        "X9": Reason(
            "ForAnyValue with IfExists on an absent key: the two rules contradict each other",
            "drop IfExists, or state the key",
        ),
        "X10": Reason(
            "whether an empty text counts as absent is documented in two ways", "state a value that is not empty"
        ),
        "X11": Reason(
            "a bare number in a date condition may be a year or seconds since 1970",
            "write the date as `2030-01-01T00:00:00Z`",
        ),
        "X12": Reason("whether an IPv4 block holds IPv4-mapped IPv6 addresses is undocumented", _STATE),
        "X13": Reason(
            "an ARN operator has a value that is no ARN, such as `*`, and views differ on whether it ever matches",
            "write an ARN pattern with six segments, such as `arn:*:*:*:*:*`",
        ),
        "X14": Reason(
            "a Federated principal outside a trust policy is documented nowhere",
            "name the role instead of the provider",
        ),
        "X15": Reason(
            "whether aws:MultiFactorAuthPresent is absent or false in role sessions is documented in two ways",
            "use BoolIfExists in Deny statements and Bool in Allow statements",
        ),
        "X16": Reason(
            "a value cannot be read by its operator, and how a negated operator treats that is disputed",
            "correct the value",
        ),
        "X17": Reason(
            "which principal keys a request of an AWS service or of a token holder carries is not documented",
            "use aws:PrincipalServiceName or aws:PrincipalIsAWSService for services",
        ),
        "X18": Reason(
            "whether SAML sessions carry aws:FederatedProvider is documented in two ways", "state it with --context"
        ),
        "X19": Reason(
            "NotPrincipal names a part of the caller only (account, role, or session), and whether that exempts it is "
            "disputed",
            "list account, role and session, or use a condition on aws:PrincipalArn",
        ),
        "X20": Reason(
            "a transitive tag and a tag of the target role differ, and which one the trust policy sees is not clear",
            "give both the same value",
        ),
        "X21": Reason("whether a session policy limits a grant to the session itself is disputed", _TEST),
        "X22": Reason(
            "whether a KMS grant passes boundaries, session policies and silent identity policies of another "
            "account is not documented",
            "allow the action in the policies as well",
        ),
        "X23": Reason(
            "which address aws:SourceIp holds when a service calls with the caller's identity is told in two ways",
            "except such calls with aws:ViaAWSService",
        ),
        "X24": Reason("how an Allow in an SCP with conditions or resources acts is documented in two ways", _TEST),
        "X25": Reason(
            "whether sts:TagSession or sts:SetSourceIdentity is needed here is not exactly documented",
            "allow it in the identity policy and the trust policy",
        ),
        "X26": Reason(
            "whether this service sends aws:SourceArn and aws:SourceAccount with this call is not fully documented",
            "state them with --context aws:SourceArn=ARN or `KEY=null`",
        ),
        "X27": Reason(
            "AWS advises against tag conditions on iam:PassRole: their result is not reliable",
            "name the roles in Resource instead",
        ),
        "X28": Reason(
            "a trust policy reads a token claim that AWS is not known to support for this provider",
            "use `aud` or `sub`, or state the claim in the caller",
        ),
        "X29": Reason("which STS calls GetSessionToken credentials can make is documented in two ways", _TEST),
        "X30": Reason("further services may need a grant in the resource policy within one account", _TEST),
        "X31": Reason("whether a Deny of a user covers its federated sessions is only implied", _TEST),
        "X32": Reason("Null with a set operator or IfExists is not defined", "write `Null` alone"),
        "X33": Reason("the case of element and operator names is documented in two ways", "write names as AWS does"),
        "X34": Reason(
            "policy variables inside one another, or inside a default, are undocumented", "write the value plainly"
        ),
        "X35": Reason(
            "whether a `*` principal needs the identity side in another account is not stated", "allow it on both sides"
        ),
        "X36": Reason("two tag keys that differ only in case", "keep one of them"),
        "X37": Reason("whether this action carries aws:ResourceAccount is not in the data", _STATE),
        "X38": Reason("the session policy of a session that was passed none is not documented", _TEST),
        "X39": Reason("the list of actions that SCPs do not restrict is incomplete", _TEST),
        "X40": Reason("whether a Deny of an account covers its root user is only implied", _TEST),
        "X41": Reason(
            "a trust policy admits token holders by `*`, where documentation only knows Federated principals",
            "name the provider as Federated principal",
        ),
        "X42": Reason(
            "it is allowed only when an AWS service calls with the caller's identity, and which services do that for "
            "this action is not documented as a whole",
            "state it with --context aws:ViaAWSService=true and aws:CalledVia=SERVICE",
        ),
        "X43": Reason(
            "a NotResource entry has a policy variable without value, and whether the statement then holds is disputed",
            "give the variable a default, or use a condition",
        ),
        "X44": Reason(
            "whether an identity provider is the one that a trust policy names when the two differ in letter case alone "
            "is undocumented",
            "write the provider in the trust policy as its issuer does",
        ),
        "case:non-ascii": Reason(
            "texts outside ASCII are compared without regard to case, which AWS does not define", "use ASCII"
        ),
    }
)

_KEY = re.compile(r"[A-Za-z0-9.-]+:[A-Za-z][^\s:]*(?:/.*)?$")

# What stands behind `missing:`, by its beginning.
_MISSING: tuple[tuple[str, str, str], ...] = (
    ("owner of the resource", "the account of the resource is not known", "add --resource-account ID"),
    ("resource", "the resource is not known", "ask about one resource"),
    ("organization of", "no input holds the {0}", "load the organization tree"),
    ("SCPs of", "the input lists no SCP for {1}, although every node has at least one", "load the whole organization"),
    ("key policy of", "no input holds the {0}, and every key has one", "load the key policy"),
    ("trust policy of", "no input holds the {0}", "load the account of the role"),
    ("policy of endpoint", "no input holds the {0}", "load it, or pass it with --endpoint-policy"),
    ("policy of", "no input holds the {0}, which may allow or deny", "load the resource policy"),
    ("session policies", "a session policy may have been passed", "pass it with --session-policy"),
    ("Block Public Access", "the {0} are in no input", "add `RestrictPublicBuckets` to the resource's entry"),
    ("unique id of", "the {0} is in no input", "load the account of the principal"),
    ("canonical user id", "the canonical user ids of accounts are in no input", "name the account instead"),
)


def explain(code: str) -> Reason:
    """What the reason code of an unknown answer means; a code that is no row is said as it is."""
    row = LEDGER.get(code)
    if row is not None:
        return row
    kind, colon, rest = code.partition(":")
    match kind if colon else "":
        case "missing":
            return _missing(rest)
        case "malformed":
            return Reason(f"a policy has a malformed part: {rest}", "correct the policy: the warnings name the place")
        case "unsupported":
            return Reason(f"iamsim cannot decide this: {rest}", _TEST)
        case "budget":
            return Reason(
                f"the budget was used up: {rest}", "ask about one action and one resource, or state more keys"
            )
        case _:
            return Reason(code, "the warnings about the snapshot name the place")


def _missing(what: str) -> Reason:
    if what.endswith(" is not in the snapshot"):
        return Reason(what, "load the account of the principal")
    for start, sentence, remedy in _MISSING:
        if what.startswith(start):
            return Reason(sentence.format(what, what[len(start) :].strip()), remedy)
    if what.startswith("arn:"):
        return Reason(
            f"the document of `{what}` is in no input, and AWS managed policies of that name are not bundled",
            "add an input that holds the policy",
        )
    if _KEY.match(what):
        return Reason(f"every request has {what}, but its value is not stated", f"add --context {what}=VALUE")
    return Reason(f"no input tells: {what}", "load an input that holds it")
