"""Request context: what each condition key of a check is bound to (derived, given, free, absent or unknowable)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iamsim.aws.keys import ALWAYS_PRESENT, Listing, key_row
from iamsim.aws.resource_policies import region_of
from iamsim.env.caller_keys import caller_binding
from iamsim.env.facts import org_path, place, principal_at, resource_tags
from iamsim.ir import values
from iamsim.ir.bindings import ABSENT, Alias, Ambivalent, Cases, Known, Unknowable
from iamsim.ir.lower import ACTION, RESOURCE
from iamsim.ir.principals import SESSION
from iamsim.ir.term import FALSE
from iamsim.model.caller import CallerKind

if TYPE_CHECKING:
    from iamsim.aws.keys import KeyRow
    from iamsim.env.facts import Facts
    from iamsim.ir.bindings import Binding, Lookup

_DEFAULTS = {"aws:securetransport": "true", "aws:viaawsservice": "false"}
_SOURCES = ("service-source", "service-source-organization")
_TOKEN = ("oidc-session", "oidc-token", "oidc-unknown-claim", "saml-session", "saml-assertion")


def lookup_of(facts: Facts) -> Lookup:
    """The binding of every variable of a check, computed once per variable."""
    known: dict[str, Binding] = {}

    def lookup(var: str) -> Binding:
        found = known.get(var)
        if found is None:
            found = known[var] = _binding(facts, var)
        return found

    return lookup


def _binding(facts: Facts, var: str) -> Binding:
    if "|" in var or var.startswith("="):
        return Alias(var)
    if var == RESOURCE:
        return Alias(facts.resource_name) if facts.resource is None else Known((facts.resource,))
    if var == ACTION:
        return Alias(ACTION) if facts.action is None else Known((facts.action,))
    if var == SESSION:
        return Alias(facts.session or SESSION)
    if var in facts.given:
        return Known(facts.given[var])
    if var in facts.carried:
        return facts.carried[var]
    return _derived(facts, var)


def _derived(facts: Facts, var: str) -> Binding:
    if var in ("aws:calledviafirst", "aws:calledvialast") and facts.given.get("aws:calledvia"):
        via = facts.given["aws:calledvia"]
        return Known((via[0 if var.endswith("first") else -1],))
    clock = _CLOCKS.get(var)
    if clock is not None and (clock in facts.given or (facts.ever and var == "aws:epochtime")):
        told = facts.given.get(clock)
        return Alias(facts.hop + clock) if told is None else Known(tuple(clock_text(var, t) for t in told))
    if var == "kms:encryptioncontextkeys" and not facts.ever:
        names = [
            k.partition("context:")[2] for k, v in facts.given.items() if k.startswith("kms:encryptioncontext:") and v
        ]
        return Known(tuple(sorted(names)))
    row = key_row(var, facts.action)
    found = caller_binding(facts, var, row)
    if found is not None:
        return found
    found = _resource_binding(facts, var, row)
    if found is not None:
        return found
    return _request_binding(facts, var, row)


_CLOCKS = {"aws:epochtime": "aws:currenttime", "aws:currenttime": "aws:epochtime"}


def clock_text(var: str, text: str) -> str:
    """The instant `text` in the notation of `var`, one of the two keys of the present time.

    Source: IAM User Guide, "AWS global condition context keys", aws:CurrentTime and aws:EpochTime.
    """
    instant = values.date(text)
    if instant is None:
        return text
    return values.number_text(instant) if var == "aws:epochtime" else values.date_text(instant)


def free(facts: Facts, var: str, row: KeyRow | None = None) -> Binding:
    """The variable itself where keys are free; else its default, absence, or U for a key that is in every request."""
    if facts.ever:
        return Alias(facts.hop + var)
    default = _DEFAULTS.get(var)
    if default is not None:
        return Known((default,))
    if var in ALWAYS_PRESENT:
        return Unknowable(f"missing:{row.name if row else var}")
    return ABSENT


def _free_of_resource(facts: Facts, var: str) -> Binding:
    """As `free`, for a key about the resource, of which each check of an operation has its own."""
    return Alias(f"{facts.part}{facts.hop}{var}") if facts.ever and facts.part else free(facts, var)


def _resource_binding(facts: Facts, var: str, row: KeyRow) -> Binding | None:
    if row.got == "absent":
        return ABSENT
    match row.present:
        case "resource":
            if facts.owner is None or not facts.owner.isdigit():
                return _free_of_resource(facts, var)
            return Known((facts.owner,)) if var.endswith("account") else organization_binding(facts, facts.owner, var)
        case "resource-organization":
            return (
                _free_of_resource(facts, var) if facts.owner is None else organization_binding(facts, facts.owner, var)
            )
        case "resource-tag":
            return _tag_binding(facts, var)
        case _:
            pass
    if var == "aws:requestedregion":
        region = region_of(facts.resource or "*", facts.action or "")
        return Known((region,)) if region else free(facts, var, row)
    if var == "iam:permissionsboundary" and row.got == "derived":
        return _target_boundary(facts, var)
    if var == "kms:calleraccount":
        return Known((facts.caller.account,)) if facts.caller.account else ABSENT
    return None


def _tag_binding(facts: Facts, var: str) -> Binding:
    """A tag of the resource. With iam:PassRole such conditions are not dependable (semantics X27).

    Source: IAM User Guide, "AWS global condition context keys", aws:ResourceTag/tag-key.
    """
    if facts.action == "iam:passrole":
        return Unknowable("X27")
    tags = resource_tags(facts.env, facts.resource, facts.holder)
    principal = principal_at(facts.env, facts.resource) if facts.resource else None
    if facts.ever and principal is not None and var.partition("/")[2] in principal.open_tags:
        return _free_of_resource(facts, var)
    if tags is None:
        return ABSENT if facts.missing == "closed" else _free_of_resource(facts, var)
    name = var.partition("/")[2]
    own: Binding = next((Known((v,)) for k, v in tags if k.lower() == name), ABSENT)
    return _inherited(facts, name, own)


def _inherited(facts: Facts, name: str, own: Binding) -> Binding:
    """While a role is assumed, a tag of it whose key the caller's transitive tags have too is unclear (semantics X20)."""
    if own is ABSENT or not (facts.action or "").startswith("sts:"):
        return own
    if facts.carried_transitive is not None:
        inherited = facts.carried_transitive(name)
        return own if inherited is FALSE else Cases(inherited, Unknowable("X20"), own)
    held = {k.lower(): v for k, v in facts.caller.tags}
    if name in {k.lower() for k in facts.caller.transitive} and own != Known((held.get(name, ""),)):
        return Unknowable("X20")
    return own


def _target_boundary(facts: Facts, var: str) -> Binding:
    """For calls that change the policies of a principal: the boundary that it carries."""
    target = principal_at(facts.env, facts.resource) if facts.resource else None
    if target is None:
        return free(facts, var)
    return Known((target.boundary.arn,)) if target.boundary is not None and target.boundary.arn else ABSENT


def organization_binding(facts: Facts, account: str | None, var: str) -> Binding:
    """An organization key of `account`: derived if a loaded organization has it, else free and shared by all its roles."""
    if account is None or not account.isdigit():
        return ABSENT
    found = place(facts.env, account)
    paths = var.endswith("orgpaths")
    if found is not None:
        organization, nodes = found
        return Known((org_path(organization, nodes) if paths else organization.id,))
    own = next((o for o in facts.env.organizations if o.management_account == account), None)
    if own is not None:  # always in its organization, listed or not
        if not paths:
            return Known((own.id,))
        return (
            Alias(f"{account}|aws:orgpaths") if facts.ever else Unknowable(f"missing:organization of account {account}")
        )
    left = any(account in o.left for o in facts.env.organizations)
    if facts.missing == "closed" or not facts.ever or left:
        return ABSENT
    never = () if facts.missing == "strict" else tuple(o.id for o in facts.env.organizations)
    return Alias(f"{account}|{'aws:orgpaths' if paths else 'aws:orgid'}", never)


def _request_binding(facts: Facts, var: str, row: KeyRow) -> Binding:
    kind = facts.caller.kind
    if row.present in _TOKEN:
        return _token_binding(facts, var, row)
    if row.present in _SOURCES:
        if kind is not CallerKind.SERVICE:
            return free(facts, var) if var == "aws:sourceowner" else ABSENT
        return _source_binding(facts, var)
    if row.present in ("public-endpoint", "vpc-endpoint", "vpc-endpoint-organization"):
        return _network_binding(facts, var, row)
    if row.present == "forwarded":
        return _forwarded_binding(facts, var)
    if row.present == "access-point" and facts.ever:
        return Ambivalent(ABSENT, Alias(facts.hop + var), "missing:access point policy")
    if var == "aws:viaawsservice":
        if kind is CallerKind.SERVICE or not facts.ever:
            return Known(("false",))
        return Ambivalent(Known(("false",)), Alias(facts.hop + var), "X42")
    if row.listing is Listing.NOT_LISTED:
        return ABSENT
    return free(facts, var, row)


def _forwarded_binding(facts: Facts, var: str) -> Binding:
    """Keys of forward access sessions: known to be unset for certain, possible only with a service in between (X42)."""
    forwarded = facts.given.get("aws:viaawsservice")
    if facts.caller.kind is CallerKind.SERVICE or not facts.ever or forwarded == ("false",):
        return ABSENT
    if forwarded == ("true",):
        return Alias(facts.hop + var)
    return Ambivalent(ABSENT, Alias(facts.hop + var), "X42")


def _source_binding(facts: Facts, var: str) -> Binding:
    account = facts.given.get("aws:sourceaccount")
    if var in ("aws:sourceorgid", "aws:sourceorgpaths") and account:
        return organization_binding(facts, account[0], var)
    return Alias(facts.hop + var) if facts.ever else Unknowable("X26")


def _network_binding(facts: Facts, var: str, row: KeyRow) -> Binding:
    if facts.caller.kind is CallerKind.SERVICE:
        return ABSENT
    if var == "aws:sourceip" and facts.given.get("aws:viaawsservice") == ("true",):
        return Unknowable("X23")
    vpce = facts.given.get("aws:sourcevpce")
    endpoint = facts.env.endpoints.get(vpce[0]) if vpce else None
    if endpoint is not None:
        if var == "aws:sourcevpc" and endpoint.vpc:
            return Known((endpoint.vpc,))
        if var == "aws:vpceaccount" and endpoint.account:
            return Known((endpoint.account,))
        if var in ("aws:vpceorgid", "aws:vpceorgpaths") and endpoint.account:
            return organization_binding(facts, endpoint.account, var)
    if row.present == "public-endpoint" and (vpce or facts.inside):
        return ABSENT
    if row.present != "public-endpoint" and facts.given.get("aws:sourceip"):
        return ABSENT
    if facts.inside and not facts.ever and var in ("aws:sourcevpce", "aws:sourcevpc"):
        return Unknowable(f"missing:{row.name}")
    return free(facts, var)


def _token_binding(facts: Facts, var: str, row: KeyRow) -> Binding:
    """Claims of a web identity token or SAML assertion, in the federation call and in the session that it makes."""
    caller = facts.caller
    if caller.kind in (CallerKind.WEB_IDENTITY, CallerKind.SAML):
        return _claim_binding(facts, var, row)
    if caller.open_provider and row.present in ("oidc-session", "saml-session"):
        return free(facts, var)
    return ABSENT


def _claim_binding(facts: Facts, var: str, row: KeyRow) -> Binding:
    caller = facts.caller
    provider = (caller.provider or "").lower()
    if caller.kind is CallerKind.SAML:
        own = var.startswith("saml:")
    else:
        own = var.startswith((provider.partition("oidc-provider/")[2] + ":", provider + ":"))
    if not own:
        return ABSENT
    found = dict(caller.claims).get(var)
    if found is not None:
        return Known(found)
    if row.present == "oidc-unknown-claim":
        return Unknowable("X28")
    if not facts.ever and any(s.key == var for s in caller.claim_shapes):
        return Unknowable(f"missing:{var}")
    return free(facts, var)
