"""Estimates: what a job costs, how long all of them take, and durations in words."""

from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from bitnet import RunConfig, Trainer
from bitnet.runtime.backend import choose
from bitnet.sweep.estimate import (
    PENALISED,
    EstimateError,
    Speed,
    _time_penalised,
    duration,
    measure_speed,
    size,
    time_left,
)
from bitnet.sweep.job import Job
from tests.support.corpus import VOCABULARY


@pytest.mark.parametrize(
    ("running", "waiting", "workers", "expected"),
    [
        ([], [], 2, 0),
        ([5], [], 2, 5),
        ([], [3, 3, 3], 2, 6),
        ([10, 1], [2, 2], 2, 10),
        ([4], [1, 2, 3], 2, 6),
    ],
)
def test_each_free_worker_takes_the_next_job(running, waiting, workers, expected):
    assert time_left(running, waiting, workers) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3600, "1 h 00 min"),
        (18_720, "5 h 12 min"),
        (100_000, "1 d 03 h"),
    ],
)
def test_durations_in_words(seconds, text):
    assert duration(seconds) == text


def test_a_job_costs_its_updates_evaluations_and_start():
    speed = Speed(update=0.1, evaluation=2.0, start=5.0)
    # 20 000 steps: 20 evaluations at the cadence, the first step and 11 000 and so on already among
    # them.
    whole = Job(RunConfig("l2-0.0", hidden=16, steps=20_000), "name", Path("runs"))
    assert speed.seconds(whole) == pytest.approx(5 + (2000 + 21 * 2) * 1.02)
    assert speed.seconds(whole, done=19_500) == pytest.approx(5 + (50 + 2) * 1.02)


def test_a_job_with_a_penalty_costs_its_dearer_updates_too():
    """Every second update of the last quarter: 2 500 of 20 000."""
    speed = Speed(update=0.1, evaluation=0.0, start=0.0, penalised=0.6)
    job = Job(RunConfig("recommended", hidden=16, steps=20_000), "name", Path("runs"))
    assert speed.seconds(job) == pytest.approx((17_500 * 0.1 + 2_500 * 0.6) * 1.02)
    assert speed.seconds(job, done=19_000) == pytest.approx((500 * 0.1 + 500 * 0.6) * 1.02)
    plain = Job(RunConfig("l2-0.0", hidden=16, steps=20_000), "name", Path("runs"))
    assert speed.seconds(plain) == pytest.approx(20_000 * 0.1 * 1.02)
    assert size(job.config)[:-1] == size(plain.config)[:-1]
    assert size(job.config) != size(plain.config)  # so that both are measured
    assert "600 ms one with the penalty on repeats" in str(speed)
    assert "penalty" not in str(Speed(0.1, 0.0, 0.0))


def test_an_update_with_the_penalty_is_timed_where_an_arm_has_it(corpus, monkeypatch):
    """By a clock that counts the updates of each kind."""
    made = Counter()
    monkeypatch.setattr("bitnet.train.unlikelihood", lambda model, ids: _count(made, model))
    monkeypatch.setattr("bitnet.sweep.estimate.time.perf_counter", lambda: float(made["penalised"]))
    sizes = {"hidden": 16, "layers": 1, "heads": 1, "steps": 1000, "vocabulary": VOCABULARY}
    with_it, without = (
        Trainer(RunConfig(arm, **sizes), corpus, choose("cpu", "float32"))
        for arm in ("recommended", "l2-0.0")
    )
    assert _time_penalised(with_it) == 1.0
    assert made["penalised"] == PENALISED + 1
    assert _time_penalised(without) == 0.0
    assert made["penalised"] == PENALISED + 1


def _count(made, model):
    made["penalised"] += 1
    return 0 * model.lm_head.weight.sum()


@pytest.mark.parametrize("kind", [BrokenProcessPool, RuntimeError])
def test_what_cannot_be_measured_is_one_line(monkeypatch, kind):
    def broken(*_):
        raise kind("a worker died\nand said why in two lines")

    monkeypatch.setattr("bitnet.sweep.estimate.ProcessPoolExecutor", broken)
    job = Job(RunConfig("l2-0.0", hidden=16, steps=8), "name", Path())
    with pytest.raises(EstimateError) as error:
        measure_speed([job], ["cpu"])
    why = f"{kind.__name__}: a worker died"
    assert str(error.value) == f"the speed could not be measured ({why})"
