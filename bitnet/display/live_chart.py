"""The curves of a live view: losses of batches beside distinct tokens, as a widget."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bitnet.config import RunConfig
from bitnet.display.seen import Seen
from bitnet.display.theme import (
    CONFIG,
    FAINT,
    STATE_SYMBOLS,
    colour,
    dash,
    dress,
    mark_switch,
    step_axis,
)
from bitnet.evaluation.measures import MEASURES

__all__ = ["live_chart", "update_chart"]

HEIGHT = 330
_COUNT, _LOSS = MEASURES["unique_tokens"], MEASURES["val_loss"]


def live_chart(runs: Sequence[RunConfig]) -> go.FigureWidget:
    """Axes and empty lines, two a run; a page that was reloaded is told all that is in it."""

    class Live(go.FigureWidget):
        def get_state(self, *args: object, **options: object) -> dict:
            found = super().get_state(*args, **options)
            # Plotly sends what changes, and leaves these as they were at first.
            if hasattr(self, "_layout_obj"):  # else it is being made
                now = {"_widget_data": self._data, "_widget_layout": self._layout_obj._props}
                found |= {name: deepcopy(now[name]) for name in now.keys() & found.keys()}
            return found

    live = Live(_curves(runs))
    live._config = {**live._config, **CONFIG}
    return live


def update_chart(figure: go.FigureWidget, runs: Mapping[RunConfig, Seen]) -> None:
    """Bring the lines up to what has been seen of the runs."""
    with figure.batch_update():
        for index, (config, seen) in enumerate(runs.items()):
            loss, count = figure.data[2 * index : 2 * index + 2]
            steps = sorted(seen.losses)
            loss.x, loss.y = tuple(steps), tuple(seen.losses[step] for step in steps)
            steps = sorted(seen.evaluations)
            found = [seen.evaluations[step] for step in steps]
            count.x, count.y = tuple(steps), tuple(each.tokens for each in found)
            states = [each.state for each in found]
            hue = colour(config.arm)
            count.marker.symbol = [STATE_SYMBOLS[state] for state in states]
            count.marker.color = [FAINT if state == "dead" else hue for state in states]
            count.customdata = states


def _curves(runs: Sequence[RunConfig]) -> go.Figure:
    """Losses of batches, and distinct tokens; for each run its line in one and in the other."""
    titles = ("Training loss of the batch", "Distinct tokens on held-out text")
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.1)
    last = max(config.steps for config in runs)
    dress(figure, "", None, None)
    for config in runs:
        name, hue = config.label(runs), colour(config.arm)
        line = {"color": hue, "dash": dash(config.arm), "width": 2}
        tell = f"{escape(name)}, step %{{x:,d}}: "
        figure.add_scatter(
            x=[], y=[], name=name, mode="lines", line=line, row=1, col=1,
            hovertemplate=f"{tell}%{{y:{_LOSS.d3}}}<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=[], y=[], name=name, mode="lines+markers", line=line | {"width": 1}, row=1, col=2,
            marker={"size": 8}, hovertemplate=f"{tell}%{{y:{_COUNT.d3}}} (%{{customdata}})"
            "<extra></extra>",
        )  # fmt: skip
    step_axis(figure, last)
    figure.update_xaxes(nticks=5)
    figure.update_yaxes(title="nats", col=1)
    figure.update_yaxes(
        title="tokens, log scale", type="log", dtick=1, tickformat=",~r", range=[-0.1, 4], col=2
    )
    mark_switch(figure, runs, axes=("x", "x2"))
    figure.update_annotations(font={"size": 13})
    figure.update_layout(height=HEIGHT, showlegend=False, margin={"t": 50, "b": 50, "l": 60})
    return figure
