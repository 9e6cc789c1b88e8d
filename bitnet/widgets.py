"""The token-diversity explorer: what finished runs predicted at any moment of their training, from their folders alone."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from bitnet.data import Corpus
from bitnet.diversity import OPENING, Probe
from bitnet.history import History
from bitnet.live import someone_looks_on
from bitnet.observe import SHOWN
from bitnet.plots import LABELS, measure_figure, top_tokens_figure
from bitnet.tables import marked, next_tokens_table, top_tokens_table
from bitnet.tokenizer import decode

__all__ = ["Explorer", "explore"]


def explore(histories: Sequence[History], corpus: Corpus, live: bool | None = None) -> go.Figure:
    """Show the explorer in an open notebook; return a static figure of the last step, to stay in the saved notebook.

    The figure shows the first run of each arm and size, four at most. Runs that were never evaluated are left out.
    """
    histories = [history for history in histories if history.evaluated]
    if someone_looks_on() if live is None else live:
        from IPython.display import display

        display(Explorer(histories, corpus).box)
    first: dict[tuple[str, int], History] = {}
    for history in histories:
        first.setdefault((history.config.arm, history.config.hidden), history)
    return top_tokens_figure(list(first.values())[:4])


class Explorer:
    """Curves of a measure over training, a step slider, and what two of the runs said at that step, side by side.

    Hovering or clicking a point of a curve moves the slider to its step. `box` is the widget. Needs runs of one corpus,
    each evaluated at least once.
    """

    def __init__(self, histories: Sequence[History], corpus: Corpus):
        import ipywidgets as w

        self.runs = {_label(history): history for history in histories}
        probe = Probe.from_corpus(corpus)
        self.prompts = probe.passages[:SHOWN, :OPENING].tolist()
        names = list(self.runs)
        self.chosen = w.SelectMultiple(
            options=names, value=names, description="runs", rows=min(6, max(3, len(names))), layout={"width": "50%"}
        )
        self.measure = w.Dropdown(options=list(LABELS), value="effective_tokens", description="measure")
        self.scale = w.Dropdown(options=["log", "linear"], description="axis")
        self.step = w.SelectionSlider(options=[0], description="step", layout={"width": "95%"}, continuous_update=True)
        self.sides = [
            w.Dropdown(options=names, value=names[0], description="left", layout={"width": "50%"}),
            w.Dropdown(options=names, value=names[-1], description="right", layout={"width": "50%"}),
        ]
        self.panels = [w.HTML(layout={"width": "50%"}), w.HTML(layout={"width": "50%"})]
        self.plot = w.Box(layout={"width": "100%"})
        self.box = w.VBox([
            w.HBox([self.chosen, w.VBox([self.measure, self.scale])]), self.plot, self.step,
            w.HBox(self.sides), w.HBox(self.panels),
        ])  # fmt: skip
        for control in (self.chosen, self.measure, self.scale):
            control.observe(self._draw, "value")
        for control in (self.step, *self.sides):
            control.observe(self._tell, "value")
        self._draw()

    def _draw(self, _: object = None) -> None:
        """The curves anew, and the slider over their steps."""
        histories = [self.runs[name] for name in self.chosen.value] or list(self.runs.values())
        steps = sorted({int(step) for history in histories for step in history.measures.step})
        self.figure = go.FigureWidget(measure_figure(histories, self.measure.value, log=self.scale.value == "log"))
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
        self._tell()

    def _go_to(self, trace: go.Scatter, points: object, _: object) -> None:
        if points.point_inds:  # type: ignore[attr-defined]
            self.step.value = int(trace.x[points.point_inds[0]])  # type: ignore[attr-defined]

    def _tell(self, _: object = None) -> None:
        """The marker in the figure and both panels, for the slider's step."""
        step = self.step.value
        shape = self.figure.layout.shapes[self.marker]
        shape.x0 = shape.x1 = step
        for side, panel in zip(self.sides, self.panels, strict=True):
            panel.value = self.panel(self.runs[side.value], step)

    def panel(self, history: History, step: int) -> str:
        """What a run said at its newest evaluation up to `step`, as HTML."""
        steps = [int(s) for s in history.measures.step if s <= step] or [int(history.measures.step.iloc[0])]
        snapshot, found = history.snapshot_at(step), history.at(steps[-1])
        assert found is not None
        state = history.states[history.measures.step == steps[-1]].iloc[0]
        continued = "".join(
            f"<li>{escape(decode(prompt))}<b>{marked(said)}</b></li>"
            for prompt, said in zip(self.prompts, snapshot.continuations, strict=True)
        )
        return (
            f"<h4>{escape(_label(history))}, step {steps[-1]}: {state}</h4>"
            f"{found['unique_tokens']:.0f} unique, {found['effective_tokens']:.1f} effective tokens; "
            f"held-out loss {found['val_loss']:.2f} nats"
            f"<h5>Tokens that win most positions</h5>{top_tokens_table(snapshot)}"
            f"<h5>After sample prompts</h5>{next_tokens_table(snapshot, self.prompts)}"
            f"<h5>Greedy continuations (repeats marked)</h5><ol>{continued}</ol>"
        )


def _label(history: History) -> str:
    config = history.config
    return f"{config.arm}, hidden {config.hidden}, {config.steps} steps, seed {config.seed}"
