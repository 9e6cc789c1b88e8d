"""The phase diagram: how runs end, by the coefficient of their decay and their learning rate."""

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from bitnet.analysis.boundary import Boundaries
from bitnet.display.theme import FAINT, STATE_COLOURS, dress
from bitnet.evaluation.diversity import STATES
from bitnet.evaluation.measures import MEASURES

__all__ = ["phase_diagram"]

# Of cells whose runs differ, within up or altogether.
_COLOURS = STATE_COLOURS | {"up": "#C2E1E0", "undecided": "#FFFFFF", "diverged": "#F3B8B8"}
_ROW = 46  # pixels
_AXIS = (
    "weight decay, the same in both stages<br>"
    "<sup>in a cell: state and held-out loss at the end, nats</sup>"
)


def phase_diagram(
    table: pd.DataFrame,
    boundaries: Boundaries | None = None,
    title: str = "How runs end, by weight decay and learning rate",
) -> go.Figure:
    """The dose cells of `analysis.dose.cells`, a row each kind of decay, precision and peak rate.

    In a cell stand its state and its held-out loss (the median of its pairs, in nats). Over the
    rows of coupled decay `boundaries` are drawn: from where on the gains should shrink, and from
    where on the network should be dead.
    """
    dose = table[table.block == "dose"]
    doses = sorted(dose.decay.unique())
    rows = _rows(dose)
    figure, text = go.Figure(), MEASURES["val_loss"].text
    places, said, doses_of = [], [], []
    for y, (_, cells) in enumerate(rows):
        for cell in cells.itertuples():
            x = doses.index(cell.decay)
            figure.add_shape(
                type="rect", x0=x - 0.48, x1=x + 0.48, y0=y - 0.46, y1=y + 0.46, line_width=0,
                fillcolor=_COLOURS[cell.state], layer="below",
            )  # fmt: skip
            places.append((x, y))
            said.append(f"{_said(cell.states)}<br>{text(cell.loss)}")
            doses_of.append(f"decay {cell.decay:g}, peak rate {cell.rate:g}")
    figure.add_scatter(
        x=[x for x, _ in places], y=[y for _, y in places], mode="text", text=said,
        textfont={"size": 11}, hovertext=doses_of, hoverinfo="text", showlegend=False,
    )  # fmt: skip
    if boundaries:
        coupled = [y for y, (kind, _) in enumerate(rows) if kind == "coupled"]
        for value, name in ((boundaries.gains, "collapsed"), (boundaries.dead, "dead")):
            _line(figure, _place(value, doses), coupled, name)
    dress(figure, title, _AXIS, None)
    names = [cells.name.iloc[0] for _, cells in rows]
    figure.update_layout(
        height=_ROW * len(rows) + 150,
        margin={"l": 200 if dose.quantized.all() else 250, "b": 80},
        hovermode="closest",
    )
    figure.update_xaxes(
        tickvals=list(range(len(doses))), ticktext=[f"{d:g}" for d in doses], showgrid=False,
        range=[-0.5, len(doses) - 0.5], zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=names, showgrid=False, zeroline=False,
        range=[-0.6, len(rows) - 0.4],
    )  # fmt: skip
    return figure


def _rows(dose: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows from the bottom: decoupled below coupled, full precision below ternary."""
    named = dose.assign(
        name=[
            f"{c.kind}, {'' if c.quantized else 'full precision, '}peak rate {c.rate:g}"
            for c in dose.itertuples()
        ]
    )
    order = ["kind", "quantized", "rate"]
    groups = named.sort_values(order, ascending=[False, True, True]).groupby(order, sort=False)
    return [(str(key[0]), cells) for key, cells in groups]


def _said(states: Sequence[str]) -> str:
    """The state of a cell, or how many of its pairs are in which."""
    counts = Counter(states)
    if len(counts) == 1:
        return states[0]
    order = [*STATES, "diverged"]
    return ", ".join(f"{counts[state]} {state}" for state in order if counts[state])


def _place(value: float, doses: Sequence[float]) -> float:
    """Where a coefficient stands on the axis of doses: by its logarithm between two of them."""
    above = next((i for i, dose in enumerate(doses) if dose >= value), len(doses))
    if above == 0 or above == len(doses) or not doses[above - 1]:
        return above - 0.5
    low, high = doses[above - 1], doses[above]
    return above - 1 + math.log(value / low) / math.log(high / low)


def _line(figure: go.Figure, x: float, rows: Sequence[int], name: str) -> None:
    figure.add_shape(
        type="line", x0=x, x1=x, y0=min(rows) - 0.5, y1=max(rows) + 0.5,
        line={"color": "#000000", "dash": "dot", "width": 2},
    )  # fmt: skip
    figure.add_annotation(
        x=x, y=1, yref="paper", yanchor="bottom", text=f"predicted: {name}", showarrow=False,
        font={"size": 11, "color": FAINT},
    )  # fmt: skip
