"""Policy documents that a command names: files, and AWS managed policies by name or ARN."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from iamsim.aws.managed import managed_policies, managed_policy
from iamsim.diagnostics import Origin
from iamsim.env.document import kind_of
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy

if TYPE_CHECKING:
    from iamsim.diagnostics import Diagnostic
    from iamsim.model.policy import Policy

Read = tuple["Policy", tuple["Diagnostic", ...]]


def policy_document(value: Any) -> Any:
    """The document in a JSON value: itself, or the one in what `aws iam get-policy-version` and `get-*-policy` print."""
    if isinstance(value, dict):
        inside = value.get("PolicyVersion")
        for holder in (inside, value):
            if isinstance(holder, dict) and "Statement" not in holder:
                found = holder.get("Document", holder.get("PolicyDocument"))
                if found is not None:
                    return found
    return value


def identity_policy(value: Any, source: str) -> Read:
    """The identity policy that a JSON value of the file `source` states; InputError if it is none as a whole."""
    document = policy_document(value)
    members = document if isinstance(document, dict) else {}
    if not isinstance(document, str) and not any(name.lower() == "statement" for name in members):
        raise InputError(f"`{printable(source)}` holds no policy", (), "give a JSON object with a Statement")
    policy, found = read_policy(document, PolicyKind.IDENTITY, source, Origin(source))
    if policy.malformed is not None:
        why = next((d for d in found if d.severity == "error"), None)
        raise InputError(
            f"`{printable(source)}` is no identity policy: {policy.malformed.reason}",
            tuple(found),
            why.help if why is not None else "give a policy document",
        )
    if kind_of(policy.document) is not PolicyKind.IDENTITY:
        raise InputError(
            f"`{printable(source)}` names principals: it is no identity policy",
            (),
            "identity policies, boundaries and SCPs can be compared",
        )
    return policy, tuple(found)


def named_policy(value: Any, source: str) -> Read | None:
    """The policy of any kind that a JSON value states, None if it is no policy; InputError if it is malformed as a whole."""
    document = policy_document(value)
    if not isinstance(document, dict) or not any(name.lower() == "statement" for name in document):
        return None
    policy, found = read_policy(document, kind_of(document), source, Origin(source))
    if policy.malformed is not None:
        why = next((d for d in found if d.severity == "error"), None)
        message = f"`{printable(source)}` is no {policy.kind}: {policy.malformed.reason}"
        raise InputError(message, tuple(found), why.help if why is not None else "give a policy document")
    return policy, tuple(found)


def managed_by_name(text: str) -> Read | None:
    """The bundled AWS managed policy with this ARN or name (case counts), None if there is none."""
    if text.startswith("arn:"):
        found = managed_policy(text)
        return None if found is None else _managed(text, found[1], found[0])
    for arn, row in managed_policies().items():
        if row["name"] == text:
            return _managed(arn, text, row["document"])
    return None


def all_managed() -> dict[str, Policy]:
    """The bundled AWS managed policies by name; of those that share one, all but the first are called by their ARN."""
    out: dict[str, Policy] = {}
    for arn, row in sorted(managed_policies().items()):
        name = arn if row["name"] in out else row["name"]
        out[name] = _managed(arn, row["name"], row["document"])[0]
    return out


def unknown_policy(text: str) -> QueryError:
    """The error for what is neither a file nor a managed policy."""
    names = {row["name"] for row in managed_policies().values()}
    near = get_close_matches(text.rpartition("/")[2], sorted(names), n=1)
    remedy = f"did you mean `{near[0]}`?" if near else "give a file, or the name or ARN of an AWS managed policy"
    return QueryError(f"`{printable(text)}` is neither a file nor an AWS managed policy", remedy)


def _managed(arn: str, name: str, document: Any) -> Read:
    policy, found = read_policy(document, PolicyKind.IDENTITY, name, Origin(arn), arn=arn)
    return policy, tuple(found)
