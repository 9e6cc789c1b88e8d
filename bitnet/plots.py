"""Figures of histories, for notebooks and reports (plotly). Nothing here trains or judges."""

import base64
import io
import math
import shutil
from collections.abc import Sequence
from importlib.resources import files

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
from plotly.subplots import make_subplots

from bitnet.arms import ARMS, GRID, GRID_DECAYS
from bitnet.config import RunConfig
from bitnet.diversity import (
    COLLAPSED_CONTEXT_INFORMATION,
    DEAD_ENTROPY_SHARE,
    SEED_PROMPTS,
    STATES,
    rarefaction,
)
from bitnet.health import ROW_BINS
from bitnet.history import History
from bitnet.observe import Snapshot
from bitnet.schedule import stage_boundary
from bitnet.tables import shown
from bitnet.verdict import FAILS_BAR, WORKS_BAR

__all__ = [
    "ARM_COLOURS", "LABELS", "diversity_figure", "entropy_figure", "grid_figure", "loss_figure", "measure_figure",
    "penalty_figure", "phase_figure", "published", "rarefaction_figure", "row_norm_figure", "seed_probe_figure", "set_renderer",
    "spread_figure", "state_examples", "ternary_figure", "top_tokens_figure",
]  # fmt: skip

# Okabe & Ito's colours, which every kind of colour vision tells apart; an arm keeps its colour in every figure, and
# the arms that share one differ in their dash.
ARM_COLOURS = {
    "l2-0.05": "#D55E00", "l2-0.0": "#0072B2", "l2-0.1": "#CC79A7", "l2-reduced-lr": "#E69F00",
    "l2-label-smoothing": "#56B4E9", "l2-grad-clip": "#000000", "adamw-0.05": "#F0E442", "adamw-0.0": "#009E73",
    "no-decay": "#999999", "fp-l2-0.0": "#0072B2", "fp-adamw-0.0": "#009E73", "l2-blocks-0.0": "#117733",
}  # fmt: skip
# The grid's arms by their coefficient, from light to dark.
_DECAY_COLOURS = dict(zip(GRID_DECAYS, ("#999999", "#F0E442", "#E69F00", "#D55E00", "#000000"), strict=True))
ARM_COLOURS |= {arm: _DECAY_COLOURS[recipe.stage1_decay] for arm, recipe in GRID.items()}
HEIGHT = 430
PICTURE_WIDTH = 760  # pixels
PICTURE_COLOURS = 64  # few, so that a notebook with seven pictures stays small
# Of plotly's white template only what a plain chart needs: every figure in a notebook carries its template along.
_WHITE = pio.templates["plotly_white"].layout
TEMPLATE = {
    "layout": {
        name: _WHITE[name].to_plotly_json() if hasattr(_WHITE[name], "to_plotly_json") else _WHITE[name]
        for name in ("font", "title", "xaxis", "yaxis", "hoverlabel", "paper_bgcolor", "plot_bgcolor")
    }
}
_CASE_COLOURS = ("#555555", "#D55E00", "#009E73", "#0072B2")  # of things that are not arms
_BIN_COLOURS = ("#000000", "#0072B2", "#56B4E9", "#009E73", "#E69F00")  # from tokens never seen to the commonest

# Which of our arms a published run followed.
_PUBLISHED_ARMS = {
    "scaling": "l2-0.0", "stage1_only": "l2-0.1", "reduced_lr": "l2-reduced-lr",
    "label_smoothing": "l2-label-smoothing", "grad_clip": "l2-grad-clip",
}  # fmt: skip


# Axis titles of the measures, and the reference drawn beside each (a name in `History.references`), if any.
LABELS = {
    "unique_tokens": ("distinct argmax tokens", "unique_tokens_ceiling"),
    "effective_tokens": ("effective tokens", "human_effective_tokens"),
    "top1_share": ("share of the commonest argmax", "human_top1_share"),
    "context_information": ("context information (nats)", None),
    "predictive_entropy": ("predictive entropy (nats)", "ln_vocabulary"),
    "val_loss": ("held-out cross-entropy (nats)", "unigram_loss"),
    "unique_predictions": ("distinct of 20 (the seed's probe)", "unique_predictions_ceiling"),
    "seq_rep_4": ("repeated 4-grams in continuations (seq-rep-4)", "human_seq_rep_4"),
    "distinct_1": ("distinct tokens in continuations (distinct-1)", "human_distinct_1"),
    "distinct_2": ("distinct 2-grams in continuations (distinct-2)", "human_distinct_2"),
}


def set_renderer() -> None:
    """Let notebooks store figures as interactive plotly data and, where a Chromium can draw it, as a picture too."""
    from plotly.io.base_renderers import MimetypeRenderer  # here, for it brings IPython along

    class Picture(MimetypeRenderer):
        def to_mimebundle(self, fig_dict: dict) -> dict[str, str]:
            return {"image/png": _small_picture(fig_dict)}

    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    pio.renderers["small_png"] = Picture()
    pio.renderers.default = "plotly_mimetype+small_png" if any(map(shutil.which, browsers)) else "plotly_mimetype"


def _small_picture(figure: dict) -> str:
    """A figure as a PNG in a palette, base64."""
    import kaleido
    from PIL import Image

    kaleido.start_sync_server(
        silence_warnings=True
    )  # one browser for all pictures; else each starts its own, which takes seconds
    options = {"format": "png", "width": PICTURE_WIDTH, "height": figure["layout"].get("height", HEIGHT)}
    full = kaleido.calc_fig_sync(go.Figure(figure, skip_invalid=True).to_dict(), opts=options)
    small = io.BytesIO()
    Image.open(io.BytesIO(full)).convert("RGB").quantize(PICTURE_COLOURS).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


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


def measure_figure(histories: Sequence[History], measure: str, log: bool = False, title: str = "") -> go.Figure:
    """Any measure over training, one line a run, with its ceiling or the value of the human text."""
    label, reference = LABELS[measure]
    figure = _curves(histories, measure, title or label, label + (", log scale" if log else ""))
    value = histories[0].references.get(reference) if reference else None
    if value is not None and reference is not None and (value > 0 or not log):
        _level(figure, value, f"{reference.replace('_', ' ')}: {value:.4g}", log)
    if log:
        figure.update_yaxes(type="log")
    return figure


def entropy_figure(histories: Sequence[History]) -> go.Figure:
    """`predictive_entropy` over training, with ln V and the line above which a network counts as dead."""
    figure = measure_figure(histories, "predictive_entropy", title="How sure the model is: mean entropy of its predictions")
    dead = DEAD_ENTROPY_SHARE * histories[0].references["ln_vocabulary"]
    _level(figure, dead, "dead above this line")
    return figure


def phase_figure(histories: Sequence[History], title: str = "Dead, collapsed, learning: told apart") -> go.Figure:
    """Each run as a path through context information (x, nats) and predictive entropy (y, nats); its last point is large."""
    figure = go.Figure()
    references = histories[0].references
    dead = DEAD_ENTROPY_SHARE * references["ln_vocabulary"]
    right = max(1.0, *(1.1 * h.measures.context_information.max() for h in histories))
    bottom = min(4.0, *(0.9 * h.measures.predictive_entropy.min() for h in histories))
    for x0, x1, y0, y1, colour, text in (
        (0, right, dead, references["ln_vocabulary"] * 1.02, "#bbbbbb", "dead: uniform"),
        (0, COLLAPSED_CONTEXT_INFORMATION, bottom, dead, "#f2c9b0", "collapsed: context ignored"),
    ):
        figure.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, fillcolor=colour, opacity=0.4, line_width=0, layer="below")
        figure.add_annotation(x=x0, y=y0, text=text, showarrow=False, xanchor="left", yanchor="bottom", font={"size": 11})
    for history in histories:
        m, config = history.measures.iloc[1:], history.config  # the first evaluation is the untrained model
        figure.add_scatter(
            x=m.context_information.round(4).tolist(), y=m.predictive_entropy.round(4).tolist(), mode="lines+markers",
            name=_name(config, [h.config for h in histories]),
            line={"color": ARM_COLOURS[config.arm], "width": 1.5, "dash": _dash(config.arm)},
            marker={"size": [6] * (len(m) - 1) + [14], "color": ARM_COLOURS[config.arm]},
            customdata=[[int(s), state] for s, state in zip(m.step, history.states.iloc[1:], strict=True)],
            hovertemplate="step %{customdata[0]}: %{customdata[1]}<br>context %{x} nats, entropy %{y} nats",
        )  # fmt: skip
    _dress(figure, title, "context information (nats)", "predictive entropy (nats)")
    figure.update_xaxes(range=[-0.02 * right, right])
    return figure


def rarefaction_figure(
    cases: Sequence[tuple[str, Snapshot]], title: str = "What a probe of n positions would have counted"
) -> go.Figure:
    """Expected distinct winners against probe size (both log), one line a snapshot, with the ceiling n and the seed's 20."""
    figure = go.Figure()
    total = sum(times * tokens for times, tokens in cases[0][1].abundances)
    sizes = sorted({n for k in range(4) for n in (10**k, 2 * 10**k, 5 * 10**k) if n <= total} | {total})
    figure.add_scatter(x=sizes, y=sizes, name="ceiling: every position another token", mode="lines",
                       line={"color": "#777", "dash": "dash"})  # fmt: skip
    for (name, snapshot), colour in zip(cases, _CASE_COLOURS, strict=False):
        counts = [round(rarefaction(snapshot.abundances, n), 2) for n in sizes]
        figure.add_scatter(x=sizes, y=counts, name=name, mode="lines+markers", line={"color": colour, "width": 2})
    figure.add_vline(SEED_PROMPTS, line={"color": "#888", "dash": "dot"})
    figure.add_annotation(x=math.log10(SEED_PROMPTS), y=1, yref="paper", yanchor="bottom", showarrow=False,
                          text=f"the seed's probe: {SEED_PROMPTS}", font={"color": "#666"})  # fmt: skip
    _level(figure, WORKS_BAR, f"the brief: works above {WORKS_BAR}", log=True)
    _dress(figure, title, "positions asked (log scale)", "distinct winners (log scale)")
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    return figure


def state_examples(histories: Sequence[History]) -> list[tuple[str, Snapshot]]:
    """For each state that occurs after the first update, the first evaluation in it: what it is, and what the model said."""
    found: dict[str, tuple[str, Snapshot]] = {}
    for history in histories:
        for step, state in zip(history.measures.step[1:], history.states[1:], strict=True):
            found.setdefault(state, (f"{state}: {history.config.arm}, step {int(step)}", history.snapshot_at(step)))
    return [found[state] for state in STATES if state in found]


def top_tokens_figure(histories: Sequence[History], step: int | None = None, tokens: int = 8) -> go.Figure:
    """The commonest winners of each run after update `step` (None: its last), beside their share of the training text."""
    figure = make_subplots(
        rows=1, cols=len(histories), subplot_titles=[_name(h.config, [h.config for h in histories]) for h in histories],
        horizontal_spacing=0.14 / max(1, len(histories) - 1) if len(histories) > 1 else 0.1,
    )  # fmt: skip
    for column, history in enumerate(histories, start=1):
        top = history.snapshot_at(step).top_tokens[:tokens][::-1]
        names = [f"{shown(i)!r}"[1:-1] + " " * k for k, (i, _, _) in enumerate(top)]  # bars need different names
        for what, values, colour in (
            ("in the text", [100 * text for _, _, text in top], "#999999"),
            ("wins", [100 * share for _, share, _ in top], ARM_COLOURS[history.config.arm]),
        ):
            figure.add_bar(
                x=[round(v, 2) for v in values],
                y=names,
                orientation="h",
                name=what,
                marker={"color": colour},
                row=1,
                col=column,
                showlegend=False,
                hovertemplate=f"{what}: %{{x}} %<extra></extra>",
            )
        figure.update_xaxes(title="% of positions", row=1, col=column)
    _dress(figure, "The tokens that win most positions (grey: their share of the text)", None, None)
    figure.update_layout(barmode="group", bargap=0.25)
    return figure


def spread_figure(histories: Sequence[History], measure: str, title: str = "") -> go.Figure:
    """A measure over training: one line an arm, the mean over its seeds, in a band from the least to the greatest seed."""
    label, _ = LABELS[measure]
    figure = go.Figure()
    for arm in dict.fromkeys(h.config.arm for h in histories):
        runs = [h.measures.set_index("step")[measure].rename(h.config.seed) for h in histories if h.config.arm == arm]
        table = pd.concat(runs, axis=1).dropna()
        steps, colour = table.index.tolist(), ARM_COLOURS[arm]
        low, high = table.min(axis=1).round(4).tolist(), table.max(axis=1).round(4).tolist()
        figure.add_scatter(x=steps + steps[::-1], y=high + low[::-1], fill="toself", mode="none", fillcolor=_faint(colour),
                           hoverinfo="skip", showlegend=False, legendgroup=arm)  # fmt: skip
        figure.add_scatter(
            x=steps, y=table.mean(axis=1).round(4).tolist(), name=f"{arm} ({len(runs)} seed{'s' * (len(runs) > 1)})",
            legendgroup=arm, mode="lines+markers", line={"color": colour, "width": 2, "dash": _dash(arm)}, marker={"size": 5},
        )  # fmt: skip
    _mark_switch(figure, histories)
    _dress(figure, title or label, "update (step)", label)
    return figure


def grid_figure(histories: Sequence[History], measure: str = "val_loss", title: str = "") -> go.Figure:
    """A measure at the last step against the decay coefficient, one line a kind of decay and precision."""
    label, _ = LABELS[measure]
    figure = go.Figure()
    for optimizer, quantize in ((o, q) for o in ("adam", "adamw") for q in (True, False)):
        chosen = [h for h in histories if _in_grid(h, optimizer, quantize)]
        chosen.sort(key=lambda h: ARMS[h.config.arm].stage1_decay)
        kind = "coupled (Adam + L2)" if optimizer == "adam" else "decoupled (AdamW)"
        figure.add_scatter(
            x=[f"{ARMS[h.config.arm].stage1_decay:g}" for h in chosen],
            y=[round(float(h.measures[measure].iloc[-1]), 4) for h in chosen],
            name=f"{kind}, {'ternary' if quantize else 'full precision'}", mode="lines+markers",
            line={"color": "#D55E00" if optimizer == "adam" else "#009E73", "dash": "solid" if quantize else "dash"},
            marker={"size": 9, "symbol": "circle" if quantize else "circle-open"},
            text=[h.states.iloc[-1] for h in chosen], hovertemplate="decay %{x}: %{y} (%{text})",
        )  # fmt: skip
    _dress(figure, title or f"{label} at the last step", "decay coefficient, in both stages", label)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[f"{d:g}" for d in GRID_DECAYS])
    return figure


def row_norm_figure(
    histories: Sequence[History], which: str = "embedding", predicted: Sequence[tuple[str, Sequence[int], Sequence[float]]] = ()
) -> go.Figure:
    """Mean norm of the rows of `which` ("embedding" or "head") over training, by how often their token stands in the text.

    One panel a run. `predicted` adds curves as (arm, steps, norms), dotted.
    """
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        for name, colour in zip(ROW_BINS, _BIN_COLOURS, strict=True):
            _panel_line(figure, column, history, f"{name} times", history.health[f"row_norm.{which}.{name}"], colour)
        for arm, steps, norms in predicted:
            if arm == history.config.arm:
                figure.add_scatter(
                    x=list(steps),
                    y=[round(float(v), 5) for v in norms],
                    name="predicted, no gradient",
                    legendgroup="predicted",
                    showlegend=column == 1,
                    mode="lines",
                    line={"color": "#D55E00", "dash": "dot", "width": 3},
                    row=1,
                    col=column,
                )
    _dress(figure, f"Norm of the rows of the {which}, by how often their token stands in the training text", None, None)
    figure.update_xaxes(title="update (step)")
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="mean row norm", col=1)
    return figure


def penalty_figure(histories: Sequence[History]) -> go.Figure:
    """Norm of the penalty wd * W over the norm of the loss gradient, by group of weights (log scale), one panel a run."""
    figure = _panels(histories)
    for column, history in enumerate(histories, start=1):
        for group, colour in zip(("embedding", "head", "ternary"), _CASE_COLOURS, strict=False):
            ratio = (history.health[f"penalty.{group}"] / history.health[f"gradient.{group}"]).replace(0, math.nan)
            _panel_line(figure, column, history, group, ratio, colour)
    _dress(figure, "Penalty over gradient: above 1 the penalty decides the direction (no point where decay is 0)", None, None)
    figure.update_xaxes(title="update (step)")
    figure.update_yaxes(type="log", dtick=1)
    figure.update_yaxes(title="penalty / gradient (log scale)", col=1)
    return figure


def ternary_figure(histories: Sequence[History]) -> go.Figure:
    """The shares of zeros, of flips since the last evaluation, and of flips back (oscillation), one panel a run."""
    figure = _panels(histories)
    names = {
        "zero": "zeros",
        "flipped": "flipped since the last evaluation",
        "flipped_back": "of these, back to the value before",
    }
    for column, history in enumerate(histories, start=1):
        for (measure, name), colour in zip(names.items(), _CASE_COLOURS, strict=False):
            _panel_line(figure, column, history, name, 100 * history.health[measure], colour)
    _dress(figure, "Ternary weights of the blocks", None, None)
    figure.update_xaxes(title="update (step)")
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="% of the weights", col=1)
    return figure


def _panels(histories: Sequence[History]) -> go.Figure:
    """Panels beside one another with a common y axis, one a run, each with its stage switch."""
    titles = [_name(h.config, [x.config for x in histories]) for h in histories]
    figure = make_subplots(rows=1, cols=len(histories), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03)
    for column, history in enumerate(histories, start=1):
        figure.add_vline(
            stage_boundary(history.config.steps), line={"color": "#888", "dash": "dot"}, row=1, col=column,
            exclude_empty_subplots=False,  # they are empty as yet, and plotly would leave the line out
        )  # fmt: skip
    return figure


def _panel_line(figure: go.Figure, column: int, history: History, name: str, values: pd.Series, colour: str) -> None:
    """A line over the evaluations of a run in its panel, with a gap where a value is not there; one legend for all panels."""
    figure.add_scatter(
        x=history.health.step.tolist(), y=[None if v != v else float(f"{v:.5g}") for v in values], name=name, legendgroup=name,
        showlegend=column == 1, mode="lines+markers", marker={"size": 4}, line={"color": colour}, row=1, col=column,
    )  # fmt: skip


def _in_grid(history: History, optimizer: str, quantize: bool) -> bool:
    """Whether a run of the grid belongs to that line; without decay, both kinds are the same run."""
    recipe = ARMS[history.config.arm]
    return (
        history.config.arm in GRID
        and recipe.quantize == quantize
        and (recipe.optimizer == optimizer or recipe.stage1_decay == 0)
    )


def _name(config: RunConfig, among: Sequence[RunConfig]) -> str:
    """A run's name, as short as the others allow."""
    name = config.arm
    if len({c.hidden for c in among}) > 1:
        name += f", hidden {config.hidden}"
    return name + (f", seed {config.seed}" if len({c.seed for c in among}) > 1 else "")


def _dash(arm: str) -> str:
    return "solid" if ARMS[arm].quantize else "dash"


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def _dress(figure: go.Figure, title: str, x: str | None, y: str | None) -> None:
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left"}, template=TEMPLATE, height=HEIGHT, hovermode="closest",
        margin={"l": 70, "r": 20, "t": 70, "b": 60},
    )  # fmt: skip
    if x:
        figure.update_xaxes(title=x)
    if y:
        figure.update_yaxes(title=y)


def _mark_switch(figure: go.Figure, histories: Sequence[History]) -> None:
    for boundary in sorted({stage_boundary(h.config.steps) for h in histories}):
        figure.add_vline(boundary, line={"color": "#888", "dash": "dot"})
        figure.add_annotation(
            x=boundary, y=1, yref="paper", yanchor="bottom", text="stage switch", showarrow=False, font={"color": "#666"}
        )


def _curves(histories: Sequence[History], measure: str, title: str, label: str) -> go.Figure:
    """One line a run; the seeds of an arm share its colour and its entry in the legend."""
    figure = go.Figure()
    seen: set[str] = set()
    several_sizes = len({h.config.hidden for h in histories}) > 1
    for history in histories:
        config = history.config
        name = f"{config.arm}, hidden {config.hidden}" if several_sizes else config.arm
        figure.add_scatter(
            x=history.measures.step.tolist(),
            y=history.measures[measure].round(4).tolist(),
            name=name + ("" if history.complete else " (incomplete)"),
            legendgroup=name,
            showlegend=name not in seen,
            mode="lines+markers",
            line={"color": ARM_COLOURS[config.arm], "dash": _dash(config.arm), "width": 2},
            marker={"size": 6},
            customdata=history.states.tolist(),
            hovertemplate=f"{name}, seed {config.seed}<br>step %{{x}}: %{{y}} (%{{customdata}})<extra></extra>",
        )
        seen.add(name)
    _mark_switch(figure, histories)
    _dress(figure, title, "update (step)", label)
    figure.update_xaxes(rangemode="tozero")
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
