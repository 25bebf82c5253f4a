"""Rules pages: Markdown to scenarios, a scenario to input files and questions. The format is in corpus/README.md."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from page_files import Snapshot, account_of

from iamsim.model.read_text import read_json_text
from iamsim.query.language import Question, parse_file

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
RULES = CORPUS / "rules"
ESCALATIONS = CORPUS / "escalations"


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: the words and options of its info string, its body, and the line of its first body line."""

    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    body: str
    line: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the documents that are passed with it, and the line of the page where it stands."""

    question: Question
    session: Any
    endpoint: Any
    line: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One environment as input files (name to JSON value), and what is asked of it."""

    title: str
    files: dict[str, Any] = field(hash=False)
    questions: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A rules page. `rows` are the ids of its `Rows:` line."""

    path: Path
    title: str
    source: str
    rows: tuple[str, ...]
    scenarios: tuple[Scenario, ...]


def escalation_pages(folder: str) -> list[Path]:
    """The pages of corpus/escalations/FOLDER (`techniques` or `chains`), in the order of their names."""
    return sorted((ESCALATIONS / folder).glob("*.md"))


def rule_pages() -> list[Path]:
    """The rules pages, in the order of their names."""
    return sorted(p for p in RULES.glob("*.md") if p.name not in ("EXCLUDED.md", "README.md"))


def read_page(path: Path) -> Page:
    """The page at `path`; ValueError with file and line for what is not in the format."""
    text = path.read_text(encoding="utf-8").rstrip("\n") + "\n"
    head, *sections = re.split(r"^(?=## )", blank_fences(text), flags=re.MULTILINE)
    title = re.search(r"^# (.+)$", head, re.MULTILINE)
    source = re.search(r"^Source: (.+(?:\n(?!Rows:|\s*$).+)*)", head, re.MULTILINE)
    rows = re.search(r"^Rows: (.+(?:\n(?!\s*$).+)*)", head, re.MULTILINE)
    if not (title and source and rows):
        raise ValueError(f"{path.name}: a page begins with `# Title`, `Source: …` and `Rows: …`")
    line, scenarios = head.count("\n"), []
    for section in sections:
        size = section.count("\n")
        fences = fences_of(path.name, "\n".join(text.split("\n")[line : line + size]), line)
        scenarios.append(scenario(path.name, section.split("\n", 1)[0].removeprefix("## "), fences))
        line += size
    names = tuple(r.strip(" .`") for r in re.split(r"[,;\n]\s*", rows[1]) if r.strip(" .`"))
    return Page(path, title[1].strip(), " ".join(source[1].split()), names, tuple(scenarios))


def blank_fences(text: str) -> str:
    """`text` with the bodies of its fences blanked, so that headings are only found outside them."""
    return re.sub(r"^```\w.*?^```\s*$", lambda m: "\n" * m[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)


def fences_of(name: str, text: str, offset: int) -> list[Fence]:
    """The fences of a part of a page that begins after `offset` lines."""
    found = []
    for m in re.finditer(r"^```([^\n]*)\n(.*?)^```[ \t]*$", text, re.MULTILINE | re.DOTALL):
        # `key=value with blanks` is one option if quoted: key="a b"
        tokens = [t.replace('"', "") for t in re.findall(r'(?:[^\s"]|"[^"]*")+', m[1])]
        line = offset + text.count("\n", 0, m.start()) + 2
        words = tuple(t for i, t in enumerate(tokens) if i < 2 or not re.match(r"[\w.:/-]+=", t))
        options = tuple(tuple(t.split("=", 1)) for i, t in enumerate(tokens) if i >= 2 and t not in words)
        if not words or words[0] not in ("json", "ask"):
            raise ValueError(f"{name}:{line - 1}: a fence is `json KIND NAME` or `ask`")
        found.append(Fence(words, options, m[2], line))
    return found


def scenario(name: str, title: str, fences: list[Fence]) -> Scenario:
    """The scenario that the fences of one section describe."""
    snapshot, asked = Snapshot(), []
    session = endpoint = None
    for fence in fences:
        where = f"{name}:{fence.line}"
        if fence.words[0] == "ask":
            # a question per line: indentation continues nothing here
            text = "\n".join(line.strip() for line in fence.body.split("\n"))
            asked += [Asked(q, session, endpoint, fence.line + q.span[0] - 1) for q in parse_file(text, where)]
            continue
        value = None if fence.body.strip() == "null" else read_json_text(fence.body.strip(), where)[0]
        options = dict(fence.options)
        match fence.words[1]:
            case "session":
                session = value
            case "endpoint":
                kind = options.get("type", "interface")
                endpoint = value if value is None or kind == "interface" else {"Type": kind, "Policy": value}
            case kind:
                try:
                    put(snapshot, kind, fence, value)
                except (KeyError, IndexError, TypeError, AttributeError) as e:
                    raise ValueError(f"{where}: fence `{' '.join(fence.words)}`: {e!r}") from e
    return Scenario(title, snapshot.files(), tuple(asked))


def put(snapshot: Snapshot, kind: str, fence: Fence, value: Any) -> None:
    """Add what one `json` fence says to the snapshot."""
    name = fence.words[2] if len(fence.words) > 2 else ""
    options = dict(fence.options)
    tags = {k.removeprefix("tag."): unquote(v) for k, v in fence.options if k.startswith("tag.")}
    match kind:
        case "user" | "role":
            snapshot.identity(kind, name, value, path=options.get("path"), unique_id=options.get("id"), tags=tags)
        case "group":
            snapshot.group(name, value, [m for m in options.get("members", "").split(",") if m])
        case "attach":
            snapshot.attach(name, options["arn"], value)
        case "boundary":
            snapshot.boundary(name, value, arn=options.get("arn"))
        case "managed":
            default = options.get("default") == "true"
            snapshot.managed_version(name, value, version=options.get("version", "v1"), default=default)
        case "profile":
            snapshot.profile(name, value)
        case "delegated":
            snapshot.delegate(name, value)
        case "trust":
            snapshot.trust(name, value)
        case "resource" | "key":
            restrict = {"true": True, "false": False}.get(options.get("restrict_public_buckets", ""))
            snapshot.resource(name, value, account=options.get("account"), tags=tags, restrict=restrict)
        case "grants":
            snapshot.grants(name, value)
        case "organization":
            snapshot.organization = value
        case "scp" | "rcp":
            snapshot.org_policy(kind, name, value, only=options.get("only") == "true")
        case "load":
            snapshot.load(value["accounts"])
        case "provider":
            snapshot.provider(account_of(name), name, value)
        case "raw":
            snapshot.raw[name] = value
        case _:
            raise KeyError(f"unknown kind of fence `{kind}`")
