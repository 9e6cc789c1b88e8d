"""A chart of lines as it is put together: what is read against what, and labels at the ends."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from bitnet.display.labels import Label, label_margin, wrapped
from bitnet.display.theme import FAINT, HEIGHT, dress, ink

__all__ = ["LABELLED", "Chart"]

LABELLED = 6  # lines that are labelled at their ends; more have a legend
_REACH = 0.35  # of the span of the data, over which a reference beyond it is still drawn
_REACH_LOG = 0.3  # the least of it on a log axis, in powers of ten
_ROOM = 0.04  # of the axis, left free at either end
_TOP, _TOP_WITH_NOTE, _BOTTOM = 60, 92, 60  # pixels
_LEGEND_ROW, _LEGEND_WIDTH, _LEGEND_LETTER = 20, 600, 5.8  # pixels, in a page of 700


class Chart:
    """Lines and the levels they are read against, over an x axis of any kind; then `finish`.

    `log` says of the y axis what it is. Its range is fixed by what is drawn, so that the figure
    stays as it is when a line is hidden.
    """

    def __init__(self, log: bool = False):
        self.figure, self.log = go.Figure(), log
        self.ends: list[tuple[Label, float]] = []  # of each line, and the x of its end
        self.levels: list[tuple[float, str, bool]] = []
        self.values: list[float] = []
        self.notes: list[str] = []

    def line(
        self, label: str, hue: str, end: tuple[float, float] | None = None, **trace: Any
    ) -> None:
        """Add a line as plotly takes it, of the name `label` (which may hold <b> and <br>).

        It is labelled at `end`, an (x, y) (None: its last point).
        """
        shown = {"name": label, "legendgroup": label} | trace
        self.figure.add_scatter(**shown)
        points = [(x, y) for x, y in zip(trace["x"], trace["y"], strict=True) if self._has(y)]
        self.values += [y for _, y in points]
        at = end or (points[-1] if points else None)
        if at is not None:
            text = label if "<b>" in label else wrapped(label)
            self.ends.append((Label(at[1], text, ink(hue)), at[0]))

    def area(self, of: str, **trace: Any) -> None:
        """Add an area that belongs to the line of the name `of`."""
        self.values += [y for y in trace["y"] if self._has(y)]
        silent = {"hoverinfo": "skip", "showlegend": False, "mode": "none", "fill": "toself"}
        self.figure.add_scatter(legendgroup=of, **silent, **trace)

    def crosses(self, of: str, **trace: Any) -> None:
        """Add points, or a line beside the main one, that belong to the line of the name `of`."""
        self.values += [y for y in trace["y"] if self._has(y)]
        shown = {"name": of, "legendgroup": of, "mode": "markers", "showlegend": False} | trace
        self.figure.add_scatter(**shown)

    def points(self, label: str, **trace: Any) -> None:
        """Add points of another origin, whose `label` stands in the note under the title."""
        self.values += [y for y in trace["y"] if self._has(y)]
        self.figure.add_scatter(name=label, mode="markers", showlegend=False, **trace)
        self.notes.append(f"\u25c7 {label}")

    def level(self, value: float, text: str, always: bool = False) -> None:
        """Add a value to read the lines against.

        Unless `always`, it is a line only if it lies near the data, which it would flatten; else
        an arrow points to where it is. A log axis has no place for 0.
        """
        if self._has(value):
            self.levels.append((value, text, always))

    def finish(
        self,
        title: str,
        x: str | None,
        y: str | None,
        span: tuple[float, float] | None = None,
        labelled: bool | None = None,
        bottom: float = 0.0,
        height: int = 0,
    ) -> go.Figure:
        """The figure, dressed: its range, levels, labels or legend, and notes.

        `span` is the least that the y axis shows; `labelled` says whether lines are labelled at
        their ends (None: if they are few, and end together); `bottom` is as `label_margin` has it;
        `height` is that of the plot in pixels, if it is not what other figures have.
        """
        low, high = self._span(span)
        near = [level for level in self.levels if level[2] or self._near(level[0], low, high)]
        far = [level for level in self.levels if level not in near]
        for value, _, _ in near:
            low, high = min(low, self._scaled(value)), max(high, self._scaled(value))
        room = _ROOM * ((high - low) or 1.0)
        dress(self.figure, title, x, y)
        self.figure.update_yaxes(
            type="log" if self.log else "linear", range=[low - room, high + room]
        )
        if self.log:
            self.figure.update_yaxes(dtick=1, tickformat=",~r", minor_showgrid=False)
        self._note()
        if labelled is None:
            last = max((x for _, x in self.ends), default=0)
            together = all(x >= 0.97 * last for _, x in self.ends)
            labelled = len(self.ends) <= LABELLED and together
        labels = [Label(value, wrapped(text), FAINT) for value, text, _ in near]
        for value, text, _ in far:
            arrow = "\u2191" if self._scaled(value) > high else "\u2193"
            labels.append(Label(value, wrapped(f"{arrow} {text}"), FAINT))
        if labelled:
            labels += [label for label, _ in self.ends]
            self.figure.update_layout(showlegend=False)
        else:
            self._legend(
                [trace.name for trace in self.figure.data if trace.showlegend is not False]
            )
        if height:
            margin = self.figure.layout.margin
            self.figure.update_layout(height=height + margin.t + margin.b)
        for value, _, _ in near:
            self.figure.add_shape(
                type="line", xref="paper", x0=0, x1=1, y0=value, y1=value, layer="below",
                line={"color": FAINT, "dash": "dash", "width": 1},
            )  # fmt: skip
        label_margin(self.figure, labels, bottom)
        return self.figure

    def _has(self, value: float | None) -> bool:
        """Whether there is a place for a value on the axis."""
        return value is not None and math.isfinite(value) and (value > 0 or not self.log)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def _span(self, span: tuple[float, float] | None) -> tuple[float, float]:
        """What the axis shows at least: all data, `span`, on a log axis also a power of ten."""
        shown = [self._scaled(value) for value in (*self.values, *(span or ()))]
        low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
        if self.log and math.floor(high) < low:  # else the axis has no number
            above, below = math.ceil(high), math.floor(low)
            low, high = (low, above) if above - high < low - below else (below, high)
        return low, high

    def _near(self, value: float, low: float, high: float) -> bool:
        reach = max(_REACH * (high - low), _REACH_LOG if self.log else 0.0)
        return low - reach <= self._scaled(value) <= high + reach

    def _note(self) -> None:
        """A line under the title for points of another origin."""
        text = "; ".join(self.notes)
        self.figure.update_layout(margin={"t": _TOP_WITH_NOTE if text else _TOP, "b": _BOTTOM})
        if text:
            subtitle = {"text": text, "font": {"size": 12, "color": FAINT}}
            self.figure.update_layout(title={"subtitle": subtitle})

    def _legend(self, names: Sequence[str | None]) -> None:
        """A legend below the plot, which keeps its height: the figure grows."""
        widest = max((len(name or "") for name in names), default=1)
        columns = max(1, int(_LEGEND_WIDTH / (45 + _LEGEND_LETTER * widest)))
        height = _LEGEND_ROW * math.ceil(len(names) / columns) + 8
        plot = HEIGHT - self.figure.layout.margin.t - _BOTTOM
        self.figure.update_layout(
            height=HEIGHT + height,
            margin={"b": _BOTTOM + height},
            legend={
                "orientation": "h", "x": 0, "xanchor": "left", "yanchor": "top",
                "y": -_BOTTOM / plot, "font": {"size": 11},
            },
        )  # fmt: skip
