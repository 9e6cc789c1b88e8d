"""The story: the committed file is what the code writes, its numbers and its words are true."""

import re

import pytest

from bitnet.__main__ import main
from bitnet.committed import CHECKOUT
from bitnet.display.facts import Facts
from bitnet.display.story import story_page
from bitnet.evaluation.measures import MEASURES
from tests.support.pages import data_of, fetched, text_of

STORY = CHECKOUT / "results" / "story.html"
BROKEN, FIX, RIVAL, FULL_PRECISION = "l2-0.05", "l2-0.0", "adamw-0.0", "fp-l2-0.0"


@pytest.fixture(scope="module")
def page(committed):
    return story_page(committed)


@pytest.fixture(scope="module")
def runs(committed):
    return Facts(committed).of


def test_the_committed_page_is_what_the_results_give(page):
    assert STORY.read_text(encoding="utf-8") == page, "run 'make story'"


def test_it_is_small_loads_nothing_and_names_no_address(page):
    assert len(page.encode()) < 500_000
    assert fetched(page) == []
    assert "http" not in page


def test_the_command_writes_it(tmp_path, page, capsys):
    assert main(["story", "--page", str(tmp_path / "story.html")]) == 0
    assert (tmp_path / "story.html").read_text(encoding="utf-8") == page
    assert re.fullmatch(r"story.html: \d+ kB, opens offline.*\n", capsys.readouterr().out)


def test_its_data_is_every_evaluation_of_the_three_runs(page, runs):
    (data,) = data_of(page)
    assert [run["label"] for run in data["runs"]] == [BROKEN, FIX, RIVAL]
    for found, arm in zip(data["runs"], (BROKEN, FIX, RIVAL), strict=True):
        assert [m["step"] for m in found["moments"]] == runs[arm].measures.step.tolist()
        counts = [m["count"].replace("\u202f", "") for m in found["moments"]]
        assert counts == [f"{n:.0f}" for n in runs[arm].measures.unique_tokens]


def test_the_template_has_no_number_of_its_own():
    source = (CHECKOUT / "bitnet" / "display" / "story.html.j2").read_text()
    prose = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>|\{#.*?#\}", " ", source, flags=re.S)
    numbers = set(re.findall(r"\d+(?:\.\d+)?", prose))
    names = {"1.58", "4", "1", "2", "20", "0.0"}  # of BitNet, 4-grams, L2, stages, probe, an arm
    assert numbers <= names


def test_it_is_readable_without_a_script(page):
    text = text_of(page)
    for run in (BROKEN, FIX, RIVAL):
        assert text.count(f"{run} : ") >= 7, "each chapter says what each run predicts"
    assert "It writes: the the the" in text
    assert not re.search(r"\bnan\b|(?<!\w)-0\.0+\b|\d\.000\b", text)


def test_its_words_are_true_of_the_runs(runs, committed):
    """Each line is a claim of the page that is not a number in it."""
    broken, fix = runs[BROKEN], runs[FIX]
    states = {arm: run.states.set_axis(run.measures.step) for arm, run in runs.items()}
    upto = [run.measures.query("step <= 10000")[list(MEASURES)] for run in (broken, fix)]
    assert (upto[0] - upto[1]).abs().max().max() < 0.02, "the same network, but for rounding"
    assert upto[0].unique_tokens.equals(upto[1].unique_tokens)
    ln_v = fix.references["ln_vocabulary"]
    assert abs(fix.at(1000)["predictive_entropy"] - ln_v) < 1e-4, "every token the same chance"
    assert fix.at(1000)["unique_predictions"] == 20, "the best mark there is"
    assert states[FIX][1000] == "dead"
    assert set(states[FIX].loc[4000:10_000]) == {"collapsed"}
    assert set(states[RIVAL]) <= {"learning", "diverse"}, "one was never lost"
    assert states[BROKEN][20_000] == "collapsed" != states[FIX][20_000], "one came back"
    assert broken.at(11_000)["unique_tokens"] == broken.at(10_000)["unique_tokens"], "little moves"
    assert states[FIX][11_000] == "collapsed", "it still counts as collapsed"
    assert fix.at(11_000)["unique_predictions"] < 10, "the probe would have missed it"
    assert fix.at(1)["unique_tokens"] > fix.references["human_unique_tokens"], "more than the text"
    assert states[FULL_PRECISION][10_000] == "collapsed", "collapses all the same"
    diverse = [p for h in committed for p in h.measures.unique_predictions[(h.states == "diverse")]]
    assert max(diverse) < 20, "no diverse network gets the best mark"
    for group in ("head", "ternary", "norm"):
        assert fix.health.set_index("step")[f"mean_abs.{group}"][1000] < 1e-4, "to zero together"
    coupled = [h for h in committed if h.config.recipe.optimizer == "adam"]
    decays = {h.config.recipe.stage1_decay for h in coupled} - {0}
    assert decays == {0.1}, "every L2 run has the same coefficient in Stage 1"
