"""Measures over training, one line a run."""

from collections.abc import Sequence

import plotly.graph_objects as go

from bitnet.analysis.assessment import FAILS_BAR, WORKS_BAR
from bitnet.display.groups import shared_labels
from bitnet.display.published import overlay_published
from bitnet.display.references import draw_levels, draw_reference
from bitnet.display.theme import axis_title, colour, dash, dress, level, mark_switch
from bitnet.evaluation.diversity import DEAD_ENTROPY_SHARE
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = [
    "diversity_figure", "entropy_figure", "loss_figure", "measure_figure", "prompt_probe_figure",
]  # fmt: skip

_SYMBOLS = ("circle", "square", "diamond", "triangle-up")


def diversity_figure(
    histories: Sequence[History], title: str = "Distinct tokens predicted on held-out text"
) -> go.Figure:
    """`unique_tokens` over training (log scale), with ceiling, human text and the brief's bars."""
    figure = _curves(histories, "unique_tokens", title, log=True)
    draw_levels(figure, histories, "unique_tokens_ceiling", "ceiling: {:.0f} positions", log=True)
    draw_reference(figure, histories, "unique_tokens", log=True)
    level(figure, WORKS_BAR, f"the brief: works above {WORKS_BAR}", log=True)
    level(figure, FAILS_BAR, f"the brief: fails below {FAILS_BAR}", log=True)
    figure.update_yaxes(dtick=1, range=[-0.1, 4])
    return figure


def prompt_probe_figure(
    histories: Sequence[History],
    title: str = "20-prompt probe: distinct argmax after 20 random prompts",
) -> go.Figure:
    """`unique_predictions` over training with its ceiling, and the published points beside it."""
    figure = _curves(histories, "unique_predictions", title)
    draw_reference(figure, histories, "unique_predictions")
    overlay_published(figure, histories, "unique_predictions")
    figure.update_yaxes(range=[-0.5, 22])
    return figure


def loss_figure(histories: Sequence[History], title: str = "Loss on held-out text") -> go.Figure:
    """`val_loss` over training with ln V, the unigram model's loss, and the published losses.

    At ln V stands a dead network. The published losses are of training batches.
    """
    figure = _curves(histories, "val_loss", title)
    draw_reference(figure, histories, "predictive_entropy")
    draw_reference(figure, histories, "val_loss")
    overlay_published(figure, histories, "loss", "training loss")
    return figure


def measure_figure(
    histories: Sequence[History], measure: str, log: bool = False, title: str = ""
) -> go.Figure:
    """Any measure over training, one line a run, with the value to read it against."""
    figure = _curves(histories, measure, title or MEASURES[measure].label, log)
    draw_reference(figure, histories, measure, log)
    return figure


def entropy_figure(
    histories: Sequence[History],
    title: str = "How sure the model is: mean entropy of its predictions",
) -> go.Figure:
    """`predictive_entropy` over training, with ln V and the line above which a network is dead."""
    figure = _curves(histories, "predictive_entropy", title)
    draw_reference(figure, histories, "predictive_entropy", left=False)
    draw_levels(
        figure, histories, "ln_vocabulary", "dead above this line",
        share=DEAD_ENTROPY_SHARE, left=True,
    )  # fmt: skip
    return figure


def _curves(histories: Sequence[History], measure: str, title: str, log: bool = False) -> go.Figure:
    """One line a run; seeds share colour and legend entry, settings differ in their markers."""
    figure = go.Figure()
    decimals = MEASURES[measure].decimals
    settings = sorted({_setting(history) for history in histories})
    seen: set[str] = set()
    for history, name in zip(histories, shared_labels(histories), strict=True):
        config = history.config
        symbol = _SYMBOLS[settings.index(_setting(history)) % len(_SYMBOLS)]
        figure.add_scatter(
            x=history.measures.step.tolist(),
            y=history.measures[measure].round(4).tolist(),
            name=name + ("" if history.complete else " (incomplete)"),
            legendgroup=name,
            showlegend=name not in seen,
            mode="lines+markers",
            line={"color": colour(config.arm), "dash": dash(config.arm), "width": 2},
            marker={"size": 6, "symbol": symbol},
            customdata=history.states.tolist(),
            hovertemplate=f"{config.label()}<br>step %{{x}}: %{{y:.{decimals}f}} "
            "(%{customdata})<extra></extra>",
        )
        seen.add(name)
    mark_switch(figure, histories)
    dress(figure, title, "update (step)", axis_title(measure, log))
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(type="log" if log else "linear")
    return figure


def _setting(history: History) -> tuple[int, int, str]:
    """What runs of one arm and colour may differ in, seeds aside."""
    return history.config.hidden, history.config.steps, history.config.corpus
