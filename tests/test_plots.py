"""Figures: what is in them, and that they can be serialised."""

import json
import math

import pytest
from test_verdict import DEAD, history

from bitnet import ARMS
from bitnet.arms import GRID, GRID_DECAYS
from bitnet.decay import predicted_row_norms
from bitnet.diversity import STATES, rarefaction
from bitnet.health import ROW_BINS
from bitnet.history import MEASURES
from bitnet.plots import (
    ARM_COLOURS,
    LABELS,
    diversity_figure,
    entropy_figure,
    grid_figure,
    loss_figure,
    measure_figure,
    penalty_figure,
    phase_figure,
    published,
    rarefaction_figure,
    row_norm_figure,
    seed_probe_figure,
    spread_figure,
    state_examples,
    ternary_figure,
    top_tokens_figure,
)
from bitnet.tables import shown

HISTORIES = [history("l2-0.05", stage1=DEAD, stage2=DEAD), history("l2-0.0", stage1=DEAD), history("adamw-0.0")]


def texts(figure):
    return " | ".join(a.text for a in figure.layout.annotations)


@pytest.mark.parametrize("build", [diversity_figure, loss_figure, seed_probe_figure])
def test_every_figure_names_its_axes_arms_and_switch(build):
    figure = build(HISTORIES)
    assert {"l2-0.05", "l2-0.0", "adamw-0.0"} <= {trace.name for trace in figure.data}
    assert figure.layout.title.text
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text
    assert "stage switch" in texts(figure)
    assert any(shape.x0 == 10_000 for shape in figure.layout.shapes)
    json.loads(figure.to_json())


def test_the_diversity_figure_draws_ceiling_reference_and_bars():
    figure = diversity_figure(HISTORIES)
    for text in ("ceiling: 4123", "the text itself: 1917", "works above 50", "fails below 10"):
        assert text in texts(figure)
    assert {4123, 1917, 50, 10} <= {shape.y0 for shape in figure.layout.shapes}


def test_the_loss_figure_draws_a_dead_network_and_the_unigram_model():
    assert "ln V = 10.8" in texts(loss_figure(HISTORIES))
    assert "unigram model: 7.70" in texts(loss_figure(HISTORIES))


def test_published_points_are_overlaid_where_they_apply():
    def overlaid(histories):
        return [trace for trace in seed_probe_figure(histories).data if "published" in trace.name]

    (trace,) = overlaid(HISTORIES)
    assert list(trace.x) == [1000 * i for i in range(1, 11)]
    assert list(trace.y) == [16, 8, 2, 2, 2, 10, 14, 13, 17, 13]
    assert overlaid([history("l2-0.0", steps=200)]) == []  # ends before the first published checkpoint
    assert overlaid([history("l2-0.0", hidden=128)]) == []  # a size that was not published
    assert overlaid([history("adamw-0.0")]) == []  # an arm that was not published


def test_the_published_table_is_carried_whole():
    table = published()
    assert len(table) == 54
    assert not table.arm.isna().any()
    dead = table[(table.run == "scaling") & (table.hidden == 256) & (table.step == 1000)].iloc[0]
    assert (dead.loss, dead.unique_predictions) == (10.82, 16)


def test_every_arm_has_a_colour_and_an_incomplete_run_is_marked():
    assert set(ARM_COLOURS) == set(ARMS)
    figure = loss_figure([history("l2-0.0", status="stopped", until=5000)])
    assert figure.data[0].name == "l2-0.0 (incomplete)"


@pytest.fixture
def runs(tiny_runs):
    return [tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0")]


@pytest.fixture
def grid(tiny_runs):
    return [run for (arm, _), run in tiny_runs.items() if arm in GRID]


def axes(figure, letter):
    return [axis for name, axis in figure.layout.to_plotly_json().items() if name.startswith(f"{letter}axis")]


def drawn(trace):
    """The points of a trace that are there to be seen."""
    return [(x, y) for x, y in zip(trace.x, trace.y, strict=True) if y is not None and not math.isnan(y)]


def switches(figure):
    return [shape.x0 for shape in figure.layout.shapes if shape.type == "line" and shape.x0 == shape.x1]


@pytest.mark.parametrize(
    "build",
    [
        lambda runs: measure_figure(runs, "effective_tokens"), entropy_figure, phase_figure, penalty_figure, ternary_figure,
        row_norm_figure, top_tokens_figure, lambda runs: spread_figure(runs, "val_loss"),
        lambda runs: rarefaction_figure(state_examples(runs)),
    ],
    ids=["measure", "entropy", "phase", "penalty", "ternary", "row norm", "top tokens", "spread", "rarefaction"],
)  # fmt: skip
def test_every_figure_of_real_runs_has_points_titles_and_json(runs, build):
    figure = build(runs)
    assert figure.layout.title.text
    assert all(axis["title"]["text"] for axis in axes(figure, "x"))
    assert any(axis.get("title", {}).get("text") for axis in axes(figure, "y")) or figure.data[0].type == "bar"
    assert all(len(trace.x) == len(trace.y) > 0 for trace in figure.data)
    json.loads(figure.to_json())


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("log", [False, True])
def test_a_measure_is_drawn_as_recorded_with_its_reference(runs, measure, log):
    figure = measure_figure(runs, measure, log)
    label, reference = LABELS[measure]
    for trace, run in zip(figure.data, runs, strict=True):
        assert trace.line.color == ARM_COLOURS[run.config.arm]
        assert list(trace.x) == run.measures.step.tolist()
        assert list(trace.y) == pytest.approx(run.measures[measure].tolist(), abs=1e-4)
    assert switches(figure) == [20]
    assert "stage switch" in texts(figure)
    assert figure.layout.yaxis.title.text == label + (", log scale" if log else "")
    assert (figure.layout.yaxis.type == "log") is log
    if reference:
        value = runs[0].references[reference]
        assert (value in [shape.y0 for shape in figure.layout.shapes]) is (value > 0 or not log)


def test_every_measure_has_a_label_and_nats_are_said():
    assert set(LABELS) == set(MEASURES)
    for measure in ("context_information", "predictive_entropy", "val_loss"):
        assert "(nats)" in LABELS[measure][0]


def test_the_entropy_figure_draws_ln_v_and_the_line_of_the_dead(runs):
    figure = entropy_figure(runs)
    assert "dead above this line" in texts(figure)
    assert {math.log(2048), 0.99 * math.log(2048)} <= {shape.y0 for shape in figure.layout.shapes}


def test_the_phase_figure_draws_both_regions_and_enlarges_the_last_point(runs):
    figure = phase_figure(runs)
    assert "dead: uniform" in texts(figure)
    assert "collapsed: context ignored" in texts(figure)
    dead, collapsed = (shape for shape in figure.layout.shapes if shape.type == "rect")
    assert dead.y0 == collapsed.y1 == pytest.approx(0.99 * math.log(2048))
    assert collapsed.x1 == 0.1
    assert "(nats)" in figure.layout.xaxis.title.text
    assert "(nats)" in figure.layout.yaxis.title.text
    for trace, run in zip(figure.data, runs, strict=True):
        assert (trace.name, trace.line.color) == (run.config.arm, ARM_COLOURS[run.config.arm])
        assert len(trace.x) == len(run.measures) - 1  # without the untrained model
        assert trace.y[-1] == pytest.approx(run.measures.predictive_entropy.iloc[-1], abs=1e-4)
        assert trace.marker.size[-1] > max(trace.marker.size[:-1])


def test_the_rarefaction_figure_starts_at_one_and_ends_at_the_count(runs):
    said = runs[0].snapshot_at()
    figure = rarefaction_figure([("last", said)])
    ceiling, curve = figure.data
    assert list(ceiling.x) == list(ceiling.y)
    assert curve.name == "last"
    assert (curve.x[0], curve.y[0]) == (1, 1)
    assert (curve.x[-1], curve.y[-1]) == (310, runs[0].measures.unique_tokens.iloc[-1])
    at = dict(zip(curve.x, curve.y, strict=True))
    assert at[20] == pytest.approx(rarefaction(said.abundances, 20), abs=0.01)
    assert "the seed's probe: 20" in texts(figure)
    assert "works above 50" in texts(figure)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_each_state_is_shown_by_the_first_evaluation_in_it(runs):
    examples = state_examples(runs)
    states = [name.split(":")[0] for name, _ in examples]
    assert states == [state for state in STATES if any(state in h.states[1:].tolist() for h in runs)]
    for name, said in examples:
        arm, step = name.split(": ")[1].split(", step ")
        (run,) = (h for h in runs if h.config.arm == arm)
        assert run.states[run.measures.step == int(step)].item() == name.split(":")[0]
        assert said == run.snapshot_at(int(step))
        assert int(step) > 1


def test_the_winning_tokens_are_drawn_beside_their_share_of_the_text(runs):
    figure = top_tokens_figure(runs, step=20, tokens=3)
    assert len(figure.data) == 6
    assert [a.text for a in figure.layout.annotations] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    for i, run in enumerate(runs):
        top = run.snapshot_at(20).top_tokens[:3]
        text, wins = figure.data[2 * i : 2 * i + 2]
        assert wins.marker.color == ARM_COLOURS[run.config.arm]
        assert list(wins.x)[::-1] == [round(100 * share, 2) for _, share, _ in top]
        assert list(text.x)[::-1] == [round(100 * share, 2) for _, _, share in top]
        assert [name.strip() for name in wins.y][::-1] == [repr(shown(token))[1:-1].strip() for token, _, _ in top]
        assert len(set(wins.y)) == len(top)


def test_the_spread_of_seeds_is_a_band_around_their_mean(tiny_runs):
    first, second = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.0", 1]
    band, line, alone_band, alone = spread_figure([first, second, tiny_runs["adamw-0.0", 0]], "val_loss").data
    both = [first.measures.val_loss.tolist(), second.measures.val_loss.tolist()]
    assert list(line.y) == pytest.approx([sum(pair) / 2 for pair in zip(*both, strict=True)], abs=1e-4)
    n = len(line.x)
    assert list(band.y[:n]) == pytest.approx([max(pair) for pair in zip(*both, strict=True)], abs=1e-4)
    assert list(band.y[n:])[::-1] == pytest.approx([min(pair) for pair in zip(*both, strict=True)], abs=1e-4)
    assert line.name == "l2-0.0 (2 seeds)"
    assert alone.name == "adamw-0.0 (1 seed)"
    assert list(alone_band.y[:n]) == list(alone.y)
    assert line.line.color == ARM_COLOURS["l2-0.0"]
    assert not band.showlegend


def test_the_grid_is_drawn_by_coefficient_with_one_line_a_kind(grid):
    figure = grid_figure(grid)
    last = {h.config.arm: round(float(h.measures.val_loss.iloc[-1]), 4) for h in grid}
    lines = {trace.name: drawn(trace) for trace in figure.data}
    none = ("0", last["l2-both-0"])  # stands in both lines of the ternary runs
    assert lines == {
        "coupled (Adam + L2), ternary": [none, ("0.1", last["l2-both-0.1"])],
        "coupled (Adam + L2), full precision": [("0.1", last["fp-l2-both-0.1"])],
        "decoupled (AdamW), ternary": [none, ("0.1", last["adamw-both-0.1"])],
        "decoupled (AdamW), full precision": [],
    }
    assert list(figure.layout.xaxis.categoryarray) == [f"{d:g}" for d in GRID_DECAYS]
    assert "(nats)" in figure.layout.yaxis.title.text


@pytest.mark.parametrize("build", [row_norm_figure, penalty_figure, ternary_figure])
def test_panels_are_named_and_marked_one_a_run(runs, build):
    figure = build(runs)
    assert [a.text for a in figure.layout.annotations][:3] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    assert switches(figure) == [20, 20, 20]
    shown_in_legend = [trace.name for trace in figure.data if trace.showlegend]
    assert len(set(shown_in_legend)) == len(shown_in_legend) == len(figure.data) / 3
    colours = {trace.name: trace.line.color for trace in figure.data}
    assert all(trace.line.color == colours[trace.name] for trace in figure.data)
    assert len(set(colours.values())) == len(colours)


@pytest.mark.parametrize("which", ["embedding", "head"])
def test_row_norms_are_drawn_by_frequency_with_the_prediction_of_their_arm_alone(runs, corpus, which):
    table = predicted_row_norms(runs[1], corpus, which)
    figure = row_norm_figure(runs, which, [("l2-0.0", table.step.tolist(), table.predicted.tolist())])
    (predicted,) = (trace for trace in figure.data if trace.name.startswith("predicted"))
    assert predicted.xaxis == "x2"
    assert list(predicted.y) == pytest.approx(table.predicted.tolist(), abs=1e-5)
    measured = [trace for trace in figure.data if trace is not predicted]
    assert [trace.name for trace in measured] == [f"{name} times" for name in ROW_BINS] * 3
    for trace, run in zip(measured[::5], runs, strict=True):
        assert list(trace.y) == pytest.approx(run.health[f"row_norm.{which}.never"].tolist(), rel=1e-4)  # five digits
    assert which in figure.layout.title.text


def test_the_penalty_is_drawn_over_the_gradient_and_not_where_there_is_none(runs):
    embedding = [trace for trace in penalty_figure(runs).data if trace.name == "embedding"]
    for trace, run in zip(embedding, runs, strict=True):
        health = run.health.set_index("step")
        ratio = health["penalty.embedding"] / health["gradient.embedding"]
        assert dict(drawn(trace)) == pytest.approx({step: v for step, v in ratio.items() if v}, rel=1e-3)
    assert max(x for x, _ in drawn(embedding[0])) == 40
    assert max(x for x, _ in drawn(embedding[1])) == 20  # no decay in Stage 2


def test_ternary_shares_are_drawn_in_percent(runs):
    zeros, flipped, back = ternary_figure(runs).data[:3]
    assert list(zeros.y) == pytest.approx((100 * runs[0].health.zero).tolist(), abs=1e-3)
    assert [x for x, _ in drawn(flipped)] == runs[0].health.step.tolist()[1:]  # none before the first
    assert [x for x, _ in drawn(back)] == runs[0].health.step.tolist()[2:]
    assert "%" in ternary_figure(runs).layout.yaxis.title.text


def test_an_arm_keeps_its_colour_and_full_precision_is_dashed(tiny_runs):
    histories = [tiny_runs["adamw-0.0", 0], tiny_runs["fp-adamw-0.0", 0]]
    for figure in (loss_figure(histories), phase_figure(histories), measure_figure(histories, "top1_share")):
        lines = {trace.name: trace.line for trace in figure.data}
        assert lines["adamw-0.0"].color == ARM_COLOURS["adamw-0.0"]
        assert lines["fp-adamw-0.0"].color == ARM_COLOURS["fp-adamw-0.0"]
        assert (lines["adamw-0.0"].dash, lines["fp-adamw-0.0"].dash) == ("solid", "dash")
