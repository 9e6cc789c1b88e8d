"""Measures over training, the runs of an arm as a band."""

from collections.abc import Sequence

import plotly.graph_objects as go

from bitnet.analysis.assessment import FAILS_BAR, WORKS_BAR
from bitnet.display.bands import draw_runs
from bitnet.display.chart import Chart
from bitnet.display.published import overlay_published
from bitnet.display.references import draw_levels, draw_reference
from bitnet.display.theme import axis_title, mark_switch, sentence, step_axis
from bitnet.evaluation.diversity import DEAD_ENTROPY_SHARE
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = [
    "diversity_figure", "entropy_figure", "loss_figure", "measure_figure", "prompt_probe_figure",
    "spread_figure",
]  # fmt: skip


def diversity_figure(
    histories: Sequence[History], title: str = "Distinct tokens predicted on held-out text"
) -> go.Figure:
    """`unique_tokens` over training (log scale), with ceiling, human text and the brief's bars."""
    chart = _curves(histories, "unique_tokens", log=True)
    ceiling = "ceiling: {} positions"
    draw_levels(chart, histories, "unique_tokens_ceiling", ceiling, always=True)
    draw_reference(chart, histories, "unique_tokens", always=True)
    chart.level(WORKS_BAR, f"the brief: works above {WORKS_BAR}", always=True)
    chart.level(FAILS_BAR, f"the brief: fails below {FAILS_BAR}", always=True)
    return _finished(chart, histories, "unique_tokens", title, span=(1, WORKS_BAR))


def prompt_probe_figure(
    histories: Sequence[History],
    title: str = "20-prompt probe: distinct argmax after 20 random prompts",
) -> go.Figure:
    """`unique_predictions` over training with its ceiling, and the published points beside it."""
    chart = _curves(histories, "unique_predictions")
    draw_reference(chart, histories, "unique_predictions", always=True)
    overlay_published(chart, histories, "unique_predictions")
    return _finished(chart, histories, "unique_predictions", title, span=(0, 20))


def loss_figure(histories: Sequence[History], title: str = "Loss on held-out text") -> go.Figure:
    """`val_loss` over training with ln V, the losses of n-gram models, and published losses.

    At ln V stands a dead network. The published losses are of training batches.
    """
    chart = _curves(histories, "val_loss")
    draw_reference(chart, histories, "predictive_entropy", always=True)
    draw_reference(chart, histories, "val_loss", always=True)
    overlay_published(chart, histories, "loss", "training loss")
    return _finished(chart, histories, "val_loss", title)


def entropy_figure(
    histories: Sequence[History],
    title: str = "How sure the model is: mean entropy of its predictions",
) -> go.Figure:
    """`predictive_entropy` over training, with ln V and the line above which a network is dead."""
    chart = _curves(histories, "predictive_entropy")
    draw_reference(chart, histories, "predictive_entropy", always=True)
    draw_levels(
        chart, histories, "ln_vocabulary", "dead above this line", share=DEAD_ENTROPY_SHARE,
        always=True,
    )  # fmt: skip
    return _finished(chart, histories, "predictive_entropy", title)


def measure_figure(
    histories: Sequence[History], measure: str, log: bool | None = None, title: str = ""
) -> go.Figure:
    """Any measure over training, with the value to read it against if that is near.

    `log` says whether the axis is a log one; None: it is for counts of tokens.
    """
    chart = _curves(histories, measure, MEASURES[measure].counts if log is None else log)
    draw_reference(chart, histories, measure)
    return _finished(chart, histories, measure, title or sentence(MEASURES[measure].label))


def spread_figure(
    histories: Sequence[History], measure: str, title: str = "", log: bool | None = None
) -> go.Figure:
    """`measure_figure`, with its title in third place."""
    return measure_figure(histories, measure, log, title)


def _curves(histories: Sequence[History], measure: str, log: bool = False) -> Chart:
    chart = Chart(log)
    draw_runs(chart, histories, measure)
    return chart


def _finished(
    chart: Chart,
    histories: Sequence[History],
    measure: str,
    title: str,
    span: tuple[float, float] | None = None,
) -> go.Figure:
    """The figure over updates, with each stage switch."""
    configs = [history.config for history in histories]
    figure = chart.finish(title, None, axis_title(measure, chart.log), span)
    mark_switch(figure, configs)
    step_axis(figure, max((config.steps for config in configs), default=1))
    return figure
