"""Jobs on this machine: a process for each, as many at a time as there are workers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from bitnet import checks
from bitnet.runtime.backend import choose
from bitnet.sweep.job import STOPPED, Event, Job
from bitnet.sweep.sharing import switched

__all__ = ["ATTEMPTS", "Finish", "Listen", "Pool", "cores", "divide", "runs_per_gpu"]

ATTEMPTS = 2  # a worker killed once may have been unlucky; a job that kills two is to blame itself
MOST_WORKERS = 2**10
LONGEST_LINE = 2**24  # bytes of an event

Listen = Callable[[Job, Event], None]
Finish = Callable[[Job, str], None]


def divide(places: int, jobs: int, workers: int | None) -> tuple[int, int]:
    """Workers and threads a worker for so many cores (`places`) and jobs.

    One thread each unless cores are left over. Both follow from the whole sweep, not from what is
    left of it: sums depend on the number of threads, and a run that is resumed ends bit for bit
    the same only with as many as before. Raises: `ParameterError` for fewer than one worker.
    """
    if workers is None:
        count = max(1, min(places, jobs))
    else:
        count = checks.integer("workers", workers, 1, MOST_WORKERS)
    return count, max(1, places // count)


def runs_per_gpu(value: object, kind: str) -> int:
    """How many runs share a GPU. Raises: `ParameterError` for fewer than one, and without a GPU."""
    count = checks.integer("per_gpu", value, 1, MOST_WORKERS)
    if count > 1 and kind == "cpu":
        raise checks.ParameterError("per_gpu", value, "must be 1 where runs train on a CPU")
    return count


class Pool:
    """The engine of one machine; by default one worker a core on a CPU, `per_gpu` a GPU on CUDA.

    `kind` ("cpu" or "cuda"), `precision` and `threads` hold for every job; `parallel` of the
    workers go at full speed, the others share their cores. Each job has a process
    of its own (`command`, see `bitnet.sweep.worker`): it gives all memory back at its end, and one
    that is killed loses only its own job. Raises: `ParameterError`.
    """

    command: Sequence[str] = (sys.executable, "-m", "bitnet", "run", "--job")

    def __init__(
        self, jobs: int, workers: int | None = None, device: str = "auto", precision: str = "auto",
        per_gpu: int = 1,
    ):  # fmt: skip
        backend = choose(device, precision)
        self.kind, self.precision = backend.device.type, backend.precision
        per_gpu = runs_per_gpu(per_gpu, self.kind)
        places = [str(backend.device)] * (cores() if self.kind == "cpu" else 1)
        if places == ["cuda"]:  # any of them
            places = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        places *= per_gpu  # the second of each card comes after the first of all
        self.workers, _ = divide(len(places), jobs, workers)
        self.threads = max(1, cores() // self.workers)
        self.devices = [places[i % len(places)] for i in range(self.workers)]
        self.parallel = min(self.workers, cores()) if self.kind == "cpu" else self.workers

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)} each"
        where = threads if self.kind == "cpu" else f"on {', '.join(dict.fromkeys(self.devices))}"
        return f"{self.workers} worker{'s' * (self.workers > 1)} on this machine, {where}"

    def run(self, jobs: Sequence[Job], listen: Listen, finish: Finish) -> None:
        """Do every job: `listen` gets what its worker reports, `finish` why it was not done, or "".

        Ctrl-C stops the jobs at work and is raised again when they have said so; a second one kills
        them. The death of this process stops them too.
        """
        asyncio.run(self.work(jobs, listen, finish))

    async def work(self, jobs: Sequence[Job], listen: Listen, finish: Finish) -> None:
        """As `run`, on the event loop of the caller; to cancel it stops the jobs at work."""
        free: asyncio.Queue[str] = asyncio.Queue()
        for device in self.devices:
            free.put_nowait(device)
        through = {job.stage1: asyncio.Event() for job in jobs}  # or it will not be kept
        led = {job.stage1 for job in jobs if not job.waits}

        def hear(job: Job, event: Event) -> None:
            if switched(job, event):
                through[job.stage1].set()
            listen(job, event)

        async def do(job: Job) -> None:
            if job.waits and job.stage1 in led:
                await through[job.stage1].wait()
            device = await free.get()
            finish(job, await self._attempts(replace(job, device=device), hear))
            through[job.stage1].set()
            free.put_nowait(device)

        try:
            async with asyncio.TaskGroup() as tasks:
                for job in jobs:
                    tasks.create_task(do(job))
        except ExceptionGroup as errors:  # of the two functions; the first is enough
            raise errors.exceptions[0] from None

    async def _attempts(self, job: Job, listen: Listen) -> str:
        """Do a job in a process, and again in another if the first died without its last words."""
        death = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                again = "trying once more, from the last checkpoint"
                line = f"{job.config.label()}: its worker {death}; {again}"
                listen(job, {"event": "log", "line": line})
            try:
                worker = await asyncio.create_subprocess_exec(
                    *self.command, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE,
                    start_new_session=True,  # Ctrl-C is for this process alone
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )  # fmt: skip
            except OSError as error:
                return f"no process could be started for it ({error})"
            reason = await _follow(worker, job, listen)
            if reason is not None:
                return reason
            code = worker.returncode or 0
            killed = f"was killed by {signal.Signals(-code).name}" if code < 0 else ""
            death = killed or f"ended with exit code {code}"
        return f"its worker {death}, {ATTEMPTS} times in a row (out of memory, perhaps)"


async def _follow(worker: Process, job: Job, listen: Listen) -> str | None:
    """Pass on what a worker reports until it is gone; the reason in its last words, if it had any.

    To cancel this once closes the worker's lifeline, and to cancel it again kills the worker.
    """
    assert worker.stdin and worker.stdout
    reason, line = None, b"\n"
    try:
        worker.stdin.write(f"{job.to_json()}\n".encode())
        while line:
            try:
                line = await worker.stdout.readline()
            except asyncio.CancelledError:
                if worker.stdin.is_closing():
                    raise
                worker.stdin.close()
                reason = STOPPED if reason is None else reason
                continue
            event = _event(line)
            if event["event"] == "ended":
                reason = event["reason"]
            elif line:
                listen(job, event)
        await worker.wait()
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    return reason


def _event(line: bytes) -> Event:
    try:
        return json.loads(line)
    except ValueError:  # something that is loaded with the worker has printed it
        return {"event": "log", "line": line.decode(errors="replace").rstrip()}


def cores() -> int:
    """The cores that this process may use.

    torch leaves hardware threads out, and heeds OMP_NUM_THREADS.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(allowed, torch.get_num_threads()))
