"""`iamsim compare`: how policies stand to each other."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from iamsim.cli.options import json_file
from iamsim.cli.output import Loud, Status, or_json, remarks, working
from iamsim.cli.workers import workers
from iamsim.errors import QueryError

if TYPE_CHECKING:
    from iamsim.model.policy import Policy
    from iamsim.query.relation import Compared


class CompareFormat(StrEnum):
    """The form of a comparison; DOT is for the order of a set."""

    TEXT = "text"
    JSON = "json"
    DOT = "dot"


class ExpectRelation(StrEnum):
    """The relations that make the exit status 0."""

    EQUIVALENT = "equivalent"
    NARROWER = "narrower"
    WIDER = "wider"
    INCOMPARABLE = "incomparable"
    NARROWER_OR_EQUAL = "narrower-or-equal"
    WIDER_OR_EQUAL = "wider-or-equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What `iamsim compare` was given beside the policies."""

    every: bool
    managed: bool
    expect: ExpectRelation | None
    future: bool
    any_resource: bool
    format: CompareFormat
    loud: Loud


def compare_command(policies: list[str], options: CompareOptions) -> int:
    """Prints how the first policy stands to the second, or the order of all; 0 iff that is what is expected.

    1 it is not, 2 bad input, 3 it is not known.
    """
    run = _order if options.every or options.managed else _pair
    return or_json(options.format, lambda: run(policies, options))


def read_policy_named(text: str, loud: Loud) -> Policy:
    """The policy that `text` names: a file, or an AWS managed policy by name or ARN; what is odd about it is said."""
    from iamsim.query.documents import identity_policy, managed_by_name, unknown_policy

    if not text.startswith("arn:") and (text == "-" or "\x00" in text or _exists(text)):
        policy, found = identity_policy(json_file(text, "one policy document"), text)
        remarks(found, loud)
        return policy
    managed = managed_by_name(text)
    if managed is None:
        raise unknown_policy(text)
    return managed[0]


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:
        return False


def _pair(policies: list[str], options: CompareOptions) -> int:
    from iamsim.query.relation import compare

    if len(policies) != 2:
        given = f"{len(policies)} policies are given" if policies else "no policy is given"
        raise QueryError(given, "give two, or --all and any number, or --managed")
    if options.format is CompareFormat.DOT:
        raise QueryError("`--format dot` draws the order of a set", "add --all, or take text or json")
    a, b = (read_policy_named(p, options.loud) for p in policies)
    with working("comparing", options.loud):
        found = compare(a, b, any_resource=options.any_resource)
    _print_pair(found, policies, options)
    return _status(found, options)


def _print_pair(found: Compared, policies: list[str], options: CompareOptions) -> None:
    from iamsim.report.compare import compared_json, compared_lines
    from iamsim.report.json import json_line
    from iamsim.report.text import print_lines

    a, b = policies
    if options.format is CompareFormat.JSON:
        sys.stdout.write(json_line(compared_json(found, a, b)) + "\n")
    else:
        print_lines(compared_lines(found, a, b))


def _status(found: Compared, options: CompareOptions) -> Status:
    relation = (found.future if options.future else found.relation).value
    if relation == "undecided":
        return Status.UNKNOWN
    if options.expect is None:
        return Status.AS_EXPECTED
    wanted = options.expect.value
    fits = {wanted.removesuffix("-or-equal")} | ({"equivalent"} if wanted.endswith("-or-equal") else set())
    return Status.AS_EXPECTED if relation in fits else Status.NOT_EXPECTED


def _order(policies: list[str], options: CompareOptions) -> int:
    from iamsim.query.documents import all_managed
    from iamsim.query.lattice import lattice
    from iamsim.report.compare import lattice_dot, lattice_json, lattice_lines
    from iamsim.report.json import json_line
    from iamsim.report.text import encodable, print_lines

    if options.expect is not None or options.future:
        raise QueryError("`--expect` and `--future` speak of two policies", "leave out --all and --managed")
    if not policies and not options.managed:
        raise QueryError("no policy is given", "give files or names of policies, or --managed for all of AWS")
    named = {text: read_policy_named(text, options.loud) for text in policies}
    if options.managed:
        named = {**all_managed(), **named}
    with workers() as executor, working(f"ordering {len(named)} policies", options.loud, "policies") as progress:
        found = lattice(named, any_resource=options.any_resource, progress=progress, executor=executor)
    match options.format:
        case CompareFormat.JSON:
            sys.stdout.write(json_line(lattice_json(found)) + "\n")
        case CompareFormat.DOT:
            sys.stdout.write(encodable(lattice_dot(found)))
        case CompareFormat.TEXT:
            print_lines(lattice_lines(found))
    return Status.AS_EXPECTED
