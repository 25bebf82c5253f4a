"""Random small terms over a few variables, and the assignments of a small universe to try them on."""

from __future__ import annotations

import random
from fractions import Fraction
from ipaddress import ip_network
from itertools import product

from iamsim.ir.evaluate import evaluate
from iamsim.ir.term import (
    Compare,
    InNetwork,
    Parses,
    Sort,
    Within,
    all_of,
    any_of,
    each,
    like,
    not_,
    present,
    some,
    variables,
)
from iamsim.model.pattern import tokenize
from iamsim.smt.types import Hint

HINTS = {
    "s": Hint(),
    "t": Hint(),
    "short": Hint(alphabet="ab", min_length=1, max_length=2),
    "many": Hint(multivalued=True),
    "bool": Hint(sort=Sort.BOOL),
    "num": Hint(sort=Sort.NUMBER),
    "int": Hint(sort=Sort.NUMBER, integers=True, minimum=Fraction(0), maximum=Fraction(3)),
    "date": Hint(sort=Sort.DATE),
    "later": Hint(sort=Sort.DATE),
    "ip": Hint(sort=Sort.ADDRESS),
    "arn": Hint(sort=Sort.ARN),
}
TEXTS = ("", "a", "b", "ab", "aa", "ba", "A", "a:b", "1", "2", "true", "a:b:c:d:e:f", "2020", "10.0.0.1")
UNIVERSE = {
    "s": TEXTS,
    "t": TEXTS,
    "short": ("a", "b", "ab", "ba", "aa", "bb"),
    "many": ("", "a", "b", "ab", "aa"),
    "bool": ("true", "false", "True"),
    "num": ("-1", "0", "0.5", "1", "1.5", "2", "3", "99999"),
    "int": ("0", "1", "2", "3"),
    "date": ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z", "1970-01-01T00:00:05Z", "99999"),
    "later": ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "1970-01-01T00:00:03Z", "1970-01-01T00:00:06Z"),
    "ip": ("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.1.0", "11.0.0.0", "::1"),
    "arn": ("arn:aws:s3:::a", "arn:aws:s3:::b", "a:b:c:d:e:f", "a"),
}
PATTERNS = ("*", "a*", "*a", "?", "a", "b", "ab", "*b*", "a?", "A*", "", "??*", "*:*")
TEMPLATES = ("${t}", "${s}", "a${t}", "${t}*", "${t, 'a'}", "${many}", "${short}b", "*${s}")


def hints(var):
    return HINTS[var]


def random_atom(rng, var):
    kind = HINTS[var].sort
    roll = rng.random()
    if roll < 0.12:
        return present(var)
    if var == "many" and roll < 0.8:
        node = some if rng.random() < 0.5 else each
        return node(var, random_inner(rng, var))
    if kind is Sort.NUMBER and roll < 0.85:
        return Compare(var, rng.choice(("==", "<", "<=", ">", ">=")), Fraction(rng.randint(0, 4), 2), Sort.NUMBER)
    if kind is Sort.DATE and roll < 0.85:
        if roll < 0.35:
            return Within("date", "later", rng.choice((0, 1, 3, None)))
        return Compare(var, rng.choice(("==", "<", "<=", ">", ">=")), Fraction(rng.randint(0, 6)), Sort.DATE)
    if kind is Sort.ADDRESS and roll < 0.9:
        nets = ("10.0.0.0/8", "10.0.0.0/31", "10.0.0.1/32", "0.0.0.0/0", "::/0", "::1/128", "10.0.0.2/31")
        return InNetwork(var, ip_network(rng.choice(nets)))
    if kind is Sort.BOOL:
        return like(var, tokenize(rng.choice(("true", "false", "t*", "*e"))), fold_case=rng.random() < 0.6)
    if roll < 0.2:
        return Parses(var, rng.choice((Sort.NUMBER, Sort.DATE, Sort.ADDRESS, Sort.BOOL, Sort.ARN)))
    if roll < 0.26:
        return Compare(
            var, rng.choice(("<", "==", ">")), Fraction(rng.randint(0, 3)), rng.choice((Sort.NUMBER, Sort.DATE))
        )
    if roll < 0.4 and kind is not Sort.ARN:
        return like(var, tokenize(rng.choice(TEMPLATES)))
    return random_like(rng, var)


def random_like(rng, var):
    if HINTS[var].sort is Sort.ARN:
        return like(var, tokenize(rng.choice(("arn:*", "*:a", "arn:aws:s3:::?", "arn:aws:s3:::a", "*"))))
    return like(var, tokenize(rng.choice(PATTERNS)), fold_case=rng.random() < 0.2)


def random_inner(rng, var):
    parts = [random_like(rng, var) for _ in range(rng.randint(1, 2))]
    parts = [not_(p) if rng.random() < 0.3 else p for p in parts]
    return (all_of if rng.random() < 0.5 else any_of)(parts)


def random_term(rng, names, depth):
    if depth == 0 or rng.random() < 0.15:
        atom = random_atom(rng, rng.choice(names))
        return not_(atom) if rng.random() < 0.4 else atom
    args = [random_term(rng, names, depth - 1) for _ in range(rng.randint(2, 3))]
    term = (all_of if rng.random() < 0.55 else any_of)(args)
    return not_(term) if rng.random() < 0.15 else term


def sample(seed, depth=2):
    return drawn(random.Random(seed), depth)


def drawn(rng, depth=2):
    names = rng.sample(list(HINTS), 3) if rng.random() < 0.7 else ["s", "t", rng.choice(("many", "short", "date"))]
    return random_term(rng, names, rng.choice(range(1, depth + 1)))


def options(var):
    texts = UNIVERSE[var]
    one = [(), *((t,) for t in texts)]
    return one + [(a, b) for a in texts[:4] for b in texts[:4] if a != b] if HINTS[var].multivalued else one


def brute(term, limit=6000):
    """An assignment of the universe that makes `term` true, or None; only the first `limit` are tried."""
    names = sorted(variables(term))
    for count, choice in enumerate(product(*(options(n) for n in names))):
        if count >= limit:
            return None
        found = {n: c for n, c in zip(names, choice, strict=True) if c}
        if evaluate(term, found) is True:
            return found
    return None
