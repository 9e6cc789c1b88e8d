"""What a live training shows: curves, what each arm says, time left for all, and two buttons."""

import asyncio
import time
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from bitnet.config import RunConfig
from bitnet.display.fit import keeps_width
from bitnet.display.live_chart import live_chart, update_chart
from bitnet.display.seen import Evaluated, Seen, arms_table, evaluations_table
from bitnet.display.tables import marked
from bitnet.evaluation.measures import MEASURES, number
from bitnet.runs.history import History

__all__ = ["LiveView"]

REDRAW_SECONDS = 0.5
ENDED = ("complete", "diverged", "failed")  # a run that was stopped goes on
_DECIMALS = MEASURES["val_loss"].decimals


class LiveView:
    """The view of the runs of a plan; `stop` and `resume` are what its buttons do.

    It keeps all that it was told, so that it can be shown again at any time.
    """

    def __init__(
        self, runs: Sequence[RunConfig], stop: Callable[[], None], resume: Callable[[], None]
    ):
        import ipywidgets as w

        self.runs = list(runs)
        self.seen = {config: Seen() for config in runs}
        self.prompt = ""
        self.figure = live_chart(self.runs)
        total = sum(config.steps for config in runs)
        self.bar = w.IntProgress(min=0, max=total, description="all runs")
        self.text, self.table = w.Label(), w.HTML(layout={"width": "100%"})
        log = {"max_height": "220px", "overflow": "auto", "width": "100%"}
        self.evaluations = w.HTML()
        self.stop_button = w.Button(description="Stop", icon="stop")
        self.resume_button = w.Button(description="Resume", icon="play", disabled=True)
        self.stop_button.on_click(lambda _: stop())
        self.resume_button.on_click(lambda _: resume())
        buttons = w.HBox([self.stop_button, self.resume_button, self.bar])
        below = w.Box([self.evaluations], layout=log)
        shown = [buttons, self.text, self.figure, self.table, below]
        self.box = w.VBox([*shown, keeps_width()])
        self.handles: list = []
        self.began: float | None = None  # of this session of the worker, its first record
        self.trained, self.drawn = 0, -REDRAW_SECONDS
        self._draw()

    def show(self) -> None:
        """Put it under the running cell; it has all that was seen."""
        from IPython.display import HTML, display

        pair = (display(self.box, display_id=True), display(HTML(""), display_id=True))
        self.handles.append(pair)

    def leave_picture(self, histories: Sequence[History]) -> None:
        """Put a figure and a table in place of the view, wherever it was shown.

        They stay in the saved notebook, where a widget is lost with its kernel.
        """
        from IPython.display import HTML

        for history in histories:
            self.load(history)
        bundle = go.Figure(self.figure)._repr_mimebundle_()
        for box, below in self.handles:
            if box is not None:  # None where there is no kernel
                box.update(bundle, raw=True)
                below.update(HTML(self.table.value))
        self.handles.clear()

    def log(self, line: str) -> None:
        """Show a message in place of the last."""
        self.text.value = line

    def load(self, history: History) -> None:
        """Take in what a run has left in its folder so far."""
        seen = self.seen[history.config]
        words, states = history.vocabulary, history.states.tolist()
        rows = zip(history.rows(), states, history.snapshots, strict=True)
        for row, found, said in rows:
            step, text = int(row["step"]), marked(said.continuations[0], words)
            seen.evaluations[step] = Evaluated(found, row["unique_tokens"], row["val_loss"], text)
            seen.losses[step] = round(row["loss"], 4)
        seen.status = "training" if history.status == "running" else history.status
        self._draw()

    def progress(self, config: RunConfig, step: int, loss: float) -> None:
        """Take in how far a run is, and the loss of its batch; redraw now and then."""
        seen, now = self.seen[config], time.monotonic()
        if self.began is None:
            self.began = now
        else:
            self.trained += max(0, step - seen.reached)
        seen.losses[step], seen.status = round(loss, 4), "training"
        if now - self.drawn < REDRAW_SECONDS and step < config.steps:
            return
        self.drawn = now
        self._draw()
        at = f"step {number(step)} of {number(config.steps)}"
        self.log(
            f"{config.label(self.runs)}: {at}, loss {number(loss, _DECIMALS)}{self._left(now)}"
        )

    def ended(self, histories: Sequence[History], error: BaseException | None) -> None:
        """Say how it ended, and set the buttons accordingly."""
        self._buttons(training=False)
        for seen in self.seen.values():
            if seen.status == "training":
                seen.status = "stopped"
        self._draw()
        if error is None:
            self.bar.value = self.bar.max
            self.resume_button.disabled = True
            how = (f"{h.config.label(self.runs)} {h.status}" for h in histories)
            self.log("finished: " + ", ".join(how))
        elif isinstance(error, asyncio.CancelledError):
            self.log("stopped, and kept as it stands. Resume continues, and so does what waits.")
        else:
            self.log(f"{type(error).__name__}: {error}")

    def began_training(self) -> None:
        """Offer Stop, and measure the time left anew."""
        self.began, self.trained = None, 0
        self._buttons(training=True)

    def _buttons(self, training: bool) -> None:
        self.stop_button.disabled, self.resume_button.disabled = not training, training

    def _left(self, now: float) -> str:
        """The time left for all runs, from the speed since the worker began; "" at first."""
        if self.began is None or not self.trained:
            return ""
        rest = [
            config.steps - max(seen.reached, seen.begins)
            for config, seen in self.seen.items()
            if seen.status not in ENDED
        ]
        left = _duration((now - self.began) / self.trained * sum(rest))
        runs = f"all {len(self.runs)} runs" if len(self.runs) > 1 else "the run"
        return f"; about {left} left for {runs}"

    def _draw(self) -> None:
        """Bring curves, tables and bar up to what has been seen."""
        update_chart(self.figure, self.seen)
        self.bar.value = sum(seen.reached for seen in self.seen.values())
        self.table.value = arms_table(self.seen, self.prompt)
        self.evaluations.value = evaluations_table(self.seen)


def _duration(seconds: float) -> str:
    """Such as 40 s, 12 min, 2 h 5 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
