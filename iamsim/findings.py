"""The table of findings: every diagnostic with its severity, title and remedy, and the factory of diagnostics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.diagnostics import Diagnostic, Origin, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - the columns of a table


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of diagnostic: its id, severity, title and what to do about it."""

    id: str
    severity: Severity
    title: str
    help: str

    @property
    def page(self) -> str:
        """Where the documentation tells more, as a link from the root of the repository."""
        return f"docs/findings.md#{self.id}"


_ROWS = (
    # files
    Finding("input-missing", E, "a path that does not exist", "check the path; give a file or a directory"),
    Finding("input-empty-directory", E, "a directory without files", "put a snapshot there, or give another directory"),
    Finding("input-unreadable", E, "a file that cannot be read", "check its permissions"),
    Finding("input-not-regular", W, "a device, pipe or socket", "save its content to a regular file"),
    Finding(
        "input-link-loop", W, "a symbolic link that leads back or nowhere", "remove the link, or point it at a file"
    ),
    Finding("input-hidden", I, "a hidden directory that was not entered", "give its path explicitly to read it"),
    Finding("input-seen", I, "a directory that was read under another path", "nothing needs to be done"),
    Finding("input-empty", E, "an empty file", "write the file again"),
    Finding("input-gzip", E, "a broken gzip file", "compress it again, or give the plain file"),
    Finding("input-encoding", E, "text that is not UTF-8", "save the file as UTF-8"),
    Finding("input-null-byte", E, "a null byte in a text", "save the file as UTF-8 text"),
    Finding("input-not-json", E, "text that is not JSON", "correct the text at this place, or export it again"),
    Finding("input-truncated", E, "JSON that ends too early", "the file was cut off: export it again"),
    Finding("input-too-deep", E, "JSON nested too deeply", "no AWS format nests this deeply: export it again"),
    Finding("input-duplicate-member", E, "a repeated member of an object", "keep one of the two; the last was used"),
    Finding("input-surrogate", W, "half of a surrogate pair in a string", "write the character whole; U+FFFD was used"),
    Finding("input-skipped", I, "a file that is no JSON", "nothing needs to be done if it is no snapshot"),
    Finding(
        "input-unknown-shape", W, "JSON that is no known kind of input", "see the list of inputs in the documentation"
    ),
    Finding("input-shape", E, "a record of the wrong shape", "export the snapshot again, or correct the record"),
    Finding(
        "cache-unusable", W, "a compiled snapshot that is not used", "nothing needs to be done; the files were read"
    ),
    Finding("cache-directory", W, "a cache that cannot be used", "give a directory with --cache DIR, or --no-cache"),
    # records
    Finding(
        "gaad-truncated",
        W,
        "account details that end at `IsTruncated`",
        "add the following pages; identities may be missing",
    ),
    Finding(
        "conflict",
        E,
        "two inputs that contradict each other",
        "load snapshots of one point in time; the fact is unknown",
    ),
    Finding(
        "policy-missing",
        W,
        "an attached policy without document",
        "add an input that holds the policy; unknown until then",
    ),
    Finding(
        "group-missing",
        W,
        "a group that no input holds",
        "add an input that holds the group; its policies are unknown",
    ),
    Finding("resource-owner-unknown", W, "a resource without account", "add `Account` to the entry"),
    # policies
    Finding("policy-not-text", E, "policy text that is not JSON", "correct the text; the policy is unknown"),
    Finding(
        "policy-not-object",
        E,
        "a policy that is no object",
        "a policy is an object with `Statement`; unknown until then",
    ),
    Finding("policy-no-statement", E, "a policy without `Statement`", "add `Statement`; the policy is unknown"),
    Finding(
        "policy-duplicate-member",
        E,
        "a repeated member in a policy",
        "keep one of the two; the policy is unknown",
    ),
    Finding("policy-version", E, "an unknown policy version", "use `2012-10-17`; the policy is unknown"),
    Finding("policy-id", E, "an `Id` in a policy that takes none", "remove `Id`; the policy is unknown"),
    Finding("policy-case", W, "a name in the wrong case", "write the name as AWS does"),
    Finding(
        "policy-unknown-element",
        W,
        "an unknown element",
        "remove or rename it; an Allow statement with unknown until then",
    ),
    Finding(
        "policy-statement",
        E,
        "a statement that is no object",
        "a statement is an object with `Effect`; unknown until then",
    ),
    Finding("policy-empty", W, "a policy without statements", "add a statement, or remove the policy"),
    Finding(
        "policy-effect",
        E,
        "a statement without usable `Effect`",
        "write `Allow` or `Deny`; the statement is unknown",
    ),
    Finding("policy-both", E, "an element beside its negation", "keep one of the two; the statement is unknown"),
    Finding(
        "policy-no-action",
        E,
        "a statement without action",
        "add `Action` or `NotAction`; the statement is unknown",
    ),
    Finding(
        "policy-no-resource",
        E,
        "a statement without resource",
        "add `Resource` or `NotResource`; the statement is unknown",
    ),
    Finding("policy-no-principal", E, "a statement without principal", "add `Principal`; the statement is unknown"),
    Finding(
        "policy-inert", W, "a key policy statement without effect", "add what is missing: AWS ignores the statement"
    ),
    Finding(
        "policy-prohibited",
        E,
        "an element that this kind of policy does not take",
        "remove it; the statement is unknown",
    ),
    Finding(
        "policy-not-principal-allow",
        E,
        "`NotPrincipal` with `Allow`",
        "name the principals, or use `Deny`: AWS no longer supports this",
    ),
    Finding(
        "policy-trust-action", W, "an action that no role trust policy grants", "use `sts:AssumeRole` and its relatives"
    ),
    Finding(
        "policy-action",
        E,
        "a malformed action",
        "write `service:Name`, wildcards in the name only; the pattern is unknown",
    ),
    Finding("policy-resource", E, "a malformed resource", "write `*` or an ARN; the pattern is unknown"),
    Finding(
        "policy-principal",
        E,
        "a malformed principal",
        "write `*`, an account, an ARN without wildcards or a service; unknown until then",
    ),
    Finding(
        "policy-condition",
        E,
        "a malformed condition",
        "write operator, key and values as AWS does; the condition is unknown",
    ),
    Finding(
        "policy-operator",
        E,
        "an unknown condition operator",
        "use an operator that AWS has; the condition is unknown",
    ),
    Finding("policy-value", E, "a value that its operator cannot read", "correct the value; unknown until then"),
    Finding(
        "policy-null-modifier", W, "a set operator or `IfExists` with `Null`", "write `Null` alone; it was read as that"
    ),
    Finding("policy-key-case", W, "two condition keys that differ only in case", "both apply: keep one"),
    Finding("policy-sid", W, "a `Sid` that AWS may refuse", "use letters and digits, each `Sid` once"),
    Finding("policy-characters", W, "a character that AWS does not store", "use tab, line ends and U+0020 to U+00FF"),
    Finding("policy-size", W, "a policy larger than AWS stores", "split or shorten the policy"),
    # techniques
    Finding("technique-file", E, "a file of techniques that cannot be read", "give a readable JSON or YAML file"),
    Finding("technique-shape", E, "a value of the wrong kind", "see the format in the documentation"),
    Finding("technique-member", E, "a member that techniques do not have", "remove or rename it"),
    Finding("technique-missing", E, "a technique that lacks something", "add what is missing"),
    Finding("technique-duplicate", E, "an id that is taken", "rename one of the two; the first was used"),
    Finding("technique-unknown", E, "a name that means nothing here", "write a name of the vocabulary"),
    Finding(
        "technique-resource", E, "a call on a resource it does not have", "name a resource that the action works on"
    ),
    Finding(
        "technique-reference",
        E,
        "a name that nothing else of the technique mentions",
        "name a target of its calls or preconditions",
    ),
    # found by `iamsim check`: names
    Finding("action-unknown", W, "an action that AWS does not have", "correct the name; it matches nothing"),
    Finding("key-unknown", W, "a condition key that is not known", "correct the name of the key"),
    Finding(
        "key-never", W, "a condition key that the action never has", "put the action into a statement without this key"
    ),
    Finding(
        "resource-unfit",
        W,
        "an action that works on none of the statement's resources",
        "name a resource that the action works on, or `*` if it has none",
    ),
    # statements
    Finding("statement-dead", W, "a statement that can never match", "correct its conditions, or remove it"),
    Finding("statement-redundant", I, "a statement that makes no difference", "remove it"),
    # wide grants
    Finding("allow-everything", W, "every action on every resource", "name the actions and resources that are needed"),
    Finding(
        "allow-permissions",
        I,
        "a wildcard that takes in the management of permissions",
        "name the actions that are needed, or narrow the resources",
    ),
    Finding(
        "allow-not-action",
        W,
        "`NotAction` with `Allow`",
        "name the actions that are needed: what AWS adds is allowed from the day it exists",
    ),
    # trust
    Finding("trust-everyone", E, "a role that every AWS account may assume", "name the principals that need it"),
    Finding("trust-account", W, "a role that trusts the whole of another account", "name the roles that need it"),
    Finding(
        "trust-external-id",
        W,
        "a third party that needs no external id",
        "add `StringEquals` on `sts:ExternalId` with an id that the third party chose for you",
    ),
    Finding(
        "oidc-any-subject",
        E,
        "web identities without a condition on `sub`",
        "add a condition on the claim `sub` that names whom you mean",
    ),
    Finding(
        "oidc-foreign-subject",
        E,
        "a pattern of `sub` that also takes tokens of others",
        "write the name of the owner whole, and the separator behind it",
    ),
    Finding(
        "oidc-no-audience", W, "web identities without a condition on `aud`", "add `StringEquals` on the claim `aud`"
    ),
    Finding(
        "oidc-for-all-values",
        W,
        "`ForAllValues` on a claim, which also holds where it is absent",
        "write the operator without `ForAllValues`",
    ),
    Finding(
        "oidc-pull-request",
        W,
        "a wildcard that also takes tokens of pull requests",
        "name the branch or the environment in `sub`",
    ),
    Finding(
        "oidc-immutable-subject",
        W,
        "a condition on `sub` that immutable subjects do not fulfil",
        "add the form with ids, `repo:OWNER@ID/REPO@ID:…`, beside the present one",
    ),
    # roles, boundaries, users
    Finding("role-unassumable", I, "a role that nobody can assume", "remove the role, or mend its trust policy"),
    Finding("role-duplicate", I, "two roles with the same trust and the same rights", "keep one of them"),
    Finding("boundary-unused", I, "a boundary that limits nobody", "set it, or remove the policy"),
    Finding(
        "boundary-idle", I, "a boundary that takes nothing away", "nothing needs to be done: it limits what comes later"
    ),
    Finding(
        "user-keys",
        I,
        "a user that holds what a role it may assume has as well",
        "take the permissions from the user: long-term credentials then open nothing but the role",
    ),
    Finding("quota", W, "more than AWS's quota", "split it, or ask AWS for a higher quota where that is possible"),
)

FINDINGS: Mapping[str, Finding] = MappingProxyType({row.id: row for row in _ROWS})

_UNPRINTABLE = re.compile(
    r"[^\x20-\x7e\xa0-\ud7ff\uf900-\U0010ffff]|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


def finding(id: str) -> Finding:  # noqa: A002 - the name of the column
    """The row of the finding `id`; raises KeyError for an id that is in no row."""
    return FINDINGS[id]


def diagnostic(
    id: str,  # noqa: A002
    origin: Origin,
    message: str,
    *,
    span: tuple[int, int] | None = None,
    help: str | None = None,  # noqa: A002
) -> Diagnostic:
    """A diagnostic of the finding `id`, with its severity and, unless `help` is given, its remedy."""
    row = FINDINGS[id]
    text = row.help if help is None else help
    return Diagnostic(id=id, message=message, origin=origin, severity=row.severity, span=span, help=text)


def printable(text: str, limit: int = 200) -> str:
    """`text` on one line for a terminal: control, direction and surrogate characters escaped, cut after `limit`."""
    if len(text) > limit:
        text = text[:limit] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(m: re.Match[str]) -> str:
    code = ord(m[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}"
