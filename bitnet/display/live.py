"""Training inside a notebook: growing curves and buttons where someone looks on, else plainly."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from bitnet.checks import OneLineError
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.display.progress import ProgressBar
from bitnet.display.theme import TEMPLATE, colour, dash
from bitnet.records import Record
from bitnet.runs.history import History
from bitnet.runs.plan import Plan, execute
from bitnet.runs.run import Stop

__all__ = ["LiveTraining", "LiveView", "NotFinished", "someone_looks_on"]

REDRAW_SECONDS = 0.5
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

    In an open notebook they train in a worker thread: the cell that starts them returns, curves
    grow, and Stop and Resume work while other cells run. Elsewhere `start` trains them with plain
    progress bars. `corpus` is what `plan.load_corpus` gives, if it is there already; `live` says
    whether someone looks on (None: as the environment says).
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

    def stop(self) -> None:
        """Ask the worker to stop at its next record, and to keep its state; returns at once."""
        self.stopping.set()
        if self.view:
            self.view.log("stopping ...")

    def resume(self) -> None:
        """Start the worker, if it is not at it: finished runs are loaded, a stopped one resumes."""
        if self.view and not self.training:
            self.stopping.clear()
            self.error = None
            self.view.began_training()
            self.thread = threading.Thread(target=self._work, args=(self.view,), daemon=True)
            self.thread.start()

    async def finished(self) -> list[History]:
        """The histories once all runs are finished; the kernel is free meanwhile for the buttons.

        An interrupt of the awaiting cell stops the worker.

        Raises: `NotFinished` if they were not started, were stopped, or none came to an evaluation;
        whatever ended the worker otherwise.
        """
        try:
            while self.training:
                await asyncio.sleep(POLL_SECONDS)
        # The latter is how IPython interrupts a cell that awaits.
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.stop()
            raise
        if not self.started:
            raise NotFinished("not started; call start() first")
        if isinstance(self.error, Stop):
            raise NotFinished("stopped; press Resume above, then run this cell and those below it")
        if self.error is not None:
            raise self.error
        if not any(history.evaluated for history in self.histories):
            reasons = {str(h.manifest.get("reason", h.status)) for h in self.histories}
            why = "; ".join(sorted(reasons))
            raise NotFinished(f"no run came as far as its first evaluation ({why})")
        return self.histories

    def _work(self, view: "LiveView") -> None:
        def on_record(config: RunConfig, record: Record) -> None:
            view.record(config, record)
            if self.stopping.is_set():
                raise Stop

        try:
            self.histories = execute(self.plan, self.corpus, [on_record], view.log)
        except BaseException as error:
            self.error = error
        view.ended(self.histories, self.error)


class LiveView:
    """What a live training shows: loss curves, a progress bar, the last message, two buttons."""

    def __init__(
        self, runs: Sequence[RunConfig], stop: Callable[[], None], resume: Callable[[], None]
    ):
        import ipywidgets as w

        self.runs = list(runs)
        self.lines: list[tuple[list[int], list[float]]] = [([], []) for _ in runs]
        self.figure = go.FigureWidget(layout={"template": TEMPLATE})
        self.figure.update_layout(
            title="Training loss of the batch", xaxis_title="update (step)", yaxis_title="nats",
            height=330, margin={"t": 40, "b": 50},
        )  # fmt: skip
        for config in runs:
            line = {"color": colour(config.arm), "dash": dash(config.arm)}
            self.figure.add_scatter(x=[], y=[], name=config.label(runs), mode="lines", line=line)
        total = sum(config.steps for config in runs)
        self.bar = w.IntProgress(min=0, max=total, description="all runs")
        self.text = w.Label()
        self.stop_button = w.Button(description="Stop", icon="stop")
        self.resume_button = w.Button(description="Resume", icon="play", disabled=True)
        self.stop_button.on_click(lambda _: stop())
        self.resume_button.on_click(lambda _: resume())
        buttons = w.HBox([self.stop_button, self.resume_button, self.bar])
        self.box = w.VBox([buttons, self.text, self.figure])
        self.began, self.first, self.drawn = time.monotonic(), -1, 0.0

    def show(self) -> None:
        """Put it under the running cell."""
        from IPython.display import display

        display(self.box)

    def log(self, line: str) -> None:
        """Show a message in place of the last."""
        self.text.value = line

    def record(self, config: RunConfig, record: Record) -> None:
        """Take in a record; redraw now and then."""
        index = self.runs.index(config)
        steps, losses = self.lines[index]
        steps.append(record.step)
        losses.append(round(record.loss, 4))
        if time.monotonic() - self.drawn < REDRAW_SECONDS and record.step < config.steps:
            return
        self.drawn = time.monotonic()
        done = sum(earlier.steps for earlier in self.runs[:index]) + record.step
        if self.first < 0:
            self.began, self.first = time.monotonic(), done
        trace = self.figure.data[index]
        with self.figure.batch_update():
            trace.x, trace.y = tuple(steps), tuple(losses)
        self.bar.value = done
        left = (time.monotonic() - self.began) / max(1, done - self.first) * (self.bar.max - done)
        reached = f"step {record.step} of {config.steps}, loss {record.loss:.2f}"
        name = config.label(self.runs)
        self.log(f"{name}: {reached}; about {left / 60:.1f} minutes left")

    def ended(self, histories: list[History], error: BaseException | None) -> None:
        """Say how it ended, and set the buttons accordingly."""
        self._buttons(training=False)
        if error is None:
            self.bar.value = self.bar.max
            self.resume_button.disabled = True
            how = (f"{h.config.label(self.runs)} {h.status}" for h in histories)
            self.log("finished: " + ", ".join(how))
        elif isinstance(error, Stop):
            self.log("stopped, and kept as it stands. Resume continues from here.")
        else:
            self.log(f"{type(error).__name__}: {error}")

    def began_training(self) -> None:
        """Offer Stop, and measure the time left anew."""
        self.first = -1
        self._buttons(training=True)

    def _buttons(self, training: bool) -> None:
        self.stop_button.disabled, self.resume_button.disabled = not training, training
