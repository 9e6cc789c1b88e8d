"""The token-diversity explorer: what finished runs predicted at any moment of their training."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from bitnet.data import Corpus
from bitnet.display.curves import measure_figure
from bitnet.display.groups import together
from bitnet.display.live import someone_looks_on
from bitnet.display.references import formatted
from bitnet.display.tables import marked, next_tokens_table, top_tokens_table
from bitnet.display.winners import top_tokens_figure
from bitnet.evaluation.diversity import OPENING, Probe
from bitnet.evaluation.evaluate import SHOWN
from bitnet.evaluation.measures import MEASURES, reference_value
from bitnet.runs.history import History

__all__ = ["Explorer", "explore"]

_IN_PANEL = ("unique_tokens", "effective_tokens", "val_loss")
_COLUMNS = 4  # of the static figure


def explore(histories: Sequence[History], corpus: Corpus, live: bool | None = None) -> go.Figure:
    """Show the explorer in an open notebook; return a static figure, to stay in the saved one.

    The figure shows the last step of one run of each arm, size, length and corpus, four at most.
    Runs that were never evaluated are left out.
    """
    histories = [history for history in histories if history.evaluated]
    if someone_looks_on() if live is None else live:
        from IPython.display import display

        display(Explorer(histories, corpus).box)
    first = [runs[0] for runs in together(histories).values()]
    return top_tokens_figure(first[:_COLUMNS])


class Explorer:
    """Curves of a measure, a step slider, and what two of the runs said at that step, side by side.

    Hovering or clicking a point of a curve moves the slider to its step. `box` is the widget. Needs
    runs of one corpus, each evaluated at least once, and different in their labels.
    """

    def __init__(self, histories: Sequence[History], corpus: Corpus):
        import ipywidgets as w

        half = {"width": "50%"}
        self.runs = {history.config.label(): history for history in histories}
        self.prompts = Probe.from_corpus(corpus).passages[:SHOWN, :OPENING].tolist()
        names = list(self.runs)
        rows = min(6, max(3, len(names)))
        self.chosen = w.SelectMultiple(
            options=names, value=names, description="runs", rows=rows, layout=half
        )
        self.measure = w.Dropdown(
            options=list(MEASURES), value="effective_tokens", description="measure"
        )
        self.scale = w.Dropdown(options=["log", "linear"], description="axis")
        self.step = w.SelectionSlider(
            options=[0], description="step", layout={"width": "95%"}, continuous_update=True
        )
        self.sides = [
            w.Dropdown(options=names, value=value, description=description, layout=half)
            for value, description in ((names[0], "left"), (names[-1], "right"))
        ]
        self.panels = [w.HTML(layout=half), w.HTML(layout=half)]
        self.plot = w.Box(layout={"width": "100%"})
        controls = w.HBox([self.chosen, w.VBox([self.measure, self.scale])])
        beside = [w.HBox(self.sides), w.HBox(self.panels)]
        self.box = w.VBox([controls, self.plot, self.step, *beside])
        for control in (self.chosen, self.measure, self.scale):
            control.observe(self._draw, "value")
        for control in (self.step, *self.sides):
            control.observe(self._show_step, "value")
        self._draw()

    def _draw(self, _: object = None) -> None:
        """Draw the curves of the chosen runs, and set the slider over their steps."""
        histories = [self.runs[name] for name in self.chosen.value] or list(self.runs.values())
        steps = sorted({int(step) for history in histories for step in history.measures.step})
        log = self.scale.value == "log"
        self.figure = go.FigureWidget(measure_figure(histories, self.measure.value, log))
        self.figure.update_layout(height=360, title=None, margin={"t": 30})
        self.figure.add_vline(steps[-1], line={"color": "#000", "width": 1})
        self.marker = len(self.figure.layout.shapes) - 1
        for trace in self.figure.data:
            trace.on_click(self._go_to)
            trace.on_hover(self._go_to)
        self.plot.children = [self.figure]
        at = self.step.value if self.step.value in steps else steps[-1]
        self.step.options = steps
        self.step.value = at
        self._show_step()

    def _go_to(self, trace: go.Scatter, points: object, _: object) -> None:
        if points.point_inds:  # type: ignore[attr-defined]
            self.step.value = int(trace.x[points.point_inds[0]])  # type: ignore[attr-defined]

    def _show_step(self, _: object = None) -> None:
        """Set the marker in the figure and both panels to the slider's step."""
        step = self.step.value
        shape = self.figure.layout.shapes[self.marker]
        shape.x0 = shape.x1 = step
        for side, panel in zip(self.sides, self.panels, strict=True):
            panel.value = self.panel(self.runs[side.value], step)

    def panel(self, history: History, step: int) -> str:
        """What a run said at its newest evaluation up to `step` (or its first), as HTML."""
        measures = history.measures
        upto = [int(s) for s in measures.step if s <= step] or [int(measures.step.iloc[0])]
        snapshot, at = history.snapshot_at(step), upto[-1]
        state = history.states[measures.step == at].iloc[0]
        words = history.vocabulary
        continued = "".join(
            f"<li>{escape(words.decode(prompt))}<b>{marked(said, words)}</b></li>"
            for prompt, said in zip(self.prompts, snapshot.continuations, strict=True)
        )
        return (
            f"<h4>{escape(history.config.label())}, step {at}: {state}</h4>"
            f"{'; '.join(_count(history, name, at) for name in _IN_PANEL)}"
            f"<h5>Tokens that win most positions</h5>{top_tokens_table(snapshot, words)}"
            f"<h5>After sample prompts</h5>{next_tokens_table(snapshot, self.prompts, words)}"
            f"<h5>Greedy continuations (repeats marked)</h5><ol>{continued}</ol>"
        )


def _count(history: History, name: str, step: int) -> str:
    """A measure of a run after update `step`, beside the value that this run is read against."""
    found = history.at(step)
    assert found is not None
    text = f"{MEASURES[name].column} {formatted(name, found[name])}"
    reference = reference_value(name, dict(history.references))
    if reference is None:
        return text
    return f"{text} ({MEASURES[name].beside}: {formatted(name, reference)})"
