"""Turns: each row is timed as often as the others, and what cannot be run is named."""

import multiprocessing
import os
import signal

import torch

from benchmarks.machine import peak_bytes
from benchmarks.turns import _answer, _serve, take_turns

CPU = torch.device("cpu")


def counting(device):
    """Step t finds t, as a tensor."""
    return lambda t: torch.tensor([t, os.getpid()])


def failing_at_its_first_step(device):
    def step(t):
        raise RuntimeError("no compiler\nis here")

    return step


def killed(device):
    os.kill(os.getpid(), signal.SIGKILL)


def test_rows_take_turns_and_what_cannot_be_run_is_named():
    seen = []
    rows = {"well": counting, "killed": killed}
    turns = take_turns(rows, CPU, rounds=3, steps=4, warmup=2, between=lambda: seen.append(1))
    assert len(seen) == 3
    assert turns.absent == {"killed": "its process was killed (out of memory, perhaps)"}
    for found in (turns.seconds, turns.first_seconds, turns.peak_bytes, turns.began, turns.ended):
        assert found.keys() == {"well"}
    rounds = turns.seconds["well"]
    assert len(rounds) == 3
    assert turns.medians["well"] == sorted(rounds)[1] > 0
    assert turns.began["well"][0] == 1
    last, process = turns.ended["well"]
    assert last == 2 + 3 * 4 + 1  # warm-up, what is timed, and one more
    assert process != os.getpid()


def test_a_row_that_fails_says_why_in_one_line():
    here, there = multiprocessing.Pipe()
    _serve(there, failing_at_its_first_step, "cpu", 2)
    assert _answer(here) == "RuntimeError: no compiler"


def test_the_peak_of_memory_is_of_this_process_and_only_grows():
    before = peak_bytes(CPU)
    held = torch.ones(2**24)  # 64 MiB
    assert peak_bytes(CPU) >= max(before, held.numel() * 4)
