"""The question "only via ROLE": whether everybody who can ever do something does it through one role, and who does not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from iamsim.env.edit import Edit, EditKind, edited
from iamsim.errors import QueryError
from iamsim.findings import printable
from iamsim.judge.answer import Evidence, Verdict
from iamsim.judge.callers import read_callers
from iamsim.query.can import can
from iamsim.query.ever import by_escalation
from iamsim.query.prepare import VIA, Options, prepare
from iamsim.query.who_can import ask_who, excused, who_can

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from iamsim.diagnostics import Diagnostic
    from iamsim.env.types import Environment
    from iamsim.judge.answer import Hop, Witness
    from iamsim.query.who_rows import Who

    Progress = Callable[[int], None]

_ENTER = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
_ASKABLE = ("user", "role", "root", "token", "anonymous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass:
    """A caller that can have the request allowed (YES) without the role, or of which that is not known (UNKNOWN).

    `row` is the caller as `who_can` has it, whose request it is in the end or, where techniques are followed, in the
    beginning. If that is a role, `entered_by` are callers that get to it: one is enough. `hops` and `witness` show a way, if
    it is certain. `through` are the roles by which the first of `entered_by` gets there, where `hops` do not begin with it.
    """

    row: Who
    verdict: Verdict
    hops: tuple[Hop, ...] = ()
    witness: Witness | None = None
    entered_by: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyVia:
    """YES: nobody can without the role. NO: somebody can, `bypasses` says who. UNKNOWN: that is not known of some caller.

    `own` is whether the role itself can; if it cannot, a YES says that nobody can. `complete` iff all callers were looked at.
    """

    role: str
    action: str
    resource: str
    via: str
    verdict: Verdict
    own: Verdict
    bypasses: tuple[Bypass, ...]
    warnings: tuple[Diagnostic, ...] = ()
    complete: bool = True

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not known, if it is not."""
        return tuple(sorted({r for b in self.bypasses if b.verdict is Verdict.UNKNOWN for r in b.reasons}))


def only_via(
    env: Environment,
    role: str,
    action: str,
    resource: str,
    *,
    except_: Sequence[str] | str = (),
    via: str = "escalation",
    most: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> OnlyVia:
    """YES iff every caller that can ever do `action` on `resource` needs `role` for it, or one of those that `except_` names.

    The request is asked of everybody in the environment without these roles. Callers are those of `who_can`; a role counts only if
    somebody gets to it: a user, a service, a token, another account. `via` is what counts as a way: `roles` (the same as
    `direct`) or `escalation`. It is also YES if nobody can, see `own`. `role` and `except_` are callers as `can` takes them,
    patterns included; `root` means every root user. With `most`, it is not looked for more certain bypasses than that.
    `options` are those of `can` but `also`. Raises QueryError for a question that cannot be asked, and for an unknown action:
    that only one role can do it would say nothing.
    """
    if via not in VIA:
        raise QueryError(f"`{printable(via)}` is no way to follow", "--via takes direct, roles or escalation")
    names = [role, *([except_] if isinstance(except_, str) else except_)]
    meant = excused(env, names)
    own = can(env, role, action, resource, via=via, **options).verdict
    followed = "escalation" if via == "escalation" else "direct"
    gates = _gates(env, names)
    without = edited(env, (Edit(EditKind.DELETE, arn) for arn in gates))
    asked = ask_who(without, action, resource, via=followed, progress=progress, **options)
    for warning in asked.warnings:
        raise QueryError(f"{warning.message}, so that a claim about it would be empty", warning.help)
    ways = _Ways(
        replace(env, memo={}),
        without,
        gates,
        action,
        resource,
        "escalation" if via == "escalation" else "roles",
        options,
    )
    found: list[Bypass] = []
    complete = True
    for row in asked.rows:
        bypass = None if meant(row) else ways.bypass(row)
        if bypass is not None:
            found.append(bypass)
        if most is not None and sum(b.verdict is Verdict.YES for b in found) >= most:
            complete = False
            break
    found.sort(key=lambda b: (b.verdict is not Verdict.YES, len(b.hops)))
    return OnlyVia(
        role=role,
        action=action,
        resource=resource,
        via=via,
        verdict=Verdict.YES if not found else Verdict.NO if found[0].verdict is Verdict.YES else Verdict.UNKNOWN,
        own=own,
        bypasses=tuple(found),
        complete=complete,
    )


def _gates(env: Environment, names: Sequence[str]) -> tuple[str, ...]:
    """The ARNs of the loaded users and roles that the names mean."""
    gates: dict[str, None] = {}
    for name in names:
        text = name.strip()
        if text in ("root", "nobody") or text.startswith(("oidc://", "saml://")):
            continue
        gates |= dict.fromkeys(
            arn for c in read_callers(env, text) if (arn := c.parent or c.arn or "") in env.principals
        )
    return tuple(gates)


_Way = tuple[Verdict, tuple["Hop", ...], "Witness | None", tuple[str, ...]]


@dataclass(slots=True)
class _Ways:
    """Who gets to the roles that can, and by which way; each caller is asked about once.

    In `without` an attacker might create the gates anew, which nobody can while they are there: what leads through a caller of
    their name is looked for again in `apart`, the environment with the gates, for searches that avoid them.
    """

    apart: Environment
    without: Environment
    gates: tuple[str, ...]
    action: str
    resource: str
    via: str
    options: dict[str, Any]
    known: dict[str, _Way] = field(default_factory=dict)
    doors: dict[str, tuple[Who, ...]] = field(default_factory=dict)

    def bypass(self, row: Who) -> Bypass | None:
        """The bypass that a row of `who_can` is; None for a role that nobody gets to."""
        if self.starts(row):
            return None if (way := self.way(row))[0] is Verdict.NO else _bypass(row, way)
        best: Bypass | None = None
        for entry, through in self.entries(row.principal):
            if self.via == "escalation" and entry.kind in ("user", "root"):
                continue  # it has a row of its own
            way = self.way(entry)
            if entry.kind not in _ASKABLE:  # it is taken to get to the role, which does the rest
                own = self.way(row)
                way = (_less_sure(own[0], entry.verdict), *own[1:])
            if way[0] is Verdict.NO or (best is not None and way[0] is Verdict.UNKNOWN):
                continue
            by = tuple(dict.fromkeys(e.principal for e in (entry, *self.door(row.principal)) if self.starts(e)))
            best = replace(_bypass(row, way, by), through=() if entry.kind in _ASKABLE else through)
            if best.verdict is Verdict.YES:
                break
        return best

    def starts(self, row: Who) -> bool:
        """Whether the caller is there without anybody's help: all but loaded roles."""
        return row.kind != "role" or row.principal not in self.apart.principals

    def way(self, row: Who) -> _Way:
        """Whether and how the caller does it without the gates."""
        who = row.principal
        if who not in self.known:
            self.known[who] = self._way(row)
        return self.known[who]

    def _way(self, row: Who) -> _Way:
        if row.principal == "*":
            return row.verdict, (), None, row.reasons
        asked = (row.principal, self.action, self.resource)
        via = "direct" if row.kind == "service" else self.via
        answer = can(self.without, *asked, via=via, **self.options)
        if answer.verdict is Verdict.NO or (self.via != "escalation" or not self.gates):
            return answer.verdict, answer.path, answer.witness, answer.reasons
        if answer.verdict is Verdict.YES and not any(h.target in self.gates for h in answer.path):
            return answer.verdict, answer.path, answer.witness, ()
        about = prepare(self.apart, *asked, Options(**self.options))
        found = by_escalation(about, frozenset(self.gates))
        if isinstance(found, Evidence):
            return Verdict.YES, found.path, found.witness, ()
        return (Verdict.UNKNOWN if found.reasons else Verdict.NO), (), None, found.reasons

    def entries(self, role: str) -> Iterator[tuple[Who, tuple[str, ...]]]:
        """The callers, other than loaded roles, that get to the role through any number of roles, nearest first.

        Each with these roles, the one asked about last.
        """
        todo: list[tuple[str, ...]] = [(role,)]
        seen = {role}
        while todo:
            through = todo.pop(0)
            for row in self.door(through[0]):
                if row.principal in seen:
                    continue
                seen.add(row.principal)
                if self.starts(row):
                    yield row, through
                else:
                    todo.append((row.principal, *through))

    def door(self, role: str) -> tuple[Who, ...]:
        """The callers that can take the role in one step."""
        if role not in self.doors:
            missing = {k: v for k, v in self.options.items() if k == "missing"}
            self.doors[role] = tuple(
                row for name in _ENTER for row in who_can(self.without, name, role, via="direct", **missing)
            )
        return self.doors[role]


def _bypass(row: Who, way: _Way, entered_by: tuple[str, ...] = ()) -> Bypass:
    verdict, hops, witness, reasons = way
    return Bypass(
        row=row, verdict=verdict, hops=hops, witness=witness, entered_by=entered_by, reasons=reasons or row.reasons
    )


def _less_sure(one: Verdict, other: Verdict) -> Verdict:
    if Verdict.NO in (one, other):
        return Verdict.NO
    return Verdict.UNKNOWN if Verdict.UNKNOWN in (one, other) else Verdict.YES
