"""Issuers of web identity tokens: what their claims look like, and the short forms by which people speak of them.

A value that a person gives may hold `*`, which stands for any text without a colon. The names that issuers document are
over-approximated: a shape may admit a text that no token holds, but never the other way round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from iamsim.aws.claim_templates import choice, filled, named_in, value_parts
from iamsim.aws.github_tokens import github
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.model.caller import ClaimShape
from iamsim.model.grammar import nearest
from iamsim.model.pattern import Literal, Pattern, Star, join, match, tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping


_STANDARD = ("aud", "sub", "amr", "oaud", "email")
_OWNER = r"[A-Za-z0-9_*-]+"
_REPO = r"[A-Za-z0-9._*-]+"
_LABEL = r"[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer. `hosts` are globs of its providers, without scheme; `name` is what `issuer=` calls it.

    `templates` are the forms of `sub` once a parameter is given and `always` its forms without any, empty if it may be any
    text then; `{name}` stands for the parameter of that name or for any text of a character or more without a colon,
    `**` for any text. `excluded` are forms that parameters `not-…` rule out. `forms` maps parameters to what their values
    look like, `choices` to the only values. `aliases` maps claims to the parameters that say the same. `claims` are the
    further claims of the issuer's tokens, `samples` examples.
    """

    name: str
    hosts: tuple[str, ...]
    source: str
    templates: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    samples: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the short forms, in order of the templates."""
        named = [n for t in (*self.templates, *self.excluded) for n in named_in(t)]
        return tuple(dict.fromkeys([*named, *self.more]))


ISSUERS = (
    Issuer(
        name="github",
        hosts=(
            "token.actions.githubusercontent.com", "token.actions.githubusercontent.com/*", "token.actions.*.ghe.com",
            "token.actions.*.ghe.com/*", "*/_services/token",
        ),
        more=(
            "repo", "owner", "not-owner", "owner-id", "repo-id", "environment", "ref", "branch", "tag", "event", "sub-form",
            "sub-template",
        ),
        forms=MappingProxyType({
            "repo": f"({_OWNER}/)?{_REPO}", "owner": _OWNER, "not-owner": _OWNER, "owner-id": r"[0-9*]+", "repo-id": r"[0-9*]+",
            "ref": r"refs/[^:]+|\*", "branch": r"(?!refs/)[^:]+", "tag": r"(?!refs/)[^:]+",
        }),
        choices=MappingProxyType({"event": ("pull_request",), "sub-form": ("classic", "immutable")}),
        aliases=MappingProxyType({
            "repository": "repo", "repository_id": "repo-id", "repository_owner_id": "owner-id", "repository_owner": "owner",
        }),
        claims=(
            "actor", "actor_id", "base_ref", "check_run_id", "enterprise", "enterprise_id", "event_name", "head_ref",
            "job_workflow_ref", "job_workflow_sha", "ref_type", "repository_visibility", "run_id", "run_number", "run_attempt",
            "runner_environment", "workflow", "workflow_ref", "workflow_sha",
        ),
        samples=MappingProxyType({
            "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "aud": "sts.amazonaws.com",
            "repository": "octo-org/octo-repo",
        }),
        source='GitHub Actions documentation, "OpenID Connect reference"',
    ),
    Issuer(
        name="eks",
        hosts=(
            "oidc.eks.*.amazonaws.com/id/*", "oidc.eks.*.amazonaws.com.cn/id/*", "oidc-eks.*.api.aws/id/*",
        ),
        templates=("system:serviceaccount:{namespace}:{serviceaccount}",),
        always=("system:serviceaccount:{namespace}:{serviceaccount}",),
        forms=MappingProxyType({"namespace": _LABEL, "serviceaccount": rf"{_LABEL}(\.{_LABEL})*"}),
        samples=MappingProxyType({"sub": "system:serviceaccount:default:default", "aud": "sts.amazonaws.com"}),
        source='Amazon EKS User Guide, "IAM roles for service accounts"; Kubernetes documentation, "Service Accounts"',
    ),
    Issuer(
        name="gitlab",
        hosts=("gitlab.com",),
        templates=("project_path:{project}:ref_type:{ref-type}:ref:{ref}",),
        excluded=("project_path:{not-group}/**",),
        more=("group",),
        forms=MappingProxyType({
            "project": r"[\w.*-]+(/[\w.*-]+)+|\*", "group": r"[\w.*/-]+", "not-group": r"[\w.*/-]+", "ref": "(?!refs/)[^:]+",
        }),
        choices=MappingProxyType({"ref-type": ("branch", "tag")}),
        aliases=MappingProxyType({"project_path": "project", "namespace_path": "group"}),
        claims=(
            "namespace_id", "project_id", "user_id", "user_login", "user_email", "user_access_level", "user_identities",
            "pipeline_id", "pipeline_source", "job_id", "ref_path", "ref_protected", "groups_direct", "environment",
            "environment_protected", "deployment_tier", "deployment_action", "runner_id", "runner_environment", "sha",
            "ci_config_ref_uri", "ci_config_sha", "project_visibility", "job_project_id", "job_project_path",
            "job_namespace_id", "job_namespace_path",
        ),
        samples=MappingProxyType({"sub": "project_path:group/project:ref_type:branch:ref:main", "aud": "https://gitlab.com"}),
        source='GitLab documentation, "OpenID Connect (OIDC) Authentication Using ID Tokens"',
    ),
    Issuer(
        name="terraform",
        hosts=("app.terraform.io", "app.eu.terraform.io"),
        templates=(
            "organization:{organization}:project:{project}:workspace:{workspace}:run_phase:{run-phase}",
            "organization:{organization}:project:{project}:stack:{stack}:deployment:{deployment}:operation:{operation}",
        ),
        always=("organization:{organization}:**",),
        excluded=("organization:{not-organization}:**",),
        choices=MappingProxyType({"run-phase": ("plan", "apply")}),
        claims=(
            "terraform_run_phase", "terraform_workspace_id", "terraform_workspace_name", "terraform_organization_id",
            "terraform_organization_name", "terraform_project_id", "terraform_project_name", "terraform_run_id",
            "terraform_full_workspace",
        ),
        samples=MappingProxyType({
            "sub": "organization:my-org:project:Default Project:workspace:my-workspace:run_phase:apply",
            "aud": "aws.workload.identity",
        }),
        source='HCP Terraform documentation, "Workload identity" and "Authenticate a Stack"',
    ),
    Issuer(
        name="vercel",
        hosts=("oidc.vercel.com", "oidc.vercel.com/*"),
        templates=("owner:{owner}:project:{project}:environment:{environment}",),
        excluded=("owner:{not-owner}:**",),
        claims=("owner_id", "project_id", "external_sub"),
        samples=MappingProxyType({"sub": "owner:acme:project:app:environment:production", "aud": "https://vercel.com/acme"}),
        source='Vercel documentation, "OIDC Federation Reference" and "Connect to your own API"',
    ),
    Issuer(
        name="circleci",
        hosts=("oidc.circleci.com/org/*",),
        templates=("org/{organization}/project/{project}/user/{user}", "org/{organization}/project/{project}/user/{user}/**"),
        claims=("oidc.circleci.com/project-id", "oidc.circleci.com/context-ids", "oidc.circleci.com/vcs-origin",
                "oidc.circleci.com/vcs-ref", "oidc.circleci.com/ssh-rerun"),
        samples=MappingProxyType({"sub": "org/a1/project/b2/user/c3", "aud": "a1"}),
        source='CircleCI documentation, "Using OpenID Connect tokens in jobs"',
    ),
)  # fmt: skip
"""The issuers whose claims are described. Tokens of others hold any text.

Source: the documentation that each row names.
"""


def issuer_of(provider: str, name: str = "") -> Issuer | None:
    """The row called `name`, or without a name that of the provider (host and path), or None if there is none.

    Raises QueryError for an unknown name.
    """
    if name:
        found = next((i for i in ISSUERS if i.name == name), None)
        if found is None:
            names = [i.name for i in ISSUERS]
            raise QueryError(f"`issuer={printable(name)}` is no issuer that is known", choice(name, names))
        return found
    low = provider.lower()
    return next((i for i in ISSUERS if any(match(tokenize(h, variables=False), low) for h in i.hosts)), None)


def parameter(issuer: Issuer, name: str) -> str | None:
    """The parameter that `name` is, or None for the name of a claim. Raises QueryError for what is neither."""
    low = name.lower()
    found = issuer.aliases.get(low, low.replace("_", "-"))
    if found in issuer.parameters:
        return found
    if low in _STANDARD or low in issuer.claims or low.startswith("repo_property_"):
        return None
    known = (*issuer.parameters, *_STANDARD, *issuer.claims)
    shown = ", ".join(("issuer", *issuer.parameters, "sub", "aud"))
    close = nearest(low, known)
    remedy = f"did you mean `{close}`?" if close else f"parameters are {shown}; write other claims as `ISSUER:CLAIM`"
    raise QueryError(f"`{printable(name)}` is no parameter of tokens of {issuer.name}", remedy)


def shapes_of(
    issuer: Issuer, prefix: str, given: Mapping[str, str], claims: Mapping[str, str] = MappingProxyType({})
) -> tuple[ClaimShape, ...]:
    """What claims look like in a token of `issuer` of which the parameters `given` and the `claims` are known.

    Keys begin with `prefix`.

    Raises QueryError for values that no token has.
    """
    for name, value in given.items():
        _check(issuer, name, value)
    if issuer.name == "github":
        return github(issuer, prefix, given, claims)
    texts = issuer.templates if given else issuer.always
    if not texts:
        return (ClaimShape(f"{prefix}:sub", None, _STARRED),)
    values = dict(given)
    if issuer.name == "gitlab":
        texts, values = _gitlab(values)
    allowed = tuple(p for t in texts if _uses(t, issuer, values) for p in filled(t, values, issuer.choices))
    excluded = tuple(p for t in issuer.excluded if values.keys() >= {*named_in(t)} for p in filled(t, values, {}))
    if not allowed:
        raise QueryError("no token has these parameters together", f"`sub` is {' or '.join(issuer.templates)}")
    return (ClaimShape(f"{prefix}:sub", allowed, (*excluded, *_STARRED)),)


_STARRED = (Pattern("", (Star(), Literal("*"), Star())),)
"""No name of a namespace, project, workspace or branch holds a star: as text it is a mistake of a policy, met by no token.

Source: the naming rules of the issuers; git-check-ref-format.
"""


def fits(shape: ClaimShape, value: str) -> bool:
    """True iff `value` is one that the claim of `shape` can have."""
    if shape.when is not None and not match(shape.when, value):
        return True
    if shape.allowed is not None and not any(match(p, value) for p in shape.allowed):
        return False
    return not any(match(p, value, fold_case=True) for p in shape.excluded)


def samples(key: str) -> tuple[str, ...]:
    """Examples of values of a claim, by its full condition key; none for issuers without a row."""
    provider, _, claim = key.rpartition(":")
    issuer = issuer_of(provider) if provider else None
    found = issuer.samples.get(claim) if issuer is not None else None
    return () if found is None else (found,)


def _check(issuer: Issuer, name: str, value: str) -> None:
    said = f"`{name}={printable(value)}`"
    choices = issuer.choices.get(name)
    if choices and value not in choices:
        raise QueryError(f"{said} is no value of `{name}`", choice(value, list(choices)))
    form = issuer.forms.get(name, r"(?s:.+)")
    if not re.fullmatch(form, value):
        example = issuer.samples.get("sub", "")
        raise QueryError(f"{said} is no {name} of {issuer.name}", f"`sub` is like `{example}`" if example else "")


def _uses(template: str, issuer: Issuer, values: Mapping[str, str]) -> bool:
    """True iff the template has a place for every parameter that is given, those of exclusions apart."""
    return values.keys() <= {n for t in (template, *issuer.excluded) for n in named_in(t)}


def _gitlab(values: dict[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The subject begins with the project; the rest is as documented unless the project customized it.

    Source: GitLab documentation, "OpenID Connect (OIDC) Authentication Using ID Tokens" and "Projects API",
    ci_id_token_sub_claim_components.
    """
    group = values.pop("group", None)
    if group is not None:
        values.setdefault("project", f"{group.rstrip('/')}/*")
        if not match(join("", value_parts(group.rstrip("/") + "/*")), values["project"]):
            raise QueryError(f"the project `{values['project']}` is not in the group `{group}`", "give one of the two")
    if "not-group" in values:
        values["not-group"] = values["not-group"].rstrip("/")
    if "ref" in values or "ref-type" in values:
        return ("project_path:{project}:ref_type:{ref-type}:ref:{ref}",), values
    return ("project_path:{project}", "project_path:{project}:**"), values
