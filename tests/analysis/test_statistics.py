"""Differences of known size, and recoveries of known length."""

import numpy as np
import pandas as pd
import pytest

from bitnet import History, RunConfig
from bitnet.analysis.statistics import (
    bootstrap_interval,
    final_intervals,
    paired_differences,
    recovery,
)
from bitnet.schedule import evaluation_steps
from tests.support.histories import DEAD, HEALTHY, REFERENCES
from tests.support.histories import history as constant_history


def ended(arm, seed, loss, **more):
    return constant_history(arm, seed=seed, last=HEALTHY | {"val_loss": loss}, **more)


def compared(histories):
    """The row of the held-out loss."""
    table = paired_differences(histories, "l2-0.0", "l2-0.05", ["val_loss"])
    return table.iloc[0] if len(table) else None


def test_an_interval_of_equal_values_is_that_value():
    assert bootstrap_interval([0.25] * 5) == (0.25, 0.25)


def test_an_interval_of_one_value_is_that_value():
    assert bootstrap_interval([3.5]) == (3.5, 3.5)


def test_an_interval_of_two_values_reaches_both():
    """A mean is 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4, so the 2.5 % quantile is 0."""
    assert bootstrap_interval([0, 1]) == (0, 1)
    assert bootstrap_interval([0, 1], level=0.4) == (0.5, 0.5)


def test_an_interval_of_many_values_is_that_of_the_normal_law():
    """Of 400 values the mean is all but normal: 1.96 standard errors to both sides, to a tenth of
    one.
    """
    values = np.random.default_rng(3).exponential(size=400)
    low, high = bootstrap_interval(values)
    error = values.std() / 20
    assert low < values.mean() < high
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    narrow_low, narrow_high = bootstrap_interval(values, level=0.5)
    assert low < narrow_low < narrow_high < high


def test_an_interval_repeats_itself():
    assert bootstrap_interval([1, 2, 4]) == bootstrap_interval([1, 2, 4])


def test_differences_are_paired_by_seed():
    losses = {0: (5.0, 9.0), 1: (6.0, 9.5), 2: (5.5, 8.0)}
    histories = [
        ended(arm, seed, pair[i])
        for i, arm in enumerate(("l2-0.0", "l2-0.05"))
        for seed, pair in losses.items()
    ]
    row = compared(histories)
    assert row["l2-0.0 minus l2-0.05"] == pytest.approx((-4.0 - 3.5 - 2.5) / 3)
    assert row["each"] == "-4, -3.5, -2.5"
    assert (row["pairs"], row["same sign"]) == (3, True)
    assert (row["from"], row["to"]) == bootstrap_interval([-4.0, -3.5, -2.5])
    back = paired_differences(histories, "l2-0.05", "l2-0.0", ["val_loss"]).iloc[0]
    assert back["l2-0.05 minus l2-0.0"] == pytest.approx(10 / 3)


def test_differences_are_paired_by_order_too():
    losses = {0: (5.0, 9.0), 1: (6.0, 9.5), 2: (5.5, 8.0)}
    histories = [
        ended(arm, 0, pair[i], order=order)
        for i, arm in enumerate(("l2-0.0", "l2-0.05"))
        for order, pair in losses.items()
    ]
    row = compared(histories)
    assert (row["each"], row["pairs"]) == ("-4, -3.5, -2.5", 3)


def test_intervals_are_over_seeds_and_orders_and_each_vocabulary_has_its_own():
    histories = [
        ended("l2-0.0", 1, 5.0), ended("l2-0.0", 0, 6.0), ended("l2-0.0", 0, 7.0, order=1),
        ended("l2-0.0", 0, 1.0, vocabulary=4096), ended("l2-0.0", 0, 2.0, corpus="wikitext-2"),
    ]  # fmt: skip
    table = final_intervals(histories, "val_loss")
    assert table["each"].tolist() == [[6.0, 7.0, 5.0], [1.0], [2.0]]
    assert table.seeds.tolist() == [3, 1, 1]


def test_differences_of_both_signs_are_said_to_be():
    histories = [
        ended("l2-0.0", 0, 5.0),
        ended("l2-0.05", 0, 6.0),
        ended("l2-0.0", 1, 6.0),
        ended("l2-0.05", 1, 5.0),
    ]
    assert not compared(histories)["same sign"]


def test_equal_ends_do_not_count_as_the_same_sign():
    assert not compared([ended("l2-0.0", 0, 5.0), ended("l2-0.05", 0, 5.0)])["same sign"]


def test_runs_without_a_partner_of_the_same_setting_are_left_out():
    pair = [ended("l2-0.0", 0, 5.0), ended("l2-0.05", 0, 6.0)]
    alone = [
        ended("l2-0.0", 1, 1.0),  # a seed of one arm
        ended("l2-0.05", 2, 1.0),
        ended("l2-0.0", 3, 1.0, hidden=512), ended("l2-0.05", 3, 9.0, hidden=256),
        ended("l2-0.0", 4, 1.0, steps=2000), ended("l2-0.05", 4, 9.0),
        ended("l2-0.0", 5, 1.0, corpus="wikitext-2"), ended("l2-0.05", 5, 9.0),
        ended("l2-0.0", 6, 1.0, order=1), ended("l2-0.05", 6, 9.0),
        ended("l2-0.0", 7, 1.0, vocabulary=4096), ended("l2-0.05", 7, 9.0),
        ended("adamw-0.0", 0, 1.0),  # another arm
    ]  # fmt: skip
    assert compared(pair + alone)["each"] == "-1"


@pytest.mark.parametrize("status", ["stopped", "failed", "diverged", "running"])
def test_runs_that_are_not_complete_are_left_out(status):
    pair = [ended("l2-0.0", 0, 5.0), ended("l2-0.05", 0, 6.0)]
    cut = [ended("l2-0.0", 1, 1.0, status=status), ended("l2-0.05", 1, 9.0)]
    assert compared(pair + cut)["each"] == "-1"
    early = [ended("l2-0.0", 1, 1.0, until=15_000), ended("l2-0.05", 1, 9.0)]
    assert compared(pair + early)["each"] == "-1"


def test_no_pair_gives_no_row():
    assert compared([ended("l2-0.0", 0, 5.0), ended("l2-0.05", 1, 6.0)]) is None


def with_context(values):
    """A run of 1000 steps whose mutual information (nats) is a function of the step."""
    rows = [
        {"step": s, "loss": 7.0, **DEAD, "context_information": values(s)}
        for s in evaluation_steps(1000)
    ]
    return History(RunConfig("l2-0.0", steps=1000), "complete", pd.DataFrame(rows), REFERENCES)


@pytest.mark.parametrize(
    ("values", "steps", "before", "last"),
    [
        # Never collapsed.
        (lambda s: 2.0, 0, 2.0, 2.0),
        # Collapsed in Stage 2: nothing to regain at the switch.
        (lambda s: 2.0 if s <= 500 else 0.0, 0, 2.0, 0.0),
        (lambda s: 0.0 if s < 650 else 1.5, 150, 0.0, 1.5),
        # At the first evaluation after the switch.
        (lambda s: 0.0 if s <= 500 else 0.2, 50, 0.0, 0.2),
        # Alive before, dead at the switch and after.
        (lambda s: 2.0 if s < 500 else 0.0, None, 0.0, 0.0),
        # Below the bar throughout.
        (lambda s: 0.099, None, 0.099, 0.099),
        # The bar itself counts.
        (lambda s: 0.0 if s < 1000 else 0.1, 500, 0.0, 0.1),
    ],
)
def test_recovery_is_counted_from_the_switch(values, steps, before, last):
    found = recovery(with_context(values))
    assert found["switch at"] == 500
    assert found["steps to 0.1 nats"] == steps
    assert found["before (nats)"] == pytest.approx(before)
    assert found["at the end (nats)"] == pytest.approx(last)


def test_a_run_cut_before_the_switch_has_not_recovered():
    whole = with_context(lambda s: 0.0)
    cut = History(whole.config, "stopped", whole.measures[whole.measures.step <= 500], REFERENCES)
    assert recovery(cut)["steps to 0.1 nats"] is None
