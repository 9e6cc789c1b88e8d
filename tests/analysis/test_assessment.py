"""The checks of one run, on made-up histories whose outcome is known."""

import pytest

from bitnet import History
from bitnet.analysis.assessment import (
    FAILS_BAR,
    NO_PLAN,
    PLAN_LENGTH,
    WORKS_BAR,
    assess,
    collapsed_by_the_switch,
    last_quarter,
)
from tests.support.histories import DEAD, HEALTHY, MINIATURE, ONE_TOKEN, REFERENCES, history


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
    shared = ("arm", "hidden", "seed", "steps", "vocabulary", "order")
    facts = [getattr(assessment, name) for name in shared]
    assert facts == [getattr(config, name) for name in shared]
    assert assessment.scale == "full"
    assert assessment.full_length is (config.steps == 20_000)


def test_a_short_run_fails_the_check_of_its_length_only():
    short = passed(history("l2-0.0", steps=5000))
    assert [name for name, found in short.items() if not found] == [PLAN_LENGTH]


@pytest.mark.parametrize(
    ("named", "scale", "full_length", "detail"),
    [
        (MINIATURE, "miniature", True, "6000 of 6000 steps"),
        (MINIATURE | {"order": 2, "hidden": 128}, "miniature", True, "6000 of 6000 steps"),
        (MINIATURE | {"steps": 600}, "miniature", False, "600 of 6000 steps"),
        ({"steps": 6000}, "full", False, "6000 of 20000 steps"),
        ({"steps": 40_000}, "full", True, "40000 of 20000 steps"),
        ({"vocabulary": 4096}, "none", False, NO_PLAN),
        (MINIATURE | {"batch_size": 4}, "none", False, NO_PLAN),
        ({"sequence_length": 64}, "none", False, NO_PLAN),
    ],
    ids=str,
)
def test_a_run_is_as_long_as_the_plan_of_its_own_scale(named, scale, full_length, detail):
    assessment = assess(history("l2-0.0", **named))
    assert (assessment.scale, assessment.full_length) == (scale, full_length)
    (length,) = (check for check in assessment.checks if check.name == PLAN_LENGTH)
    assert length.passed is full_length
    assert detail in length.reason
    assert assessment.outcome == "passes"  # its length is another matter


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
