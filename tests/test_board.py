"""The board: states, speeds and the time left, by a clock of the test's own; a table in a terminal, lines elsewhere."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bitnet import RunConfig
from bitnet.board import LINE_SECONDS, Board
from bitnet.cell import Cell, Outcome, Progress, Started
from bitnet.estimate import Speed, duration, time_left


def cell(arm, hidden=16, steps=100, **named):
    config = RunConfig(arm, hidden=hidden, steps=steps, **named)
    return Cell(config, f"{arm}-{hidden}", Path("runs"))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def board(cells, clock, terminal=False, height=40):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=height, highlight=False)
    return Board(cells, 1, console, clock), console.file


def texts(shown):
    console = Console(file=io.StringIO(), width=120)
    console.print(shown.table())
    return console.file.getvalue()


def test_time_left_follows_from_the_speed_of_those_at_work(clock):
    first, second, wide = cell("l2-0.0"), cell("adamw-0.0"), cell("l2-0.0", hidden=32)
    shown, _ = board([first, second, wide], clock)
    assert shown.seconds_left() is None
    shown.hear(first, Started())
    for clock.now, step in ((10.0, 10), (20.0, 30)):
        shown.hear(first, Progress(step, 9.0))
    # 2 steps/s: 35 s for the rest of the first, 50 s for the second; the wide one takes twice as long a step.
    assert shown.seconds_left() == pytest.approx(35 + 50 + 100)
    assert "about 3 min 05 s left" in shown.summary()
    shown.settle(first, "complete", Outcome("complete", 100))
    assert shown.seconds_left() == pytest.approx(50 + 100)


def test_a_new_worker_for_a_cell_starts_its_speed_anew(clock):
    (one,) = cells = [cell("l2-0.0")]
    shown, _ = board(cells, clock)
    shown.hear(one, Started())
    for clock.now, step in ((0.0, 10), (10.0, 90)):
        shown.hear(one, Progress(step, 9.0))
    shown.hear(one, Started())
    assert shown.rows[one.identity].speed is None
    for clock.now, step in ((20.0, 50), (30.0, 60)):
        shown.hear(one, Progress(step, 9.0))
    assert shown.rows[one.identity].speed == pytest.approx(1.0)


def test_the_table_shows_every_cell_with_its_state(clock):
    cells = [cell("l2-0.0"), cell("adamw-0.0"), cell("no-decay")]
    shown, _ = board(cells, clock)
    shown.hear(cells[0], Started())
    for clock.now, step in ((0.0, 10), (10.0, 60)):
        shown.hear(cells[0], Progress(step, 8.25))
    shown.settle(cells[1], "failed", Outcome("failed", 7, "because"))
    lines = texts(shown).splitlines()
    assert any(
        "l2-0.0" in line and "training" in line and "60 of 100" in line and "8.25" in line and "8 s" in line for line in lines
    )
    assert any("adamw-0.0" in line and "failed" in line and "7 of 100" in line for line in lines)
    assert any("no-decay" in line and "waiting" in line for line in lines)


def test_a_low_terminal_shows_what_is_going_on_first(clock):
    cells = [cell("l2-0.0", seed=seed, hidden=16 * (seed + 1)) for seed in range(30)]
    shown, _ = board(cells, clock, terminal=True, height=12)
    shown.hear(cells[20], Started())
    assert len(shown.table().rows) == 6
    assert str(cells[20].config.hidden) in texts(shown)


def test_plain_lines_at_each_change_and_now_and_then(clock):
    (one,) = cells = [cell("l2-0.0")]
    shown, file = board(cells, clock)
    with shown:
        shown.hear(one, Started())
        for clock.now in (1.0, 2.0, LINE_SECONDS + 1, LINE_SECONDS + 2):
            shown.hear(one, Progress(int(clock.now), 9.0))
        shown.hear(one, "[a line] with brackets")
        shown.settle(one, "failed", Outcome("failed", 3, "[because]"))
    lines = file.getvalue().splitlines()
    assert [line.partition(": ")[2].partition(".")[0] for line in lines[:2]] == ["training", "training, step 61, loss 9"]
    assert lines[2] == "[a line] with brackets"
    assert "failed ([because]). 1 failed" in lines[3]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("running", "waiting", "workers", "expected"),
    [([], [], 2, 0), ([5], [], 2, 5), ([], [3, 3, 3], 2, 6), ([10, 1], [2, 2], 2, 10), ([4], [1, 2, 3], 2, 6)],
)
def test_each_free_worker_takes_the_next_cell(running, waiting, workers, expected):
    assert time_left(running, waiting, workers) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (18_720, "5 h 12 min"), (100_000, "1 d 03 h")],
)
def test_durations_in_words(seconds, text):
    assert duration(seconds) == text


def test_a_cell_costs_its_updates_evaluations_and_start():
    speed = Speed(update=0.1, evaluation=2.0, start=5.0)
    # 20 000 steps: 20 evaluations at the cadence, the first step and 11 000 and so on already among them.
    whole = cell("l2-0.0", steps=20_000)
    assert speed.seconds(whole) == pytest.approx(5 + (2000 + 21 * 2) * 1.02)
    assert speed.seconds(whole, done=19_500) == pytest.approx(5 + (50 + 2) * 1.02)
