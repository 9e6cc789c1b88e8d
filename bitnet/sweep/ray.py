"""Jobs on a Ray cluster: Ray places each, watches over it, and repeats it if it was killed."""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bitnet.checks import ParameterError, choice, first_line, integer
from bitnet.extras import remedy
from bitnet.runtime.backend import PRECISIONS, choose
from bitnet.sweep.job import Event, Job, Train, perform, train_job
from bitnet.sweep.pool import (
    ATTEMPTS,
    MOST_WORKERS,
    Finish,
    Listen,
    Pool,
    cores,
    divide,
    runs_per_gpu,
)
from bitnet.sweep.sharing import switched

__all__ = ["RayCluster"]

POLL_SECONDS = 0.5
JOIN_SECONDS = 55.0  # for a cluster to answer
GPU_STEPS = 10_000  # Ray divides a GPU no finer
STOP_SECONDS = 60.0  # for the jobs at work to say that they are stopped


@dataclass
class RayCluster:
    """The engine of a Ray cluster, joined by `connect`; the fields are those of a `Pool`.

    `per_gpu` jobs share a GPU where the cluster has GPUs; otherwise workers and threads are divided
    as in a `Pool`. The runs folder and the corpus must be at the same place on every node.
    """

    ray: Any
    kind: str
    precision: str
    workers: int
    threads: int
    per_gpu: int = 1
    train: Train = train_job

    @classmethod
    def connect(
        cls, jobs: int, workers: int | None = None, device: str = "auto", precision: str = "auto",
        per_gpu: int = 1,
    ) -> "RayCluster":  # fmt: skip
        """The cluster in $RAY_ADDRESS or running here, else one of this machine's cores.

        Raises: `ParameterError` for a wrong value, and where Ray or a cluster is missing.
        """
        choice("device", device, ("auto", "cpu", "cuda"))  # Ray says which of several
        choice("precision", precision, PRECISIONS)
        workers = None if workers is None else integer("workers", workers, 1, MOST_WORKERS)
        per_gpu = integer("per_gpu", per_gpu, 1, MOST_WORKERS)
        ray = _ray()
        _join(ray, workers)
        total = ray.cluster_resources()
        gpus = int(total.get("GPU", 0))
        if device == "cuda" and not gpus:
            raise ParameterError("device", device, "the Ray cluster has no GPU; use auto or cpu")
        if gpus and device != "cpu":
            # This machine itself may have no GPU. On one, "auto" means float32 in any case.
            precision = "float32" if precision == "auto" else precision
            return cls(ray, "cuda", precision, divide(gpus * per_gpu, jobs, workers)[0], 1, per_gpu)
        runs_per_gpu(per_gpu, "cpu")
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        count, threads = divide(int(total.get("CPU", 1)), jobs, workers)
        threads = min(threads, max(int(node.get("CPU", 1)) for node in nodes))
        return cls(ray, "cpu", choose("cpu", precision).precision, count, threads)

    @property
    def parallel(self) -> int:
        return self.workers

    @property
    def share(self) -> float:
        """What a job takes of a GPU, in Ray's steps of 1/10 000, rounded down: all of them fit."""
        return GPU_STEPS // self.per_gpu / GPU_STEPS

    def pool_here(self, jobs: int) -> Pool:
        """This machine as a `Pool`: all that can be measured of a cluster."""
        device = "cpu" if self.kind == "cpu" else "auto"
        on_gpu = choose(device).device.type == "cuda"  # which the cluster may have elsewhere
        return Pool(jobs, None, device, per_gpu=self.per_gpu if on_gpu else 1)

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)} each"
        gpus = "one GPU each" if self.per_gpu == 1 else f"{self.per_gpu} to a GPU"
        each = gpus if self.kind == "cuda" else threads
        cluster = f"a Ray cluster of {len(self.ray.nodes())} node(s)"
        return f"{self.workers} worker{'s' * (self.workers > 1)} on {cluster}, {each}"

    def run(self, jobs: Sequence[Job], listen: Listen, finish: Finish) -> None:
        """As `Pool.run`."""
        from ray.util.queue import Queue

        events = Queue(actor_options={"num_cpus": 0})
        by_identity = {job.identity: job for job in jobs}
        resources: dict[str, float]
        resources = {"num_gpus": self.share} if self.kind == "cuda" else {"num_cpus": self.threads}
        # max_calls=1: a fresh process a job, as in a Pool.
        task = self.ray.remote(max_retries=ATTEMPTS - 1, max_calls=1, **resources)(_task)
        waiting = list(jobs)
        running: dict[Any, Job] = {}
        # Stages 1 that are kept, or will not be: nobody here trains them.
        through = {job.stage1 for job in jobs} - {job.stage1 for job in jobs if not job.waits}

        def pass_on() -> None:
            for identity, event in events.get_nowait_batch(events.qsize()):
                job = by_identity[identity]
                if switched(job, event):
                    through.add(job.stage1)
                listen(job, event)

        try:
            while waiting or running:
                ready = [job for job in waiting if not job.waits or job.stage1 in through]
                for job in ready[: self.workers - len(running)]:
                    waiting.remove(job)
                    running[task.remote(job, self.train, events)] = job
                done, _ = self.ray.wait(list(running), timeout=POLL_SECONDS)
                pass_on()
                for reference in done:
                    job = running.pop(reference)
                    through.add(job.stage1)
                    finish(job, self._reason(reference))
        except BaseException:
            for reference in running:
                self.ray.cancel(reference)  # raises KeyboardInterrupt in the task
            if running:
                self.ray.wait(list(running), num_returns=len(running), timeout=STOP_SECONDS)
            with contextlib.suppress(Exception):  # the queue may be what failed
                pass_on()
            raise
        finally:
            events.shutdown(force=True)

    def _reason(self, reference: Any) -> str:
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.WorkerCrashedError:
            return f"its worker was killed, {ATTEMPTS} times in a row (out of memory, perhaps)"
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error  # what the task met, where it is known
            return f"{type(cause).__name__}: {first_line(cause)}"


def _task(job: Job, train: Train, events: Any) -> str:
    def report(event: Event) -> None:
        # Not Queue.put: it waits, and while a task waits for another Ray lends its cores to a
        # further task.
        events.actor.put_nowait.remote((job.identity, event))

    return perform(job, train, report)


def _join(ray: Any, workers: int | None) -> None:
    """Join the cluster that there is, or start one of this machine's cores.

    The one started here has no fewer cores than there are workers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no reports to anybody
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if ray.is_initialized():
        return
    error = _within(JOIN_SECONDS, lambda: ray.init(address="auto", **quiet))
    if error is None:
        return
    if asked := os.environ.get("RAY_ADDRESS"):
        remedy = (
            f"no Ray cluster could be joined there ({first_line(error)}); unset it to start one"
        )
        raise ParameterError("RAY_ADDRESS", asked, remedy) from error
    if not isinstance(error, ConnectionError):
        remedy = f"the Ray cluster of this machine could not be joined ({first_line(error)})"
        raise ParameterError("engine", "ray", remedy) from error
    count = max(cores(), workers or 1)
    ray.init(address="local", num_cpus=count, include_dashboard=False, **quiet)


def _within(seconds: float, do: Callable[[], object]) -> Exception | None:
    """Do something that may never return; what it raises, or that the time is over.

    In a thread, which then is left behind: Ray waits in code that no signal interrupts.
    """
    ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            do()
        except Exception as error:  # of many kinds: the remedy is the same
            ended.put(error)
        else:
            ended.put(None)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        return ended.get(timeout=seconds)
    except queue.Empty:
        return TimeoutError(f"no answer within {seconds:.0f} seconds")


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        needed = f"needs the package ray; {remedy('ray')}"
        raise ParameterError("engine", "ray", needed) from error
    return ray
