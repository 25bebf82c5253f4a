"""Values of tags that make a difference: those that policies read, as far as policies let them be set."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.candidates import example, texts_of
from iamsim.graph.policies import every_policy
from iamsim.graph.variables import solver
from iamsim.model.pattern import Pattern, tokenize
from iamsim.theory.globs import Found, GlobAtom, solve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from iamsim.env.types import Environment
    from iamsim.graph.world import Node, Search

READ = ("aws:principaltag/", "aws:resourcetag/", "iam:resourcetag/", "secretsmanager:resourcetag/", "ecr:resourcetag/")
ASKED = "aws:requesttag/"
MOST = 40
"""Values of one tag that are tried."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/=+-@ "
"""What a value may consist of. Source: IAM User Guide, "Tags for AWS Identity and Access Management resources"."""

_BUDGET = 2000
_VARIABLE = re.compile(r"\$\{([^},]*)[^}]*\}")
_NAME_OF_USER = "${aws:username}"


def tag_values(search: Search) -> Mapping[str, tuple[str, ...]]:
    """For each tag of principals that some policy reads (lower case): the values that make a difference.

    They are those with which policies compare it and those that principals and resources have; where policies say to what it
    may be set, also what fits both sides, and what a resource pattern with the tag in it needs for what is there or asked about.
    """
    env = search.env
    told = once(env.memo, "tag-values", _of_environment, env)
    if not search.targets or not any(k.startswith(ASKED) for k in texts_of(env, (ASKED,))):
        return told
    return once(search.kept, "tag-values", _for_targets, env, told, search.targets)


def names_told(env: Environment, node: Node, target: str) -> tuple[str, ...]:
    """Values that stand for the caller's or the target's own name, if some policy compares a tag with the name of a user."""
    texts = texts_of(env, (*READ, ASKED))
    told = once(
        env.memo, "tags-told-names", lambda: any(_NAME_OF_USER in t.lower() for ts in texts.values() for t in ts)
    )
    arns = (node.caller.arn or "", target) if told else ()
    return tuple(a.rpartition("/")[2] for a in arns if ":user/" in a)


def _for_targets(
    env: Environment, told: Mapping[str, tuple[str, ...]], targets: tuple[str, ...]
) -> Mapping[str, tuple[str, ...]]:
    asked = texts_of(env, (ASKED,))
    out = dict(told)
    for key, values in told.items():
        if ASKED + key in asked:
            out[key] = tuple(dict.fromkeys((*values, *islice(_needed(env, key, targets), MOST))))
    return out


def _of_environment(env: Environment) -> Mapping[str, tuple[str, ...]]:
    read: dict[str, set[str]] = {}
    for name, texts in texts_of(env, READ).items():
        read.setdefault(name.partition("/")[2], set()).update(texts)
    out = {k: {example(t) for t in texts if "${" not in t} for k, texts in read.items()}
    for tags in (*(p.tags for p in env.principals.values()), *(r.tags for r in env.resources.values())):
        for k, v in tags:
            if k.lower() in out:
                out[k.lower()].add(v)
    for name, texts in texts_of(env, (ASKED,)).items():
        key = name.partition("/")[2]
        if key in out:
            out[key].update(islice(meeting(read[key], texts, _LETTERS), MOST))
            out[key].update(islice(_numbers(env, key), MOST))
            out[key].update(islice(_needed(env, key, (*env.resources, *env.principals)), MOST))
    _join(env, out)
    return {k: tuple(sorted(v or {"x"})) for k, v in out.items()}


def meeting(read: Iterable[str], asked: Iterable[str], letters: str) -> Iterator[str]:
    """Values that fit a pattern with which something is read and one with which it is set, if they can none of the others."""
    mine, theirs = ({"*", *(_VARIABLE.sub("*", t) for t in texts)} for texts in (read, asked))
    every = [GlobAtom(tokenize(t, variables=False)) for t in sorted((mine | theirs) - {"*"})]
    for a in sorted(mine):
        for b in sorted(theirs):
            both = [GlobAtom(tokenize(t, variables=False)) for t in dict.fromkeys((a, b))]
            for others in ([g for g in every if g not in both], []):
                found = solve(both, others, budget=_BUDGET, allowed=letters)
                if isinstance(found, Found):
                    yield found.text


def _numbers(env: Environment, key: str) -> Iterator[str]:
    """Numbers on either side of those with which policies compare the tag."""
    said: set[float] = set()
    for policy in every_policy(env):
        for s in policy.statements:
            for c in s.conditions:
                if c.operator.startswith("Numeric") and c.key.lower().endswith(f"tag/{key}"):
                    said.update(float(v) for v in c.values if re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", v))
    numbers = sorted(said)
    for n in (*(m + d for m in numbers for d in (-1, 0, 1)), *((a + b) / 2 for a, b in pairwise(numbers))):
        yield f"{n:f}".rstrip("0").rstrip(".")


def _needed(env: Environment, key: str, arns: tuple[str, ...]) -> Iterator[str]:
    """Values for which a resource pattern with the tag of the principal in it fits one of `arns`."""
    for text in once(env.memo, ("tag-in-pattern", key), _patterns, env, key):
        pattern = solver(text, "aws:principaltag/" + key, "[^*?]{1,256}")
        yield from (m["value"] for m in map(pattern.fullmatch, arns) if m is not None)


def _patterns(env: Environment, key: str) -> tuple[str, ...]:
    name = "aws:principaltag/" + key
    found: set[str] = set()
    for policy in every_policy(env):
        for s in policy.statements:
            patterns = s.resource.patterns if s.resource is not None else ()
            found.update(p.text for p in patterns if isinstance(p, Pattern) and any(v.key == name for v in p.variables))
    return tuple(sorted(found))


def _join(env: Environment, values: dict[str, set[str]]) -> None:
    """Give tags that policies compare with each other the same values."""
    texts = texts_of(env, (*READ, ASKED))
    pairs = {
        (name.partition("/")[2], v[1].strip().lower().partition("/")[2])
        for name, told in texts.items()
        for t in told
        for v in _VARIABLE.finditer(t)
        if v[1].strip().lower().startswith((*READ, ASKED))
    }
    linked = sorted((a, b) for a, b in pairs if a != b and a in values and b in values)
    for _ in linked:
        for a, b in linked:
            both = values[a] | values[b]
            if len(both) <= MOST:
                values[a], values[b] = set(both), set(both)
