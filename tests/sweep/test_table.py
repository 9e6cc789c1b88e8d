"""The table of a sweep: states, speeds and the time left, by a clock of the test's own.

A table in a terminal, lines elsewhere.
"""

import io
from pathlib import Path

import pytest

from bitnet import RunConfig
from bitnet.sweep.job import Job, Outcome
from bitnet.sweep.table import LINE_SECONDS, SweepTable
from bitnet.terminal import Terminal

STARTED = {"event": "started"}


def job(arm, hidden=16, steps=100, **named):
    config = RunConfig(arm, hidden=hidden, steps=steps, **named)
    return Job(config, f"{arm}-{hidden}", Path("runs"))


def progress(step, loss):
    return {"event": "progress", "step": step, "loss": loss, "evaluated": False}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def table(jobs, clock, terminal=False, height=40, width=120):
    console = Terminal(file=io.StringIO(), force_terminal=terminal, width=width, height=height)
    return SweepTable(jobs, 1, 1, console, clock), console.file


def texts(shown):
    console = Terminal(file=io.StringIO(), width=120)
    console.print(shown.table())
    return console.file.getvalue()


def test_time_left_follows_from_the_speed_of_those_at_work(clock):
    first, second, wide = job("l2-0.0"), job("adamw-0.0"), job("l2-0.0", hidden=32)
    shown, _ = table([first, second, wide], clock)
    assert shown.seconds_left() is None
    shown.listen(first, STARTED)
    for clock.now, step in ((10.0, 10), (20.0, 30)):
        shown.listen(first, progress(step, 9.0))
    # 2 steps/s: 35 s for the rest of the first, 50 s for the second; the wide one takes twice as
    # long a step.
    assert shown.seconds_left() == pytest.approx(35 + 50 + 100)
    assert "about 3 min 05 s left" in shown.summary()
    shown.finish(first, Outcome("complete", 100))
    assert shown.seconds_left() == pytest.approx(50 + 100)


def test_a_new_worker_for_a_job_starts_its_speed_again(clock):
    (one,) = jobs = [job("l2-0.0")]
    shown, _ = table(jobs, clock)
    shown.listen(one, STARTED)
    for clock.now, step in ((0.0, 10), (10.0, 90)):
        shown.listen(one, progress(step, 9.0))
    shown.listen(one, STARTED)
    assert shown.rows[one.identity].speed is None
    for clock.now, step in ((20.0, 50), (30.0, 60)):
        shown.listen(one, progress(step, 9.0))
    assert shown.rows[one.identity].speed == pytest.approx(1.0)


def test_the_table_shows_every_job_with_its_state(clock):
    jobs = [job("l2-0.0"), job("adamw-0.0"), job("no-decay")]
    shown, _ = table(jobs, clock)
    shown.listen(jobs[0], STARTED)
    for clock.now, step in ((0.0, 10), (10.0, 60)):
        shown.listen(jobs[0], progress(step, 8.25))
    shown.finish(jobs[1], Outcome("failed", 7, "because"))
    lines = texts(shown).splitlines()
    assert any(
        "l2-0.0" in line
        and "training" in line
        and "60 of 100" in line
        and "8.25" in line
        and "8 s" in line
        for line in lines
    )
    assert any("adamw-0.0" in line and "failed" in line and "7 of 100" in line for line in lines)
    assert any("no-decay" in line and "waiting" in line for line in lines)


def test_a_low_terminal_shows_what_is_going_on_first(clock):
    jobs = [job("l2-0.0", seed=seed, hidden=16 * (seed + 1)) for seed in range(30)]
    shown, _ = table(jobs, clock, terminal=True, height=12)
    shown.listen(jobs[20], STARTED)
    assert len(shown.table().rows) == 6
    assert str(jobs[20].config.hidden) in texts(shown)


@pytest.mark.parametrize(
    ("width", "there", "left_out"),
    [(160, "steps/s", "nothing"), (80, "model", "steps/s"), (40, "hidden", "loss")],
)
def test_a_narrow_terminal_shows_fewer_columns_and_those_whole(clock, width, there, left_out):
    jobs = [job("adamw-0.0+peak_lr=0.003", size, 20000) for size in (16, 32)]
    shown, _ = table(jobs, clock, terminal=True, width=width)
    shown.listen(jobs[0], STARTED)
    for clock.now, step in ((0.0, 10), (10.0, 12000)):
        shown.listen(jobs[0], progress(step, 8.25))
    shown.rows[jobs[0].identity].model = "diverse, 99 distinct tokens"
    console = Terminal(file=io.StringIO(), width=width)
    console.print(shown.table())
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for whole in ("training", "12000 of 20000", there):
        assert whole in text
    assert left_out not in text


def test_plain_lines_at_each_change_and_now_and_then(clock):
    (one,) = jobs = [job("l2-0.0")]
    shown, file = table(jobs, clock)
    with shown:
        shown.listen(one, STARTED)
        for clock.now in (1.0, 2.0, LINE_SECONDS + 1, LINE_SECONDS + 2):
            shown.listen(one, progress(int(clock.now), 9.0))
        shown.listen(one, {"event": "log", "line": "[a line] with brackets"})
        shown.finish(one, Outcome("failed", 3, "[because]"))
    lines = file.getvalue().splitlines()
    assert [line.partition(": ")[2].partition(".")[0] for line in lines[:2]] == [
        "training",
        "training, step 61, loss 9",
    ]
    assert lines[2] == "[a line] with brackets"
    assert "failed ([because]). 1 failed" in lines[3]
    assert len(lines) == 4
