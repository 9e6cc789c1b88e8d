"""Figures of histories, for notebooks and reports (plotly). Nothing here trains or judges."""

import math
import shutil
from collections.abc import Sequence
from importlib.resources import files

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio

from bitnet.arms import ARMS
from bitnet.history import History
from bitnet.schedule import stage_boundary
from bitnet.verdict import FAILS_BAR, WORKS_BAR

__all__ = ["ARM_COLOURS", "diversity_figure", "loss_figure", "published", "seed_probe_figure", "set_renderer"]

# Okabe & Ito's colours, which every kind of colour vision tells apart; an arm keeps its colour in every figure, and
# the arms that share one differ in their dash.
ARM_COLOURS = {
    "l2-0.05": "#D55E00", "l2-0.0": "#0072B2", "l2-0.1": "#CC79A7", "l2-reduced-lr": "#E69F00",
    "l2-label-smoothing": "#56B4E9", "l2-grad-clip": "#000000", "adamw-0.05": "#F0E442", "adamw-0.0": "#009E73",
    "no-decay": "#999999", "fp-l2-0.0": "#0072B2", "fp-adamw-0.0": "#009E73",
}  # fmt: skip
HEIGHT = 430

# Which of our arms a published run followed.
_PUBLISHED_ARMS = {
    "scaling": "l2-0.0", "stage1_only": "l2-0.1", "reduced_lr": "l2-reduced-lr",
    "label_smoothing": "l2-label-smoothing", "grad_clip": "l2-grad-clip",
}  # fmt: skip


def set_renderer() -> None:
    """Let notebooks store figures as interactive plotly data and, where a Chromium can draw it, as a picture too."""
    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    pio.renderers.default = "plotly_mimetype+png" if any(map(shutil.which, browsers)) else "plotly_mimetype"


def published() -> pd.DataFrame:
    """The numbers published with the original investigation: run, hidden, step, loss, unique_predictions, and the arm."""
    table = pd.read_csv(str(files("bitnet") / "published.csv"))
    return table.assign(arm=table.run.map(_PUBLISHED_ARMS))


def diversity_figure(histories: Sequence[History], title: str = "Distinct tokens predicted on held-out text") -> go.Figure:
    """`unique_tokens` over training, one line a run, log scale, with ceiling, human text and the brief's two bars."""
    figure = _curves(histories, "unique_tokens", title, "distinct argmax tokens (log scale)")
    references = histories[0].references
    levels = {
        f"ceiling: {references['unique_tokens_ceiling']:.0f} positions": references["unique_tokens_ceiling"],
        f"the text itself: {references['human_unique_tokens']:.0f}": references["human_unique_tokens"],
        f"the brief: works above {WORKS_BAR}": WORKS_BAR,
        f"the brief: fails below {FAILS_BAR}": FAILS_BAR,
    }
    for text, y in levels.items():
        _level(figure, y, text, log=True)
    figure.update_yaxes(type="log", dtick=1, range=[-0.1, 4])
    return figure


def seed_probe_figure(
    histories: Sequence[History], title: str = "The seed's probe: distinct argmax after 20 random prompts"
) -> go.Figure:
    """`unique_predictions` over training with its ceiling of 20, and the published points of the same arms and size."""
    figure = _curves(histories, "unique_predictions", title, "distinct of 20")
    _level(figure, histories[0].references["unique_predictions_ceiling"], "ceiling: 20 prompts")
    _overlay_published(figure, histories, "unique_predictions")
    figure.update_yaxes(range=[-0.5, 22])
    return figure


def loss_figure(histories: Sequence[History], title: str = "Loss on held-out text") -> go.Figure:
    """`val_loss` over training with ln V, where a dead network stands, the unigram model's loss, and the published losses."""
    figure = _curves(histories, "val_loss", title, "cross-entropy (nats a token)")
    references = histories[0].references
    _level(figure, references["ln_vocabulary"], f"ln V = {references['ln_vocabulary']:.2f}: a uniform prediction")
    _level(figure, references["unigram_loss"], f"unigram model: {references['unigram_loss']:.2f}")
    _overlay_published(figure, histories, "loss")
    return figure


def _curves(histories: Sequence[History], measure: str, title: str, label: str) -> go.Figure:
    """One line a run; the seeds of an arm share its colour and its entry in the legend."""
    figure = go.Figure()
    seen: set[str] = set()
    several_sizes = len({h.config.hidden for h in histories}) > 1
    for history in histories:
        config, recipe = history.config, ARMS[history.config.arm]
        name = f"{config.arm}, hidden {config.hidden}" if several_sizes else config.arm
        figure.add_scatter(
            x=history.measures.step.tolist(),
            y=history.measures[measure].round(4).tolist(),
            name=name + ("" if history.complete else " (incomplete)"),
            legendgroup=name,
            showlegend=name not in seen,
            mode="lines+markers",
            line={"color": ARM_COLOURS[config.arm], "dash": "solid" if recipe.quantize else "dash", "width": 2},
            marker={"size": 6},
            customdata=history.states.tolist(),
            hovertemplate=f"{name}, seed {config.seed}<br>step %{{x}}: %{{y}} (%{{customdata}})<extra></extra>",
        )
        seen.add(name)
    for boundary in sorted({stage_boundary(h.config.steps) for h in histories}):
        figure.add_vline(boundary, line={"color": "#888", "dash": "dot"})
        figure.add_annotation(
            x=boundary, y=1, yref="paper", yanchor="bottom", text="stage switch", showarrow=False, font={"color": "#666"}
        )
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left"}, template="plotly_white", height=HEIGHT, hovermode="closest",
        margin={"l": 70, "r": 20, "t": 70, "b": 60},
    )  # fmt: skip
    figure.update_xaxes(title="update (step)", rangemode="tozero")
    figure.update_yaxes(title=label)
    return figure


def _level(figure: go.Figure, y: float, text: str, log: bool = False) -> None:
    """A labelled horizontal reference line; plotly places annotations on a log axis by their exponent."""
    figure.add_shape(
        type="line", xref="paper", x0=0, x1=1, y0=y, y1=y, line={"color": "#777", "dash": "dash", "width": 1}, layer="between"
    )
    figure.add_annotation(
        xref="paper", x=1, xanchor="right", y=math.log10(y) if log else y, yanchor="bottom", text=text, showarrow=False,
        font={"size": 11, "color": "#555"},
    )  # fmt: skip


def _overlay_published(figure: go.Figure, histories: Sequence[History], column: str) -> None:
    """The published points of the arms and sizes shown, as far as these runs reach; none where they do not."""
    table = published()
    last = max(h.config.steps for h in histories)
    for arm, hidden in sorted({(h.config.arm, h.config.hidden) for h in histories}):
        rows = table[(table.arm == arm) & (table.hidden == hidden) & (table.step > 1) & (table.step <= last)]
        rows = rows.dropna(subset=[column])
        if len(rows):
            length = rows.steps_total.iloc[0]
            figure.add_scatter(
                x=rows.step.tolist(),
                y=rows[column].tolist(),
                name=f"{arm}, published" + (f" ({length:.0f}-step run)" if length == length else ""),
                mode="markers",
                marker={"symbol": "diamond-open", "size": 10, "color": ARM_COLOURS[arm], "line": {"width": 2}},
                hovertemplate="published: step %{x}: %{y}<extra></extra>",
            )
