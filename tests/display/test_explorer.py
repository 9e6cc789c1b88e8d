"""The explorer: a page of its own in a frame, beside it a table; no kernel and no weights."""

import re
from dataclasses import replace
from html import unescape

import pytest

from bitnet import HistoryError
from bitnet.analysis import results
from bitnet.display.explorer import MOST, explore, full_runs
from tests.support.pages import data_of, fetched, text_of


def framed(html):
    """The page in the frame, and what stands beside it."""
    page = re.search(r"srcdoc='([^']*)'", html)
    return unescape(page[1]), html[: page.start()] + html[page.end() :]


def test_without_arguments_it_shows_the_committed_runs_of_full_length():
    explorer = explore()
    assert repr(explorer) == "Explorer of l2-0.05, l2-0.0, adamw-0.0"
    assert [run["moments"][-1]["count"] for run in explorer.data["runs"]] == ["2", "224", "239"]
    assert [run["moments"][-1]["state"] for run in explorer.data["runs"]] == [
        "collapsed", "diverse", "diverse",
    ]  # fmt: skip
    assert [h.config.hidden for h in full_runs(hidden=512)] == [512] * 3


def test_outside_a_checkout_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    with pytest.raises(HistoryError, match="come with the project"):
        explore()


def test_a_saved_notebook_holds_a_page_that_moves_and_a_table(runs):
    html = explore(runs)._repr_html_()
    page, beside = framed(html)
    (data,) = data_of(page)
    assert [run["label"] for run in data["runs"]] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    assert [step["step"] for step in data["steps"]] == [1, 8, 20, 28, 30, 40]
    assert fetched(page) == []
    assert "<script" not in beside
    for run in data["runs"]:
        assert run["label"] in text_of(beside)


def test_the_page_shows_the_last_step_before_any_script_runs(runs):
    text = text_of(explore(runs).page)
    for history in runs:
        assert f"{int(history.rows()[-1]['unique_tokens'])} distinct tokens" in text
    assert "update 40 of 40, Stage 2" in text


def test_one_run_of_each_arm_is_shown_and_of_many_the_first(tiny_runs):
    assert len(explore(list(tiny_runs.values())).data["runs"]) == MOST == len(tiny_runs) - 1
    assert explore(list(tiny_runs.values())).data["missing"] == 0
    assert len(explore([tiny_runs["l2-0.0", 0]]).data["runs"]) == 1


def test_a_notebook_stays_small(committed):
    assert len(explore(committed)._repr_html_()) < 180_000
    assert len(explore()._repr_html_()) < 90_000


def test_runs_never_evaluated_are_left_out_and_none_is_said(runs):
    empty = replace(runs[0], measures=runs[0].measures.iloc[:0], snapshots=[])
    assert repr(explore([empty, runs[1]])) == "Explorer of l2-0.0"
    assert repr(explore([empty])) == "Explorer of no runs"
    assert "iframe" in explore([empty])._repr_html_()
