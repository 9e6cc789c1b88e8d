"""States as regions: mutual information against entropy, where dead and collapsed runs stand."""

from collections.abc import Sequence

import plotly.graph_objects as go

from bitnet.display.references import distinct
from bitnet.display.theme import STATE_COLOURS, axis_title, colour, dash, dress
from bitnet.evaluation.diversity import COLLAPSED_CONTEXT_INFORMATION, DEAD_ENTROPY_SHARE
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["phase_figure"]

_X, _Y = MEASURES["context_information"], MEASURES["predictive_entropy"]


def phase_figure(
    histories: Sequence[History], title: str = "Dead, collapsed, learning: told apart"
) -> go.Figure:
    """Each run as a path through mutual information (x) and predictive entropy (y), in nats.

    Its last point is large. The first evaluation, of the untrained model, is left out. Runs of
    different vocabularies have a region of the dead each.
    """
    figure = go.Figure()
    right = max(1.0, *(1.1 * h.measures.context_information.max() for h in histories))
    bottom = min(4.0, *(0.9 * h.measures.predictive_entropy.min() for h in histories))
    uniform = distinct(histories, "ln_vocabulary")
    for value, whose in uniform:
        dead = "dead: uniform" + (f" ({whose})" if whose else "")
        _region(
            figure,
            right,
            DEAD_ENTROPY_SHARE * value,
            value * 1.02,
            STATE_COLOURS["dead"],
            dead,
            right,
        )
    top = DEAD_ENTROPY_SHARE * max(value for value, _ in uniform)
    text = "collapsed: context ignored"
    _region(figure, COLLAPSED_CONTEXT_INFORMATION, bottom, top, STATE_COLOURS["collapsed"], text)
    configs = [history.config for history in histories]
    for history in histories:
        _path(figure, history, history.config.label(configs))
    dress(figure, title, axis_title(_X.name), axis_title(_Y.name))
    tops = [1.02 * value for value, _ in uniform]
    figure.update_xaxes(range=[-0.02 * right, right])
    figure.update_yaxes(range=[bottom, max(tops, default=12.0)])
    return figure


def _region(
    figure: go.Figure,
    right: float,
    bottom: float,
    top: float,
    hue: str,
    text: str,
    at: float = 0,
) -> None:
    """A coloured area from the y axis to `right`, labelled at its bottom, at its left or right."""
    figure.add_shape(
        type="rect", x0=0, x1=right, y0=bottom, y1=top, fillcolor=hue, opacity=0.6,
        line_width=0, layer="below",
    )  # fmt: skip
    figure.add_annotation(
        x=at, y=bottom, text=text, showarrow=False, xanchor="right" if at else "left",
        yanchor="bottom",
        font={"size": 11},
    )  # fmt: skip


def _path(figure: go.Figure, history: History, name: str) -> None:
    """The evaluations of a run after the first update, joined in their order."""
    m, states, arm = history.measures.iloc[1:], history.states.iloc[1:], history.config.arm
    figure.add_scatter(
        x=m.context_information.round(4).tolist(),
        y=m.predictive_entropy.round(4).tolist(),
        mode="lines+markers",
        name=name,
        line={"color": colour(arm), "width": 1.5, "dash": dash(arm)},
        marker={"size": [6] * (len(m) - 1) + [14], "color": colour(arm)},
        customdata=[[int(step), state] for step, state in zip(m.step, states, strict=True)],
        hovertemplate="step %{customdata[0]:,d}: %{customdata[1]}<br>"
        f"{_X.column} %{{x:{_X.d3}}}, {_Y.column} %{{y:{_Y.d3}}} nats",
    )
