"""Seeds as bands: the mean of an arm's runs over training, from the least to the greatest."""

import math
from collections.abc import Sequence
from statistics import mean

import pandas as pd
import plotly.graph_objects as go

from bitnet.analysis.hypotheses import RIVAL
from bitnet.display.groups import together
from bitnet.display.references import draw_levels, draw_reference
from bitnet.display.theme import axis_title, colour, dash, dress, faint, mark_switch
from bitnet.evaluation.measures import MEASURES
from bitnet.recipes import BROKEN, FIX
from bitnet.runs.history import History

__all__ = ["hero_figure", "spread_figure"]

# The arms of the README's figure, and in a few words what each is.
_HERO_ARMS = {
    BROKEN: ", the broken setting<br>Adam + L2, decay 0.05 in Stage 2",
    FIX: ", the fix<br>Adam + L2, decay 0 in Stage 2",
    RIVAL: "<br>AdamW, decay 0 in Stage 2",
}
_HERO_HEIGHT = 480
_HERO_DECADES = 4  # of its log axis, from 1
_LABEL_HEIGHT = 0.11  # of a label of two lines, in parts of the height of the axis
_FAINT = ("#ddd", "#999")


def spread_figure(
    histories: Sequence[History], measure: str, title: str = "", log: bool = False
) -> go.Figure:
    """A measure over training: the mean over the seeds of an arm, in a band of all of them.

    One line an arm, size, length and corpus, as far as all of its seeds have come.
    """
    figure = go.Figure()
    for name, runs in together([h for h in histories if h.evaluated]).items():
        seeds = f"{len(runs)} seed{'s' * (len(runs) > 1)}"
        table = _by_seed(runs, measure)
        _band(figure, table, f"{name} ({seeds})", runs[0].config.arm, measure)
    mark_switch(figure, histories)
    draw_reference(figure, histories, measure, log)
    dress(figure, title or MEASURES[measure].label, "update (step)", axis_title(measure, log))
    figure.update_yaxes(type="log" if log else "linear")
    return figure


def hero_figure(
    histories: Sequence[History], title: str = "Distinct tokens predicted on held-out text"
) -> go.Figure:
    """The README's figure: `unique_tokens` (log) of the broken setting, the fix and AdamW.

    The mean over the seeds of each arm, in a band of all of them, labelled at its end; other arms
    are left out. Made for 1000 x 480 pixels.
    """
    figure = go.Figure()
    shown = [h for arm in _HERO_ARMS for h in histories if h.evaluated and h.config.arm == arm]
    groups, ends = together(shown), []
    for name, runs in groups.items():
        arm, table = runs[0].config.arm, _by_seed(runs, "unique_tokens")
        # Broken and fix are the same until the switch: the one below is seen beside the other.
        _band(figure, table, name, arm, "unique_tokens", width=4 if arm == BROKEN else 2)
        text = f"<b>{name}</b>{_HERO_ARMS[arm]}"
        ends.append((math.log10(table.iloc[-1].mean()), table.index[-1], text, colour(arm)))
    mark_switch(figure, shown)
    ceiling = "ceiling: {:.0f} positions"
    draw_levels(figure, shown, "unique_tokens_ceiling", ceiling, log=True, colours=_FAINT)
    draw_reference(figure, shown, "unique_tokens", log=True, colours=_FAINT)
    dress(figure, title, "update (step)", axis_title("unique_tokens", log=True))
    _label_ends(figure, ends)
    figure.update_layout(showlegend=False, height=_HERO_HEIGHT, margin={"r": 240})
    last = max((h.config.steps for h in shown), default=1)
    figure.update_xaxes(range=[-0.02 * last, 1.01 * last])  # else it grows to hold the labels
    figure.update_yaxes(type="log", dtick=1, range=[-0.05, _HERO_DECADES])
    return figure


def _label_ends(figure: go.Figure, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Labels at the right ends of lines, none over another; `ends` are (log y, x, text, colour)."""
    ends = sorted(ends)
    places = _apart([y for y, *_ in ends], _LABEL_HEIGHT * _HERO_DECADES)
    for place, (_, x, text, hue) in zip(places, ends, strict=True):
        figure.add_annotation(
            x=x, y=place, text=text, xanchor="left", yanchor="middle", xshift=10, align="left",
            showarrow=False, font={"color": hue, "size": 13},
        )  # fmt: skip


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """The nearest places to ascending `values` of which each is `gap` or more above the last.

    By pooling adjacent violators (Barlow et al. 1972), of the values less their share of gaps.
    """
    blocks: list[list[float]] = []
    for number, value in enumerate(values):
        blocks.append([value - number * gap])
        while len(blocks) > 1 and mean(blocks[-2]) > mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    places = [mean(block) for block in blocks for _ in block]
    return [place + number * gap for number, place in enumerate(places)]


def _by_seed(runs: Sequence[History], measure: str) -> pd.DataFrame:
    """The measure by step, one column a run, at the steps at which all of them were evaluated."""
    columns = [run.measures.set_index("step")[measure] for run in runs]
    return pd.concat(columns, axis=1).dropna()


def _band(
    figure: go.Figure, table: pd.DataFrame, name: str, arm: str, measure: str, width: float = 2
) -> None:
    """The mean of the columns of `table` as a line, in a band from the least to the greatest."""
    steps, hue = table.index.tolist(), colour(arm)
    low, high = table.min(axis=1).round(4).tolist(), table.max(axis=1).round(4).tolist()
    figure.add_scatter(
        x=steps + steps[::-1],
        y=high + low[::-1],
        fill="toself",
        mode="none",
        fillcolor=faint(hue),
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )
    figure.add_scatter(
        x=steps,
        y=table.mean(axis=1).round(4).tolist(),
        name=name,
        legendgroup=name,
        mode="lines+markers",
        line={"color": hue, "width": width, "dash": dash(arm)},
        marker={"size": 5},
        hovertemplate=f"step %{{x}}: %{{y:.{MEASURES[measure].decimals}f}}",
    )
