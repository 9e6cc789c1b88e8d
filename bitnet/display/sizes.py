"""Measures at the last step against the size of the model."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from bitnet.analysis.statistics import final_intervals
from bitnet.display.chart import LABELLED, Chart
from bitnet.display.groups import SEED, SIZE, together
from bitnet.display.published import overlay_published_sizes
from bitnet.display.references import draw_reference
from bitnet.display.theme import axis_title, colour, dash, sentence
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["size_figure"]

_BESIDE = 0.4  # octaves over which the lines of one size are set side by side


def size_figure(
    histories: Sequence[History], measure: str, log: bool | None = None, title: str = ""
) -> go.Figure:
    """A measure at the last step of complete runs against hidden size: the mean over the seeds.

    In its 95 % bootstrap interval, with every single run as a cross. One line an arm, length and
    corpus, side by side so that none hides another. With `unique_predictions` the published runs
    join, at their last point. `log` is as in `measure_figure`.
    """
    chart = Chart(MEASURES[measure].counts if log is None else log)
    lines = _lines(histories, measure)
    for number, (name, arm, rows) in enumerate(lines):
        share = number / (len(lines) - 1) - 0.5 if len(lines) > 1 else 0.0
        _line(chart, name, arm, rows, 2 ** (_BESIDE * share), MEASURES[measure].d3)
    sizes = {size for _, _, rows in lines for size in rows.hidden}
    if measure == "unique_predictions":
        sizes |= set(overlay_published_sizes(chart))
    draw_reference(chart, histories, measure)
    at_last = title or f"{sentence(MEASURES[measure].label)} at the last step, by size"
    y = axis_title(measure, chart.log)
    figure = chart.finish(at_last, "hidden size (log scale)", y, labelled=len(lines) <= LABELLED)
    if sizes:
        around = [math.log10(min(sizes) / 1.3), math.log10(max(sizes) * 1.3)]
        ticks = sorted(sizes)
        figure.update_xaxes(range=around, tickvals=ticks, ticktext=[str(size) for size in ticks])
    figure.update_xaxes(type="log")
    return figure


def _lines(histories: Sequence[History], measure: str) -> list[tuple[str, str, pd.DataFrame]]:
    """Name, arm and values by size of each line; the lines of an arm by their length."""
    complete = [history for history in histories if history.complete]
    arms = list(dict.fromkeys(history.config.arm for history in complete))
    groups = sorted(
        together(complete, (*SEED, *SIZE)).items(),
        key=lambda group: (arms.index(group[1][0].config.arm), group[1][0].config.steps),
    )
    return [(name, runs[0].config.arm, final_intervals(runs, measure)) for name, runs in groups]


def _line(chart: Chart, name: str, arm: str, rows: pd.DataFrame, beside: float, form: str) -> None:
    """Means with their intervals, and the single runs, moved aside by the factor `beside`."""
    above, below = rows.high - rows["mean"], rows["mean"] - rows.low
    chart.line(
        name,
        colour(arm),
        x=(rows.hidden * beside).round(2).tolist(),
        y=rows["mean"].round(4).tolist(),
        mode="lines+markers",
        line={"color": colour(arm), "dash": dash(arm)},
        marker={"size": 9},
        error_y={
            "type": "data", "symmetric": False,
            "array": above.round(4).tolist(), "arrayminus": below.round(4).tolist(),
        },
        customdata=rows[["hidden", "seeds"]].values.tolist(),
        hovertemplate=f"{name}<br>hidden %{{customdata[0]}}: %{{y:{form}}} "
        "(%{customdata[1]} seeds)<extra></extra>",
    )  # fmt: skip
    points = [
        (round(hidden * beside, 2), round(value, 4))
        for hidden, each in zip(rows.hidden, rows["each"], strict=True)
        for value in each
    ]
    chart.crosses(
        name,
        x=[x for x, _ in points],
        y=[y for _, y in points],
        marker={"size": 9, "symbol": "x-thin", "line": {"color": colour(arm), "width": 1.5}},
        hovertemplate=f"{name}, one run: %{{y:{form}}}<extra></extra>",
    )
