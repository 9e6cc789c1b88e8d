"""Estimates: what a job costs, how long all of them take, and durations in words."""

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from bitnet import RunConfig
from bitnet.sweep.estimate import EstimateError, Speed, duration, measure_speed, time_left
from bitnet.sweep.job import Job


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
