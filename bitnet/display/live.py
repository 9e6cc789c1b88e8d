"""Training inside a notebook: a growing view and buttons where someone looks on, else plainly."""

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path

from bitnet.checks import OneLineError, ParameterError
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.display.live_view import LiveView
from bitnet.display.progress import ProgressBar
from bitnet.evaluation.diversity import Probe
from bitnet.records import Record
from bitnet.runs.history import History, HistoryError
from bitnet.runs.plan import Plan, execute
from bitnet.runs.run import Callback, Stop, run

__all__ = ["LiveTraining", "NotFinished", "someone_looks_on"]

POLL_SECONDS = 0.1


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

    In an open notebook they train in a worker thread: the cell that starts them returns, the view
    grows, and Stop and Resume work while other cells run. Elsewhere `start` trains them with plain
    progress bars. `corpus` is what `plan.load_corpus` gives, if it is there already; `live` says
    whether someone looks on (None: as the environment says). As the last line of a cell it shows
    its view, as far as it has come.
    """

    def __init__(self, plan: Plan, corpus: Corpus | None = None, live: bool | None = None):
        self.plan, self.corpus = plan, corpus
        self.live = someone_looks_on() if live is None else live
        self.started = False
        self.histories: list[History] = []
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None
        self.view: LiveView | None = None

    @property
    def training(self) -> bool:
        """Whether the worker is at it."""
        return self.thread is not None and self.thread.is_alive()

    def start(self) -> None:
        """Show the view and start the worker; where nobody looks on, train here and now.

        Called again it shows the view again, and never starts a second worker.
        """
        if self.live:
            self.view = self.view or LiveView(self.plan.runs, self.stop, self.resume)
            self.view.show()
            self.resume()
        else:
            self.histories = execute(self.plan, self.corpus, [ProgressBar(self.plan.runs)])
        self.started = True

    def show(self) -> None:
        """Show the view again, with all that it has seen: after a reload, or in another cell."""
        if self.view:
            self.view.show()

    _ipython_display_ = show

    def stop(self) -> None:
        """Ask the worker to stop at its next record, and to keep its state; returns at once."""
        self.stopping.set()
        if self.view:
            self.view.log("stopping ...")

    def resume(self) -> None:
        """Start the worker, if it is not at it: finished runs are loaded, a stopped one resumes."""
        if self.view and not self.training:
            self.stopping.clear()
            self.view.began_training()
            self.thread = threading.Thread(target=self._work, args=(self.view,), daemon=True)
            self.thread.start()

    async def finished(self) -> list[History]:
        """The histories once all runs are finished; the kernel is free meanwhile for the buttons.

        Where the training is stopped it waits for Resume. At the end the view gives place to a
        picture of it, which stays in the saved notebook. An interrupt of the awaiting cell stops
        the worker.

        Raises: `NotFinished` if they were not started, or none came to an evaluation; whatever
        ended the worker otherwise.
        """
        if not self.started:
            raise NotFinished("not started; call start() first")
        try:
            while self.training or isinstance(self.error, Stop):
                await asyncio.sleep(POLL_SECONDS)
        # The latter is how IPython interrupts a cell that awaits.
        except (KeyboardInterrupt, asyncio.CancelledError):
            if self.training:
                self.stop()
            raise
        if self.error is not None:
            raise self.error
        if not any(history.evaluated for history in self.histories):
            reasons = {str(h.manifest.get("reason", h.status)) for h in self.histories}
            why = "; ".join(sorted(reasons))
            raise NotFinished(f"no run came as far as its first evaluation ({why})")
        if self.view:
            self.view.leave_picture(self.histories)
        return self.histories

    def _work(self, view: LiveView) -> None:
        def on_record(config: RunConfig, record: Record) -> None:
            view.record(config, record)
            if self.stopping.is_set():
                raise Stop

        self.error = None  # here, so that who waits sees a worker or an error at any time
        try:
            text = self.corpus or self.plan.load_corpus(view.log)
            self.histories = [self._run(config, text, view, on_record) for config in self.plan.runs]
        except BaseException as error:
            self.error = error
        view.ended(self.histories, self.error)

    def _run(self, config: RunConfig, text: Corpus, view: LiveView, on_record: Callback) -> History:
        """One run of the plan, as `execute` trains it; the view sees what there was before."""
        backend = self.plan.backend
        probe = Probe.from_corpus(text, config.probe_positions, config.sequence_length)
        view.begins(config, probe)
        name = config.identity(
            text.fingerprint, backend.device.type, backend.precision, backend.strict
        )
        with suppress(HistoryError, ParameterError):
            view.load(History.load(Path(self.plan.runs_dir) / name))
        history = run(config, text, self.plan.runs_dir, backend, [on_record], view.log)
        view.load(history)
        return history
