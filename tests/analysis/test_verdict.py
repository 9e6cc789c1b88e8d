"""The verdict on made-up histories whose answer is known."""

import pytest

from bitnet import History, judge
from bitnet.analysis.assessment import assess
from tests.support.histories import (
    BROKEN,
    DEAD,
    HEALTHY,
    MINIATURE,
    ONE_TOKEN,
    REFERENCES,
    history,
)


def test_a_healthy_fix_beside_a_dead_control_works():
    verdict = judge([BROKEN, history("l2-0.0")])
    assert verdict.answer == verdict.indication == "works"
    assert all(check.passed for a in verdict.assessments if a.arm == "l2-0.0" for check in a.checks)


@pytest.mark.parametrize(
    ("stage2", "failed"),
    [
        (DEAD, "learned"),
        (ONE_TOKEN, "diverse at the last step"),
        (HEALTHY | {"unique_tokens": 9}, "diverse at the last step"),
        (HEALTHY | {"val_loss": 7.71}, "learned"),
        (HEALTHY | {"top1_share": 0.6}, "neither dead nor collapsed there"),
        (HEALTHY | {"context_information": 0.05}, "neither dead nor collapsed there"),
    ],
)
def test_a_degenerate_fix_does_not_work(stage2, failed):
    verdict = judge([BROKEN, history("l2-0.0", stage2=stage2)])
    assert verdict.answer == "does not work"
    assert failed in verdict.reason


def test_a_recovery_that_fades_does_not_work():
    verdict = judge([BROKEN, history("l2-0.0", last=ONE_TOKEN)])
    assert verdict.answer == "does not work"


def test_a_high_last_value_after_a_collapse_does_not_work():
    verdict = judge([BROKEN, history("l2-0.0", stage2=ONE_TOKEN, last=HEALTHY)])
    assert verdict.answer == "does not work"
    assert "sustained" in verdict.reason


def test_between_the_bars_is_inconclusive():
    verdict = judge([BROKEN, history("l2-0.0", stage2=HEALTHY | {"unique_tokens": 30})])
    assert verdict.answer == "inconclusive"
    assert "between the bars" in verdict.reason


def test_one_failing_seed_is_enough():
    verdict = judge([BROKEN, history("l2-0.0"), history("l2-0.0", seed=1, stage2=DEAD)])
    assert verdict.answer == "does not work"
    assert "seed 1" in verdict.reason
    assert "1 of 2 runs of l2-0.0 do not fail" in verdict.reason


@pytest.mark.parametrize(
    ("histories", "reason"),
    [
        ([history("l2-0.0")], "was not trained beside it"),
        ([history("l2-0.05"), history("l2-0.0")], "nothing to cure"),
        ([BROKEN], "No run of l2-0.0"),
        ([BROKEN, history("l2-0.0"), history("l2-0.0", hidden=512)], "was not trained beside it"),
    ],
)
def test_without_a_failing_control_at_every_size_nothing_was_cured(histories, reason):
    verdict = judge(histories)
    assert verdict.answer == "inconclusive"
    assert reason in verdict.reason


@pytest.mark.parametrize("status", ["failed", "stopped", "running"])
def test_an_unfinished_run_never_works(status):
    for cut in (None, 15_000):
        verdict = judge([BROKEN, history("l2-0.0", status=status, until=cut)])
        assert verdict.answer == "inconclusive"
        assert status in verdict.reason
    assert judge([BROKEN, history("l2-0.0", until=19_000)]).answer == "inconclusive"


def test_a_diverged_run_is_a_failed_training():
    verdict = judge([BROKEN, history("l2-0.0", status="diverged", until=300)])
    assert verdict.answer == "does not work"
    assert "diverged" in verdict.reason


@pytest.mark.parametrize("count", [0, 60_000])
def test_impossible_counts_are_a_bug_and_no_result(count):
    verdict = judge([BROKEN, history("l2-0.0", stage2=HEALTHY | {"unique_tokens": count})])
    assert verdict.answer == "inconclusive"
    assert "is a bug and no result" in verdict.reason


def test_a_short_run_points_but_does_not_answer():
    short = [
        history("l2-0.05", steps=5000, stage1=DEAD, stage2=DEAD),
        history("l2-0.0", steps=5000),
    ]
    verdict = judge(short)
    assert (verdict.answer, verdict.indication) == ("inconclusive", "works")
    assert "5000 of the plan's 20000" in verdict.reason


def test_a_full_run_that_fails_refutes_whatever_stands_beside_it():
    failing = history("l2-0.0", seed=1, stage2=DEAD)
    for other in (history("l2-0.0", steps=5000), history("l2-0.0", status="failed", until=100)):
        verdict = judge([BROKEN, other, failing])
        assert verdict.answer == "does not work"
        assert "seed 1" in verdict.reason


def test_a_short_run_in_which_all_arms_fail_says_so():
    arms = ("l2-0.05", "l2-0.0", "adamw-0.0")
    verdict = judge([history(arm, steps=200, stage1=DEAD, stage2=DEAD) for arm in arms])
    assert verdict.answer == "inconclusive"
    assert "cannot tell a failure from a beginning" in verdict.reason
    assert verdict.indication == "inconclusive"


def test_a_probe_that_cannot_reach_the_bar_cannot_pass():
    run = history("l2-0.0")
    counts = run.measures.assign(unique_tokens=20)
    low = REFERENCES | {"unique_tokens_ceiling": 20.0}
    of_20 = History(run.config, "complete", counts, low)
    assert judge([BROKEN, of_20]).answer != "works"
    passed = {check.name: check.passed for check in assess(of_20).checks}
    assert not passed["the probe can count to the bar"]


def test_a_control_that_is_shorter_than_the_fix_shows_no_disease():
    verdict = judge([history("l2-0.05", steps=160, stage1=DEAD, stage2=DEAD), history("l2-0.0")])
    assert verdict.answer == "inconclusive"
    assert "not trained beside it" in verdict.reason


def dead(arm, **named):
    return history(arm, stage1=DEAD, stage2=DEAD, **named)


def test_the_miniature_is_judged_by_its_own_plan():
    verdict = judge([dead("l2-0.05", **MINIATURE), history("l2-0.0", **MINIATURE)])
    assert (verdict.answer, verdict.scale) == ("works", "miniature")
    assert verdict.to_dict()["scale"] == "miniature"
    refuted = judge([dead("l2-0.05", **MINIATURE), dead("l2-0.0", **MINIATURE)])
    assert (refuted.answer, refuted.scale) == ("does not work", "miniature")
    short = {**MINIATURE, "steps": 600}
    pointing = judge([dead("l2-0.05", **short), history("l2-0.0", **short)])
    assert (pointing.answer, pointing.indication) == ("inconclusive", "works")
    assert pointing.reason.startswith("600 of the plan's 6000 steps were trained, so nothing")


def test_6000_steps_decide_the_miniature_and_nothing_at_full_size():
    verdict = judge([dead("l2-0.05", steps=6000), history("l2-0.0", steps=6000)])
    assert (verdict.answer, verdict.indication) == ("inconclusive", "works")
    assert verdict.scale == "full"
    assert "6000 of the plan's 20000" in verdict.reason


@pytest.mark.parametrize("change", [{"vocabulary": 2048}, {"batch_size": 16}], ids=str)
def test_where_no_plan_is_registered_nothing_is_decided(change):
    for fix, said in ((history, "works"), (dead, "does not work")):
        verdict = judge([dead("l2-0.05", **change), fix("l2-0.0", **change), history("adamw-0.0")])
        assert (verdict.answer, verdict.indication) == ("inconclusive", said)
        assert verdict.reason.startswith("No plan is registered for this vocabulary and batch, so")
    assert verdict.scale == "none, full"


@pytest.mark.parametrize(
    "change", [MINIATURE, {"vocabulary": 4096}, {"batch_size": 8}, {"vocabulary": 2048}], ids=str
)
def test_a_control_of_another_scale_or_vocabulary_shows_no_disease(change):
    verdict = judge([dead("l2-0.05", **change), history("l2-0.0")])
    assert verdict.answer == "inconclusive"
    assert "was not trained beside it" in verdict.reason


def test_a_planned_order_that_was_not_trained_is_missing():
    runs = [BROKEN, history("l2-0.0")]
    other = history("l2-0.0", order=1).config
    verdict = judge(runs, [*(run.config for run in runs), other])
    assert verdict.answer == "inconclusive"
    assert (
        "the plan still lacks l2-0.0, hidden 256, 20000 steps, seed 0, order 1." in verdict.reason
    )


def test_sub_answers():
    dead_at_first = history("l2-0.0", hidden=512, stage1=DEAD)
    verdict = judge([BROKEN, history("l2-0.0"), dead_at_first, history("adamw-0.0")])
    diverse, sizes, changes = verdict.sub_answers
    assert diverse[1] == "yes"
    assert sizes[1] == "yes"
    assert changes[1] == "yes"  # Stage 1 is dead at one of the sizes
    assert "adamw-0.0" in changes[2]
    assert judge([BROKEN, history("l2-0.0")]).sub_answers[2][1] == "no"
    assert judge([BROKEN, history("l2-0.0")]).sub_answers[1][1] == "not known"
    under_way = [
        history("l2-0.0", hidden=hidden, status="running", until=5000) for hidden in (256, 512)
    ]
    assert judge(under_way).sub_answers[1][1] == "not known"
    differing = judge([BROKEN, history("l2-0.0"), history("l2-0.0", hidden=512, stage2=DEAD)])
    assert differing.sub_answers[0][1] == "no"
    assert differing.sub_answers[1][1] == "no"


def test_where_in_stage_2_a_run_is_not_diverse_is_said():
    late = history("l2-0.0", stage1=DEAD)
    late.measures.loc[late.measures.step.isin([11_000, 13_000]), "context_information"] = 0.0
    faded = history("l2-0.0", last=ONE_TOKEN)

    def where(run):
        return judge([BROKEN, run]).sub_answers[0][2]

    assert where(late).endswith(
        "diverse at 8 of 10 evaluations in Stage 2, at every one after step 13000"
    )
    assert where(faded).endswith("diverse at 9 of 10 evaluations in Stage 2")
    assert where(history("l2-0.0")).endswith("diverse at 10 of 10 evaluations in Stage 2")


def test_other_arms_are_compared_with_the_fix_of_their_own_size_and_seed():
    better, middling, worse = (HEALTHY | {"val_loss": loss} for loss in (5.0, 5.2, 6.0))
    runs = [
        BROKEN, history("l2-0.0"), history("l2-0.0", hidden=512, stage2=better),
        history("adamw-0.0", stage2=middling), history("adamw-0.0", hidden=512, stage2=middling),
        history("no-decay", stage2=worse), history("adamw-0.05", seed=3, stage2=better),
    ]  # fmt: skip
    said = judge(runs).sub_answers[2][2]
    lower = "lower final held-out loss than l2-0.0 at the same size and seed: adamw-0.0 (1 of 2);"
    assert lower in said
    passes = "adamw-0.0 (2 of 2), adamw-0.05 (1 of 1), l2-0.0 (2 of 2), no-decay (1 of 1)"
    assert f"passes every check, length aside: {passes}" in said


def test_what_the_20_prompt_probe_would_have_said():
    healthy = judge([BROKEN, history("l2-0.0")]).prompt_probe
    assert healthy.startswith("4 of 20 distinct: does not work")
    dead = judge([BROKEN, history("l2-0.0", stage2=DEAD)]).prompt_probe
    assert dead.startswith("19 of 20 distinct: neither bar reached")
