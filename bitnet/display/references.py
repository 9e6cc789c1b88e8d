"""What measures are read against: each distinct value among the runs shown, once, as a line."""

from collections.abc import Sequence

from bitnet.analysis.baselines import read_against
from bitnet.config import RunConfig
from bitnet.display.chart import Chart
from bitnet.evaluation.measures import MEASURES, number
from bitnet.runs.history import History

__all__ = ["distinct", "draw_levels", "draw_reference", "formatted"]


def formatted(measure: str, value: float) -> str:
    """A value of a measure as text, with as many decimals as the measure has."""
    return MEASURES[measure].text(value)


def distinct(histories: Sequence[History], key: str) -> list[tuple[float, str]]:
    """The values of a reference among these runs, each once, and whose it is.

    The second is "" where all runs share the value, else it names their corpora. Values that agree
    to six digits are one: machines differ in how they round a sum. Runs without it have no part;
    the committed ones have the baselines that were computed for them since.
    """
    found: dict[str, tuple[float, dict[str, None]]] = {}
    configs = [history.config for history in histories]
    for history in histories:
        value = read_against(history).get(key)
        if value is not None:
            _, whose = found.setdefault(f"{value:.6g}", (value, {}))
            whose[_text(history.config, configs)] = None
    several = len(found) > 1
    return [(value, ", ".join(whose) if several else "") for value, whose in found.values()]


def draw_reference(
    chart: Chart, histories: Sequence[History], measure: str, always: bool = False
) -> None:
    """The lines to read a measure against, if it has a reference; see `draw_levels`."""
    found = MEASURES[measure]
    for key, beside in found.levels.items():
        draw_levels(chart, histories, key, f"{beside}: {{}}", found.decimals, always=always)


def draw_levels(
    chart: Chart,
    histories: Sequence[History],
    key: str,
    text: str,
    decimals: int = 0,
    *,
    share: float = 1.0,
    always: bool = False,
) -> None:
    """A line at `share` of each distinct value of a reference, labelled `text` with its value in.

    Where the runs differ the labels name their corpora. `always` is as in `Chart.level`.
    """
    for value, whose in distinct(histories, key):
        label = text.format(number(share * value, decimals)) + (f" ({whose})" if whose else "")
        chart.level(share * value, label, always)


def _text(config: RunConfig, among: Sequence[RunConfig]) -> str:
    """The text that a run was measured on, and on how much of it, as far as that differs."""
    parts = [config.corpus] if len({c.corpus for c in among}) > 1 else []
    if len({c.probe_positions for c in among}) > 1:
        parts.append(f"{config.probe_positions} positions")
    return " ".join(parts) or config.corpus
