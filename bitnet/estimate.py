"""How long a sweep takes: measured on this machine with as many runs at once as the sweep will have."""

import heapq
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from statistics import mean

import torch

from bitnet.backend import choose
from bitnet.cell import Cell
from bitnet.checkpoint import Cadence
from bitnet.checks import OneLineError
from bitnet.data import load_corpus
from bitnet.schedule import evaluation_steps
from bitnet.train import Trainer

__all__ = ["EstimateError", "Speed", "duration", "measure_speed", "time_left"]

UPDATES = 10  # timed without an evaluation, after as many with one and as many to warm up; the cadence of records
TIMED_STEPS = 1000  # of the run that is timed; only its first 30 updates are made
WAIT_SECONDS = 300.0  # for the slowest worker to be ready


class EstimateError(OneLineError, RuntimeError):
    """Nothing could be measured; the message says why."""


@dataclass(frozen=True)
class Speed:
    """Seconds: of an update, of an evaluation, and before the first update of a run."""

    update: float
    evaluation: float
    start: float

    def seconds(self, cell: Cell, done: int = 0) -> float:
        """The time that a cell takes from update `done` on, its checkpoints included, its notebook not."""
        config = cell.config
        evaluations = sum(step > done for step in evaluation_steps(config.steps, config.eval_every))
        return self.start + ((config.steps - done) * self.update + evaluations * self.evaluation) * (1 + Cadence.share)


def time_left(running: Sequence[float], waiting: Sequence[float], workers: int) -> float:
    """Seconds until all is done, where each worker that becomes free takes the next of those waiting, in order."""
    free = [*running, *[0.0] * (workers - len(running))]
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def duration(seconds: float) -> str:
    """Such as "3 d 04 h", "2 h 05 min", "3 min 20 s" or "7 s"."""
    whole = round(seconds)
    for (large, size), (small, part) in ((("d", 86400), ("h", 3600)), (("h", 3600), ("min", 60)), (("min", 60), ("s", 1))):
        if whole >= size:
            return f"{whole // size} {large} {whole % size // part:02d} {small}"
    return f"{whole} s"


def measure_speed(cells: Sequence[Cell], devices: Sequence[str]) -> dict[int, Speed]:
    """The speed at each hidden size of `cells`, measured in one process for each of `devices` at the same time.

    Nothing is written but the token cache. Errors: `EstimateError`.
    """
    by_hidden = {cell.config.hidden: cell for cell in reversed(cells)}
    context = get_context("spawn")
    together = context.Barrier(len(devices))
    speeds: dict[int, Speed] = {}
    try:
        with ProcessPoolExecutor(len(devices), context, _join, (together,)) as pool:
            began, start = time.time(), 0.0
            for hidden, cell in sorted(by_hidden.items()):
                # Each process waits for the others before it measures, so none of them gets two of these.
                tasks = [pool.submit(_time, replace(cell, device=device)) for device in devices]
                update, evaluation, ready = (list(column) for column in zip(*[task.result() for task in tasks], strict=True))
                start = start or max(ready) - began  # with the imports, which later sizes find done
                speeds[hidden] = Speed(mean(update), max(0.0, mean(evaluation)), start)
    except (BrokenProcessPool, RuntimeError) as error:
        raise EstimateError(f"the speed could not be measured ({type(error).__name__}: {error})") from error
    return speeds


_together: Barrier | None = None


def _join(together: Barrier) -> None:
    global _together
    _together = together


def _time(cell: Cell) -> tuple[float, float, float]:
    """Seconds of an update and of an evaluation, and the moment when the first update could begin."""
    torch.set_num_threads(cell.threads)
    config = replace(cell.config, steps=TIMED_STEPS, eval_every=2 * UPDATES)
    corpus = load_corpus(config.corpus, say=lambda line: None)
    backend = choose(cell.device, cell.precision)
    records = iter(Trainer(config, corpus, backend))
    ready = time.time()
    assert _together is not None
    _together.wait(WAIT_SECONDS)
    moments = {}
    for record in records:
        if backend.device.type == "cuda":
            torch.cuda.synchronize(backend.device)
        moments[record.step] = time.perf_counter()
        if record.step == 3 * UPDATES:
            break
    plain = moments[3 * UPDATES] - moments[2 * UPDATES]
    return plain / UPDATES, moments[2 * UPDATES] - moments[UPDATES] - plain, ready
