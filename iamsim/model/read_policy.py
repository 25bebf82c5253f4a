"""JSON value → Policy and diagnostics: the only reader of policy structure.

What AWS would not store is kept as `Malformed` in the smallest part that encloses it, never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iamsim.diagnostics import Origin
from iamsim.findings import diagnostic, printable
from iamsim.model.json_text import DUPLICATE, duplicate_of, marked, read_document_text
from iamsim.model.policy import Condition, Effect, Malformed, Match, Policy, PolicyKind, PrincipalMatch, Statement
from iamsim.model.read_condition import OPERATORS, operator_name, read_conditions
from iamsim.model.read_match import PRINCIPAL_TYPES, read_actions, read_principals, read_resources

if TYPE_CHECKING:
    from iamsim.diagnostics import Diagnostic

__all__ = [
    "DUPLICATE",
    "ELEMENTS",
    "OPERATORS",
    "PRINCIPAL_TYPES",
    "document_size",
    "is_kms_key",
    "lacks_resource",
    "marked",
    "operator_name",
    "read_document_text",
    "read_policy",
]

ELEMENTS = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
"""The elements of a statement. Source: IAM User Guide, "IAM JSON policy element reference"."""

_FOLDED = {name.lower(): name for name in ELEMENTS}
_MEMBERS = {"version": "Version", "id": "Id", "statement": "Statement"}
_VERSIONS = ("2012-10-17", "2008-10-17")
_PLAIN_MEMBERS = frozenset(("Version", "Statement"))
_WITH_PRINCIPAL = frozenset((PolicyKind.RESOURCE, PolicyKind.TRUST, PolicyKind.RCP, PolicyKind.ENDPOINT))
_WITHOUT_ID = frozenset((PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION))
_STRICT_SID = frozenset((PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION, PolicyKind.TRUST))
_SPACE = re.compile(r"\s+")
_EFFECTS = {"Allow": Effect.ALLOW, "Deny": Effect.DENY}


def is_kms_key(arn: str | None) -> bool:
    """True iff `arn` is that of a KMS key, whose policy may have statements without effect."""
    return arn is not None and arn.split(":", 3)[2:3] == ["kms"]


def lacks_resource(arn: str | None) -> bool:
    """True iff the policy of the resource `arn` has no Resource element.

    Source: Amazon ECR User Guide, "Private repository policies".
    """
    return arn is not None and arn.split(":", 3)[2:3] in (["ecr"], ["ecr-public"])


def document_size(value: Any) -> int:
    """The characters of a policy document without white space between its tokens, as IAM counts them.

    Source: IAM User Guide, "IAM and AWS STS quotas".
    """
    import json

    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return len(_SPACE.sub("", text))


def read_policy(
    value: Any,
    kind: PolicyKind,
    name: str,
    origin: Origin,
    *,
    arn: str | None = None,
    resource_optional: bool = False,
) -> tuple[Policy, tuple[Diagnostic, ...]]:
    """The policy that the JSON `value` (or its text, plain or percent-encoded) states, and what is wrong with it.

    `arn` is that of a managed policy, or of the resource that a resource policy is attached to. Without
    `resource_optional` a statement needs Resource or NotResource where its kind has them. Of the RCP
    `RCPFullAWSAccess` the Allow statements are dropped: they grant nothing.
    Source: IAM User Guide, "IAM JSON policy element reference"; Organizations User Guide, "RCP syntax".
    """
    out: list[Diagnostic] = []
    reason = None
    if isinstance(value, str):
        value, reason = read_document_text(value)
    body, reason = _document(value, reason, kind, origin, out)
    if body is None:
        return _unknown(kind, name, arn, origin, reason), tuple(out)
    version = body.get("Version", "2008-10-17")
    raw = body["Statement"]
    many = isinstance(raw, list)
    if raw == []:
        out.append(diagnostic("policy-empty", origin, "the policy has no statements"))
    needed = kind is not PolicyKind.TRUST and not resource_optional and not lacks_resource(arn)
    rules = _rules(kind, version == "2012-10-17", is_kms_key(arn), needed)
    source, place = origin.source, f"{origin.pointer}/Statement"
    allowed_to_all = kind is PolicyKind.RCP and name == "RCPFullAWSAccess"
    statements = tuple(
        [
            _statement(item, rules, i, Origin(source, f"{place}/{i}" if many else place), out)
            for i, item in enumerate(raw if many else (raw,))
            if not (allowed_to_all and isinstance(item, dict) and item.get("Effect") == "Allow")
        ]
    )
    repeated = duplicate_of(body) if out else None
    if repeated is not None:
        message = _twice(repeated)
        return _unknown(kind, name, arn, origin, message), (diagnostic("policy-duplicate-member", origin, message),)
    _sids(statements, kind, out)
    policy = Policy(
        kind=kind, name=name, arn=arn, version=version, statements=statements, origin=origin, document=value
    )
    return policy, tuple(out)


def _unknown(kind: PolicyKind, name: str, arn: str | None, origin: Origin, reason: str) -> Policy:
    bad = Malformed(reason)
    return Policy(kind=kind, name=name, arn=arn, version="2008-10-17", statements=(), malformed=bad, origin=origin)


def _twice(name: str) -> str:
    return f"member `{printable(name)}` occurs twice in one object"


def _document(
    value: Any, unreadable: str | None, kind: PolicyKind, origin: Origin, out: list[Diagnostic]
) -> tuple[dict[str, Any] | None, str]:
    """The members of a document by their canonical names, or None and why it is no policy."""
    if unreadable is not None:
        out.append(diagnostic("policy-not-text", origin, unreadable))
        return None, unreadable
    body, problem = _members(value, kind, origin, out)
    if problem is not None:
        out.append(diagnostic(problem[0], origin, problem[1]))
        return None, problem[1]
    return body, ""


def _members(
    value: Any, kind: PolicyKind, origin: Origin, out: list[Diagnostic]
) -> tuple[dict[str, Any], tuple[str, str] | None]:
    body: dict[str, Any] = {}
    if not isinstance(value, dict):
        return body, ("policy-not-object", "the policy is not an object")
    if value.keys() <= _PLAIN_MEMBERS and value.get("Version") in _VERSIONS and value.get("Statement") is not None:
        return value, None
    for name, item in value.items():
        known = name if name in ("Version", "Statement", "Id") else _MEMBERS.get(name.lower())
        if name == DUPLICATE:
            return body, ("policy-duplicate-member", _twice(str(item)))
        if known is None:
            out.append(diagnostic("policy-unknown-element", origin.child(name), _unknown_member(name)))
            continue
        if known in body:
            return body, ("policy-duplicate-member", f"member `{known}` occurs twice, in two spellings")
        if known != name:
            out.append(diagnostic("policy-case", origin.child(name), f"`{printable(name)}` is read as `{known}`"))
        body[known] = item
    if body.get("Statement") is None:
        return body, ("policy-no-statement", "the policy has no `Statement`")
    if "Id" in body and kind in _WITHOUT_ID:
        return body, ("policy-id", f"{_article(kind)} takes no `Id`")
    version = body.get("Version", "2008-10-17")
    if not isinstance(version, str) or version not in _VERSIONS:
        shown = printable(version) if isinstance(version, str) else "of another type"
        return body, ("policy-version", f"unknown policy version `{shown}`")
    return body, None


def _unknown_member(name: str) -> str:
    return f"a policy has no element `{printable(name)}`: it is ignored"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a policy asks of its statements."""

    kind: PolicyKind
    variables: bool
    key_policy: bool
    resource: bool


_rules = lru_cache(_Rules)


@dataclass(slots=True)
class _Notes:
    """Collects what is wrong with one statement; `first` is what makes it unknown."""

    origin: Origin
    out: list[Diagnostic]
    first: str | None = None
    inert: bool = False

    def bad(self, finding: str, reason: str, *place: object) -> None:
        self.out.append(diagnostic(finding, self.origin.child(*place), reason))
        self.first = self.first or reason


def _statement(raw: Any, rules: _Rules, index: int, origin: Origin, out: list[Diagnostic]) -> Statement:
    notes = _Notes(origin, out)
    if not isinstance(raw, dict):
        notes.bad("policy-statement", "the statement is not an object")
        raw = {}
    parts, strangers = (raw, []) if raw.keys() <= ELEMENTS else _elements(raw, notes)
    effect = _effect(parts, notes) if notes.first is None or parts else Effect.BOTH
    if strangers and effect is not Effect.DENY:
        notes.first = notes.first or f"unknown element `{printable(strangers[0])}`"
    sid = parts.get("Sid")
    if sid is not None and not isinstance(sid, str):
        out.append(diagnostic("policy-sid", origin.child("Sid"), "the `Sid` is not a string"))
        sid = None
    empty = not parts and notes.first is not None
    principal = None if empty else _principal(parts, rules, effect, notes)
    action = None if empty else _action(parts, rules, notes)
    resource = None if empty else _resource(parts, rules, notes)
    conditions: tuple[Condition, ...] = ()
    if "Condition" in parts:
        place = Origin(origin.source, f"{origin.pointer}/Condition")
        conditions = read_conditions(parts["Condition"], place, out)
    return Statement(
        sid=sid,
        effect=effect,
        principal=principal,
        action=action,
        resource=resource,
        conditions=conditions,
        malformed=None if notes.first is None else Malformed(notes.first),
        inert=notes.inert,
        index=index,
        origin=origin,
    )


def _elements(raw: dict[str, Any], notes: _Notes) -> tuple[dict[str, Any], list[str]]:
    """The elements of a statement by their canonical names, and the names that are none."""
    parts: dict[str, Any] = {}
    strangers: list[str] = []
    for name, value in raw.items():
        known = name if name in ELEMENTS else _FOLDED.get(name.lower())
        if known is None:
            strangers.append(name)
            near = f"unknown element `{printable(name)}`"
            notes.out.append(diagnostic("policy-unknown-element", notes.origin.child(name), near))
        elif known in parts:
            notes.bad("policy-both", f"`{known}` occurs twice, in two spellings", name)
        else:
            if known != name:
                message = f"`{printable(name)}` is read as `{known}`"
                notes.out.append(diagnostic("policy-case", notes.origin.child(name), message))
            parts[known] = value
    return parts, strangers


def _effect(parts: dict[str, Any], notes: _Notes) -> Effect:
    value = parts.get("Effect")
    effect = _EFFECTS.get(value) if isinstance(value, str) else None
    if effect is not None:
        return effect
    message, place = "the statement has no usable `Effect`", notes.origin
    if isinstance(value, str):
        message = f"`Effect` is `{printable(value)}`, neither `Allow` nor `Deny`"
        place = notes.origin.child("Effect")
    notes.out.append(diagnostic("policy-effect", place, message))
    return Effect.BOTH


def _both(name: str, parts: dict[str, Any], notes: _Notes) -> tuple[bool, bool]:
    """Whether the statement has element `name` or its negation, and which; of both neither counts, which is reported."""
    if name not in parts:
        negated = f"Not{name}" in parts
        return negated, negated
    if f"Not{name}" in parts:
        notes.bad("policy-both", f"`{name}` and `Not{name}` in one statement")
        return False, False
    return True, False


def _action(parts: dict[str, Any], rules: _Rules, notes: _Notes) -> Match | None:
    present, negated = _both("Action", parts, notes)
    name = "NotAction" if negated else "Action"
    if not present or parts[name] == []:
        if "Action" in parts and "NotAction" in parts:
            return None
        if rules.key_policy:
            _inert("Action", notes)
        else:
            notes.bad("policy-no-action", "the statement has no `Action`")
        return None
    match = read_actions(negated, parts[name], notes.origin, notes.out)
    if rules.kind is PolicyKind.RCP:
        return _rcp_action(match, notes)
    if rules.kind is PolicyKind.TRUST:
        for pattern in match.patterns:
            if not isinstance(pattern, Malformed) and not pattern.text.lower().startswith(("sts:", "*")):
                message = f"a trust policy cannot grant `{printable(pattern.text)}`"
                notes.out.append(diagnostic("policy-trust-action", notes.origin.child(name), message))
    return match


def _rcp_action(match: Match, notes: _Notes) -> Match | None:
    """`match`, with a bare `*` malformed. Source: Organizations User Guide, "RCP syntax"."""
    if match.negated:
        notes.bad("policy-prohibited", "an RCP takes no `NotAction`", "NotAction")
        return None
    if not any(not isinstance(p, Malformed) and p.text in ("*", "*:*") for p in match.patterns):
        return match
    reason = "an RCP takes no action `*`"
    notes.out.append(diagnostic("policy-action", notes.origin.child("Action"), reason))
    bad = Malformed(reason)
    return Match(
        match.negated,
        tuple(bad if not isinstance(p, Malformed) and p.text in ("*", "*:*") else p for p in match.patterns),
    )


def _resource(parts: dict[str, Any], rules: _Rules, notes: _Notes) -> Match | None:
    present, negated = _both("Resource", parts, notes)
    name = "NotResource" if negated else "Resource"
    if rules.kind is PolicyKind.TRUST:
        if present or name in parts:
            notes.bad("policy-prohibited", f"a trust policy takes no `{name}`", name)
        return None
    if not present or parts[name] == []:
        if "Resource" in parts and "NotResource" in parts:
            return None
        if rules.key_policy:
            _inert("Resource", notes)
        elif rules.resource or present:
            notes.bad("policy-no-resource", "the statement has no `Resource`")
        return None
    return read_resources(negated, parts[name], rules.variables, notes.origin, notes.out)


def _inert(name: str, notes: _Notes) -> None:
    """Source: KMS Developer Guide, "Creating a key policy" (a statement without Action or Resource has no effect)."""
    notes.inert = True
    message = f"the key policy statement has no `{name}` and so no effect"
    notes.out.append(diagnostic("policy-inert", notes.origin, message))


def _principal(parts: dict[str, Any], rules: _Rules, effect: Effect, notes: _Notes) -> PrincipalMatch | None:
    present, negated = _both("Principal", parts, notes)
    name = "NotPrincipal" if negated else "Principal"
    if rules.kind not in _WITH_PRINCIPAL:
        if present or "Principal" in parts:
            notes.bad("policy-prohibited", f"{_article(rules.kind)} takes no `{name}`", name)
        return None
    if "Principal" in parts and "NotPrincipal" in parts:
        return None
    if not present:
        notes.bad("policy-no-principal", "the statement has no `Principal`")
        return None
    if negated and rules.kind in (PolicyKind.TRUST, PolicyKind.RCP):
        notes.bad("policy-prohibited", f"{_article(rules.kind)} takes no `NotPrincipal`", name)
        return None
    if negated and effect is not Effect.DENY and rules.kind is PolicyKind.RESOURCE:
        message = "`NotPrincipal` is not supported with `Allow`"
        notes.out.append(diagnostic("policy-not-principal-allow", notes.origin.child(name), message))
    place = Origin(notes.origin.source, f"{notes.origin.pointer}/{name}")
    match = read_principals(negated, parts[name], place, notes.out)
    if rules.kind is PolicyKind.RCP:
        if not negated and not all(not isinstance(e, Malformed) and e.value == "*" for e in match.entries):
            notes.bad("policy-prohibited", "the principal of an RCP is `*`", name)
        if effect is Effect.ALLOW:
            notes.bad("policy-prohibited", "an RCP takes no `Allow`", "Effect")
    return match


def _article(kind: PolicyKind) -> str:
    vowel = kind in (PolicyKind.IDENTITY, PolicyKind.ENDPOINT, PolicyKind.SCP, PolicyKind.RCP)
    return f"an {kind}" if vowel else f"a {kind}"


def _sids(statements: tuple[Statement, ...], kind: PolicyKind, out: list[Diagnostic]) -> None:
    seen: set[str] = set()
    for statement in statements:
        sid = statement.sid
        if not sid:
            continue
        if sid in seen:
            message = f"`Sid` `{printable(sid)}` occurs twice"
            out.append(diagnostic("policy-sid", statement.origin.child("Sid"), message))
        seen.add(sid)
        if kind in _STRICT_SID and not (sid.isascii() and sid.isalnum()):
            message = f"`Sid` `{printable(sid)}` has a character that IAM does not accept"
            out.append(diagnostic("policy-sid", statement.origin.child("Sid"), message))
