"""Text to Question, and condition to Term. Each function that reads a rule of query.lark shows the rule."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from iamsim.errors import QueryError
from iamsim.ir.term import TRUE, Term, all_of, not_
from iamsim.model.arn import is_account_id
from iamsim.model.grammar import Leaf, Node, SyntaxProblem, nearest, parse, position, snippet
from iamsim.query.condition import Refused, read_condition, text_of
from iamsim.query.names import CALLER_FORM, NAMED, RESOURCE_FORM, check_names, expand, read_let

Given = tuple[tuple[str, tuple[str, ...] | None], ...]
BARE = re.compile(r"""[^\s;",'()#\[\]=<>!][^\s;",()\[\]=<>!]*""")
BARE_RESOURCE = re.compile(r"""[^\s;",'()#][^\s;"]*""")


class Verb(StrEnum):
    """What a question asks for."""

    CAN = "can"
    REACH = "reach"
    WHO_CAN = "who can"
    WHAT_CAN = "what can"
    ONLY_VIA = "only via"
    PATHS = "paths"
    WHY = "why"


@dataclass(frozen=True, slots=True)
class Waiver:
    """Until the end of the day `until` (`YYYY-MM-DD`) an answer that is not as expected does not count, for `reason`."""

    until: str
    reason: str

    def __str__(self) -> str:
        return f"until {self.until} for {json.dumps(self.reason, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. `caller`, `action`, `resource` are as written, empty where the verb has none.

    For `reach` and `paths` to a caller, `resource` is that caller and `action` is empty. `given` maps keys to values,
    None for known to be absent. `when` is TRUE if nothing was said; `unless` is in it, negated. `via` is `direct`,
    `roles`, `escalation` or a service principal. `span` is line and column. A question of an invariant may have `id`,
    `severity` (`error`, `warning`, `info`), `reason` and `waiver`.
    """

    verb: Verb
    caller: str = ""
    action: str = ""
    resource: str = ""
    given: Given = ()
    when: Term = TRUE
    via: str | None = None
    ever: bool = False
    missing: str | None = None
    any_resource: bool = False
    expect: str | None = None
    because: str | None = None
    within: int | None = None
    examples: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    id: str | None = None
    severity: str | None = None
    reason: str | None = None
    waiver: Waiver | None = None
    span: tuple[int, int] = field(default=(1, 1), compare=False)


def parse_question(text: str, source: str = "<query>") -> Question:
    """The one question that `text` asks; QueryError with place and remedy if it asks none or several.

    Further lines of the question are indented.
    """
    root = _parsed(text, "single", source)
    return _guarded(text, source, root.all("question")[0], {})[0]


def parse_file(text: str, source: str = "<query>") -> tuple[Question, ...]:
    """The questions of `text`, in order: one per line or between `;`. Indented lines continue a question.

    `#` before a word opens a comment. A question about sets (`let`) stands for one about each member. QueryError names the
    first question that cannot be read.
    """
    root = _parsed(text, "file", source)
    names: dict[str, tuple[str, ...]] = {}
    return tuple(q for node in root.nodes() for q in read_entry(text, source, node, names))


def read_entry(text: str, source: str, node: Node, names: dict[str, tuple[str, ...]]) -> tuple[Question, ...]:
    """The questions that an entry of a file means; a `let` is added to `names`. QueryError if it means nothing."""
    return _guarded(text, source, node, names) if node.name in ("let", "question") else ()


def questions_of(node: Node, names: dict[str, tuple[str, ...]]) -> tuple[Question, ...]:
    """As `read_entry`, but Refused if the entry means nothing."""
    if node.name == "let":
        read_let(node, names, _caller)
        return ()
    check_names(node, names)
    return expand(_question(node), names)


def parse_condition(text: str) -> Term:
    """The term of a condition alone, as after `when`; QueryError with place and remedy if it cannot be read."""
    text = re.sub(r"\n(?=\S)", "\n ", text)
    root = _parsed(text, "alone", "<when>")
    try:
        return read_condition(_only(root))
    except Refused as refused:
        raise _error(text, "<when>", refused) from None
    except RecursionError:
        raise QueryError("<when>: the condition is nested too deeply") from None


def _parsed(text: str, start: str, source: str) -> Node:
    found = parse("query", text, start=start, source=source)
    if isinstance(found, SyntaxProblem):
        raise QueryError(found.message, "\n".join(p for p in (found.snippet, remedy_of(found, start)) if p))
    return found


def remedy_of(problem: SyntaxProblem, start: str) -> str:
    """The remedy of a frequent mistake, told by what was expected where; else the parser's own."""
    word, wanted = problem.found, problem.keywords
    if wanted == ("do", "reach") and (":" in word or word == "on"):
        return "a question reads `can CALLER do ACTION on RESOURCE`"
    if wanted == ("on",) and word:
        return "a resource stands behind `on`, for every resource `on *`"
    if start == "single" and word in ("can", "who", "what", "only", "paths", "why") and "can" not in wanted:
        return "one question was expected: indent the lines that continue it, or read a file of questions"
    if word in ("&&", "&", "||", "|"):
        return "conditions are joined by `and` and `or`"
    if word.lower() in ("where", "if", "given", "provided"):
        return "a condition stands behind `when`, known values behind `with`"
    if word.lower() in ("deny", "denied", "false", "allowed", "true") and "implicit" in wanted:
        return "write `yes`, `no` or `unknown`; for one request `allow`, `implicit deny` or `explicit deny`"
    return problem.help


def _guarded(text: str, source: str, node: Node, names: dict[str, tuple[str, ...]]) -> tuple[Question, ...]:
    try:
        return questions_of(node, names)
    except Refused as refused:
        raise _error(text, source, refused) from None
    except RecursionError:
        raise QueryError(f"{source}:{node.line}:{node.column}: the condition is nested too deeply") from None


def _error(text: str, source: str, refused: Refused) -> QueryError:
    line, column = (refused.line, refused.column) if refused.line else position(text, len(text))
    shown = snippet(text, line, column, max(1, len(refused.found)))
    return QueryError(f"{source}:{line}:{column}: {refused.message}", "\n".join(p for p in (shown, refused.help) if p))


def _question(node: Node) -> Question:
    """question: (examples ":")? (can | reach | who_can | what_can | only_via | paths | why) clause*"""
    fields: dict[str, object] = {"span": (node.line, node.column)}
    for child in node.nodes():
        new = _body(child) or _clause(child)
        if "when" in new and "when" in fields:
            fields["when"] = all_of((fields["when"], new["when"]))  # type: ignore[arg-type]
            continue
        if twice := sorted(fields.keys() & new.keys()):
            raise Refused(f"the clause `{twice[0].strip('_')}` stands twice", child.line, child.column)
        fields.update(new)
    return Question(**fields)  # type: ignore[arg-type]


def _body(node: Node) -> dict[str, object]:
    """can: "can" caller "do" action "on" resource; reach: "can" caller "reach" caller;
    who_can: "who" "can" "do" action "on" resource; what_can: "what" "can" caller "do" ("on" resource)?;
    only_via: "only" "via" caller "do" action "on" resource; why: "why" "can" caller "do" action "on" resource;
    paths: "paths" "from" caller "to" (caller | "do" action "on" resource)
    """
    verbs = {v.value.replace(" ", "_"): v for v in Verb}
    if node.name not in verbs:
        return {}
    out: dict[str, object] = {"verb": verbs[node.name]}
    callers = [_caller(c) for c in node.all("caller")]
    if callers:
        out["caller"] = callers[0]
    if len(callers) == 2:
        out["resource"] = callers[1]
    for action in node.all("action"):
        out["action"] = _action(action)
    for resource in node.all("resource"):
        out["resource"] = _resource(resource)
    if node.name == "what_can":
        out.setdefault("resource", "*")
    return out


def _clause(node: Node) -> dict[str, object]:
    """clause: with | when | unless | via | ever | missing | any_resource | expect | because | within | except
    | id | severity | reason | waived
    """
    words = [leaf.text for leaf in node.leaves()]
    match node.name:
        case "examples":
            return {"examples": tuple(words)}
        case "with":
            return {"given": _given(node)}
        case "when":
            return {"when": read_condition(_only(node))}
        case "unless":
            return {"when": not_(read_condition(_only(node)))}
        case "via" | "missing":
            return {node.name: _via(node.leaves()[0]) if node.name == "via" else words[0]}
        case "ever" | "any_resource":
            return {node.name: True}
        case "expect":
            return {"expect": " ".join(words)}
        case "because":
            return {"because": text_of(node.leaves()[0])}
        case "within":
            return {"within": int(words[0][:9])}
        case "id" | "reason":
            return {node.name: text_of(node.leaves()[0])}
        case "severity":
            return {"severity": words[0]}
        case "waived":
            until, why = node.leaves()
            return {"waiver": Waiver(read_day(until), text_of(why))}
        case _:
            return {"except_": tuple(_caller(c) for c in node.all("caller"))}


def read_day(leaf: Leaf) -> str:
    """The day (`YYYY-MM-DD`) that the token names; Refused if it is none."""
    text = text_of(leaf)
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise Refused(f"`{text}` is no day", leaf.line, leaf.column, found=leaf.text, help="write it as `2030-01-31`")


def _only(node: Node) -> Node:
    """when: "when" condition; unless: "unless" condition; alone: condition"""
    return node.nodes()[0]


def _via(leaf: Leaf) -> str:
    """via: "via" ("direct" | "roles" | "escalation" | SERVICE_NAME)"""
    ways = ("direct", "roles", "escalation")
    if leaf.text in ways or "." in leaf.text:
        return leaf.text
    near = nearest(leaf.text, ways)
    raise Refused(
        f"`{leaf.text}` is no way: expected `direct`, `roles`, `escalation` or a service principal",
        leaf.line,
        leaf.column,
        found=leaf.text,
        help=f"did you mean `{near}`?" if near else "",
    )


def _given(node: Node) -> Given:
    """with: "with" given ("," given)*; given: key "=" values | "no" key"""
    out: dict[str, tuple[str, tuple[str, ...] | None]] = {}
    for entry in node.nodes():
        key = entry.all("key")[0].leaves()[0]
        name = text_of(key)
        if name.lower() in out:
            raise Refused(f"`{name}` is given twice", key.line, key.column, found=key.text)
        values = tuple(text_of(v.leaves()[0]) for v in entry.all("value"))
        out[name.lower()] = (name, values if entry.name == "given" else None)
    return tuple(out.values())


def _caller(node: Node) -> str:
    """caller: CALLER | STRING | "account" ACCOUNT_ID | "service" SERVICE_NAME"""
    child = node.children[0]
    if isinstance(child, Node):
        return f"{child.name} {child.leaves()[0].text}"
    text = text_of(child)
    if CALLER_FORM.fullmatch(text) or NAMED.fullmatch(text):
        return text
    hint = "write an ARN, `user/NAME`, `role/NAME`, `service NAME`, `oidc://…`, `anonymous` or `anyone`"
    if re.fullmatch(r"[\w+=.@-]+", text):
        hint = f"did you mean `user/{text}` or `role/{text}`?"
    if is_account_id(text):
        hint = f"did you mean `account {text}`?"
    raise Refused(f"`{text}` names no caller", child.line, child.column, found=child.text, help=hint)


def _action(node: Node) -> str:
    """action: ACTION | STRING"""
    leaf = node.leaves()[0]
    text = text_of(leaf)
    if text == "*" or re.fullmatch(r"[^\s:]+:\S+", text):
        return text
    hint = "did you forget the service, as in `s3:GetObject`?"
    raise Refused(f"`{text}` is no action", leaf.line, leaf.column, found=leaf.text, help=hint)


def _resource(node: Node) -> str:
    """resource: RESOURCE | STRING"""
    leaf = node.leaves()[0]
    text = text_of(leaf)
    if RESOURCE_FORM.fullmatch(text) or NAMED.fullmatch(text):
        return text
    bucket = re.fullmatch(r"(?:s3://)?([a-z0-9*?][a-z0-9.*?-]*(?:/.*)?)", text)
    hint = f"did you mean `arn:aws:s3:::{bucket[1]}`?" if bucket else "write an ARN, `role/NAME`, `user/NAME` or `*`"
    raise Refused(f"`{text}` names no resource", leaf.line, leaf.column, found=leaf.text, help=hint)


def print_question(question: Question) -> str:
    """The question as one line that `parse_question` reads back to an equal one."""
    from iamsim.query.condition import print_condition

    q = question
    out = [", ".join(q.examples) + ":"] if q.examples else []
    out.append(_print_body(q))
    if q.given:
        out.append("with " + ", ".join(_print_given(k, v) for k, v in q.given))
    if q.when != TRUE:
        out.append("when " + print_condition(q.when))
    if q.via:
        out.append(f"via {q.via}")
    if q.within is not None:
        out.append(f"within {q.within}")
    if q.except_:
        out.append("except " + ", ".join(_print_caller(c) for c in q.except_))
    out.extend(["ever"] * q.ever)
    if q.missing:
        out.append(f"missing {q.missing}")
    out.extend(["any-resource"] * q.any_resource)
    if q.expect:
        out.append(f"expect {q.expect}")
    if q.because is not None:
        out.append(f"because {_print_word(q.because)}")
    out += [
        f"{k} {_print_word(v)}"
        for k, v in (("id", q.id), ("severity", q.severity), ("reason", q.reason))
        if v is not None
    ]
    if q.waiver is not None:
        out.append(f"waived {q.waiver}")
    return " ".join(out)


def _print_body(q: Question) -> str:
    caller = _print_caller(q.caller)
    task = f"do {_print_word(q.action)} on {_print_resource(q.resource)}"
    match q.verb:
        case Verb.REACH:
            return f"can {caller} reach {_print_caller(q.resource)}"
        case Verb.WHO_CAN:
            return f"who can {task}"
        case Verb.WHAT_CAN:
            return f"what can {caller} do on {_print_resource(q.resource)}"
        case Verb.ONLY_VIA:
            return f"only via {caller} {task}"
        case Verb.PATHS:
            return f"paths from {caller} to {task if q.action else _print_caller(q.resource)}"
        case Verb.WHY:
            return f"why can {caller} {task}"
        case _:
            return f"can {caller} {task}"


def _print_given(key: str, values: tuple[str, ...] | None) -> str:
    if values is None:
        return f"no {_print_key(key)}"
    shown = [json.dumps(v, ensure_ascii=False) for v in values]
    return f"{_print_key(key)} = {shown[0] if len(shown) == 1 else '[' + ', '.join(shown) + ']'}"


def _print_key(key: str) -> str:
    from iamsim.query.condition import print_key

    return print_key(key)


def _print_caller(caller: str) -> str:
    kind, _, name = caller.partition(" ")
    plain = caller not in ("account", "service", "do") and re.fullmatch(r"""[^\s;",'()#][^\s;",]*""", caller)
    composed = kind in ("account", "service") and CALLER_FORM.fullmatch(caller) and name
    return caller if plain or composed else json.dumps(caller, ensure_ascii=False)


def _print_word(word: str) -> str:
    return word if BARE.fullmatch(word) else json.dumps(word, ensure_ascii=False)


def _print_resource(resource: str) -> str:
    return resource if BARE_RESOURCE.fullmatch(resource) else json.dumps(resource, ensure_ascii=False)
