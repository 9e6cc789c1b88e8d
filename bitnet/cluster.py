"""Cells on a Ray cluster: one task each, which Ray places, watches over and starts again if its worker is killed."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from bitnet.backend import PRECISIONS, choose
from bitnet.cell import Cell, Message, Train, perform, train_cell
from bitnet.checks import ParameterError, choice, integer
from bitnet.pool import ATTEMPTS, Ended, Hear, cores, divide

__all__ = ["Cluster"]

POLL_SECONDS = 0.5
STOP_SECONDS = 60.0  # for the cells at work to say that they are stopped


class Cluster:
    """The engine of a Ray cluster: the one in $RAY_ADDRESS or running on this machine, else one of this machine's cores.

    One GPU a task where the cluster has GPUs; otherwise workers and threads are divided as in a `Pool`. The runs folder
    and the corpus must be at the same place on every node. `kind`, `precision`, `workers` and `threads` as in a `Pool`.
    """

    def __init__(self, cells: int, workers: int | None = None, device: str = "auto", precision: str = "auto"):
        choice("device", device, ("auto", "cpu", "cuda"))  # Ray says which of several
        choice("precision", precision, PRECISIONS)
        workers = None if workers is None else integer("workers", workers, 1)
        self.ray = _ray()
        self._connect(workers)
        total = self.ray.cluster_resources()
        gpus = int(total.get("GPU", 0))
        if device == "cuda" and not gpus:
            raise ParameterError("device", device, "the Ray cluster has no GPU; use auto or cpu")
        self.kind = "cuda" if gpus and device != "cpu" else "cpu"
        # The driver itself may have no GPU. There, precision "auto" means float32 in any case.
        on_gpu = "float32" if precision == "auto" else precision
        self.precision = choose("cpu", precision).precision if self.kind == "cpu" else on_gpu
        largest = max(int(node["Resources"].get("CPU", 1)) for node in self.ray.nodes() if node["Alive"])
        self.workers, threads = divide(gpus if self.kind == "cuda" else int(total.get("CPU", 1)), cells, workers)
        self.threads = min(threads, largest) if self.kind == "cpu" else 1

    def _connect(self, workers: int | None) -> None:
        """Join the cluster that there is, or start one of this machine's cores, with no fewer than there are workers."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no reports to anybody
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.ray.is_initialized():
            return
        try:
            self.ray.init(address="auto", **quiet)
        except ConnectionError as error:
            if asked := os.environ.get("RAY_ADDRESS"):
                raise ParameterError(
                    "RAY_ADDRESS", asked, "no Ray cluster answers there; unset it to start one here"
                ) from error
            self.ray.init(address="local", num_cpus=max(cores(), workers or 1), include_dashboard=False, **quiet)

    def __str__(self) -> str:
        each = "one GPU each" if self.kind == "cuda" else f"{self.threads} thread{'s' * (self.threads > 1)} each"
        return f"{self.workers} worker{'s' * (self.workers > 1)} on a Ray cluster of {len(self.ray.nodes())} node(s), {each}"

    def run(self, cells: Sequence[Cell], hear: Hear, ended: Ended, train: Train = train_cell) -> None:
        """As `Pool.run`; both functions are called from this thread."""
        from ray.util.queue import Queue

        messages = Queue(actor_options={"num_cpus": 0})
        by_identity = {cell.identity: cell for cell in cells}
        resources = {"num_gpus": 1} if self.kind == "cuda" else {"num_cpus": self.threads}
        # max_calls=1: a fresh process a cell, as in a Pool.
        task = self.ray.remote(max_retries=ATTEMPTS - 1, max_calls=1, **resources)(_task)
        waiting = list(cells)
        running: dict[Any, Cell] = {}

        def listen() -> None:
            for identity, message in messages.get_nowait_batch(messages.qsize()):
                hear(by_identity[identity], message)

        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    cell = waiting.pop(0)
                    running[task.remote(cell, train, messages)] = cell
                done, _ = self.ray.wait(list(running), timeout=POLL_SECONDS)
                listen()
                for reference in done:
                    ended(running.pop(reference), self._reason(reference))
        except BaseException:
            for reference in running:
                self.ray.cancel(reference)  # raises KeyboardInterrupt in the task
            if running:
                self.ray.wait(list(running), num_returns=len(running), timeout=STOP_SECONDS)
            with contextlib.suppress(Exception):  # the queue may be what failed
                listen()
            raise
        finally:
            messages.shutdown(force=True)

    def _reason(self, reference: Any) -> str:
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.WorkerCrashedError:
            return f"its worker was killed, {ATTEMPTS} times in a row (out of memory, perhaps)"
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error  # what the task met, where it is known
            return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"


def _task(cell: Cell, train: Train, messages: Any) -> str:
    def report(message: Message) -> None:
        # Not Queue.put: it waits, and while a task waits for another Ray lends its cores to a further task.
        messages.actor.put_nowait.remote((cell.identity, message))

    return perform(cell, train, report)


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ParameterError("engine", "ray", "needs the package ray; install it with: pip install 'bitnet[ray]'") from error
    return ray
