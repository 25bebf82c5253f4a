"""Values of tags that make a difference: those that policies read, as far as policies let them be set."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice, pairwise, product, zip_longest
from typing import TYPE_CHECKING

from iamsim.env.memo import once
from iamsim.graph.candidates import example, texts_of
from iamsim.graph.policies import every_policy
from iamsim.model.pattern import Pattern, match, tokenize
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
    may be set, also what fits both sides, and what a text with the tag in it needs for what is there or asked about.
    """
    env = search.env
    told = once(env.memo, "tag-values", _of_environment, env)
    asked = {**search.ask.given, _RESOURCE: search.targets}
    if not any(asked.values()) or not texts_of(env, (ASKED,)):
        return told
    return once(search.kept, "tag-values", _for_question, env, told, asked)


def values_of_resources(search: Search) -> Mapping[str, tuple[str, ...]]:
    """`tag_values` and those of tags that policies read of resources by a key of their service, as `ec2:ResourceTag/key`."""
    env, told = search.env, tag_values(search)
    more = once(env.memo, "tags-of-services", _of_services, env)
    return {**told, **{k: tuple(dict.fromkeys((*told.get(k, ()), *values))) for k, values in more.items()}}


def reads_resource_tags(env: Environment) -> bool:
    """Whether some policy reads tags of resources."""
    return once(env.memo, "reads-resource-tags", lambda: any(_TAG in k for k in texts_of(env, ("",))))


def _of_services(env: Environment) -> Mapping[str, tuple[str, ...]]:
    out: dict[str, set[str]] = {}
    for name, texts in texts_of(env, ("",)).items():
        if _TAG in name and not name.startswith(READ):
            out.setdefault(name.partition("/")[2], set()).update(example(t) for t in texts if "${" not in t)
    for resource in env.resources.values():
        for k, v in resource.tags:
            if k.lower() in out:
                out[k.lower()].add(v)
    return {k: tuple(sorted(v or {"x"})) for k, v in out.items()}


_TAG = ":resourcetag/"


def names_told(env: Environment, node: Node, target: str) -> tuple[str, ...]:
    """Values that stand for the caller's or the target's own name, if some policy compares a tag with the name of a user."""
    texts = texts_of(env, (*READ, ASKED))
    told = once(
        env.memo, "tags-told-names", lambda: any(_NAME_OF_USER in t.lower() for ts in texts.values() for t in ts)
    )
    arns = (node.caller.arn or "", target) if told else ()
    return tuple(a.rpartition("/")[2] for a in arns if ":user/" in a)


def _for_question(
    env: Environment, told: Mapping[str, tuple[str, ...]], given: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    asked = texts_of(env, (ASKED,))
    out = dict(told)
    for key, values in told.items():
        if ASKED + key in asked:
            out[key] = tuple(dict.fromkeys((*values, *islice(_needed(env, key, given), MOST))))
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
    among = _compared(env) if texts_of(env, (ASKED,)) else {}
    for name, texts in texts_of(env, (ASKED,)).items():
        key = name.partition("/")[2]
        if key in out:
            out[key].update(islice(meeting(read[key], texts, _LETTERS), MOST))
            out[key].update(islice(_numbers(env, key), MOST))
            out[key].update(islice(_needed(env, key, among), MOST))
    for name, texts in texts_of(env, READ[:1]).items():
        key = name.partition("/")[2]
        out[key].update(islice(_filled(key, texts, out), MOST))
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


def _needed(env: Environment, key: str, among: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Values of the tag of the principal for which texts with it in them fit what they are compared with: those first to which
    policies say that it may be set, and longer parts. `among` gives for each condition key what that is, ARNs for `_RESOURCE`.
    """
    asked = [tokenize(_VARIABLE.sub("*", t), variables=False) for t in texts_of(env, (ASKED,)).get(ASKED + key, ())]
    texts = once(env.memo, ("tag-in-texts", key), _texts_with, env, key)
    tries = ((text, value) for name, text in texts for value in among.get(name, ()))
    every = (n for text, value in tries for n in enumerate(sorted(_parts(text, key, value), key=len, reverse=True)))
    found = {part: number for number, part in reversed(list(islice(every, _PARTS)))}
    yield from sorted(found, key=lambda v: (not any(match(t, v) for t in asked), found[v], v))


def _filled(key: str, texts: tuple[str, ...], values: Mapping[str, set[str]]) -> Iterator[str]:
    """The texts with which a tag is compared that have other tags of the principal in them, filled with values of these."""
    head = READ[0]
    for text in texts:
        names = [v[1].strip().lower() for v in _VARIABLE.finditer(text)]
        if names and all(n.startswith(head) and n != head + key for n in names):
            for chosen in product(*(sorted(values.get(n.removeprefix(head), ())) for n in names)):
                parts = zip_longest(_VARIABLE.split(text)[::2], chosen, fillvalue="")
                yield "".join(example(a) + b for a, b in parts)


_RESOURCE = "resource"
_PARTS = 5000
"""Parts of texts that are looked at for one tag."""

_LONGEST = 256
"""The length of the value of a tag at most. Source: IAM User Guide, "Tags for AWS Identity and Access Management resources"."""


def _parts(text: str, key: str, value: str) -> Iterator[str]:
    """The parts of `value` that the variable of the tag may stand for, each occurrence by itself, so that the text fits it."""
    for variable in _VARIABLE.finditer(text):
        if variable[1].strip().lower() != "aws:principaltag/" + key:
            continue
        head, tail = _expression(text[: variable.start()]), _expression(text[variable.end() :])
        ends = [n for n in range(1, len(value) + 1) if tail.fullmatch(value, n)]
        for start in (n for n in range(len(value)) if head.fullmatch(value, 0, n)):
            parts = (value[start:end] for end in ends if start < end <= start + _LONGEST)
            yield from (p for p in parts if all(c.isalnum() or c in _LETTERS for c in p))


@lru_cache(maxsize=4096)
def _expression(text: str) -> re.Pattern[str]:
    """The expression for a part of a pattern, in which other variables may stand for anything."""
    plain = {"*": ".*", "?": "."}
    parts = _VARIABLE.split(text)
    texts = ("".join(plain.get(c) or re.escape(c) for c in t) for t in parts[::2])
    others = (re.escape(v) if v in ("*", "?", "$") else ".+" for v in parts[1::2])
    return re.compile("".join(a + b for a, b in zip_longest(texts, others, fillvalue="")), re.DOTALL)


def _texts_with(env: Environment, key: str) -> tuple[tuple[str, str], ...]:
    """The texts of policies with the tag of the principal in them, each with the condition key that is compared, or `_RESOURCE`."""
    name = "aws:principaltag/" + key
    found: set[tuple[str, str]] = set()
    for policy in every_policy(env):
        for s in policy.statements:
            patterns = s.resource.patterns if s.resource is not None else ()
            found.update((_RESOURCE, p.text) for p in patterns if isinstance(p, Pattern))
            found.update((c.key.lower(), v) for c in s.conditions for v in c.values)
    return tuple(sorted((k, t) for k, t in found if any(v[1].strip().lower() == name for v in _VARIABLE.finditer(t))))


def _compared(env: Environment) -> Mapping[str, tuple[str, ...]]:
    """What condition keys that policies compare with the tag may be: tags and ARNs that are there, and values of policies."""
    tags: dict[str, set[str]] = {}
    for own in (*(p.tags for p in env.principals.values()), *(r.tags for r in env.resources.values())):
        for k, v in own:
            tags.setdefault(k.lower(), set()).add(v)
    out: dict[str, tuple[str, ...]] = {_RESOURCE: (*env.resources, *env.principals)}
    for name, texts in texts_of(env, ("",)).items():
        there = tags.get(name.partition("/")[2], ()) if "tag/" in name else ()
        out[name] = tuple(sorted({*there, *(t for t in texts if not set("*?$") & set(t))}))
    for name in ("aws:principalarn", "iam:permissionsboundary", "iam:policyarn"):
        out[name] = (*out.get(name, ()), *(env.principals if name == "aws:principalarn" else env.managed_policies))
    return out


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
