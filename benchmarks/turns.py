"""Rows of a benchmark, each a process of its own, alive at once and timed in turns.

So the peak memory of each is its own, and a machine that drifts slows them all.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchmarks.machine import peak_bytes, timed, wait_for
from bitnet.checks import first_line

__all__ = ["WARMUP", "Build", "Stepper", "Turns", "take_turns"]

WARMUP = 5  # untimed steps of each row: allocations, compilers, on a GPU the capture of the graph

Stepper = Callable[[int], Any]  # does step number t = 1, 2, ... and gives what it found
Build = Callable[[torch.device], Stepper]  # sent to a process of its own, so it can be pickled


@dataclass
class Turns:
    """What the rows took and found, by row.

    `seconds` of a step in each round; `first_seconds` of step 1, with whatever is compiled in it;
    `peak_bytes` of memory, on a GPU the card's; what step 1 `began` with and the step after the
    timed ones `ended` with. A row that could not be run is in `absent` alone, with the reason.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    first_seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    began: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        """The median seconds of a step."""
        return {row: statistics.median(rounds) for row, rounds in self.seconds.items()}


def take_turns(
    builds: Mapping[str, Build],
    device: torch.device,
    rounds: int,
    steps: int,
    warmup: int = WARMUP,
    between: Callable[[], object] = lambda: None,
) -> Turns:
    """Time `steps` steps of each row, for so many rounds; `between` comes before each round."""
    context, turns = multiprocessing.get_context("spawn"), Turns()
    pipes, processes = {}, {}
    for row, build in builds.items():
        pipe, theirs = context.Pipe()
        given = (theirs, build, str(device), warmup)
        process = context.Process(target=_serve, args=given, daemon=True)
        process.start()
        theirs.close()  # so that a process that is killed is heard of
        answer = _answer(pipe)
        if isinstance(answer, str):
            turns.absent[row] = answer
            process.join()
        else:
            turns.first_seconds[row], turns.began[row] = answer
            turns.seconds[row], pipes[row], processes[row] = [], pipe, process
    for _ in range(rounds):
        between()
        for row, pipe in pipes.items():
            pipe.send(steps)
            turns.seconds[row].append(pipe.recv())
    for row, pipe in pipes.items():
        pipe.send(0)
        turns.peak_bytes[row], turns.ended[row] = pipe.recv()
        processes[row].join()
    return turns


def _answer(pipe: Connection) -> Any:
    """A row's first words, or why there are none."""
    try:
        return pipe.recv()
    except EOFError:
        return "its process was killed (out of memory, perhaps)"


def _serve(pipe: Connection, build: Build, device_name: str, warmup: int) -> None:
    """A row's process: it times as many steps as it is asked to; for 0 it says what remains."""
    device, count = torch.device(device_name), iter(range(1, 10**9))
    try:
        step, start = build(device), time.perf_counter()
        began = _plain(step(next(count)))
        first = time.perf_counter() - start
        for _ in range(warmup - 1):
            step(next(count))
        wait_for(device)
    except Exception as error:  # a package or a compiler is missing, or the device is not served
        pipe.send(f"{type(error).__name__}: {first_line(error)}")
        return
    pipe.send((first, began))
    while (n := pipe.recv()) > 0:
        pipe.send(timed(device, lambda: step(next(count)), n))
    peak = peak_bytes(device)
    pipe.send((peak, _plain(step(next(count)))))


def _plain(found: Any) -> Any:
    return found.tolist() if isinstance(found, torch.Tensor) else found
