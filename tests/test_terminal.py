"""What is printed: neither markup nor what a terminal obeys."""

import io
from dataclasses import replace

import pytest
from rich.table import Table

from bitnet import HistoryError, Plan, load_corpus, load_models
from bitnet.checks import OneLineError, ParameterError, path, printable
from bitnet.runs.checkpoint import Checkpoint, save
from bitnet.runs.history import default_runs_dir
from bitnet.runs.run import run
from bitnet.terminal import Terminal, say
from tests.support.runs import CPU, TRAINED
from tests.support.text import write_text

NASTY = "\x1b]52;c;\x07[/B] [bold]x \x9b31m\u202e\udc80\r:smile:"
SHOWN = "\\x1b]52;c;\\x07[/B] [bold]x \\x9b31m\\u202e\\udc80\\r:smile:"


def printed(what, **options):
    terminal = Terminal(file=io.StringIO(), width=200, force_terminal=True, color_system="standard")
    terminal.print(what, **options)
    return terminal.file.getvalue()


def test_a_text_is_shown_as_it_stands():
    assert printed(NASTY) == f"{SHOWN}\n"
    assert printed(NASTY, style="bold").count("\x1b") == 2  # of the style alone
    out = io.StringIO()
    say(f"{NASTY}\nü 日本", out)
    assert out.getvalue() == f"{SHOWN}\nü 日本\n"


def test_so_are_titles_heads_and_cells_of_a_table():
    table = Table(title=NASTY)
    table.add_column(NASTY)
    table.add_row(NASTY)
    said = printed(table)
    assert said.count(SHOWN) == 3
    assert "]52" not in said.replace(SHOWN, "")


def test_tabs_and_line_breaks_stay_in_a_text_and_not_in_the_line_of_an_error():
    assert printable("a\tb\n") == "a\tb\n"
    assert str(OneLineError("a\n\x1b[1m")) == "a\\n\\x1b[1m"
    assert str(ParameterError("x\n", "\x1b", "y\u2028")) == "x\\n = '\\x1b': y\\u2028"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (7, "must be a path"),
        (None, "must be a path"),
        ("", "must be a path"),
        ("~nosuchuser/x", "home directory"),
        ("x" * 300, "name too long"),
        ("a\0b", "null byte"),
    ],
    ids=repr,
)
def test_a_path_that_cannot_be_is_refused_in_one_line(value, why):
    with pytest.raises(ParameterError, match=f"(?i)^runs_dir = .*{why}"):
        path("runs_dir", value)


def test_a_path_may_begin_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path("runs_dir", "~/new") == tmp_path / "new"
    monkeypatch.setenv("BITNET_RUNS", "~/runs")
    assert default_runs_dir() == Plan().runs_dir == tmp_path / "runs"
    monkeypatch.setenv("BITNET_RUNS", "~nosuchuser/runs")
    with pytest.raises(ParameterError, match=r"^BITNET_RUNS = '~nosuchuser/runs': "):
        default_runs_dir()
    monkeypatch.setenv("BITNET_CACHE", "~/cache")
    text = write_text(tmp_path / "text.txt")
    load_corpus("~/text.txt", log=lambda line: None)
    assert text.exists() and list((tmp_path / "cache").glob("tokens-*.npy"))


def test_a_callback_hears_lines_as_they_may_be_printed(tmp_path, corpus):
    """Of a run, a text, weights: whoever gives one may print what it hears."""
    folder, lines = tmp_path / "a\x1b]52;c;b", []
    config = replace(TRAINED, hidden=8, heads=1, steps=8)
    history = run(config, corpus, folder, CPU, log=lines.append)
    run(config, corpus, folder, CPU, log=lines.append)
    save(history.folder, Checkpoint(4, {}, []))
    (history.folder / "manifest.json").unlink()
    run(config, corpus, folder, CPU, log=lines.append)
    assert any("damaged checkpoint passed over" in line for line in lines)
    text = write_text(tmp_path / "a\x1b[31mb.txt")
    load_corpus(str(text), cache_dir=folder, log=lines.append)
    named = replace(history, status="failed", config=replace(config, corpus=str(text)))
    with pytest.raises(HistoryError):
        load_models([named], log=lines.append)
    assert len(lines) >= 4
    assert [line for line in lines if "\x1b" in line] == []
    assert sum("\\x1b" in line for line in lines) >= 3
