"""The checks of one run, on made-up histories whose outcome is known."""

import pytest

from bitnet import History
from bitnet.analysis.assessment import (
    FAILS_BAR,
    PLAN_LENGTH,
    WORKS_BAR,
    assess,
    collapsed_by_the_switch,
    last_quarter,
)
from tests.support.histories import DEAD, HEALTHY, ONE_TOKEN, REFERENCES, history


def passed(run):
    return {check.name: check.passed for check in assess(run).checks}


@pytest.mark.parametrize(
    ("stage1", "collapsed"),
    [(HEALTHY, False), (DEAD, True), (ONE_TOKEN, True)],
    ids=["healthy", "dead", "collapsed"],
)
def test_what_counts_as_collapsed_by_the_switch_is_the_end_of_stage_1(stage1, collapsed):
    run = history("l2-0.0", stage1=stage1, stage2=DEAD if not collapsed else HEALTHY)
    assert collapsed_by_the_switch(run) is collapsed


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (history("l2-0.0"), "passes"),
        (history("l2-0.0", steps=5000), "passes"),  # its length is another matter
        (history("l2-0.0", stage2=DEAD), "fails"),
        (history("l2-0.0", stage2=HEALTHY | {"unique_tokens": 30}), "open"),
        (history("l2-0.0", status="stopped", until=5000), "unfinished"),
        (history("l2-0.0", until=19_000), "unfinished"),
        (history("l2-0.0", status="diverged", until=300), "fails"),
        (history("l2-0.0", last=HEALTHY | {"unique_tokens": 0}), "invalid"),
        (history("l2-0.0", last=HEALTHY | {"unique_tokens": 4124}), "invalid"),
    ],
)
def test_the_outcome_is_that_of_the_checks(run, outcome):
    assessment = assess(run)
    assert assessment.outcome == outcome
    config = run.config
    facts = (assessment.arm, assessment.hidden, assessment.seed, assessment.steps)
    assert facts == (config.arm, config.hidden, config.seed, config.steps)


def test_a_short_run_fails_the_check_of_its_length_only():
    short = passed(history("l2-0.0", steps=5000))
    assert [name for name, found in short.items() if not found] == [PLAN_LENGTH]


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (WORKS_BAR + 1, True), (WORKS_BAR, None), (FAILS_BAR, None), (FAILS_BAR - 1, False),
    ],
)  # fmt: skip
def test_counts_stand_above_below_or_between_the_bars(count, found):
    run = history("l2-0.0", stage2=HEALTHY | {"unique_tokens": count})
    assert passed(run)["diverse at the last step"] is found
    assert passed(run)["sustained over the last quarter of Stage 2"] is found


def test_the_last_quarter_of_stage_2_ends_with_the_last_step():
    assert last_quarter(history("l2-0.0")).step.tolist() == [18_000, 19_000, 20_000]
    assert last_quarter(history("l2-0.0", steps=8)).step.tolist() == [8]


def test_each_run_is_read_against_its_own_references():
    run = history("l2-0.0", stage2=HEALTHY | {"val_loss": 7.0})
    harder = History(run.config, "complete", run.measures, REFERENCES | {"unigram_loss": 6.9})
    assert passed(run)["learned"]
    assert not passed(harder)["learned"]
