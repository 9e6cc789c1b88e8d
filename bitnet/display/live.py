"""Training in a notebook: a growing view and buttons where someone looks on, else plain lines."""

import asyncio
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from bitnet.checks import OneLineError, ParameterError
from bitnet.display.live_view import LiveView
from bitnet.evaluation.diversity import OPENING, Probe
from bitnet.runs.history import History, HistoryError
from bitnet.runs.plan import Plan
from bitnet.sweep.estimate import EstimateError
from bitnet.sweep.job import Event, Job, Outcome
from bitnet.sweep.runner import Runner
from bitnet.sweep.sharing import begins
from bitnet.sweep.study import histories, prepare
from bitnet.terminal import Terminal

POLL_SECONDS = 0.1

__all__ = ["LiveTraining", "NotFinished", "someone_looks_on"]


class NotFinished(OneLineError, RuntimeError):
    """There are no histories of a live training to give; the message says why and what to do."""


def someone_looks_on() -> bool:
    """Whether this kernel belongs to a notebook open in JupyterLab or VS Code.

    Not to papermill, nbval or nbconvert. $BITNET_LIVE set to 0 or 1 decides it instead.
    """
    if os.environ.get("BITNET_LIVE"):
        return os.environ["BITNET_LIVE"] != "0"
    # Jupyter's server names the notebook in the environment of the kernels it starts; executors do
    # not.
    return bool({"JPY_SESSION_NAME", "VSCODE_PID"} & set(os.environ))


class LiveTraining:
    """The runs of a plan in a notebook: created, then started, then awaited with `finished`.

    They train side by side in processes of their own, so the cell that starts them returns. In an
    open notebook the view grows, and Stop and Resume work; elsewhere lines are printed while
    `finished` is awaited. `live` says whether someone looks on (None: as the environment says). As
    the last line of a cell it shows its view, as far as it has come.
    """

    def __init__(self, plan: Plan, live: bool | None = None):
        self.plan = plan
        self.live = someone_looks_on() if live is None else live
        self.view: LiveView | None = None
        self.task: asyncio.Task[list[History]] | None = None
        self.stopped = False
        self.lines = io.StringIO()  # not printed yet

    @property
    def training(self) -> bool:
        """Whether workers are at it."""
        return self.task is not None and not self.task.done()

    def start(self) -> None:
        """Say how long it takes here, show the view, and start the workers.

        Called again it shows the view again, and never starts a second time.

        Raises: `NotFinished` outside a notebook, `ParameterError` as `sweep.study.prepare`.
        """
        _event_loop()
        if self.live:
            self.view = self.view or LiveView(self.plan.runs, self.stop, self.resume)
            self.view.show()
        self.resume()

    def show(self) -> None:
        """Show the view again, with all that it has seen: after a reload, or in another cell."""
        if self.view:
            self.view.show()

    _ipython_display_ = show

    def stop(self) -> None:
        """Ask the workers to stop and to keep their state; returns at once.

        Once: asked a second time they would be killed, without a word of what they have.
        """
        if self.task and self.training and not self.stopped:
            self.stopped = True
            self.task.cancel()
            if self.view:
                self.view.log("stopping ...")

    def resume(self) -> None:
        """Start the workers, if they are not at it and there is something left for them.

        Finished runs are loaded, and one that was stopped or has failed is resumed.
        """
        if self.training or self._succeeded():
            return
        loop, runner = _event_loop(), prepare(self.plan, console=_plain())
        self.stopped = False
        if not self.view:
            _announce(runner)
            self.task = loop.create_task(self._in_lines(runner))
            return
        self.view.began_training()
        self.task = loop.create_task(self._live(runner, self.view))
        # Not by the task itself: one that is cancelled before its first turn never begins.
        self.task.add_done_callback(self._tell_end)

    async def finished(self) -> list[History]:
        """The histories once all runs are finished; the kernel is free meanwhile for the buttons.

        Where the training is stopped it waits for Resume. At the end the view gives place to a
        picture of it, which stays in the saved notebook. An interrupt of the awaiting cell stops
        the workers.

        Raises: `NotFinished` if they were not started, or none came to an evaluation; `StudyError`
        where a run did not get to its end.
        """
        if self.task is None:
            raise NotFinished("not started; call start() first")
        try:
            while self.training or (self.view and self.task.cancelled()):
                await asyncio.sleep(POLL_SECONDS)
                self._print_lines()
        except (KeyboardInterrupt, asyncio.CancelledError):  # how IPython interrupts such a cell
            self.stop()
            with suppress(asyncio.CancelledError):
                await self.task
            raise
        finally:
            self._print_lines()
        await asyncio.sleep(0)  # the view is told of an end one turn of the loop after it
        if self.task.cancelled():
            raise NotFinished("stopped; start() goes on, from the last checkpoints")
        found = self.task.result()
        if not any(history.evaluated for history in found):
            reasons = {str(h.manifest.get("reason", h.status)) for h in found}
            why = "; ".join(sorted(reasons))
            raise NotFinished(f"no run came as far as its first evaluation ({why})")
        if self.view:
            self.view.leave_picture(found)
        return found

    def _succeeded(self) -> bool:
        task = self.task
        return task is not None and task.done() and not (task.cancelled() or task.exception())

    def _tell_end(self, task: asyncio.Task[list[History]]) -> None:
        """Tell the view how a task of its own ended."""
        assert self.view
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self.view.ended([] if error else task.result(), error)

    async def _in_lines(self, runner: Runner) -> list[History]:
        with runner.progress_table(_plain(self.lines)) as table:
            return histories(await runner.work(table))

    def _print_lines(self) -> None:
        """In the cell that waits: what a task prints belongs to the cell that has started it.

        And that has ended, so that whatever executes the notebook has no place for it.
        """
        text = self.lines.getvalue()
        if text:
            self.lines.seek(0)
            self.lines.truncate()
            sys.stdout.write(text)
            sys.stdout.flush()

    async def _live(self, runner: Runner, view: LiveView) -> list[History]:
        text = self.plan.load_corpus(view.log)
        passage = Probe.from_corpus(text).passages[0, :OPENING].tolist()
        view.prompt = text.vocabulary.decode(passage)
        watch = _Watch(view, runner.jobs)
        for job in runner.jobs:
            watch.load(job)  # what an earlier session has left
            view.seen[job.config].begins = begins(job, runner.found[job.identity])
        return histories(await runner.work(watch))


class _Watch:
    """Tells a view what becomes of the jobs: what workers say, and what is in the runs' folders."""

    def __init__(self, view: LiveView, jobs: Sequence[Job]):
        self.view, self.unheard = view, {job.identity for job in jobs}

    def listen(self, job: Job, event: Event) -> None:
        if event["event"] == "log":
            self.view.log(event["line"])
        elif event["event"] == "progress":
            if event["evaluated"] or job.identity in self.unheard:
                if self.load(job):  # the first time, with a Stage 1 that it shares
                    self.unheard.discard(job.identity)
            self.view.progress(job.config, event["step"], event["loss"])

    def finish(self, job: Job, outcome: Outcome, state: str = "") -> None:
        self.load(job)

    def load(self, job: Job) -> bool:
        """Show what a run has in its folder; whether it could be read."""
        # A run that never began has no folder; a worker may be at the next evaluation's files.
        with suppress(HistoryError, ParameterError, ValueError):
            self.view.load(History.load(job.runs_dir / job.identity))
            return True
        return False


def _event_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise NotFinished("no event loop here; bitnet.execute(plan) trains in a script") from None


def _announce(runner: Runner) -> None:
    """Print how long it takes here; where that cannot be measured, why: it is no reason to stop."""
    if not runner.pending:
        return
    try:
        line = runner.estimate()[0]
    except EstimateError as error:
        line = str(error)
    for text in (*runner.sharing(), line):
        _plain().print(text, soft_wrap=True)


def _plain(file: TextIO | None = None) -> Terminal:
    return Terminal(file=file or sys.stdout, force_jupyter=False, force_terminal=False)
