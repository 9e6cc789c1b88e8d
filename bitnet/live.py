"""Training inside a notebook: in a worker thread with growing curves and buttons where someone looks on, plainly elsewhere."""

import asyncio
import os
import threading
import time
from collections.abc import Callable

import plotly.graph_objects as go

from bitnet.checks import OneLineError
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.history import History
from bitnet.plan import Plan, execute
from bitnet.progress import ProgressBar
from bitnet.run import Stop
from bitnet.style import ARM_COLOURS, TEMPLATE
from bitnet.train import Record

__all__ = ["LiveTraining", "NotFinished", "someone_looks_on"]

REDRAW_SECONDS = 0.5
POLL_SECONDS = 0.1


class NotFinished(OneLineError, RuntimeError):
    """The runs of a live training were stopped, or none of them came to anything; the message says what to do."""


def someone_looks_on() -> bool:
    """Whether this kernel belongs to a notebook open in JupyterLab or VS Code, not to papermill, nbval or nbconvert.

    $BITNET_LIVE set to 0 or 1 decides it instead.
    """
    if os.environ.get("BITNET_LIVE"):
        return os.environ["BITNET_LIVE"] != "0"
    # Jupyter's server names the notebook in the environment of the kernels it starts; executors do not.
    return bool({"JPY_SESSION_NAME", "VSCODE_PID"} & set(os.environ))


class LiveTraining:
    """The runs of a plan, started on creation.

    In an open notebook they train in a worker thread: the cell returns, curves grow, and Stop and Resume work while other
    cells run. Elsewhere the constructor trains them with plain progress bars. `finished` gives the histories in either case.
    """

    def __init__(self, plan: Plan, corpus: Corpus, live: bool | None = None):
        self.plan, self.corpus = plan, corpus
        self.histories: list[History] = []
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None
        self.live = someone_looks_on() if live is None else live
        if self.live:
            self.view = LiveView(plan, self.stop, self.resume)
            self.view.show()
            self.resume()
        else:
            self.histories = execute(plan, corpus, [ProgressBar()])

    @property
    def training(self) -> bool:
        """Whether the worker is at it."""
        return self.thread is not None and self.thread.is_alive()

    def stop(self) -> None:
        """Ask the worker to stop at its next record, and to keep its state; returns at once."""
        self.stopping.set()
        self.view.say("stopping ...")

    def resume(self) -> None:
        """Start the worker; finished runs are read back, the one that was stopped goes on from where it stood."""
        if not self.training:
            self.stopping.clear()
            self.error = None
            self.view.began_training()
            self.thread = threading.Thread(target=self._work, daemon=True)
            self.thread.start()

    async def finished(self) -> list[History]:
        """The histories once all runs are finished. A cell that awaits this leaves the kernel free to answer to the buttons.

        Errors: `NotFinished` if they were stopped or none came to an evaluation, and whatever stopped the worker otherwise.
        An interrupt of the awaiting cell stops the worker.
        """
        try:
            while self.training:
                await asyncio.sleep(POLL_SECONDS)
        except (KeyboardInterrupt, asyncio.CancelledError):  # the latter is how IPython interrupts a cell that awaits
            self.stop()
            raise
        if isinstance(self.error, Stop):
            raise NotFinished("stopped; press Resume above, then run this cell and those below it")
        if self.error is not None:
            raise self.error
        if not any(history.evaluated for history in self.histories):
            reasons = {str(history.manifest.get("reason", history.status)) for history in self.histories}
            raise NotFinished(f"no run came as far as its first evaluation ({'; '.join(sorted(reasons))})")
        return self.histories

    def _work(self) -> None:
        try:
            self.histories = execute(self.plan, self.corpus, [self._on_record], self.view.say)
        except BaseException as error:
            self.error = error
        self.view.ended(self.histories, self.error)

    def _on_record(self, config: RunConfig, record: Record) -> None:
        self.view.record(config, record)
        if self.stopping.is_set():
            raise Stop


class LiveView:
    """What a live training shows: loss curves, a progress bar, the last message, and two buttons."""

    def __init__(self, plan: Plan, stop: Callable[[], None], resume: Callable[[], None]):
        import ipywidgets

        self.plan = plan
        self.figure = go.FigureWidget(layout={"height": 330, "template": TEMPLATE, "margin": {"t": 40, "b": 50}})
        self.figure.update_layout(title="Training loss of the batch", xaxis_title="update (step)", yaxis_title="nats")
        self.lines: dict[RunConfig, tuple[list[int], list[float]]] = {config: ([], []) for config in plan.runs}
        for config in plan.runs:
            name = f"{config.arm}, seed {config.seed}"
            self.figure.add_scatter(x=[], y=[], name=name, mode="lines", line={"color": ARM_COLOURS[config.arm]})
        self.bar = ipywidgets.IntProgress(min=0, max=len(plan.runs) * plan.steps, description="all runs")
        self.text = ipywidgets.Label()
        self.stop_button = ipywidgets.Button(description="Stop", icon="stop")
        self.resume_button = ipywidgets.Button(description="Resume", icon="play", disabled=True)
        self.stop_button.on_click(lambda _: stop())
        self.resume_button.on_click(lambda _: resume())
        self.box = ipywidgets.VBox([ipywidgets.HBox([self.stop_button, self.resume_button, self.bar]), self.text, self.figure])
        self.began, self.first, self.drawn = time.monotonic(), -1, 0.0

    def show(self) -> None:
        """Put it under the running cell."""
        from IPython.display import display

        display(self.box)

    def say(self, line: str) -> None:
        """Show a message in place of the last."""
        self.text.value = line

    def record(self, config: RunConfig, record: Record) -> None:
        """Take in a record; redraw now and then."""
        steps, losses = self.lines[config]
        steps.append(record.step)
        losses.append(round(record.loss, 4))
        if time.monotonic() - self.drawn < REDRAW_SECONDS and record.step < config.steps:
            return
        self.drawn = time.monotonic()
        index = self.plan.runs.index(config)
        done = index * self.plan.steps + record.step
        if self.first < 0:
            self.began, self.first = time.monotonic(), done
        trace = self.figure.data[index]
        with self.figure.batch_update():
            trace.x, trace.y = tuple(steps), tuple(losses)
        self.bar.value = done
        left = (time.monotonic() - self.began) / max(1, done - self.first) * (self.bar.max - done)
        self.say(
            f"{config.arm}, seed {config.seed}: step {record.step} of {config.steps}, loss {record.loss:.2f}; "
            f"about {left / 60:.1f} minutes left"
        )

    def ended(self, histories: list[History], error: BaseException | None) -> None:
        """Say how it ended, and set the buttons accordingly."""
        self._buttons(training=False)
        if error is None:
            self.bar.value = self.bar.max
            self.resume_button.disabled = True
            self.say("finished: " + ", ".join(f"{h.config.arm} {h.status}" for h in histories))
        elif isinstance(error, Stop):
            self.say("stopped, and kept as it stands. Resume goes on from here.")
        else:
            self.say(f"{type(error).__name__}: {error}")

    def began_training(self) -> None:
        """Offer Stop, and measure the time left anew."""
        self.first = -1
        self._buttons(training=True)

    def _buttons(self, training: bool) -> None:
        self.stop_button.disabled, self.resume_button.disabled = not training, training
