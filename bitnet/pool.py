"""Cells on this machine: one process each, as many at a time as there are workers, and a killed one loses only its own."""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import FrameType

import torch

from bitnet import checks
from bitnet.backend import choose
from bitnet.cell import STOPPED, Cell, Message, Train, perform, train_cell

__all__ = ["ATTEMPTS", "Ended", "Hear", "Pool", "cores", "divide"]

ATTEMPTS = 2  # a worker killed once may have been unlucky; a cell that kills two is to blame itself

Hear = Callable[[Cell, Message], None]
Ended = Callable[[Cell, str], None]

_SPAWN = multiprocessing.get_context("spawn")  # forking a process that has used torch can hang


def divide(places: int, cells: int, workers: int | None) -> tuple[int, int]:
    """Workers and threads a worker for so many cores (`places`) and cells: one thread each unless cores are left over.

    Both follow from the whole sweep, not from what is left of it: sums depend on the number of threads, and a run that
    goes on ends bit for bit the same only with as many as before. Errors: `ParameterError` for fewer than one worker.
    """
    count = max(1, min(places, cells)) if workers is None else checks.integer("workers", workers, 1)
    return count, max(1, places // count)


class Pool:
    """The engine of one machine. `workers`: one a core on a CPU, one a GPU on CUDA, unless given.

    `kind` ("cpu" or "cuda"), `precision` and `threads` hold for every cell. A process pool of the standard library breaks
    as a whole when one worker is killed. Here the library's thread pool hands out the cells, and each of its threads
    watches over one process at a time. A fresh process a cell also gives all memory back between runs.
    """

    def __init__(self, cells: int, workers: int | None = None, device: str = "auto", precision: str = "auto"):
        backend = choose(device, precision)
        self.kind, self.precision = backend.device.type, backend.precision
        if self.kind == "cpu":
            self.workers, self.threads = divide(cores(), cells, workers)
            self.devices = ["cpu"] * self.workers
        else:
            gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
            found = gpus if backend.device.index is None else [str(backend.device)]
            self.workers, _ = divide(len(found), cells, workers)
            self.threads = max(1, cores() // self.workers)
            self.devices = [found[i % len(found)] for i in range(self.workers)]

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)} each"
        where = threads if self.kind == "cpu" else f"on {', '.join(dict.fromkeys(self.devices))}"
        return f"{self.workers} worker{'s' * (self.workers > 1)} on this machine, {where}"

    def run(self, cells: Sequence[Cell], hear: Hear, ended: Ended, train: Train = train_cell) -> None:
        """Do every cell; `hear` gets what it reports and `ended` the reason why it was not done, or nothing.

        Both are called from several threads. Ctrl-C ends the cells at work as stopped and is raised again; so does the
        death of this process for its workers.
        """
        resource_tracker.ensure_running()  # it unblocks Ctrl-C in the thread that starts it
        stop, hold = _SPAWN.Pipe(duplex=False)  # closing `hold`, or dying, is what tells all workers to stop
        free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for device in self.devices:
            free.put(device)

        def supervise(cell: Cell) -> None:
            device = free.get()
            try:
                ended(cell, _attempts(replace(cell, device=device), train, stop, hear))
            finally:
                free.put(device)

        with stop, hold, ThreadPoolExecutor(self.workers, initializer=_block_ctrl_c) as threads:
            try:
                for task in as_completed([threads.submit(supervise, cell) for cell in cells]):
                    task.result()
            except BaseException:
                hold.close()
                with _second_ctrl_c_kills():
                    threads.shutdown(cancel_futures=True)
                raise


def _attempts(cell: Cell, train: Train, stop: Connection, hear: Hear) -> str:
    """Do a cell in a process, and again in another if the first was killed; the reason why it was not done, or nothing."""
    death = ""
    for attempt in range(1, ATTEMPTS + 1):
        if stop.poll():
            return STOPPED
        try:
            finished, death = _process(cell, train, stop, hear)
        except OSError as error:
            return f"no process could be started for it ({error})"
        if finished:
            return death
        if attempt < ATTEMPTS:
            hear(cell, f"{cell.name}: its worker {death}; trying once more, from the last checkpoint")
    return f"its worker {death}, {ATTEMPTS} times in a row (out of memory, perhaps)"


@dataclass(frozen=True)
class _Last:
    """The last message of a worker: why the cell was not done, or nothing."""

    reason: str


def _process(cell: Cell, train: Train, stop: Connection, hear: Hear) -> tuple[bool, str]:
    """One process for one cell: whether it lived to say how the cell ended, and that; else how it died."""
    reader, writer = _SPAWN.Pipe(duplex=False)
    with reader:
        with writer:
            process = _SPAWN.Process(target=_work, args=(cell, train, writer, stop), daemon=True)
            process.start()
        last = None
        with contextlib.suppress(EOFError, OSError):  # that the other end is gone is how a death shows
            while last is None:
                message = reader.recv()
                if isinstance(message, _Last):
                    last = message
                else:
                    hear(cell, message)
    process.join()
    code = process.exitcode or 0
    process.close()
    if last is not None:
        return True, last.reason
    return False, f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _work(cell: Cell, train: Train, writer: Connection, stop: Connection) -> None:
    """The life of a worker process. Ctrl-C goes to its parent alone, which then tells it to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        threading.Thread(target=_stop_when_told, args=(stop,), daemon=True).start()
        reason = perform(cell, train, lambda message: _send(writer, message))
    except KeyboardInterrupt:
        reason = STOPPED
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _send(writer, _Last(reason))


def _send(writer: Connection, message: object) -> None:
    with contextlib.suppress(OSError):  # a parent that died; `stop` tells of it too
        writer.send(message)


def _stop_when_told(stop: Connection) -> None:
    stop.poll(None)  # nothing is ever sent: readable means that the other end is closed
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _interrupt(number: int, _: FrameType | None) -> None:
    """As Ctrl-C, but once: a second one would hit the writing of the run's last words."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _block_ctrl_c() -> None:
    """Processes started from this thread are deaf to Ctrl-C from their first moment, and so end without a stack trace."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextlib.contextmanager
def _second_ctrl_c_kills():
    try:
        yield
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.kill()
        raise


def cores() -> int:
    """The cores that this process may use; torch leaves hardware threads out, and heeds OMP_NUM_THREADS."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, torch.get_num_threads()))
