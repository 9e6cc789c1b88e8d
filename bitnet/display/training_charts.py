"""The charts of pages: measures of runs over training, and the weights behind them."""

import math
from collections.abc import Sequence

from bitnet.analysis.assessment import FAILS_BAR, WORKS_BAR
from bitnet.arms import BROKEN
from bitnet.display.charts import Chart, Level, Line
from bitnet.display.numbers import measured, whole
from bitnet.display.published import published_points
from bitnet.display.references import distinct
from bitnet.display.theme import colour, dash
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["loss_chart", "measure_chart", "probe_chart", "timeline", "tokens_chart"]


def measure_chart(
    histories: Sequence[History], measure: str, title: str = "", levels: Sequence[Level] = (),
    **look: object,
) -> Chart:  # fmt: skip
    """A measure over training, one line a run, with what to read it against and the switch."""
    configs = [history.config for history in histories]
    lines = [
        Line(
            history.config.label(configs) + ("" if history.complete else " (incomplete)"),
            colour(history.config.arm),
            _points(history, measure),
            dash(history.config.arm) == "dash",
            # Broken and fix are the same until the switch: the one below is seen beside the other.
            width=4 if history.config.arm == BROKEN else 2,
        )
        for history in histories
    ]
    title, note = title or MEASURES[measure].label, "over the updates of training"
    return Chart(
        title, lines, levels, switches(histories), note=note, **look  # type: ignore[arg-type]
    )  # fmt: skip


def timeline(histories: Sequence[History]) -> Chart:
    """Distinct tokens (log) over training, as small as can be: the place of a step in its run."""
    return measure_chart(histories, "unique_tokens", "distinct tokens", log=True, low=1)


def tokens_chart(histories: Sequence[History]) -> Chart:
    """Distinct tokens on held-out text (log), with ceiling, human text and the brief's bars."""
    ceilings = distinct(histories, "unique_tokens_ceiling")
    levels = [Level(value, _named(f"ceiling: {whole(value)}", whose)) for value, whose in ceilings]
    levels += references(histories, "unique_tokens")
    levels.append(Level(WORKS_BAR, f"the brief: works above {WORKS_BAR}"))
    levels.append(Level(FAILS_BAR, f"the brief: fails below {FAILS_BAR}"))
    title = "Distinct tokens predicted on held-out text, log scale"
    return measure_chart(histories, "unique_tokens", title, levels, log=True, low=1)


def loss_chart(histories: Sequence[History]) -> Chart:
    """Held-out loss with ln V, where a dead network stands, and the losses of n-gram models."""
    levels = references(histories, "predictive_entropy") + references(histories, "val_loss")
    chart = measure_chart(histories, "val_loss", "Loss on held-out text, nats a token", levels)
    return with_published(chart, histories, "loss", "training loss")


def probe_chart(histories: Sequence[History]) -> Chart:
    """The 20-prompt probe over training with its ceiling, and the published points beside it."""
    title = "20-prompt probe: distinct tokens after 20 random prompts"
    levels = references(histories, "unique_predictions")
    chart = measure_chart(histories, "unique_predictions", title, levels, low=0)
    return with_published(chart, histories, "unique_predictions", "")


def references(histories: Sequence[History], measure: str) -> list[Level]:
    """The levels to read a measure against: each distinct value among the runs, once."""
    return [
        Level(value, _named(f"{beside}: {measured(measure, value)}", whose))
        for key, beside in MEASURES[measure].levels.items()
        for value, whose in distinct(histories, key)
    ]


def switches(histories: Sequence[History]) -> list[tuple[float, str]]:
    """Each stage switch that the runs have."""
    found = {history.config.switch for history in histories}
    return [(step, "stage switch") for step in sorted(step for step in found if step)]


def with_published(chart: Chart, histories: Sequence[History], column: str, what: str) -> Chart:
    """The chart with the published points of the arms and sizes shown, if any."""
    added = [
        Line(name, colour(arm), points, dots=True, width=7)
        for arm, name, points in published_points(histories, column, what)
    ]
    fields = vars(chart) | {"lines": [*chart.lines, *added]}
    return Chart(**fields)


def _points(history: History, measure: str) -> list[tuple[float, float]]:
    rows = history.measures
    return [
        (int(step), round(float(value), 4))
        for step, value in zip(rows.step, rows[measure], strict=True)
        if math.isfinite(value)
    ]


def _named(text: str, whose: str) -> str:
    return f"{text} ({whose})" if whose else text
