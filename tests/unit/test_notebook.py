"""The extension of IPython: the magic, what it says of mistakes, and the completion of names."""

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from iamsim import load, notebook

TEXT = "can user/alice do s3:GetObject on arn:aws:s3:::tiny-reports/q1.csv"


@pytest.fixture(scope="module")
def shell():
    shell = InteractiveShell.instance()
    notebook.load_ipython_extension(shell)
    yield shell
    notebook.unload_ipython_extension(shell)
    assert "iamsim" not in shell.magics_manager.magics["line"]
    InteractiveShell.clear_instance()


@pytest.fixture
def env(shell):
    shell.user_ns["env"] = load("corpus/organizations/tiny/snapshot")
    yield shell.user_ns["env"]
    shell.user_ns.pop("env", None)


def test_magic_answers(shell, env):
    found = shell.run_line_magic("iamsim", TEXT)
    assert found.verdict.value == "yes"
    data, _ = shell.display_formatter.format(found)
    assert "GetObject" in data["text/html"]
    assert data["text/plain"].startswith("YES  user/alice can do s3:GetObject")


def test_cell_answers_each_question(shell, env, capsys):
    shell.run_cell_magic("iamsim", "env", f"{TEXT}\n  expect yes\n# a remark\nwhat can user/alice do\n")
    out = capsys.readouterr().out
    assert "as expected" in out
    assert "CONDITIONAL" in out


@pytest.mark.parametrize(
    ("line", "said"),
    [("can user/alise do s3:GetObject on *", "user/alice"), ("can user/alice od", "`od` is out of place")],
)
def test_mistakes_are_messages(shell, env, line, said):
    with pytest.raises(UsageError, match=said):
        shell.run_line_magic("iamsim", line)


def test_environment_is_found_by_name(shell, env):
    with pytest.raises(UsageError, match="`other` is no environment"):
        shell.run_cell_magic("iamsim", "other", TEXT)
    shell.user_ns["tiny"] = shell.user_ns.pop("env")
    assert shell.run_line_magic("iamsim", TEXT).verdict.value == "yes"
    shell.user_ns["twin"] = shell.user_ns["tiny"]
    with pytest.raises(UsageError, match="name one of tiny, twin"):
        shell.run_line_magic("iamsim", TEXT)
    del shell.user_ns["tiny"], shell.user_ns["twin"]
    with pytest.raises(UsageError, match="no environment called `env`"):
        shell.run_line_magic("iamsim", TEXT)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%iamsim wh", "who"),
        ("%iamsim can user/al", "user/alice"),
        ("%iamsim can user/alice do s3:GetObj", "s3:GetObject"),
        ("%iamsim can user/alice do s3:GetObject on arn:aws:s3:::tiny", "arn:aws:s3:::tiny-reports"),
        ("%iamsim can user/alice do s3:GetObject on * when aws:SourceI", "aws:SourceIp"),
        ("%%iamsim\ncan role/Rep", "role/ReportWriter"),
        ('can(env, "user/a', "user/alice"),
        ('can(env, "user/alice", "s3:DeleteObj', "s3:DeleteObject"),
        ("who_can(env, 's3:GetObject', 'arn:aws:s3:::tiny", "arn:aws:s3:::tiny-reports"),
    ],
)
def test_tab_completes(shell, env, typed, offered):
    with provisionalcompleter():
        found = list(shell.Completer.completions(typed, len(typed)))
    texts = [typed[: c.start] + c.text for c in found]
    assert typed[: len(typed) - len(_word(typed, offered))] + offered in texts


def _word(typed, offered):
    return next(typed[i:] for i in range(len(typed)) if offered.startswith(typed[i:]))


def test_nothing_is_completed_elsewhere(shell, env):
    assert notebook.completed(shell, 'print("user/a', 0, 'print("user/a') == ()
    del shell.user_ns["env"]
    assert notebook.completed(shell, "%iamsim can ", 0, "%iamsim can ") == ()


def test_graphs_of_others_are_shown_as_ever(shell, env):
    import networkx as nx

    from iamsim import role_graph

    data, _ = shell.display_formatter.format(nx.MultiDiGraph([(1, 2)]))
    assert list(data) == ["text/plain"]
    assert "MultiDiGraph" in data["text/plain"]
    data, _ = shell.display_formatter.format(role_graph(env, only="hops"))
    assert "<svg" in data["text/html"]
    assert data["text/plain"].startswith("graph of ")
