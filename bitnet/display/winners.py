"""The tokens that win held-out positions, from snapshots: how many a probe counts, and which."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bitnet.analysis.assessment import WORKS_BAR
from bitnet.display.chart import LABELLED, Chart
from bitnet.display.tables import shown
from bitnet.display.theme import CASE_COLOURS, FAINT, colour, dress
from bitnet.evaluation.diversity import PROMPTS, STATES, rarefaction
from bitnet.evaluation.measures import number
from bitnet.records import Snapshot
from bitnet.runs.history import History

__all__ = ["rarefaction_figure", "state_examples", "top_tokens_figure"]


def state_examples(histories: Sequence[History]) -> list[tuple[str, Snapshot]]:
    """The first evaluation in each state that occurs after the first update: a name, a snapshot."""
    found: dict[str, tuple[str, Snapshot]] = {}
    configs = [history.config for history in histories]
    for history in histories:
        label = history.config.label(configs)
        for step, state in zip(history.measures.step[1:], history.states[1:], strict=True):
            name = f"{state}: {label}, step {number(step)}"
            found.setdefault(state, (name, history.snapshot_at(step)))
    return [found[state] for state in STATES if state in found]


def rarefaction_figure(
    cases: Sequence[tuple[str, Snapshot]],
    title: str = "What a probe of n positions would have counted",
) -> go.Figure:
    """Expected distinct winners against probe size n (both log), one line a (name, snapshot).

    With the ceiling n, the size of the 20-prompt probe, and the brief's bar.
    """
    chart = Chart(log=True)
    totals = [sum(times * tokens for times, tokens in s.abundances) for _, s in cases]
    sizes = _sizes(max(totals))
    chart.line(
        "ceiling: every position another token", "#777777", x=sizes, y=sizes, mode="lines",
        line={"color": "#777777", "dash": "dash"},
    )  # fmt: skip
    for (name, snapshot), total, hue in zip(cases, totals, CASE_COLOURS, strict=False):
        sizes = _sizes(total)
        chart.line(
            name, hue, x=sizes, y=[round(rarefaction(snapshot.abundances, n), 2) for n in sizes],
            mode="lines+markers", line={"color": hue, "width": 2},
            hovertemplate=f"{name}<br>of %{{x:,d}} positions: %{{y:,.1f}}<extra></extra>",
        )  # fmt: skip
    chart.level(WORKS_BAR, f"the brief: works above {WORKS_BAR}", always=True)
    x, y = "positions asked (log scale)", "distinct winners (log scale)"
    figure = chart.finish(title, x, y, labelled=len(cases) < LABELLED)
    figure.add_shape(
        type="line", x0=PROMPTS, x1=PROMPTS, yref="paper", y0=0, y1=1,
        line={"color": FAINT, "dash": "dot"},
    )  # fmt: skip
    figure.add_annotation(
        x=math.log10(PROMPTS), y=1, yref="paper", yanchor="bottom", showarrow=False,
        text="20-prompt probe", font={"color": FAINT},
    )  # fmt: skip
    figure.update_xaxes(
        type="log", dtick=1, tickformat=",d", range=[-0.05, math.log10(max(totals))]
    )
    return figure


def _sizes(total: int) -> list[int]:
    """1, 2, 5, 10, ... below `total`, and `total` itself."""
    steps = (n * 10**k for k in range(6) for n in (1, 2, 5))
    return sorted({*(n for n in steps if n <= total), total})


def top_tokens_figure(
    histories: Sequence[History], step: int | None = None, tokens: int = 8
) -> go.Figure:
    """The commonest winners of each run after update `step` (None: its last), beside the text."""
    configs = [history.config for history in histories]
    figure = make_subplots(
        rows=1, cols=len(histories), subplot_titles=[config.label(configs) for config in configs],
        horizontal_spacing=0.2 / (len(histories) - 1) if len(histories) > 1 else 0.1,
    )  # fmt: skip
    for column, history in enumerate(histories, start=1):
        top = history.snapshot_at(step).top_tokens[:tokens][::-1]
        # Bars need different names.
        names = [
            f"{shown(i, history.vocabulary)!r}"[1:-1] + " " * k for k, (i, _, _) in enumerate(top)
        ]
        for what, shares, hue in (
            ("in the text", [text for _, _, text in top], "#999999"),
            ("wins", [share for _, share, _ in top], colour(history.config.arm)),
        ):
            figure.add_bar(
                x=[round(100 * share, 2) for share in shares], y=names, orientation="h", name=what,
                marker={"color": hue}, row=1, col=column, showlegend=False,
                hovertemplate=f"{what}: %{{x}} %<extra></extra>",
            )  # fmt: skip
        figure.update_xaxes(title="% of positions", row=1, col=column)
    dress(figure, "The tokens that win most positions (grey: their share of the text)", None, None)
    figure.update_layout(barmode="group", bargap=0.25)
    return figure
