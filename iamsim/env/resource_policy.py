"""The resource's side of a check: whose policy governs it, KMS grants, S3 Block Public Access, and service refusals."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from iamsim.aws.refusals import OTHER_PARTITION, refusals, refusals_of, refused_across
from iamsim.aws.services import BUILT_IN_PROVIDERS, KMS_CROSS_ACCOUNT
from iamsim.env.facts import principal_at
from iamsim.env.public import public
from iamsim.env.types import MissingPolicy
from iamsim.ir.decide import Hit
from iamsim.ir.principals import match_principal, provider_key
from iamsim.ir.reduce import reduce
from iamsim.ir.term import FALSE, TRUE, Label, LabelKind, Like, Opaque, Present, all_of, any_of, not_
from iamsim.model.arn import parse_arn
from iamsim.model.caller import CallerKind
from iamsim.model.pattern import Literal, Star, join, plain, tokenize
from iamsim.model.policy import Effect, PrincipalEntry, PrincipalMatch

if TYPE_CHECKING:
    from iamsim.aws.refusals import RefusalRow
    from iamsim.env.facts import Facts
    from iamsim.env.types import Environment, KmsGrant, Provider, Resource
    from iamsim.ir.bindings import Lookup
    from iamsim.ir.decide import Side
    from iamsim.ir.term import Term
    from iamsim.model.pattern import Part

# A sub-resource and the resource whose policy governs it, by service.
# Source: IAM User Guide, "AWS services that work with IAM", and the services' guides on resource-based policies.
_PARENTS = (
    ("s3", re.compile(r"([^/]+)/.*\Z", re.DOTALL), r"\1"),
    ("logs", re.compile(r"(log-group:[^:]+):.*\Z", re.DOTALL), r"\1"),
    ("es", re.compile(r"(domain/[^/]+)/.*\Z", re.DOTALL), r"\1"),
    ("dynamodb", re.compile(r"(table/[^/]+)/(?:index|export|backup)/.*\Z", re.DOTALL), r"\1"),
    ("kinesis", re.compile(r"(stream/[^/]+)/consumer/.*\Z", re.DOTALL), r"\1"),
    ("execute-api", re.compile(r"([^/]+)/.*\Z", re.DOTALL), r"\1"),
    ("glue", re.compile(r"(?:database|table|tableVersion|userDefinedFunction)/.*\Z", re.DOTALL), "catalog"),
    ("s3vectors", re.compile(r"(bucket/[^/]+)/.*\Z", re.DOTALL), r"\1"),
    ("schemas", re.compile(r"schema/([^/]+)/.*\Z", re.DOTALL), r"registry/\1"),
    ("vpc-lattice", re.compile(r"(service/[^/]+)/.*\Z", re.DOTALL), r"\1"),
)


def policy_holder(env: Environment, resource: str) -> Resource | None:
    """The loaded resource whose policy governs `resource`: itself, or the one that it is a part of."""
    found = env.resources.get(resource)
    if found is not None:
        return found
    whole = whole_of(resource)
    if whole != resource or resource.split(":", 3)[2:3] == ["logs"]:
        return env.resources.get(whole) or env.resources.get(whole + ":*")
    return None


def whole_of(resource: str) -> str:
    """The ARN of the resource whose policy governs `resource`, loaded or not: itself, or the one that it is a part of.

    Source: IAM User Guide, "AWS services that work with IAM", and the services' guides on resource-based policies.
    """
    arn = parse_arn(resource)
    for service, shape, parent in _PARENTS if arn is not None else ():
        if arn is not None and arn.service == service and shape.match(arn.resource):
            return resource[: len(resource) - len(arn.resource)] + shape.sub(parent, arn.resource)
    return resource


def holder_of(facts: Facts) -> Resource | None:
    """The loaded resource whose policy governs the asked one, which may be symbolic."""
    if facts.holder is not None:
        return facts.holder
    return policy_holder(facts.env, facts.resource) if facts.resource not in (None, "*") else None


def owner_of(env: Environment, resource: str, caller_account: str | None) -> str | None:
    """The account that owns `resource`: of its ARN, else of the loaded resource that governs it; None if not known.

    A wildcard-only check belongs to the caller's account.
    """
    if resource == "*":
        return caller_account
    arn = parse_arn(resource)
    if arn is not None and arn.account:
        return arn.account
    holder = policy_holder(env, resource)
    return holder.account if holder is not None else None


def kms_grants(facts: Facts, lookup: Lookup, holder: Resource) -> tuple[tuple[str, Hit], ...]:
    """The KMS grants that count as key policy Allows for this check, with their class.

    Source: AWS KMS Developer Guide, "Grants in AWS KMS".
    """
    if facts.action is None or not facts.action.startswith("kms:"):
        return ()
    out: list[tuple[str, Hit]] = []
    for number, grant in enumerate(holder.kms_grants or ()):
        if not any(f"kms:{op}".lower() == facts.action for op in grant.operations):
            continue
        kind = "Service" if grant.grantee.endswith(".amazonaws.com") else "AWS"
        match = PrincipalMatch(False, (PrincipalEntry(kind, grant.grantee),))
        classes = match_principal(match, facts.caller, {}, Effect.ALLOW)
        label = Label(LabelKind.STATEMENT, f"KMS grant {number + 1} of {holder.arn}", grant.origin)
        held = reduce(_constraints(grant), lookup)
        for name, test in (("direct", classes.direct), ("via", classes.via), ("account", classes.account)):
            term = all_of((held, test))
            if term is not FALSE:
                out.append((name, Hit(label, term)))
    return tuple(out)


def doubtful_grants(facts: Facts, lookup: Lookup, identity: Side) -> tuple[Hit, ...]:
    """Grants of which AWS does not say what limits them: KMS grants (semantics X22), and file systems without a policy.

    A KMS grant to the caller's own account leaves it to `identity`, like a key policy.
    Source: AWS KMS Developer Guide, "Grants in AWS KMS"; Amazon EFS User Guide, "Using IAM to control file system access".
    """
    holder = holder_of(facts)
    if (facts.action or "").startswith("elasticfilesystem:client") and (holder is None or holder.policy is None):
        why = "a file system without a policy admits every client of its mount targets"
        return (Hit(Label(LabelKind.RULE, why), Opaque(f"unsupported:{why}")),)
    if holder is None or not holder.kms_grants:
        return ()
    own = any_of((*(h.term for h in identity.allow), identity.unknown)) if facts.owner == facts.caller.account else TRUE
    return tuple(
        Hit(h.label, all_of((Opaque("X22"), h.term, own if name == "account" else TRUE)))
        for name, h in kms_grants(facts, lookup, holder)
    )


def unread_grant(facts: Facts, *, cross: bool, possible: bool) -> tuple[str, str] | None:
    """With --missing=strict: the class and reason of a grant that no input kind holds (S3 ACLs, KMS grants, RAM shares).

    Source: Amazon S3 User Guide, "Access control list (ACL) overview"; AWS KMS Developer Guide, "Grants in AWS KMS"; AWS
    RAM User Guide, "What is AWS Resource Access Manager?".
    """
    resource = facts.resource or (facts.holder.arn if facts.holder is not None else "")
    if facts.missing != "strict" or resource in ("", "*"):
        return None
    if ":s3:::" in resource:
        return ("account" if facts.caller.signed else "direct"), f"missing:ACLs of {resource}"
    if ":kms:" in resource and ":key/" in resource:
        holder = holder_of(facts)
        known = holder is not None and holder.kms_grants is not None
        return None if known else ("direct", f"missing:grants of {resource}")
    if cross and not possible and ":iam:" not in resource:
        return "account", f"missing:RAM shares of {resource}"
    return None


def _constraints(grant: KmsGrant) -> Term:
    parts: list[Term] = []
    for pairs in (grant.encryption_context_subset, grant.encryption_context_equals):
        parts += [Like(f"kms:encryptioncontext:{k.lower()}", plain(v)) for k, v in pairs]
    if grant.encryption_context_equals:
        from iamsim.ir.term import Each

        keys = [Like("kms:encryptioncontextkeys", plain(k), fold_case=True) for k, _ in grant.encryption_context_equals]
        parts.append(Each("kms:encryptioncontextkeys", any_of(keys)))
    if grant.source_arn:
        parts.append(Like("aws:sourcearn", tokenize(grant.source_arn, variables=False)))
    return all_of(parts)


def service_denies(facts: Facts, assumed: list[str]) -> tuple[Hit, ...]:
    """What the service denies explicitly: S3 RestrictPublicBuckets on a public bucket policy.

    Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage".
    """
    holder = holder_of(facts)
    if holder is None or ":s3:::" not in holder.arn:
        return ()
    caller = facts.caller
    if holder.policy is None or isinstance(holder.policy, MissingPolicy):
        return ()
    if caller.kind is CallerKind.SERVICE or (caller.signed and caller.account == facts.owner):
        return ()
    setting = restricts(facts.env, holder)
    if setting is False or (setting is None and facts.missing == "closed"):
        return ()
    is_public = public(holder.policy)
    label = Label(LabelKind.RULE, f"S3 RestrictPublicBuckets on {holder.arn}, whose policy is public", holder.origin)
    if setting is None:
        if is_public is FALSE:
            return ()
        if facts.missing == "strict":
            return (Hit(label, Opaque(f"missing:Block Public Access settings of {holder.arn}")),)
        assumed.append(f"Block Public Access is off for {holder.arn} (no input tells)")
        return ()
    return () if is_public is FALSE else (Hit(label, is_public),)


def restricts(env: Environment, holder: Resource) -> bool | None:
    """The most restrictive setting of account and bucket; None if neither is known."""
    account = env.restrict_public_buckets.get(holder.account) if holder.account else None
    settings = [s for s in (account, holder.restrict_public_buckets) if s is not None]
    return any(settings) if settings else None


def service_refusals(facts: Facts, lookup: Lookup, *, cross: bool | None) -> tuple[tuple[Hit, ...], Term]:
    """What the service refuses whatever the policies say: (certain refusals, the term of what is not known).

    `cross`: whether the resource is of another account; None if that is not known.
    """
    arn = parse_arn(facts.resource) if facts.resource else None
    if facts.resource is None and facts.action is not None:
        return _symbolic(facts, lookup, facts.action, cross)
    if arn is None or facts.action is None:
        return (), FALSE
    out: list[Hit] = []
    doubt: list[Term] = []
    if cross is None and refused_across(facts.action):
        doubt.append(Opaque("missing:owner of the resource"))
    for row in refusals(facts.action, arn.service, arn.resource, cross=bool(cross), aws_owned=arn.account == "aws"):
        if _is_service(facts, row):
            continue
        if row.unknown:
            doubt.append(Opaque(f"unsupported:{row.reason}"))
        else:
            out.append(Hit(Label(LabelKind.RULE, row.reason), TRUE))
    if cross and arn.service == "kms" and facts.action not in KMS_CROSS_ACCOUNT:
        out.append(Hit(Label(LabelKind.RULE, _OF_KMS), TRUE))
    out.extend(_provider(facts, lookup, arn.account))
    out.extend(_transitive(facts, lookup))
    out.extend(_elsewhere(facts, facts.resource))
    return tuple(out), any_of(doubt)


def partition_of(facts: Facts) -> str | None:
    """The partition whose credentials a loaded user or role has; None for callers of which no input tells."""
    caller = facts.caller
    arn = caller.parent if caller.kind is CallerKind.FEDERATED_USER else caller.arn
    known = principal_at(facts.env, arn) if arn is not None else None
    parsed = parse_arn(known.arn) if known is not None else None
    return None if parsed is None else parsed.partition


def _elsewhere(facts: Facts, resource: str | None) -> list[Hit]:
    """A call on a resource of another partition, where the caller's credentials are not known."""
    arn = parse_arn(resource) if resource else None
    if arn is None or partition_of(facts) in (None, arn.partition):
        return []
    return [Hit(Label(LabelKind.RULE, OTHER_PARTITION.reason), TRUE)]


def at_home(facts: Facts, read: frozenset[str]) -> list[Term]:
    """That a free resource, if it is one of the variables `read`, is of the partition whose credentials the caller has."""
    partition = partition_of(facts) if facts.resource is None and facts.resource_name in read else None
    return [] if partition is None else [Like(facts.resource_name, tokenize(f"arn:{partition}:*", variables=False))]


def _is_service(facts: Facts, row: RefusalRow) -> bool:
    """Whether the row is about what IAM refuses customers, and the caller is a service."""
    return row.service == "iam" and facts.caller.kind is CallerKind.SERVICE


def _transitive(facts: Facts, lookup: Lookup) -> list[Hit]:
    """A session tag that is passed cannot have the key of an inherited transitive tag.

    Source: IAM User Guide, "Pass session tags in AWS STS", chaining roles with session tags.
    """
    if facts.action not in ("sts:assumerole", "sts:tagsession"):
        return []
    out = []
    for key in facts.caller.transitive:
        passed = reduce(Present(f"aws:requesttag/{key.lower()}"), lookup)
        if passed is not FALSE:
            text = f"the inherited transitive tag `{key}` cannot be passed again"
            out.append(Hit(Label(LabelKind.RULE, text), passed))
    return out


@lru_cache(maxsize=4096)
def place_of(row: RefusalRow, name: str) -> Term:
    """That the ARN in the variable `name` is one that the row is about; true if it is about all of the action's."""
    if row.resource == "*":
        return TRUE
    *fields, last = row.arn.split(":", 5)
    parts: list[Part] = []
    for text in fields:
        # wildcards stay within their field
        parts += [Star(field=True) if text == "*" else Literal(text), Literal(":")]
    return Like(name, join(row.arn, [*parts, *tokenize(last, variables=False).parts]))


_OF_KMS = "this KMS action does not work on a key of another account"


def _symbolic(facts: Facts, lookup: Lookup, action: str, cross: bool | None) -> tuple[tuple[Hit, ...], Term]:
    """As `service_refusals`, where the resource is a variable: what is refused hangs on its ARN."""
    out: list[Hit] = []
    doubt: list[Term] = []
    if cross is None and refused_across(action):
        doubt.append(Opaque("missing:owner of the resource"))
    for row in refusals_of(action):
        if (row.cross and not cross) or _is_service(facts, row):
            continue
        there = place_of(row, facts.resource_name)
        if row.unknown:
            doubt.append(all_of((there, Opaque(f"unsupported:{row.reason}"))))
        else:
            out.append(Hit(Label(LabelKind.RULE, row.reason), there))
    if cross and action.startswith("kms:") and action not in KMS_CROSS_ACCOUNT:
        out.append(Hit(Label(LabelKind.RULE, _OF_KMS), TRUE))
    if facts.owner is not None:
        out.extend(_provider(facts, lookup, facts.owner))
    out.extend(_transitive(facts, lookup))
    out.extend(_elsewhere(facts, facts.holder.arn if facts.holder is not None else None))
    return tuple(out), any_of(doubt)


def provider_at(env: Environment, name: str) -> Provider | None:
    """The loaded identity provider of this name, which an ARN is whose issuer's host may stand in any case."""
    found = env.providers.get(name)
    if found is None:
        found = next((p for a, p in env.providers.items() if provider_key(a) == provider_key(name)), None)
    return found


def _provider(facts: Facts, lookup: Lookup, account: str) -> list[Hit]:
    """A federation call needs the provider in the role's account and, for OIDC, a registered audience.

    Source: IAM User Guide, "OIDC federation" and "SAML 2.0 federation".
    """
    caller = facts.caller
    if caller.kind not in (CallerKind.WEB_IDENTITY, CallerKind.SAML) or caller.provider is None:
        return []
    if caller.provider in BUILT_IN_PROVIDERS:
        return []
    out: list[Hit] = []
    arn = parse_arn(caller.provider)
    if arn is not None and arn.account != account:
        out.append(Hit(Label(LabelKind.RULE, "the identity provider is in another account than the role"), TRUE))
    provider = provider_at(facts.env, caller.provider)
    if provider is None:
        like = any(p.lower() == caller.provider.lower() for p in facts.env.providers)  # X44
        if account in facts.env.providers_known and not like:
            out.append(Hit(Label(LabelKind.RULE, f"account {account} has no provider {caller.provider}"), TRUE))
        return out
    if caller.kind is CallerKind.WEB_IDENTITY and provider.client_ids is not None:
        key = caller.provider.partition("oidc-provider/")[2].lower() + ":aud"
        known = any_of(Like(key, plain(c)) for c in provider.client_ids)
        bad = reduce(all_of((Present(key), not_(known))), lookup)
        if bad is not FALSE:
            label = Label(LabelKind.RULE, f"the audience is not registered with {caller.provider}", provider.origin)
            out.append(Hit(label, bad))
    return out
