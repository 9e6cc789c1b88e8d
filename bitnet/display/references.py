"""What measures are read against: each distinct value among the runs shown, once, as a line."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from bitnet.config import RunConfig
from bitnet.display.theme import level
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["distinct", "draw_levels", "draw_reference", "formatted"]


def formatted(measure: str, value: float) -> str:
    """A value of a measure as text, with as many decimals as the measure has."""
    return f"{value:.{MEASURES[measure].decimals}f}"


def distinct(histories: Sequence[History], key: str) -> list[tuple[float, str]]:
    """The values of a reference among these runs, each once, and whose it is.

    The second is "" where all runs share the value, else it names their corpora. Values that agree
    to six digits are one: machines differ in how they round a sum. Runs without it have no part.
    """
    found: dict[str, tuple[float, dict[str, None]]] = {}
    configs = [history.config for history in histories]
    for history in histories:
        value = history.references.get(key)
        if value is not None:
            _, whose = found.setdefault(f"{value:.6g}", (value, {}))
            whose[_text(history.config, configs)] = None
    several = len(found) > 1
    return [(value, ", ".join(whose) if several else "") for value, whose in found.values()]


def draw_reference(
    figure: go.Figure, histories: Sequence[History], measure: str, log: bool = False, **look: Any
) -> None:
    """The lines to read a measure against, if it has a reference; see `draw_levels`."""
    found = MEASURES[measure]
    text = f"{found.beside}: {{:.{found.decimals}f}}"
    draw_levels(figure, histories, found.reference, text, log=log, **look)


def draw_levels(
    figure: go.Figure,
    histories: Sequence[History],
    key: str,
    text: str,
    *,
    log: bool = False,
    share: float = 1.0,
    left: bool | None = None,
    **look: Any,
) -> None:
    """A line at `share` of each distinct value of a reference, labelled `text` with its value in.

    Where the runs differ the labels name their corpora, and stand at the two ends in turn (unless
    `left` says where), so that near ones can be read. A log axis has no place for 0.
    """
    for number, (value, whose) in enumerate(distinct(histories, key)):
        if value > 0 or not log:
            label = text.format(share * value) + (f" ({whose})" if whose else "")
            side = number % 2 == 1 if left is None else left
            level(figure, share * value, label, log, side, **look)


def _text(config: RunConfig, among: Sequence[RunConfig]) -> str:
    """The text that a run was measured on, and on how much of it, as far as that differs."""
    parts = [config.corpus] if len({c.corpus for c in among}) > 1 else []
    if len({c.probe_positions for c in among}) > 1:
        parts.append(f"{config.probe_positions} positions")
    return " ".join(parts) or config.corpus
