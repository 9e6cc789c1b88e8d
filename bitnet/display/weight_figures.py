"""Figures of weights: decay against loss, row norms, penalty against gradient, ternary values."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bitnet.config import RunConfig
from bitnet.display.chart import Chart
from bitnet.display.references import draw_reference
from bitnet.display.theme import (
    CASE_COLOURS,
    FAINT,
    HEIGHT,
    axis_title,
    dress,
    grid_decay,
    sentence,
    step_axis,
)
from bitnet.evaluation.measures import MEASURES
from bitnet.evaluation.weights import ROW_BINS
from bitnet.runs.history import History
from bitnet.schedule import stage_boundary

__all__ = ["grid_figure", "penalty_figure", "row_norm_figure", "ternary_figure"]

_KINDS = {"adam": ("coupled (Adam + L2)", "#D55E00"), "adamw": ("decoupled (AdamW)", "#009E73")}
# From tokens never seen to the commonest.
_BIN_COLOURS = ("#000000", "#0072B2", "#56B4E9", "#009E73", "#E69F00")
_TERNARY = {
    "zero": "zeros",
    "flipped": "flipped since the last evaluation",
    "flipped_back": "of these, back to the value before",
}


def grid_figure(
    histories: Sequence[History], measure: str = "val_loss", title: str = ""
) -> go.Figure:
    """A measure at the last step against the decay coefficient, for the arms of a decay grid.

    One line a kind of decay and precision; the runs of other arms are left out.
    """
    chart = Chart()
    grid = [(grid_decay(h.config.arm), h) for h in histories if h.evaluated]
    points = [(decay, h) for decay, h in grid if decay is not None]
    points.sort(key=lambda point: point[0])
    for optimizer in _KINDS:
        for quantize in (True, False):
            _grid_line(chart, points, measure, optimizer, quantize)
    draw_reference(chart, [h for _, h in points], measure)
    at_last = title or f"{sentence(MEASURES[measure].label)} at the last step"
    figure = chart.finish(
        at_last, "decay coefficient, in both stages", axis_title(measure), labelled=True
    )
    shown = dict.fromkeys(f"{decay:g}" for decay, _ in points)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(shown))
    return figure


def _grid_line(
    chart: Chart,
    points: Sequence[tuple[float, History]],
    measure: str,
    optimizer: str,
    quantize: bool,
) -> None:
    """The points of one kind of decay and precision; without decay both kinds are the same run."""
    kind, hue = _KINDS[optimizer]
    chosen = [
        (decay, h)
        for decay, h in points
        if h.config.recipe.quantize == quantize
        and (h.config.recipe.optimizer == optimizer or decay == 0)
    ]
    name = f"{kind}, {'ternary' if quantize else 'full precision'}"
    chart.line(
        name,
        hue,
        x=[f"{decay:g}" for decay, _ in chosen],
        y=[round(float(h.measures[measure].iloc[-1]), 4) for _, h in chosen],
        mode="lines+markers",
        line={"color": hue, "dash": "solid" if quantize else "dash"},
        marker={"size": 9, "symbol": "circle" if quantize else "circle-open"},
        text=[h.states.iloc[-1] for _, h in chosen],
        hovertemplate=f"{name}<br>decay %{{x}}: %{{y:{MEASURES[measure].d3}}} (%{{text}})"
        "<extra></extra>",
    )


def row_norm_figure(
    histories: Sequence[History],
    which: str = "embedding",
    predicted: Sequence[tuple[RunConfig, Sequence[int], Sequence[float]]] = (),
) -> go.Figure:
    """Mean norm of the rows of `which` over training, by how often their token stands in the text.

    `which`: "embedding" or "head". One panel a run. `predicted` adds curves as (run, steps,
    norms), dotted, to the panels of these runs.
    """
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        for name, hue in zip(ROW_BINS, _BIN_COLOURS, strict=True):
            norms = history.health[f"row_norm.{which}.{name}"]
            _panel_line(figure, column, history, _often(name), norms, hue)
        for run, steps, norms in predicted:
            if run == history.config:
                figure.add_scatter(
                    x=list(steps),
                    y=[round(float(norm), 5) for norm in norms],
                    name="predicted, no gradient",
                    legendgroup="predicted",
                    showlegend=column == 1,
                    mode="lines",
                    line={"color": "#D55E00", "dash": "dot", "width": 3},
                    row=1,
                    col=column,
                )
    often = "by how often their token stands in the training text"
    _dress_panels(
        figure,
        [h.config for h in histories],
        f"Norm of the rows of the {which}, {often}",
        "mean row norm",
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def penalty_figure(histories: Sequence[History]) -> go.Figure:
    """Norm of the penalty wd * W over that of the loss gradient (log), by group of weights.

    One panel a run. There is no point where the decay is 0.
    """
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        health = history.health
        for group, hue in zip(("embedding", "head", "ternary"), CASE_COLOURS, strict=False):
            ratio = health[f"penalty.{group}"] / health[f"gradient.{group}"]
            _panel_line(figure, column, history, group, ratio.replace(0, math.nan), hue)
    title = "Penalty over gradient: above 1 the penalty decides the direction"
    _dress_panels(figure, [h.config for h in histories], title, "penalty / gradient (log scale)")
    figure.update_yaxes(type="log", exponentformat="power", minor_showgrid=False)
    return figure


def ternary_figure(histories: Sequence[History]) -> go.Figure:
    """The shares of zeros, of flips since the last evaluation, and of flips back; a panel a run."""
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        for (name, text), hue in zip(_TERNARY.items(), CASE_COLOURS, strict=False):
            _panel_line(figure, column, history, text, 100 * history.health[name], hue)
    _dress_panels(
        figure, [h.config for h in histories], "Ternary weights of the blocks", "% of the weights"
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def _panels(histories: Sequence[History]) -> go.Figure:
    """Panels beside one another with a common y axis, one a run, each with its stage switch."""
    configs = [history.config for history in histories]
    titles = [config.label(configs).replace(", ", "<br>") for config in configs]
    figure = make_subplots(
        rows=1, cols=len(configs), subplot_titles=titles,
        shared_yaxes=True, horizontal_spacing=0.03,
    )  # fmt: skip
    for column, config in enumerate(configs, start=1):
        figure.add_vline(
            stage_boundary(config.steps), line={"color": FAINT, "dash": "dot"}, row=1, col=column,
            exclude_empty_subplots=False,  # they are empty as yet: plotly would leave the line out
        )  # fmt: skip
    return figure


def _dress_panels(figure: go.Figure, configs: Sequence[RunConfig], title: str, y: str) -> None:
    """Title and axis titles; that of the common y axis stands once, and the legend below."""
    dress(figure, title, "update (step)", None)
    last = max(config.steps for config in configs)
    step_axis(figure, last)
    # Not at 0 too, whose number would touch that of the end of the panel before.
    figure.update_xaxes(tickvals=[stage_boundary(last), last])
    figure.update_yaxes(title=y, col=1)
    figure.update_annotations(font={"size": 13})
    figure.update_layout(
        margin={"t": 84, "b": 96}, height=HEIGHT + 40,
        legend={"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"},
    )  # fmt: skip


def _often(name: str) -> str:
    """How often a token of a bin of `ROW_BINS` stands in the text, in words."""
    return "never in the text" if name == "never" else f"{name} times"


def _panel_line(
    figure: go.Figure, column: int, history: History, name: str, values: pd.Series, hue: str
) -> None:
    """A line over the evaluations of a run in its panel, with gaps; one legend for all panels."""
    figure.add_scatter(
        x=history.health.step.tolist(),
        y=[None if math.isnan(value) else float(f"{value:.5g}") for value in values],
        name=name,
        legendgroup=name,
        showlegend=column == 1,
        mode="lines+markers",
        marker={"size": 4},
        line={"color": hue},
        row=1,
        col=column,
    )
