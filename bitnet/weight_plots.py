"""Figures of the mechanism: decay against loss, row norms, penalty against gradient, ternary weights (plotly)."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bitnet.arms import ARMS, GRID, GRID_DECAYS
from bitnet.health import ROW_BINS
from bitnet.history import History
from bitnet.plots import LABELS
from bitnet.schedule import stage_boundary
from bitnet.style import CASE_COLOURS, dress, run_name

__all__ = ["grid_figure", "penalty_figure", "row_norm_figure", "ternary_figure"]

_BIN_COLOURS = ("#000000", "#0072B2", "#56B4E9", "#009E73", "#E69F00")  # from tokens never seen to the commonest


def grid_figure(histories: Sequence[History], measure: str = "val_loss", title: str = "") -> go.Figure:
    """A measure at the last step against the decay coefficient, one line a kind of decay and precision."""
    label, _ = LABELS[measure]
    figure = go.Figure()
    for optimizer, quantize in ((o, q) for o in ("adam", "adamw") for q in (True, False)):
        chosen = [h for h in histories if _in_grid(h, optimizer, quantize)]
        chosen.sort(key=lambda h: ARMS[h.config.arm].stage1_decay)
        kind = "coupled (Adam + L2)" if optimizer == "adam" else "decoupled (AdamW)"
        figure.add_scatter(
            x=[f"{ARMS[h.config.arm].stage1_decay:g}" for h in chosen],
            y=[round(float(h.measures[measure].iloc[-1]), 4) for h in chosen],
            name=f"{kind}, {'ternary' if quantize else 'full precision'}", mode="lines+markers",
            line={"color": "#D55E00" if optimizer == "adam" else "#009E73", "dash": "solid" if quantize else "dash"},
            marker={"size": 9, "symbol": "circle" if quantize else "circle-open"},
            text=[h.states.iloc[-1] for h in chosen], hovertemplate="decay %{x}: %{y} (%{text})",
        )  # fmt: skip
    dress(figure, title or f"{label} at the last step", "decay coefficient, in both stages", label)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[f"{d:g}" for d in GRID_DECAYS])
    return figure


def row_norm_figure(
    histories: Sequence[History], which: str = "embedding", predicted: Sequence[tuple[str, Sequence[int], Sequence[float]]] = ()
) -> go.Figure:
    """Mean norm of the rows of `which` ("embedding" or "head") over training, by how often their token stands in the text.

    One panel a run. `predicted` adds curves as (arm, steps, norms), dotted.
    """
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        for name, colour in zip(ROW_BINS, _BIN_COLOURS, strict=True):
            _panel_line(figure, column, history, f"{name} times", history.health[f"row_norm.{which}.{name}"], colour)
        for arm, steps, norms in predicted:
            if arm == history.config.arm:
                figure.add_scatter(
                    x=list(steps),
                    y=[round(float(v), 5) for v in norms],
                    name="predicted, no gradient",
                    legendgroup="predicted",
                    showlegend=column == 1,
                    mode="lines",
                    line={"color": "#D55E00", "dash": "dot", "width": 3},
                    row=1,
                    col=column,
                )
    dress(figure, f"Norm of the rows of the {which}, by how often their token stands in the training text", None, None)
    figure.update_xaxes(title="update (step)")
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="mean row norm", col=1)
    return figure


def penalty_figure(histories: Sequence[History]) -> go.Figure:
    """Norm of the penalty wd * W over the norm of the loss gradient, by group of weights (log scale), one panel a run.

    There is no point where the decay is 0.
    """
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        for group, colour in zip(("embedding", "head", "ternary"), CASE_COLOURS, strict=False):
            ratio = (history.health[f"penalty.{group}"] / history.health[f"gradient.{group}"]).replace(0, math.nan)
            _panel_line(figure, column, history, group, ratio, colour)
    dress(figure, "Penalty over gradient: above 1 the penalty decides the direction", None, None)
    figure.update_xaxes(title="update (step)")
    figure.update_yaxes(type="log", exponentformat="power", minor_showgrid=False)
    figure.update_yaxes(title="penalty / gradient (log scale)", col=1)
    return figure


def ternary_figure(histories: Sequence[History]) -> go.Figure:
    """The shares of zeros, of flips since the last evaluation, and of flips back (oscillation), one panel a run."""
    figure = _panels(histories)
    names = {
        "zero": "zeros",
        "flipped": "flipped since the last evaluation",
        "flipped_back": "of these, back to the value before",
    }
    for column, history in enumerate(histories, start=1):
        for (measure, name), colour in zip(names.items(), CASE_COLOURS, strict=False):
            _panel_line(figure, column, history, name, 100 * history.health[measure], colour)
    dress(figure, "Ternary weights of the blocks", None, None)
    figure.update_xaxes(title="update (step)")
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="% of the weights", col=1)
    return figure


def _panels(histories: Sequence[History]) -> go.Figure:
    """Panels beside one another with a common y axis, one a run, each with its stage switch."""
    titles = [run_name(h.config, [x.config for x in histories]) for h in histories]
    figure = make_subplots(rows=1, cols=len(histories), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    for column, history in enumerate(histories, start=1):
        figure.add_vline(
            stage_boundary(history.config.steps), line={"color": "#888", "dash": "dot"}, row=1, col=column,
            exclude_empty_subplots=False,  # they are empty as yet, and plotly would leave the line out
        )  # fmt: skip
    return figure


def _panel_line(figure: go.Figure, column: int, history: History, name: str, values: pd.Series, colour: str) -> None:
    """A line over the evaluations of a run in its panel, with a gap where a value is not there; one legend for all panels."""
    figure.add_scatter(
        x=history.health.step.tolist(), y=[None if v != v else float(f"{v:.5g}") for v in values], name=name, legendgroup=name,
        showlegend=column == 1, mode="lines+markers", marker={"size": 4}, line={"color": colour}, row=1, col=column,
    )  # fmt: skip


def _in_grid(history: History, optimizer: str, quantize: bool) -> bool:
    """Whether a run of the grid belongs to that line; without decay, both kinds are the same run."""
    recipe = ARMS[history.config.arm]
    return (
        history.evaluated
        and history.config.arm in GRID
        and recipe.quantize == quantize
        and (recipe.optimizer == optimizer or recipe.stage1_decay == 0)
    )
