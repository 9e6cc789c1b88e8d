"""A worker: a process that reads one job from standard input and reports it on standard output.

Both as lines of JSON. Standard input then stays open as a lifeline: when it ends, because the
parent closed it or died, the job is interrupted as Ctrl-C interrupts it.
"""

import _thread
import contextlib
import json
import os
import signal
import sys
import threading

from bitnet.checks import OneLineError
from bitnet.sweep.job import STOPPED, Event, Job, Train, perform, train_job

__all__ = ["work"]


def work(train: Train = train_job) -> str:
    """Do the job on standard input, and return the reason why it was not done, or ""."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed goes to standard error

    def report(event: Event) -> None:
        with contextlib.suppress(OSError):  # the parent died; the lifeline says so too
            print(json.dumps(event), file=output, flush=True)

    reason = STOPPED
    try:
        signal.signal(signal.SIGINT, _stop)
        signal.signal(signal.SIGTERM, _stop)
        if line := sys.stdin.readline():
            threading.Thread(target=_hold_lifeline, daemon=True).start()
            reason = perform(Job.from_json(line), train, report)
    except KeyboardInterrupt:
        pass
    except OneLineError as error:
        reason = f"{type(error).__name__}: {error}"
    _ignore_stops()
    report({"event": "ended", "reason": reason})
    return reason


def _hold_lifeline() -> None:
    os.read(0, 1)  # nothing more is ever written: this returns when the other end is closed
    _thread.interrupt_main()


def _stop(*_: object) -> None:
    """Interrupt the job once: a second signal would hit the writing of the run's last words."""
    _ignore_stops()
    raise KeyboardInterrupt


def _ignore_stops() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
