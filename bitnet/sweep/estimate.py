"""How long a sweep takes: measured here, with as many runs at once as the sweep will have."""

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

from bitnet.checks import OneLineError, first_line
from bitnet.config import RunConfig
from bitnet.data import load_corpus
from bitnet.evaluation.evaluate import Evaluation
from bitnet.runs.checkpoint import Cadence
from bitnet.runtime.backend import choose
from bitnet.runtime.cpu import start_threads
from bitnet.schedule import evaluation_steps
from bitnet.sweep.job import Job
from bitnet.train import Trainer
from bitnet.unlikelihood import penalised_updates

__all__ = ["EstimateError", "Size", "Speed", "duration", "measure_speed", "size", "time_left"]

# Timed without an evaluation, after as many with one and as many to warm up; a record comes after
# each of the three.
UPDATES = 10
TIMED_STEPS = 1000  # of the run that is timed; only its first 30 updates are made
PENALISED = 5  # updates with the penalty on repeats that are timed, where an arm has it
WAIT_SECONDS = 300.0  # for the slowest worker to be ready


Size = tuple[int, int, int, int, bool]


class EstimateError(OneLineError, RuntimeError):
    """Nothing could be measured; the message says why."""


@dataclass(frozen=True)
class Speed:
    """Seconds: of an update, of an evaluation, and before the first update of a run.

    `penalised` is that of an update with the penalty on repeats; 0 where no update has it.
    """

    update: float
    evaluation: float
    start: float
    penalised: float = 0.0

    def __str__(self) -> str:
        update = f"{self.update * 1000:.0f} ms an update"
        if self.penalised:
            update += f", {self.penalised * 1000:.0f} ms one with the penalty on repeats"
        rest = f"{self.start:.0f} s before the first"
        return f"{update}, {self.evaluation:.1f} s an evaluation, {rest}"

    def seconds(self, job: Job, done: int = 0) -> float:
        """The time of a job from update `done` on, with its checkpoints, without its notebook."""
        config = job.config
        evaluations = sum(step > done for step in evaluation_steps(config.steps, config.eval_every))
        training = (config.steps - done) * self.update + evaluations * self.evaluation
        if config.recipe.unlikelihood:
            training += penalised_updates(config.steps, done) * (self.penalised - self.update)
        return self.start + training * (1 + Cadence.share)


def size(config: RunConfig) -> Size:
    """What decides the time of a run's updates.

    Hidden, vocabulary, batch size, sequence length, and whether some have the penalty on repeats.
    """
    sizes = config.hidden, config.vocabulary, config.batch_size, config.sequence_length
    return *sizes, config.recipe.unlikelihood > 0


def time_left(
    running: Sequence[float], waiting: Sequence[float], workers: int, parallel: int = 0
) -> float:
    """Seconds until all is done, where each free worker takes the next of those waiting.

    Of the workers `parallel` go at full speed (0: all), which is what the seconds are of.
    """
    free = [*running, *[0.0] * (workers - len(running))]
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return max(*free, (sum(running) + sum(waiting)) / (parallel or workers))


def duration(seconds: float) -> str:
    """Such as "3 d 04 h", "2 h 05 min", "3 min 20 s" or "7 s"."""
    whole = round(seconds)
    for (large, size), (small, part) in (
        (("d", 86400), ("h", 3600)),
        (("h", 3600), ("min", 60)),
        (("min", 60), ("s", 1)),
    ):
        if whole >= size:
            return f"{whole // size} {large} {whole % size // part:02d} {small}"
    return f"{whole} s"


def measure_speed(jobs: Sequence[Job], devices: Sequence[str]) -> dict[Size, Speed]:
    """The speed at each size of `jobs`, measured in a process for each device at once.

    Nothing is written but the token cache. Raises: `EstimateError`.
    """
    by_size = {size(job.config): job for job in reversed(jobs)}
    context = get_context("spawn")
    together = context.Barrier(len(devices))
    speeds: dict[Size, Speed] = {}
    try:
        with ProcessPoolExecutor(len(devices), context, _join, (together,)) as pool:
            began, start = time.time(), 0.0
            for at, job in sorted(by_size.items()):
                # Each process waits for the others before it measures, so none gets two of these.
                tasks = [pool.submit(_time, replace(job, device=device)) for device in devices]
                update, evaluation, penalised, ready = (
                    list(column) for column in zip(*[task.result() for task in tasks], strict=True)
                )
                start = start or max(ready) - began  # with the imports, which later sizes find done
                seconds = mean(update), max(0.0, mean(evaluation)), start, mean(penalised)
                speeds[at] = Speed(*seconds)
    except (BrokenProcessPool, RuntimeError) as error:
        why = f"{type(error).__name__}: {first_line(error)}"
        problem = f"the speed could not be measured ({why})"
        raise EstimateError(problem) from error
    return speeds


_together: Barrier | None = None


def _join(together: Barrier) -> None:
    global _together
    _together = together


def _time(job: Job) -> tuple[float, float, float, float]:
    """Seconds of an update, an evaluation and a penalised update; when the first could begin."""
    torch.set_num_threads(job.threads)
    start_threads()
    config = replace(job.config, steps=TIMED_STEPS, eval_every=2 * UPDATES)
    corpus = load_corpus(config.corpus, config.vocabulary, log=lambda line: None)
    backend = choose(job.device, job.precision, job.strict)
    trainer = Trainer(config, corpus, backend, Evaluation(config, corpus))
    ready = time.time()
    assert _together is not None
    _together.wait(WAIT_SECONDS)
    moments = {}
    for record in trainer:
        if backend.device.type == "cuda":
            torch.cuda.synchronize(backend.device)
        moments[record.step] = time.perf_counter()
        if record.step == 3 * UPDATES:
            break
    plain = moments[3 * UPDATES] - moments[2 * UPDATES]
    evaluation = moments[2 * UPDATES] - moments[UPDATES] - plain
    return plain / UPDATES, evaluation, _time_penalised(trainer), ready


def _time_penalised(trainer: Trainer) -> float:
    """Seconds of an update with the penalty on repeats, which a run has only near its end.

    How much a model repeats hardly matters: what costs is to let it write (LOG.md).
    """
    weight = trainer.recipe.unlikelihood
    if not weight:
        return 0.0
    start = 0.0
    with trainer.backend.in_force():
        for update in range(PENALISED + 1):
            trainer.compute(weight).item()  # which waits for the device
            start = start if update else time.perf_counter()  # behind the first, a warm-up
        return (time.perf_counter() - start) / PENALISED
