"""Runs as lines: one of each run, or the median of an arm's runs in a band of all of them."""

from collections.abc import Sequence
from statistics import median

import pandas as pd

from bitnet.display.chart import Chart
from bitnet.display.groups import together
from bitnet.display.theme import colour, dash, faint, ink
from bitnet.evaluation.diversity import STATES
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["common_state", "draw_runs", "each_run"]

_SYMBOLS = ("circle", "square", "diamond", "triangle-up")


def draw_runs(chart: Chart, histories: Sequence[History], measure: str) -> None:
    """A line for the runs that differ in their repetition only, as far as all of them have come.

    Of several runs it is their median, in a band from the least to the greatest. Runs that were
    never evaluated are left out.
    """
    shown = [history for history in histories if history.evaluated]
    settings = sorted({_setting(history) for history in shown})
    for name, runs in together(shown).items():
        setting = settings.index(_setting(runs[0]))
        _draw(chart, name, runs, measure, _SYMBOLS[setting % len(_SYMBOLS)])


def each_run(runs: Sequence[History], measure: str) -> pd.DataFrame:
    """The measure by step, one column a run, at the steps at which all of them were evaluated."""
    columns = [run.measures.set_index("step")[measure] for run in runs]
    return pd.concat(columns, axis=1, keys=range(len(runs)), join="inner")


def common_state(runs: Sequence[History], step: int) -> str:
    """The state of most runs at an evaluation; of states as frequent as each other, the worst."""
    found = [run.states[run.measures.step == step].iloc[0] for run in runs]
    return max(STATES, key=found.count)


def _draw(chart: Chart, name: str, runs: Sequence[History], measure: str, symbol: str) -> None:
    table, arm, several = each_run(runs, measure), runs[0].config.arm, len(runs) > 1
    steps, hue, text = [int(step) for step in table.index], colour(arm), MEASURES[measure].text
    whole = all(run.complete for run in runs)
    label = f"{name} ({len(runs)} runs)" if several else name
    label += "" if whole else " (incomplete)"
    low, high = table.min(axis=1).round(4).tolist(), table.max(axis=1).round(4).tolist()
    found = [common_state(runs, step) for step in steps]
    if several:
        chart.area(label, x=steps + steps[::-1], y=high + low[::-1], fillcolor=faint(hue))
        found = [
            f"{text(least)} to {text(most)}; {state}"
            for least, most, state in zip(low, high, found, strict=True)
        ]
    title = f"{label}<br>" if several else f"{runs[0].config.label()}<br>"
    chart.line(
        label,
        hue,
        x=steps,
        y=[round(median(row), 4) for row in table.itertuples(index=False)],
        mode="lines+markers",
        line={"color": hue, "dash": dash(arm), "width": 2},
        marker={"size": 6, "symbol": symbol},
        customdata=found,
        hovertemplate=f"{title}step %{{x:,d}}: %{{y:{MEASURES[measure].d3}}} "
        "(%{customdata})<extra></extra>",
        hoverlabel={"bordercolor": ink(hue)},
    )


def _setting(history: History) -> tuple[int, int, str]:
    """What runs of one arm and colour may differ in, seeds aside."""
    return history.config.hidden, history.config.steps, history.config.corpus
