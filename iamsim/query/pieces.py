"""The statements and attachments that a way rests on: each can be taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iamsim.aws.managed import managed_policies
from iamsim.env.hits import label_of
from iamsim.env.types import PrincipalKind
from iamsim.env.without import Attachment, documents, without
from iamsim.model.arn import parse_arn
from iamsim.model.policy import Effect, Policy, PolicyKind
from iamsim.query.techniques import catalogue_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from iamsim.diagnostics import Origin
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Hop, Witness

_GRANTS = ("identity", "resource")


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """Something that can be taken away: the statement of a document at `origin`, or the attachment of a policy of AWS.

    `text` names it. `carriers` are the ARNs of the users, roles, groups, resources or policies that lose it.
    """

    carriers: tuple[str, ...]
    text: str
    origin: Origin | None
    attachment: Attachment | None = None

    @property
    def key(self) -> tuple[int, str, str]:
        """The order in which pieces are taken: those that fewer carry first."""
        return (len(self.carriers), self.text, str(self.origin))


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of an environment by the place of their statement."""

    env: Environment
    by_place: dict[Origin, Piece]
    roles: dict[tuple[str, str], str]

    def of_way(self, hops: Iterable[Hop], witness: Witness | None) -> frozenset[Piece]:
        """The pieces without any of which the way may not be: as long as all are there, it is open.

        Statements that the way itself writes are not among them, nor are limits: taking an Allow of an SCP or boundary away
        would close more than ways.
        """
        out: set[Piece] = set()
        for hop in hops:
            for call in hop.calls or (hop.witness,):
                out |= self._of_request(call)
            out |= self._of_roles(hop)
        return frozenset(out | (self._of_request(witness) if witness is not None else set()))

    def of_role(self, arn: str, *, whole: bool) -> frozenset[Piece]:
        """The pieces of the trust policy of a role and, if `whole`, of its identity policies."""
        role = self.env.principals.get(arn)
        if role is None:
            return frozenset()
        held = (role.trust, *(role.policies if whole else ()))
        return frozenset(p for d in held if isinstance(d, Policy) for p in self._of_document(d, arn))

    def _of_document(self, policy: Policy, carrier: str) -> Iterator[Piece]:
        for statement in policy.statements:
            if statement.effect is not Effect.DENY:
                label = label_of(policy, statement)
                piece = self._at(label.origin, carrier)
                if piece is not None:
                    yield piece

    def _of_request(self, witness: Witness) -> set[Piece]:
        carrier = self._signer(witness.request.caller)
        found = (self._at(c.origin, carrier) for c in witness.allowed_by if c.role in _GRANTS and c.origin is not None)
        return {p for p in found if p is not None}

    def _at(self, origin: Origin | None, carrier: str) -> Piece | None:
        """The piece of a statement that allows something to `carrier`."""
        if origin is None:
            return None
        piece = self.by_place.get(origin)
        if piece is None or piece.attachment is None:
            return piece
        policy = piece.attachment.policy
        own = self.env.principals.get(carrier)
        for arn, held in [(carrier, own), *((g, self.env.groups.get(g)) for g in (own.groups if own else ()))]:
            if held is not None and any(p.arn == policy for p in held.policies):
                return Piece((arn,), f"attachment of {policy}", None, Attachment(arn, policy))
        return None

    def _signer(self, caller: str) -> str:
        """The ARN of the user or role whose policies a caller has."""
        parsed = parse_arn(caller)
        if parsed is None or not parsed.resource.startswith("assumed-role/"):
            return caller
        return self.roles.get((parsed.account, parsed.resource.split("/")[1]), caller)

    def _of_roles(self, hop: Hop) -> set[Piece]:
        """What roles must allow, and whom they must trust, that are passed in a step or run in a service."""
        if hop.technique == "sts-assume-role" or not hop.calls:
            return set()
        catalogue, _ = catalogue_of(None)
        technique = catalogue.techniques.get(hop.technique) or catalogue.primitives.get(hop.technique)
        facts = (
            {p.fact for v in technique.variants for p in v.preconditions} if technique is not None else {"role-allows"}
        )
        named = {hop.target, *(c.request.resource for c in hop.calls)}
        whole = "role-allows" in facts
        return {p for arn in sorted(named) if ":role/" in arn for p in self.of_role(arn, whole=whole)}


def pieces_of(env: Environment) -> Pieces:
    """The pieces of the grants of an environment."""
    aws = managed_policies()
    carriers: dict[Origin, set[str]] = {}
    first: dict[Origin, tuple[str, str | None]] = {}
    for policy, carrier in documents(env):
        of_aws = policy.arn if policy.kind is PolicyKind.IDENTITY and _of_aws(policy.arn, aws) else None
        for statement in policy.statements:
            label = label_of(policy, statement)
            if statement.effect is not Effect.DENY and label.origin is not None:
                carriers.setdefault(label.origin, set()).add(carrier)
                first.setdefault(label.origin, (label.text, of_aws))
    made: dict[Origin, Piece] = {}
    for origin, (text, of_aws) in first.items():
        attachment = None if of_aws is None else Attachment("", of_aws)
        made[origin] = Piece(tuple(sorted(carriers[origin])), text, origin, attachment)
    roles = {(p.account, p.name): p.arn for p in env.principals.values() if p.kind is PrincipalKind.ROLE}
    return Pieces(env, made, roles)


def removed(env: Environment, pieces: Iterable[Piece]) -> Environment:
    """The environment without the pieces."""
    listed = list(pieces)
    statements = [p.origin for p in listed if p.attachment is None and p.origin is not None]
    return without(env, statements, [p.attachment for p in listed if p.attachment is not None])


def _of_aws(arn: str | None, aws: Iterable[str]) -> bool:
    return arn is not None and (":iam::aws:policy/" in arn or arn in aws)
