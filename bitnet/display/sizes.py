"""Measures at the last step against the size of the model."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from bitnet.analysis.statistics import final_intervals
from bitnet.display.groups import SEED, SIZE, together
from bitnet.display.published import overlay_published_sizes
from bitnet.display.references import draw_reference
from bitnet.display.theme import axis_title, colour, dash, dress
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["size_figure"]

_BESIDE = 0.4  # octaves over which the lines of one size are set side by side


def size_figure(
    histories: Sequence[History], measure: str, log: bool = False, title: str = ""
) -> go.Figure:
    """A measure at the last step of complete runs against hidden size: the mean over the seeds.

    In its 95 % bootstrap interval, with every single run as a cross. One line an arm, length and
    corpus, side by side so that none hides another. With `unique_predictions` the published runs
    join, at their last point.
    """
    figure = go.Figure()
    lines = _lines(histories, measure)
    for number, (name, arm, rows) in enumerate(lines):
        share = number / (len(lines) - 1) - 0.5 if len(lines) > 1 else 0.0
        _line(figure, name, arm, rows, 2 ** (_BESIDE * share), MEASURES[measure].decimals)
    sizes = {size for _, _, rows in lines for size in rows.hidden}
    if measure == "unique_predictions":
        sizes |= set(overlay_published_sizes(figure))
    draw_reference(figure, histories, measure, log)
    at_last = title or f"{MEASURES[measure].label} at the last step, by size"
    dress(figure, at_last, "hidden size (log scale)", axis_title(measure, log))
    if sizes:
        around = [math.log10(min(sizes) / 1.3), math.log10(max(sizes) * 1.3)]
        ticks = sorted(sizes)
        figure.update_xaxes(range=around, tickvals=ticks, ticktext=[str(size) for size in ticks])
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log" if log else "linear")
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


def _line(
    figure: go.Figure, name: str, arm: str, rows: pd.DataFrame, beside: float, decimals: int
) -> None:
    """Means with their intervals, and the single runs, moved aside by the factor `beside`."""
    above, below = rows.high - rows["mean"], rows["mean"] - rows.low
    figure.add_scatter(
        x=(rows.hidden * beside).round(2).tolist(),
        y=rows["mean"].round(4).tolist(),
        name=name,
        legendgroup=name,
        mode="lines+markers",
        line={"color": colour(arm), "dash": dash(arm)},
        marker={"size": 9},
        error_y={
            "type": "data", "symmetric": False,
            "array": above.round(4).tolist(), "arrayminus": below.round(4).tolist(),
        },
        customdata=rows[["hidden", "seeds"]].values.tolist(),
        hovertemplate=f"hidden %{{customdata[0]}}: %{{y:.{decimals}f}} (%{{customdata[1]}} seeds)",
    )  # fmt: skip
    points = [
        (round(hidden * beside, 2), round(value, 4))
        for hidden, each in zip(rows.hidden, rows["each"], strict=True)
        for value in each
    ]
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        name=name,
        legendgroup=name,
        showlegend=False,
        mode="markers",
        marker={"size": 9, "symbol": "x-thin", "line": {"color": colour(arm), "width": 1.5}},
        hovertemplate=f"one run: %{{y:.{decimals}f}}<extra></extra>",
    )
