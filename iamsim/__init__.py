"""iamsim: an offline simulator for AWS IAM. `load` reads a snapshot, `can` answers "can X ever do Y on Z".

`paths` lists all minimal ways, `escalations` says what a principal can become, `who_can` lists callers, `what_can`
permissions, `diff` and `what_if` what a change does, `compare` how two policies stand. `ask` answers texts of the query
language, `only_via` and `cut` say what a way hangs on, `mine` which rules hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iamsim.check.ask import Reply, ask
    from iamsim.check.mine import Mined, mine
    from iamsim.env.build import load
    from iamsim.env.types import Environment
    from iamsim.errors import IamsimError, InputError, InternalError, QueryError
    from iamsim.judge.answer import Answer, Verdict
    from iamsim.query.can import can
    from iamsim.query.cut import Cut, cut
    from iamsim.query.diff import diff
    from iamsim.query.equivalent import RoleOrder, equivalent_roles
    from iamsim.query.escalations import Escalation, Escalations, all_escalations, escalations
    from iamsim.query.explain import Explanation, explain
    from iamsim.query.minimal import Path
    from iamsim.query.only_via import Bypass, OnlyVia, only_via
    from iamsim.query.paths import paths
    from iamsim.query.policy_diff import diff_policies
    from iamsim.query.reach import ReachDiff, reach_diff
    from iamsim.query.relation import compare
    from iamsim.query.role_graph import role_graph
    from iamsim.query.what_can import What, what_can
    from iamsim.query.what_if import Edit, EditKind, what_if
    from iamsim.query.what_policy import policy_of
    from iamsim.query.who_can import who_can
    from iamsim.query.who_rows import Who

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Bypass",
    "Cut",
    "Edit",
    "EditKind",
    "Environment",
    "Escalation",
    "Escalations",
    "Explanation",
    "IamsimError",
    "InputError",
    "InternalError",
    "Mined",
    "OnlyVia",
    "Path",
    "QueryError",
    "ReachDiff",
    "Reply",
    "RoleOrder",
    "Verdict",
    "What",
    "Who",
    "all_escalations",
    "ask",
    "can",
    "compare",
    "cut",
    "diff",
    "diff_policies",
    "equivalent_roles",
    "escalations",
    "explain",
    "load",
    "mine",
    "only_via",
    "paths",
    "policy_of",
    "reach_diff",
    "role_graph",
    "what_can",
    "what_if",
    "who_can",
]

_HOMES = {
    "ask": "iamsim.check.ask",
    "Reply": "iamsim.check.ask",
    "load": "iamsim.env.build",
    "Environment": "iamsim.env.types",
    "IamsimError": "iamsim.errors",
    "InputError": "iamsim.errors",
    "InternalError": "iamsim.errors",
    "QueryError": "iamsim.errors",
    "Answer": "iamsim.judge.answer",
    "Verdict": "iamsim.judge.answer",
    "can": "iamsim.query.can",
    "compare": "iamsim.query.relation",
    "diff": "iamsim.query.diff",
    "Edit": "iamsim.query.what_if",
    "EditKind": "iamsim.query.what_if",
    "what_if": "iamsim.query.what_if",
    "Mined": "iamsim.check.mine",
    "mine": "iamsim.check.mine",
    "RoleOrder": "iamsim.query.equivalent",
    "equivalent_roles": "iamsim.query.equivalent",
    "diff_policies": "iamsim.query.policy_diff",
    "ReachDiff": "iamsim.query.reach",
    "reach_diff": "iamsim.query.reach",
    "Cut": "iamsim.query.cut",
    "cut": "iamsim.query.cut",
    "Explanation": "iamsim.query.explain",
    "explain": "iamsim.query.explain",
    "Bypass": "iamsim.query.only_via",
    "OnlyVia": "iamsim.query.only_via",
    "only_via": "iamsim.query.only_via",
    "Path": "iamsim.query.minimal",
    "paths": "iamsim.query.paths",
    "Escalation": "iamsim.query.escalations",
    "Escalations": "iamsim.query.escalations",
    "all_escalations": "iamsim.query.escalations",
    "escalations": "iamsim.query.escalations",
    "What": "iamsim.query.what_can",
    "what_can": "iamsim.query.what_can",
    "policy_of": "iamsim.query.what_policy",
    "role_graph": "iamsim.query.role_graph",
    "Who": "iamsim.query.who_rows",
    "who_can": "iamsim.query.who_can",
}


def __getattr__(name: str) -> Any:
    """The public name, imported when first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'iamsim' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
