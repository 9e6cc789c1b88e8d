"""Jobs in this process, one after another: for those who schedule their runs themselves."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bitnet import checks
from bitnet.runtime.backend import choose
from bitnet.sweep.job import STOPPED, Job, perform, train_job
from bitnet.sweep.pool import Finish, Listen, cores

__all__ = ["Here"]


class Here:
    """The engine that starts no other process; the fields are those of a `Pool`.

    `threads` None means one a core. Raises: `ParameterError`.
    """

    workers = parallel = 1

    def __init__(self, threads: int | None = None, device: str = "auto", precision: str = "auto"):
        backend = choose(device, precision)
        self.kind, self.precision = backend.device.type, backend.precision
        self.devices = [str(backend.device)]
        self.threads = cores() if threads is None else checks.integer("threads", threads, 1, 2**10)

    def __str__(self) -> str:
        return f"this process on {self.devices[0]}, {self.threads} thread{'s' * (self.threads > 1)}"

    def run(self, jobs: Sequence[Job], listen: Listen, finish: Finish) -> None:
        """As `Pool.run`."""
        for job in jobs:
            job = replace(job, device=self.devices[0])
            reason = perform(job, train_job, partial(listen, job))
            finish(job, reason)
            if reason == STOPPED:
                raise KeyboardInterrupt
