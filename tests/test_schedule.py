"""The schedule: the brief's values, continuity, end points, and the placing of the milestones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import reference
from bitnet.schedule import (
    evaluation_steps,
    learning_rate,
    milestones,
    stage_boundary,
    warmup_steps,
    weight_decay,
)

lengths = st.integers(8, 50_000)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (1, 1.5e-3 / 375),
        (375, 1.5e-3),
        (10_000, 1.0e-3),
        (20_000, 1.5e-6),
        (15_000, (1e-3 + 1.5e-6) / 2),
    ],
)
def test_the_seed_schedule_of_20000_steps(step, rate):
    assert learning_rate(step, 20_000, 1.5e-3) == pytest.approx(rate, rel=1e-12)


@given(lengths, st.floats(1e-5, 1e-1))
def test_end_points(total, peak):
    warmup, boundary = warmup_steps(total), stage_boundary(total)
    assert learning_rate(warmup, total, peak) == pytest.approx(peak)
    assert learning_rate(boundary, total, peak) == pytest.approx(peak * 2 / 3)
    assert learning_rate(total, total, peak) == pytest.approx(peak / 1000)
    assert 0 < learning_rate(1, total, peak) <= peak


@given(lengths, st.data())
def test_no_jump_is_larger_than_the_steepest_slope(total, data):
    step = data.draw(st.integers(1, total - 1))
    jump = abs(learning_rate(step + 1, total, 1.0) - learning_rate(step, total, 1.0))
    warmup, boundary = warmup_steps(total), stage_boundary(total)
    steepest = max(1 / warmup, (1 / 3) / max(1, boundary - warmup), (2 / 3) / (total - boundary))
    assert jump <= steepest * (1 + 1e-9)


@given(lengths, st.data())
def test_the_reference_agrees(total, data):
    step = data.draw(st.integers(1, total))
    assert learning_rate(step, total, 1.5e-3) == pytest.approx(
        reference.learning_rate(step, total), rel=1e-12
    )
    assert weight_decay(step, total, 0.1, 0.05) == reference.weight_decay(step, total, 0.1, 0.05)


def test_decay_changes_after_the_boundary():
    assert [weight_decay(t, 10, 0.1, 0.0) for t in (1, 5, 6, 10)] == [0.1, 0.1, 0.0, 0.0]


def test_the_milestones_follow_the_switch():
    assert list(milestones(20_000).values()) == [1000, 10_000, 11_000, 15_000, 20_000]
    # The brief's own 5k and 6k.
    assert list(milestones(10_000).values()) == [1000, 5000, 6000, 7500, 10_000]


@given(lengths, st.integers(0, 5000))
def test_evaluations_include_the_first_step_and_every_milestone(total, every):
    steps = evaluation_steps(total, every)
    assert {1, *milestones(total).values()} <= set(steps)
    assert steps == tuple(sorted(set(steps)))
    assert steps[0] >= 1
    assert steps[-1] == total


@pytest.mark.parametrize("total", [8, 3000, 20_000])
def test_the_linear_schedule_ends_at_zero(total):
    warmup, peak = warmup_steps(total), 3e-3
    rates = [learning_rate(t, total, peak, "linear") for t in range(1, total + 2)]
    assert rates[warmup - 1] == pytest.approx(peak) == max(rates)
    assert rates[-1] == 0 < rates[-2]
    falls = [a - b for a, b in zip(rates[warmup - 1 :], rates[warmup:], strict=False)]
    assert falls == pytest.approx([peak / (total + 1 - warmup)] * len(falls))
