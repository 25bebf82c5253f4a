"""A question made ready: what is given, whom and what it means, and the checks that it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iamsim.aws.actions import action_info, data_date, expand, known_services, nearest
from iamsim.aws.keys import ROWS, Listing, key_row
from iamsim.diagnostics import Diagnostic, Origin, Severity
from iamsim.env.applicable import NO_DOCUMENTS, Documents
from iamsim.errors import InputError, QueryError
from iamsim.findings import printable
from iamsim.ir import term as terms
from iamsim.ir.term import TRUE, Term, variables
from iamsim.judge.answer import Question
from iamsim.judge.callers import read_callers
from iamsim.judge.candidates import targets
from iamsim.judge.judge import Ask, Extra
from iamsim.model.arn import is_account_id
from iamsim.model.policy import PolicyKind
from iamsim.model.read_policy import read_policy
from iamsim.query.actions import possible_actions, suiting_actions
from iamsim.query.recall import Noted
from iamsim.smt.types import Limits

if TYPE_CHECKING:
    from iamsim.env.types import Environment
    from iamsim.judge.candidates import Target
    from iamsim.model.caller import Caller
    from iamsim.model.policy import Policy


Given = Mapping[str, str | Sequence[str] | None]
VIA = ("direct", "roles", "escalation")
MISSING = ("assume", "strict", "closed")
Run = tuple["Caller", str, tuple["Target", ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a question, named as on the command line; see `can`."""

    context: Given | None = None
    when: Term | str | Mapping[str, str] | None = None
    via: str = "escalation"
    strict: bool = False
    missing: str = "assume"
    also: Sequence[tuple[str, str]] = ()
    any_resource: bool = False
    resource_account: str | None = None
    session_policy: Any = None
    endpoint_policy: Any = None
    engine: str = "auto"
    limits: Limits | None = None
    assume: Sequence[str] = ()
    rule_out: Sequence[str] = ()
    techniques: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question ready to be decided: what its checks share, and one run per caller and action."""

    ask: Ask
    question: Question
    runs: tuple[Run, ...]
    notes: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    options: Options


def prepare(env: Environment, principal: str, action: str, resource: str, options: Options) -> Prepared:
    """The checks that a question comes to. Raises QueryError if it cannot be asked, InputError for a bad document."""
    question = _question(principal, action, resource, options, given_of(options.context))
    ask = asked_of(env, principal, action, resource, options)
    callers = read_callers(env, principal)
    named, warnings = read_actions(action)
    actions = suiting_actions(named, resource, any_resource=options.any_resource)
    runs: list[Run] = []
    notes: dict[str, None] = {}
    unfit: QueryError | None = None
    for caller in callers:
        several = possible_actions(ask, caller, actions, resource, via=options.via, any_resource=options.any_resource)
        for name in several:
            try:
                found = targets_of(ask, name, resource, caller.account, options)
            except QueryError as error:
                unfit = error
                continue
            notes.update((t.note, None) for t in found if t.note)
            runs.append((caller, name, found))
    if not runs and unfit is not None:
        raise unfit
    notes.update(dict.fromkeys(unknown_keys({v.rpartition("|")[2] for v in variables(ask.when)})))
    if not isinstance(ask.given, Noted):
        notes.update(dict.fromkeys(unknown_keys(ask.given)))
    return Prepared(ask, question, tuple(runs), tuple(notes), warnings, options)


def asked_of(env: Environment, principal: str, action: str, resource: str, options: Options) -> Ask:
    """What all checks of a question share. Raises as `prepare`."""
    given = given_of(options.context)
    _question(principal, action, resource, options, given)
    owner = options.resource_account
    if owner is not None and not is_account_id(owner):
        raise QueryError(f"`{printable(owner)}` is no account id", "an account id has 12 digits")
    return Ask(
        env=env,
        given=given,
        when=_when(options.when),
        ever=not options.strict,
        missing=options.missing,
        documents=_documents(options.session_policy, options.endpoint_policy),
        also=tuple(_also(env, pair, options) for pair in options.also),
        limits=options.limits or Limits(),
        engine=options.engine,
    )


def _also(env: Environment, pair: tuple[str, str], options: Options) -> Extra:
    """A further check of the operation, on one resource."""
    action, resource = pair
    names, _ = read_actions(action)
    if len(names) != 1 or (resource != "*" and ("*" in resource or "?" in resource)):
        raise QueryError(f"`{action}` on `{resource}` is no single check", "name one action and one resource in each")
    found = targets(
        env, names[0], resource, None, any_resource=options.any_resource, owner=None, closed=options.missing == "closed"
    )
    return Extra(names[0].lower(), found[0].resource or resource, found[0].owner)


def targets_of(ask: Ask, name: str, resource: str, account: str | None, options: Options) -> tuple[Target, ...]:
    """The meanings of the resource for an action and a caller of `account`; raises as `targets`."""
    return targets(
        ask.env,
        name,
        resource,
        account,
        any_resource=options.any_resource,
        owner=options.resource_account,
        closed=ask.missing == "closed",
    )


def _question(
    principal: str, action: str, resource: str, options: Options, given: Mapping[str, tuple[str, ...]]
) -> Question:
    if options.via not in VIA:
        raise QueryError(f"`{options.via}` is no way to follow", "--via takes direct, roles or escalation")
    if options.missing not in MISSING:
        raise QueryError(
            f"`{options.missing}` is no way to read missing facts", "--missing takes assume, strict or closed"
        )
    if (options.assume or options.rule_out) and options.via != "escalation":
        said = "--assume" if options.assume else "--rule-out"
        raise QueryError(
            f"`{said}` tells what techniques may count on, and `--via {options.via}` follows none",
            "leave out --via, or say --via escalation",
        )
    return Question(
        principal=principal,
        action=action,
        resource=resource,
        via=options.via,
        strict=options.strict,
        missing=options.missing,
        context=given,
        when=options.when if isinstance(options.when, str) else None,
    )


def given_of(context: Given | None) -> Mapping[str, tuple[str, ...]]:
    """The given keys in lower case with their values as texts; () for what is known to be absent."""
    if isinstance(context, Noted):
        return context
    out: dict[str, tuple[str, ...]] = {}
    for key, value in context.items() if context else ():
        if value.__class__ is str:
            out[key.lower()] = (value,)
        elif value is None:
            out[key.lower()] = ()
        elif isinstance(value, str | bool | int | float):
            out[key.lower()] = (_text(value),)
        else:
            out[key.lower()] = tuple(_text(v) for v in value)
    return out


def unknown_keys(keys: Iterable[str]) -> list[str]:
    """A sentence for each of these condition keys of a question that no request is known to have."""
    sentence = "no request is known to have the condition key"
    return [f"{sentence} `{key}`" + (f": did you mean `{near}`?" if near else "") for key, near in unlisted(keys)]


def unlisted(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """These of the condition keys that no request is known to have, each with the known key that it looks like, if one does."""
    for key in sorted(keys):
        if key_row(key).listing is Listing.UNKNOWN:
            near = f"aws:{key}" if ":" not in key else key
            known = key_row(near)
            if known.listing is Listing.UNKNOWN:
                from difflib import get_close_matches

                close = get_close_matches(near, [r.name.lower() for r in ROWS], n=1, cutoff=0.8)
                known = key_row(close[0]) if close else known
            yield key, "" if known.listing is Listing.UNKNOWN else known.name


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _when(when: Term | str | Mapping[str, str] | None) -> Term:
    if when is None:
        return TRUE
    if isinstance(when, str):
        from iamsim.query.language import parse_condition

        return parse_condition(when)
    if isinstance(when, Mapping):
        from iamsim.model.pattern import plain

        return terms.all_of(terms.Like(k.lower(), plain(v)) for k, v in when.items())
    return when


def _documents(session: Any, endpoint: Any) -> Documents:
    if session is None and endpoint is None:
        return NO_DOCUMENTS
    listed = session if isinstance(session, list) else [session]
    sessions = None if session is None else tuple(_policy(s, PolicyKind.SESSION, "session policy") for s in listed)
    many = [] if endpoint is None else endpoint if isinstance(endpoint, list) else [endpoint]
    return Documents(sessions, tuple(_endpoint(e) for e in many))


def _endpoint(value: Any) -> tuple[str, Policy]:
    kind = "interface"
    if isinstance(value, Mapping) and "Policy" in value and "Statement" not in value:
        kind = str(value.get("Type", "interface")).lower()
        value = value["Policy"]
    return kind, _policy(value, PolicyKind.ENDPOINT, "endpoint policy")


def _policy(value: Any, kind: PolicyKind, name: str) -> Policy:
    policy, diagnostics = read_policy(value, kind, "of the question", Origin(f"<{name}>"))
    if policy.malformed is not None:
        raise InputError(f"the {name} is no policy: {policy.malformed.reason}", diagnostics, "give a policy document")
    return policy


def read_actions(text: str) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """The actions that the question means, and a warning if the data does not know the action."""
    service, colon, name = text.partition(":")
    if text != "*" and (not colon or not service or not name or any(c.isspace() for c in text)):
        near = nearest(text)
        raise QueryError(f"`{text}` is no action", f"did you mean `{near}`?" if near else "write service:Action")
    if "*" in text or "?" in text:
        found = expand(text)
        if not found:
            raise QueryError(f"no known action matches `{text}`", f"known services are in the data of {data_date()}")
        return found, ()
    info = action_info(text)
    if info is not None:
        return (info.name,), ()
    near = nearest(text)
    known = service.lower() in known_services()
    what = "action" if known else "service"
    warning = Diagnostic(
        id="action-unknown",
        message=f"the data of {data_date()} does not know the {what} of `{text}`",
        origin=Origin("<question>"),
        severity=Severity.WARNING,
        help=f"did you mean `{near}`?" if near else "the question is answered all the same",
    )
    return (text,), (warning,)
