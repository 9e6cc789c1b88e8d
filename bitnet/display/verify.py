"""The verify figure: distinct tokens over training, and the state at every evaluation."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import plotly.graph_objects as go

from bitnet.analysis.hypotheses import RIVAL
from bitnet.arms import BROKEN, FIX
from bitnet.display.bands import common_state, each_run
from bitnet.display.chart import Chart
from bitnet.display.groups import together
from bitnet.display.references import draw_levels, draw_reference
from bitnet.display.theme import (
    FAINT,
    STATE_COLOURS,
    STATE_INKS,
    STATE_SYMBOLS,
    axis_title,
    colour,
    dash,
    faint,
    ink,
    mark_switch,
    step_axis,
)
from bitnet.evaluation.diversity import STATES
from bitnet.evaluation.measures import MEASURES, number
from bitnet.runs.history import History
from bitnet.schedule import stage_boundary

__all__ = ["hero_figure", "verify_figure"]

_COUNT = MEASURES["unique_tokens"]
_TITLE = "Distinct tokens predicted on held-out text"
# What the arms of the question are, in a few words.
_KNOWN = {
    BROKEN: "the broken setting<br>Adam + L2, decay 0.05 in Stage 2",
    FIX: "the fix<br>Adam + L2, decay 0 in Stage 2",
    RIVAL: "another optimizer<br>AdamW, decay 0 in Stage 2",
}
_PLOT, _ROW, _GAP = 330, 24, 16  # pixels: of the plot, of an arm's row of states, between them
_KEY = 22  # pixels, of the key of the states
_LETTER = 6.5  # pixels, of a letter in a row of states
_NARROW = 360  # pixels that the plot is wide in a page of 700


def hero_figure(histories: Sequence[History], title: str = _TITLE) -> go.Figure:
    """The README's figure: `verify_figure` of the broken setting, the fix and AdamW only."""
    return verify_figure([h for h in histories if h.config.arm in _KNOWN], title)


def verify_figure(histories: Sequence[History], title: str = _TITLE) -> go.Figure:
    """`unique_tokens` (log) over training, with the state of each arm at every evaluation below.

    One line an arm and size: its run, or the median of its runs in a band of all of them. Where
    most of them are dead the line is grey and its points are hollow, for there rounding decides
    what is counted. Runs that were never evaluated are left out.
    """
    shown = [history for history in histories if history.evaluated]
    # In the order of the question, so that the broken setting, which is the broadest, is drawn
    # first: it is seen beside the fix, with which it is one until the switch.
    order = {arm: place for place, arm in enumerate(_KNOWN)}
    shown.sort(key=lambda history: order.get(history.config.arm, len(order)))
    chart, groups = Chart(log=True), together(shown)
    for name, runs in groups.items():
        _draw(chart, name, runs)
    draw_levels(chart, shown, "unique_tokens_ceiling", "ceiling: {} positions", always=True)
    draw_reference(chart, shown, "unique_tokens", always=True)
    rows = _ROW * len(groups)
    height = _PLOT + (rows + _GAP if rows else 0)
    bottom = 1 - _PLOT / height
    y = axis_title("unique_tokens", log=True)
    figure = chart.finish(title, None, y, (1, 100), labelled=True, bottom=bottom, height=height)
    last = max((history.config.steps for history in shown), default=1)
    figure.update_layout(
        barmode="overlay",
        bargap=0.12,
        yaxis={"domain": [bottom, 1]},
        yaxis2={
            "domain": [0, rows / height], "range": [len(groups) - 0.5, -0.5], "anchor": "x",
            "showgrid": False, "zeroline": False, "showticklabels": False, "fixedrange": True,
        },
        xaxis={"anchor": "y2"},
    )  # fmt: skip
    for row, (name, runs) in enumerate(groups.items()):
        _states(figure, row, name, runs, last)
    key = "\u2003".join(f"<span style='color:{STATE_INKS[s]}'>\u25a0</span> {s}" for s in STATES)
    figure.add_annotation(
        x=0, xref="paper", xanchor="left", y=0, yref="paper", yshift=-62, yanchor="top", text=key,
        showarrow=False, font={"size": 12, "color": FAINT},
    )  # fmt: skip
    figure.update_layout(
        height=figure.layout.height + _KEY, margin={"b": figure.layout.margin.b + _KEY}
    )
    mark_switch(figure, [history.config for history in shown])
    step_axis(figure, last)
    return figure


def _draw(chart: Chart, name: str, runs: Sequence[History]) -> None:
    """The line of an arm, grey and dotted up to each point where it is dead, and its points."""
    arm, table = runs[0].config.arm, each_run(runs, _COUNT.name)
    hue, steps = colour(arm), [int(step) for step in table.index]
    low, high = table.min(axis=1).tolist(), table.max(axis=1).tolist()
    counts = [median(row) for row in table.itertuples(index=False)]
    states = [common_state(runs, step) for step in steps]
    if len(runs) > 1:
        chart.area(name, x=steps + steps[::-1], y=high + low[::-1], fillcolor=faint(hue))
    dead = [state == "dead" for state in states]
    beside = [any(dead[max(0, i - 1) : i + 2]) for i in range(len(dead))]
    chart.crosses(
        name, x=steps, mode="lines", hoverinfo="skip",
        y=[count if near else None for near, count in zip(beside, counts, strict=True)],
        line={"color": FAINT, "dash": "dot", "width": 1},
    )  # fmt: skip
    spread = [
        f"{number(least)} to {number(most)} in {len(runs)} runs, " if len(runs) > 1 else ""
        for least, most in zip(low, high, strict=True)
    ]
    more = [
        f"{text}{state}" + (": the count means nothing" if state == "dead" else "")
        for text, state in zip(spread, states, strict=True)
    ]
    short = "" if all(run.complete for run in runs) else " (incomplete)"
    known = f", {_KNOWN[arm]}" if arm in _KNOWN else ""
    if dead[-1]:
        known = f"{known.partition('<br>')[0]}<br>dead: its count means nothing"
    chart.line(
        f"<b>{name}</b>{short}{known}",
        hue,
        (steps[-1], counts[-1]),
        name=name,
        x=steps,
        y=[None if is_dead else count for is_dead, count in zip(dead, counts, strict=True)],
        mode="lines",
        line={"color": hue, "width": 4 if arm == BROKEN else 2.5, "dash": dash(arm)},
        hoverinfo="skip",
    )
    chart.crosses(
        name,
        x=steps,
        y=counts,
        marker={
            "symbol": [STATE_SYMBOLS[state] for state in states],
            "color": [FAINT if is_dead else hue for is_dead in dead],
            "size": 8,
        },
        customdata=more,
        hovertemplate=f"{name}<br>step %{{x:,d}}: %{{y:{_COUNT.d3}}} (%{{customdata}})"
        "<extra></extra>",
    )


def _states(figure: go.Figure, row: int, name: str, runs: Sequence[History], last: int) -> None:
    """A row of areas, one for each stretch of evaluations of one state, which it names.

    The stage switch parts them, so that its line crosses no word.
    """
    steps = [int(step) for step in each_run(runs, _COUNT.name).index]
    boundary = stage_boundary(runs[0].config.steps)
    stretches: list[list] = []  # from, to, state
    for before, step in pairwise([0, *steps]):
        state = common_state(runs, step)
        if stretches and stretches[-1][2] == state and before != boundary:
            stretches[-1][1] = step
        else:
            stretches.append([before, step, state])
    for start, end, state in stretches:
        fits = (end - start) / last * _NARROW >= _LETTER * len(state)
        figure.add_bar(
            base=[start], x=[end - start], y=[row], yaxis="y2", orientation="h", width=0.88,
            marker={"color": STATE_COLOURS[state], "line": {"color": "#FFFFFF", "width": 1}},
            text=state if fits else "", textposition="inside", insidetextanchor="middle",
            textangle=0, constraintext="none", textfont={"color": "#222222", "size": 11},
            name=name, showlegend=False,
            hovertemplate=f"{name}: {state}, step {number(start + 1)} to {number(end)}"
            "<extra></extra>",
        )  # fmt: skip
    figure.add_annotation(
        x=1, xref="paper", xshift=6, y=row, yref="y2", text=name, xanchor="left", showarrow=False,
        font={"color": ink(colour(runs[0].config.arm)), "size": 12},
    )  # fmt: skip
