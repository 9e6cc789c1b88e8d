"""Figures: what is in them, and that they can be serialised."""

import json
import math

import pytest
from test_verdict import DEAD, HEALTHY, history

from bitnet import ARMS
from bitnet.diversity import STATES, rarefaction
from bitnet.effects import bootstrap_interval
from bitnet.history import MEASURES
from bitnet.plots import (
    LABELS,
    brief_probe_figure,
    diversity_figure,
    entropy_figure,
    loss_figure,
    measure_figure,
    phase_figure,
    published,
    rarefaction_figure,
    size_figure,
    spread_figure,
    state_examples,
    top_tokens_figure,
)
from bitnet.style import ARM_COLOURS
from bitnet.tables import shown
from bitnet.weight_plots import penalty_figure, row_norm_figure, ternary_figure

HISTORIES = [history("l2-0.05", stage1=DEAD, stage2=DEAD), history("l2-0.0", stage1=DEAD), history("adamw-0.0")]


def texts(figure):
    return " | ".join(a.text for a in figure.layout.annotations)


@pytest.mark.parametrize("build", [diversity_figure, loss_figure, brief_probe_figure])
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
        return [trace for trace in brief_probe_figure(histories).data if "published" in trace.name]

    (trace,) = overlaid(HISTORIES)
    assert list(trace.x) == [1000 * i for i in range(1, 11)]
    assert list(trace.y) == [16, 8, 2, 2, 2, 10, 14, 13, 17, 13]
    assert trace.name == "l2-0.0, published<br>(10000-step run)"
    assert "l2-0.0, published<br>(training loss, 10000-step run)" in [trace.name for trace in loss_figure(HISTORIES).data]
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
    assert "the brief's probe: 20" in texts(figure)
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


def test_the_spread_keeps_sizes_and_lengths_apart():
    runs = [history("l2-0.0"), history("l2-0.0", seed=1), history("l2-0.0", hidden=512), history("l2-0.0", steps=5000)]
    lines = [trace.name for trace in spread_figure(runs, "val_loss").data if trace.name]
    assert lines == [
        "l2-0.0, hidden 256, 20000 steps (2 seeds)", "l2-0.0, hidden 512, 20000 steps (1 seed)",
        "l2-0.0, hidden 256, 5000 steps (1 seed)",
    ]  # fmt: skip


def test_an_arm_keeps_its_colour_and_full_precision_is_dashed(tiny_runs):
    histories = [tiny_runs["adamw-0.0", 0], tiny_runs["fp-adamw-0.0", 0]]
    for figure in (loss_figure(histories), phase_figure(histories), measure_figure(histories, "top1_share")):
        lines = {trace.name: trace.line for trace in figure.data}
        assert lines["adamw-0.0"].color == ARM_COLOURS["adamw-0.0"]
        assert lines["fp-adamw-0.0"].color == ARM_COLOURS["fp-adamw-0.0"]
        assert (lines["adamw-0.0"].dash, lines["fp-adamw-0.0"].dash) == ("solid", "dash")


def test_sizes_are_drawn_with_the_mean_its_interval_and_every_run():
    five, six, seven = (HEALTHY | {"unique_tokens": n} for n in (500, 600, 700))
    found = [history("l2-0.0", stage2=five), history("l2-0.0", stage2=six, seed=1), history("l2-0.0", stage2=seven, hidden=512)]
    line, points = size_figure([*found, history("l2-0.0", hidden=1024, until=5000)], "unique_tokens").data
    assert (line.x, line.y) == ((256, 512), (550, 700))  # and not 1024, which did not reach its last step
    low, high = bootstrap_interval([500, 600])
    assert (line.error_y.arrayminus, line.error_y.array) == ((550 - low, 0), (high - 550, 0))
    assert [*zip(points.x, points.y, strict=True)] == [(256, 500), (256, 600), (512, 700)]


def test_the_arms_of_a_size_stand_side_by_side_and_sizes_differ_in_their_markers():
    found = [history(arm, hidden=hidden) for arm in ("l2-0.0", "adamw-0.0") for hidden in (256, 512)]
    fix, rival = size_figure(found, "unique_tokens").data[::2]
    assert [x[0] for x in fix.customdata] == [x[0] for x in rival.customdata] == [256, 512]
    assert fix.x[0] < 256 < rival.x[0] < fix.x[1] < 512 < rival.x[1]
    small, large = measure_figure(found[:2], "unique_tokens").data
    assert (small.line.color, small.name) == (large.line.color, "l2-0.0, hidden 256")
    assert small.marker.symbol != large.marker.symbol


def test_the_briefs_probe_is_drawn_beside_the_four_published_sizes_and_its_ceiling():
    figure = size_figure([history("l2-0.0"), history("l2-0.0", steps=5000)], "unique_predictions")
    assert "20" in texts(figure)
    assert [trace.name for trace in figure.data[::2]] == [
        "l2-0.0, 5000 steps", "l2-0.0, 20000 steps", "l2-0.0, published (10 000 steps)"
    ]  # fmt: skip
    assert dict(zip(figure.data[-1].x, figure.data[-1].y, strict=True)) == {256: 13, 512: 11, 768: 12, 1024: 11}
