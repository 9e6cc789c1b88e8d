"""Figures of histories, for notebooks and reports (plotly). Nothing here trains or judges."""

import math
from collections.abc import Sequence
from importlib.resources import files

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bitnet.diversity import BRIEF_PROMPTS, COLLAPSED_CONTEXT_INFORMATION, DEAD_ENTROPY_SHARE, STATES, rarefaction
from bitnet.effects import final_intervals
from bitnet.history import History
from bitnet.observe import Snapshot
from bitnet.style import ARM_COLOURS, CASE_COLOURS, dash, dress, faint, level, mark_switch, run_name, set_renderer
from bitnet.tables import shown
from bitnet.verdict import FAILS_BAR, WORKS_BAR

__all__ = [
    "LABELS", "brief_probe_figure", "diversity_figure", "entropy_figure", "loss_figure", "measure_figure", "phase_figure",
    "published", "rarefaction_figure", "set_renderer", "size_figure", "spread_figure", "state_examples", "top_tokens_figure",
]  # fmt: skip

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
    "unique_predictions": ("distinct of 20 (the brief's probe)", "unique_predictions_ceiling"),
    "seq_rep_4": ("repeated 4-grams in continuations (seq-rep-4)", "human_seq_rep_4"),
    "distinct_1": ("distinct tokens in continuations (distinct-1)", "human_distinct_1"),
    "distinct_2": ("distinct 2-grams in continuations (distinct-2)", "human_distinct_2"),
}

_BESIDE = 0.4  # octaves over which the lines of one size are set side by side
_SIZE_SYMBOLS = ("circle", "square", "diamond", "triangle-up")


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
        level(figure, y, text, log=True)
    figure.update_yaxes(type="log", dtick=1, range=[-0.1, 4])
    return figure


def brief_probe_figure(
    histories: Sequence[History], title: str = "The brief's probe: distinct argmax after 20 random prompts"
) -> go.Figure:
    """`unique_predictions` over training with its ceiling of 20, and the published points of the same arms and size."""
    figure = _curves(histories, "unique_predictions", title, "distinct of 20")
    level(figure, histories[0].references["unique_predictions_ceiling"], "ceiling: 20 prompts")
    _overlay_published(figure, histories, "unique_predictions")
    figure.update_yaxes(range=[-0.5, 22])
    return figure


def loss_figure(histories: Sequence[History], title: str = "Loss on held-out text") -> go.Figure:
    """`val_loss` over training with ln V, where a dead network stands, the unigram model's loss, and the published losses."""
    figure = _curves(histories, "val_loss", title, "cross-entropy (nats a token)")
    references = histories[0].references
    level(figure, references["ln_vocabulary"], f"ln V = {references['ln_vocabulary']:.2f}: a uniform prediction")
    level(figure, references["unigram_loss"], f"unigram model: {references['unigram_loss']:.2f}")
    _overlay_published(figure, histories, "loss", "training loss")
    return figure


def measure_figure(histories: Sequence[History], measure: str, log: bool = False, title: str = "") -> go.Figure:
    """Any measure over training, one line a run, with its ceiling or the value of the human text."""
    label, reference = LABELS[measure]
    figure = _curves(histories, measure, title or label, label + (", log scale" if log else ""))
    value = histories[0].references.get(reference) if reference else None
    if value is not None and reference is not None and (value > 0 or not log):
        level(figure, value, f"{reference.replace('_', ' ')}: {value:.4g}", log)
    if log:
        figure.update_yaxes(type="log")
    return figure


def entropy_figure(histories: Sequence[History]) -> go.Figure:
    """`predictive_entropy` over training, with ln V and the line above which a network counts as dead."""
    figure = measure_figure(histories, "predictive_entropy", title="How sure the model is: mean entropy of its predictions")
    dead = DEAD_ENTROPY_SHARE * histories[0].references["ln_vocabulary"]
    level(figure, dead, "dead above this line", left=True)
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
            name=run_name(config, [h.config for h in histories]),
            line={"color": ARM_COLOURS[config.arm], "width": 1.5, "dash": dash(config.arm)},
            marker={"size": [6] * (len(m) - 1) + [14], "color": ARM_COLOURS[config.arm]},
            customdata=[[int(s), state] for s, state in zip(m.step, history.states.iloc[1:], strict=True)],
            hovertemplate="step %{customdata[0]}: %{customdata[1]}<br>context %{x} nats, entropy %{y} nats",
        )  # fmt: skip
    dress(figure, title, "context information (nats)", "predictive entropy (nats)")
    figure.update_xaxes(range=[-0.02 * right, right])
    return figure


def rarefaction_figure(
    cases: Sequence[tuple[str, Snapshot]], title: str = "What a probe of n positions would have counted"
) -> go.Figure:
    """Expected distinct winners against probe size (both log), one line a snapshot, with the ceiling n and the brief's 20."""
    figure = go.Figure()
    total = sum(times * tokens for times, tokens in cases[0][1].abundances)
    sizes = sorted({n for k in range(4) for n in (10**k, 2 * 10**k, 5 * 10**k) if n <= total} | {total})
    figure.add_scatter(x=sizes, y=sizes, name="ceiling: every position another token", mode="lines",
                       line={"color": "#777", "dash": "dash"})  # fmt: skip
    for (name, snapshot), colour in zip(cases, CASE_COLOURS, strict=False):
        counts = [round(rarefaction(snapshot.abundances, n), 2) for n in sizes]
        figure.add_scatter(x=sizes, y=counts, name=name, mode="lines+markers", line={"color": colour, "width": 2})
    figure.add_vline(BRIEF_PROMPTS, line={"color": "#888", "dash": "dot"})
    figure.add_annotation(x=math.log10(BRIEF_PROMPTS), y=1, yref="paper", yanchor="bottom", showarrow=False,
                          text=f"the brief's probe: {BRIEF_PROMPTS}", font={"color": "#666"})  # fmt: skip
    level(figure, WORKS_BAR, f"the brief: works above {WORKS_BAR}", log=True)
    dress(figure, title, "positions asked (log scale)", "distinct winners (log scale)")
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
        rows=1, cols=len(histories), subplot_titles=[run_name(h.config, [h.config for h in histories]) for h in histories],
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
    dress(figure, "The tokens that win most positions (grey: their share of the text)", None, None)
    figure.update_layout(barmode="group", bargap=0.25)
    return figure


def spread_figure(histories: Sequence[History], measure: str, title: str = "", log: bool = False) -> go.Figure:
    """A measure over training: the mean over the seeds of an arm, in a band from the least to the greatest seed.

    One line an arm, size and length, as far as all of its seeds have come.
    """
    label, _ = LABELS[measure]
    figure = go.Figure()
    groups: dict[tuple[str, int, int], list[pd.Series]] = {}
    for h in histories:
        if h.evaluated:
            values = h.measures.set_index("step")[measure].rename(h.config.seed)
            groups.setdefault((h.config.arm, h.config.hidden, h.config.steps), []).append(values)
    sizes, lengths = ({key[i] for key in groups} for i in (1, 2))
    for (arm, hidden, length), runs in groups.items():
        name = arm + (f", hidden {hidden}" if len(sizes) > 1 else "") + (f", {length} steps" if len(lengths) > 1 else "")
        table = pd.concat(runs, axis=1).dropna()
        steps, colour = table.index.tolist(), ARM_COLOURS[arm]
        low, high = table.min(axis=1).round(4).tolist(), table.max(axis=1).round(4).tolist()
        figure.add_scatter(x=steps + steps[::-1], y=high + low[::-1], fill="toself", mode="none", fillcolor=faint(colour),
                           hoverinfo="skip", showlegend=False, legendgroup=name)  # fmt: skip
        figure.add_scatter(
            x=steps, y=table.mean(axis=1).round(4).tolist(), name=f"{name} ({len(runs)} seed{'s' * (len(runs) > 1)})",
            legendgroup=name, mode="lines+markers", line={"color": colour, "width": 2, "dash": dash(arm)}, marker={"size": 5},
        )  # fmt: skip
    mark_switch(figure, histories)
    dress(figure, title or label, "update (step)", label + (", log scale" if log else ""))
    figure.update_yaxes(type="log" if log else "linear")
    return figure


def size_figure(histories: Sequence[History], measure: str, log: bool = False, title: str = "") -> go.Figure:
    """A measure at the last step of complete runs against hidden size: the mean over seeds in its 95 % bootstrap interval.

    One line an arm and length, side by side so that none hides another, every single run as a cross. With
    `unique_predictions` the published runs join, at their last point.
    """
    label, reference = LABELS[measure]
    figure = go.Figure()
    table = final_intervals(histories, measure)
    lines = list(table.groupby(["arm", "steps"], sort=False))
    several = table.steps.nunique() > 1
    for k, ((arm, steps), rows) in enumerate(lines):
        name, colour = f"{arm}, {steps} steps" if several else arm, ARM_COLOURS[arm]
        beside = 2 ** (_BESIDE * (k / (len(lines) - 1) - 0.5)) if len(lines) > 1 else 1.0
        spread = {"array": (rows.high - rows["mean"]).round(4), "arrayminus": (rows["mean"] - rows.low).round(4)}
        figure.add_scatter(
            x=(rows.hidden * beside).round(2).tolist(), y=rows["mean"].round(4).tolist(), name=name, legendgroup=name,
            mode="lines+markers", line={"color": colour, "dash": dash(arm)}, marker={"size": 9},
            error_y={"type": "data", "symmetric": False} | {k: v.tolist() for k, v in spread.items()},
            customdata=rows[["hidden", "seeds"]].values.tolist(),
            hovertemplate="hidden %{customdata[0]}: %{y} (%{customdata[1]} seeds)",
        )  # fmt: skip
        points = [(hidden, round(value, 4)) for hidden, each in zip(rows.hidden, rows["each"], strict=True) for value in each]
        figure.add_scatter(
            x=[round(hidden * beside, 2) for hidden, _ in points], y=[y for _, y in points], name=name, legendgroup=name,
            showlegend=False, mode="markers", marker={"size": 9, "symbol": "x-thin", "line": {"color": colour, "width": 1.5}},
            hovertemplate="one run: %{y}<extra></extra>",
        )  # fmt: skip
    last = published().query("run == 'scaling'").groupby("hidden").last() if measure == "unique_predictions" else None
    if last is not None:
        figure.add_scatter(
            x=last.index.tolist(), y=last.unique_predictions.tolist(), name="l2-0.0, published (10 000 steps)", mode="markers",
            marker={"symbol": "diamond-open", "size": 10, "color": ARM_COLOURS["l2-0.0"], "line": {"width": 2}},
        )  # fmt: skip
    value = histories[0].references.get(reference) if reference else None
    if value is not None and reference is not None and (value > 0 or not log):
        level(figure, value, f"{reference.replace('_', ' ')}: {value:.4g}", log)
    dress(
        figure, title or f"{label} at the last step, by size", "hidden size (log scale)", label + (", log scale" if log else "")
    )
    sizes = sorted({*table.hidden, *(last.index if last is not None else ())})
    around = [math.log10(sizes[0] / 1.3), math.log10(sizes[-1] * 1.3)]
    figure.update_xaxes(type="log", range=around, tickvals=sizes, ticktext=[str(size) for size in sizes])
    figure.update_yaxes(type="log" if log else "linear")
    return figure


def _curves(histories: Sequence[History], measure: str, title: str, label: str) -> go.Figure:
    """One line a run; the seeds of an arm share its colour and its entry in the legend, its sizes differ in their markers."""
    figure = go.Figure()
    seen: set[str] = set()
    sizes = sorted({h.config.hidden for h in histories})
    for history in histories:
        config = history.config
        name = f"{config.arm}, hidden {config.hidden}" if len(sizes) > 1 else config.arm
        figure.add_scatter(
            x=history.measures.step.tolist(),
            y=history.measures[measure].round(4).tolist(),
            name=name + ("" if history.complete else " (incomplete)"),
            legendgroup=name,
            showlegend=name not in seen,
            mode="lines+markers",
            line={"color": ARM_COLOURS[config.arm], "dash": dash(config.arm), "width": 2},
            marker={"size": 6, "symbol": _SIZE_SYMBOLS[sizes.index(config.hidden) % len(_SIZE_SYMBOLS)]},
            customdata=history.states.tolist(),
            hovertemplate=f"{name}, seed {config.seed}<br>step %{{x}}: %{{y}} (%{{customdata}})<extra></extra>",
        )
        seen.add(name)
    mark_switch(figure, histories)
    dress(figure, title, "update (step)", label)
    figure.update_xaxes(rangemode="tozero")
    return figure


def _overlay_published(figure: go.Figure, histories: Sequence[History], column: str, what: str = "") -> None:
    """The published points of the arms and sizes shown, as far as these runs reach; none where they do not."""
    table = published()
    last = max(h.config.steps for h in histories)
    for arm, hidden in sorted({(h.config.arm, h.config.hidden) for h in histories}):
        rows = table[(table.arm == arm) & (table.hidden == hidden) & (table.step > 1) & (table.step <= last)]
        rows = rows.dropna(subset=[column])
        if len(rows):
            length = rows.steps_total.iloc[0]
            about = ", ".join(said for said in (what, f"{length:.0f}-step run" if length == length else "") if said)
            figure.add_scatter(
                x=rows.step.tolist(),
                y=rows[column].tolist(),
                name=f"{arm}, published" + (f"<br>({about})" if about else ""),
                mode="markers",
                marker={"symbol": "diamond-open", "size": 10, "color": ARM_COLOURS[arm], "line": {"width": 2}},
                hovertemplate="published: step %{x}: %{y}<extra></extra>",
            )
