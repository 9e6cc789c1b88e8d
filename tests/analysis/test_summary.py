"""The results in Markdown: quoted correctly wherever they are quoted, and what they say."""

import shutil
from pathlib import Path

import pytest

from bitnet import MEASURES
from bitnet.analysis.markdown import quote
from bitnet.analysis.results import load_plan, survey
from bitnet.analysis.summary import headline, measures_table, runs_table, summary
from bitnet.runs.grid import Grid

ROOT = Path(__file__).parents[2]
PLAN = load_plan()


@pytest.fixture(scope="module")
def in_order():
    """The committed runs in the order of the registered plan."""
    return survey(PLAN)[0]


@pytest.fixture(scope="module")
def whole(in_order):
    """The summary of the committed runs."""
    return summary(PLAN, in_order)


def rows_of(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


@pytest.mark.parametrize(
    ("name", "write"), [("README.md", headline), ("results/README.md", summary)]
)
def test_documents_quote_what_the_runs_say(name, write, in_order, tmp_path):
    copy = tmp_path / "page.md"
    copy.write_text((ROOT / name).read_text())
    assert not quote(copy, write(PLAN, in_order)), "run make evidence"
    assert quote(copy, "something else")
    assert "something else" in copy.read_text()
    with pytest.raises(ValueError, match="no place for the results"):
        quote(Path(shutil.copy(ROOT / "LOG.md", tmp_path)), "something")


def test_the_table_of_measures_has_a_row_a_measure():
    text = measures_table()
    assert len(text.splitlines()) == 2 + len(MEASURES)
    for measure in MEASURES.values():
        (row,) = rows_of(text, f"| {measure.column} | `{measure.name}` | ")
        assert measure.meaning in row


def test_the_summary_names_runs_verdicts_hypotheses_and_what_is_missing(tiny_runs):
    done, other = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.05", 0]
    text = summary(Grid((done.config, other.config)), [done])
    lines = text.splitlines()
    assert "- l2-0.05, hidden 8, vocabulary 2048, 40 steps, seed 0" in lines
    assert len(rows_of(text, "| `l2-0.0` | 8 | 40 | 0 | ")) == 1
    assert len([line for line in lines if "**inconclusive**" in line]) == 2
    assert len([line for line in lines if "**not known**" in line]) >= 4
    alone = summary(Grid((done.config,)), [done])
    assert "Nothing: every run of the plan is there." in alone


def test_the_summary_shows_intervals_only_where_there_are_several_seeds(tiny_runs):
    one, two = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.0", 1]
    grid = Grid((one.config, two.config))
    assert "One seed each so far: no interval." in summary(grid, [one])
    (line,) = rows_of(summary(grid, [one, two]), "| `l2-0.0` | 8 | 40 | 2 |")
    losses = sorted(float(h.measures.val_loss.iloc[-1]) for h in (one, two))
    assert f"| {sum(losses) / 2:.3g} [{losses[0]:.3g}, {losses[1]:.3g}] |" in line


def test_the_summary_answers_the_checklist_for_full_length_runs_of_the_fix_only(
    tiny_runs, in_order, whole
):
    short = tiny_runs["l2-0.0", 0]
    assert "No complete run of l2-0.0." in summary(Grid((short.config,)), [short])
    fix = [h for h in in_order if h.complete and h.config.arm == "l2-0.0"]
    full = [h for h in fix if h.config.steps == 20_000]
    assert full
    for history in full:
        at = f"| {history.config.hidden} | {history.config.seed} | after the switch | 11000 |"
        (line,) = rows_of(whole, f"{at} more than 8 (recovery) |")
        assert f" {int(history.at(11_000)['unique_predictions'])} |" in line


def test_the_headline_has_one_row_an_arm_and_size(in_order):
    text = headline(PLAN, in_order)
    full = [h.config for h in in_order if h.config.steps == 20_000]
    rows = rows_of(text, "| `")
    assert len(rows) == len({(config.arm, config.hidden) for config in full})
    assert len(rows_of(text, "| `l2-0.0` | 256 | 3 | 14 to 16 | 216 to 232 |")) == 1
    assert "missing" not in text
    assert "The registered verdict: **works**." in text


def test_the_headline_of_an_unfinished_plan_says_how_many_runs_are_missing(in_order):
    assert "2 of the plan's 22 runs are missing." in headline(PLAN, in_order[:-2])


def test_the_table_of_runs_has_a_row_a_run(in_order):
    assert len(rows_of(runs_table(in_order), "| `")) == len(in_order)
