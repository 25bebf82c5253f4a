"""What the claims of GitHub Actions' tokens look like, of which some parameters are known."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from iamsim.aws.claim_templates import choice, filled
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.model.caller import ClaimShape
from iamsim.model.pattern import AnyChar, Literal, Pattern, Star, tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iamsim.aws.issuers import Issuer

_CLASSIC, _IMMUTABLE = "repo:{owner}/{name}", "repo:{owner}@{owner-id}/{name}@{repo-id}"
# a claim with a name of five letters or more: no claim but `repo` and `ref` has a shorter one
_OTHER_CLAIM = Pattern("", (*(AnyChar(field=True),) * 5, Star(field=True), Literal(":"), Star()))
_PLACES = ("environment", "ref", "branch", "tag", "event")


def github(issuer: Issuer, prefix: str, given: Mapping[str, str], claims: Mapping[str, str]) -> tuple[ClaimShape, ...]:
    """The claims of a workflow's token.

    The subject is `repo:OWNER/REPO:CONTEXT`, or `repo:OWNER@ID/REPO@ID:CONTEXT` where immutable subjects are in use, or made of
    the claims of a template that the repository or its organization chose. Only who may set the template of a repository
    can choose its claims, not their values, in which a colon is written `%3A`. A job with an environment has that as its
    context, one of a pull request `pull_request`, each other its ref.
    Source: GitHub Actions documentation, "OpenID Connect reference".
    """
    values = _repository(given)
    template = given.get("sub-template") or ("repo,context" if any(p in values for p in _PLACES) else "")
    if template:
        subject = [ClaimShape(f"{prefix}:sub", _templated(issuer, template, values, claims))]
    else:
        subject = _any_template(prefix, values)
    known = "*" not in values.get("owner", "*") + values.get("name", "*")
    names = () if known else _names(prefix, values)
    return (*subject, ClaimShape(f"{prefix}:sub", None, _STARRED), *names, *_claims(prefix, values))


_ANY = Star(field=True)
# as text a star is a mistake of a policy: no owner, repository or ref holds one, and no subject names a claim so
_STARRED = (
    Pattern("", (Literal("repo:"), _ANY, Literal("*"), Star())),
    Pattern("", (Literal("repo:"), _ANY, Literal(":*"))),
    *(Pattern("", (*head, Literal("ref:refs/"), _ANY, Literal("*"), Star())) for head in ((), (Star(), Literal(":")))),
    *(Pattern("", (*head, Literal("ref:*"))) for head in ((), (Star(), Literal(":")))),
)
"""Source: git-check-ref-format; GitHub documentation, "OpenID Connect reference"."""


def _repository(given: Mapping[str, str]) -> dict[str, str]:
    values = dict(given)
    repo = values.pop("repo", "")
    owner, slash, name = repo.rpartition("/")
    if repo and not slash and "owner" not in values:
        raise QueryError(f"`repo={printable(repo)}` names no owner", "write repo=OWNER/REPO")
    if slash and values.setdefault("owner", owner) != owner:
        raise QueryError(
            f"`repo={printable(repo)}` is not of owner `{printable(values['owner'])}`", "give one of the two"
        )
    if name:
        values["name"] = name
    if "owner" in values and values["owner"].lower() == values.get("not-owner", "").lower():
        raise QueryError("`owner` and `not-owner` are the same", "give one of the two")
    refs = [n for n in ("ref", "branch", "tag") if n in values]
    if len(refs) + ("event" in values) > 1:
        told = ", ".join(f"`{n}`" for n in (*refs, *(["event"] if "event" in values else [])))
        raise QueryError(f"{told} exclude each other", "the subject of a pull request names no ref; give one of them")
    for kind in ("branch", "tag"):
        if kind in values:
            values["ref"] = f"refs/{'heads' if kind == 'branch' else 'tags'}/{values[kind]}"
    return values


def _contexts(values: Mapping[str, str]) -> tuple[str, ...]:
    if "environment" in values:
        return ("environment:{environment}",)
    if "event" in values:
        return ("pull_request",)
    if "ref" in values:
        return ("ref:{ref}",)
    return ("ref:refs/heads/{any}", "ref:refs/{any}", "pull_request", "environment:{any}")


def _forms(values: Mapping[str, str]) -> tuple[str, ...]:
    form = values.get("sub-form")
    return tuple(t for t, f in ((_CLASSIC, "classic"), (_IMMUTABLE, "immutable")) if form in (None, f))


def _templated(
    issuer: Issuer, template: str, values: Mapping[str, str], claims: Mapping[str, str]
) -> tuple[Pattern, ...]:
    """The subjects of a template, given as the names of its claims with commas or spaces between them."""
    told = {
        n: v.replace(":", "%3A") for n, v in {**{c.replace("_", "-"): v for c, v in claims.items()}, **values}.items()
    }
    known = {"repo", "context", *issuer.claims, *issuer.aliases, "environment", "ref"} - {"repository"}
    places: list[tuple[str, ...]] = []
    for key in re.split(r"[,\s]+", template):
        if key == "repo":
            places.append(_forms(values))
        elif key == "context":
            places.append(_contexts(values))
        elif key in known or key.startswith("repo_property_"):
            places.append((f"{key}:{{{issuer.aliases.get(key, key.replace('_', '-'))}}}",))
        else:
            raise QueryError(f"`{printable(key)}` is no claim of a template", choice(key, sorted(known)))
    return tuple(p for chosen in product(*places) for p in filled(":".join(chosen), told, {}))


def _any_template(prefix: str, values: Mapping[str, str]) -> list[ClaimShape]:
    """A subject of whatever template: a repository in front, or the ref of the context, or another claim."""
    key, forms = f"{prefix}:sub", _forms(values)
    # the usual ones first: a witness shows one of them, though others cover them
    usual = tuple(p for f in forms for c in _contexts(values) for p in filled(f"{f}:{c}", values, {}))
    rest = (*filled("pull_request", {}, {}), *filled("ref:**", {}, {}), _OTHER_CLAIM)
    out = [ClaimShape(key, (*usual, *_each(forms, values), *rest))]
    if "owner" in values:
        own = _each(("repository_owner:{owner}",), values)
        out.append(ClaimShape(key, own, when=tokenize("repository_owner:*")))
    return out


def _names(prefix: str, values: Mapping[str, str]) -> list[ClaimShape]:
    """Names hold no slash and no `@`; nobody outside an organization has its name in another case either."""
    key, form = f"{prefix}:sub", values.get("sub-form")
    bad = [*_each(("repo:{a}/{b}/{c}", "repo:{a}@{b}@{c}@{d}"), dict.fromkeys("abcd", "*"))]
    with_ids = () if form == "classic" else _each((_IMMUTABLE,), {})
    marked = () if form == "immutable" else _each(("repo:{a}@{b}",), dict.fromkeys("ab", "*"))
    if "not-owner" in values:
        heads = ("repo:{o}/**", "repo:{o}@**", "repository_owner:{o}", "repository_owner:{o}:**")
        bad += [p for h in heads for t in (h, f"**:{h}") for p in filled(t, {"o": values["not-owner"]}, {})]
    return [ClaimShape(key, None, tuple(bad)), *(ClaimShape(key, with_ids, when=p) for p in marked)]


def _each(heads: tuple[str, ...], values: Mapping[str, str]) -> tuple[Pattern, ...]:
    """The patterns of texts that are like one of `heads`, or go on behind it with a colon."""
    return tuple(p for h in heads for t in (h, f"{h}:**") for p in filled(t, values, {}))


def _claims(prefix: str, values: Mapping[str, str]) -> list[ClaimShape]:
    """The further claims that AWS reads and that say the same as the parameters."""
    out = []
    if "owner" in values or "name" in values:
        out.append(ClaimShape(f"{prefix}:repository", tuple(filled("{owner}/{name}", values, {}))))
    if "not-owner" in values:
        out.append(ClaimShape(f"{prefix}:repository", None, tuple(filled("{not-owner}/**", values, {}))))
    for claim, name in (("repository_id", "repo-id"), ("repository_owner_id", "owner-id"), ("ref", "ref")):
        if name in values:
            out.append(ClaimShape(f"{prefix}:{claim}", tuple(filled(f"{{{name}}}", values, {}))))
    if "environment" in values:
        out.append(ClaimShape(f"{prefix}:environment", (tokenize(values["environment"], variables=False),)))
    elif any(p in values for p in _PLACES) and "sub-template" not in values:
        out.append(ClaimShape(f"{prefix}:environment", ()))
    return out
