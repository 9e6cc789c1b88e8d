"""Curves over training: what is in them, and how their lines are told apart."""

import json
import math

import pytest

from bitnet.display.curves import (
    diversity_figure,
    entropy_figure,
    loss_figure,
    measure_figure,
    prompt_probe_figure,
)
from bitnet.display.theme import ARM_COLOURS
from bitnet.evaluation.measures import MEASURES, reference_value
from tests.support.figures import drawn, levels, switches, texts
from tests.support.histories import DEAD, history

HISTORIES = [
    history("l2-0.05", stage1=DEAD, stage2=DEAD),
    history("l2-0.0", stage1=DEAD),
    history("adamw-0.0"),
]


@pytest.mark.parametrize("build", [diversity_figure, loss_figure, prompt_probe_figure])
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
    for text in ("ceiling: 4 123", "the text itself: 1 917", "works above 50", "fails below 10"):
        assert text in texts(figure)
    assert {4123, 1917, 50, 10} <= set(levels(figure))
    assert figure.layout.yaxis.type == "log"


def test_the_loss_figure_draws_a_dead_network_and_the_unigram_model():
    assert "ln V, a uniform prediction: 10.82" in texts(loss_figure(HISTORIES))
    assert "unigram model: 7.70" in texts(loss_figure(HISTORIES))


def test_an_incomplete_run_is_marked():
    figure = loss_figure([history("l2-0.0", status="stopped", until=5000)])
    assert figure.data[0].name == "l2-0.0 (incomplete)"


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("log", [False, True])
def test_a_measure_is_drawn_as_recorded_with_its_reference(runs, measure, log):
    figure = measure_figure(runs, measure, log)
    for trace, run in zip(figure.data, runs, strict=True):
        assert trace.line.color == ARM_COLOURS[run.config.arm]
        assert list(trace.x) == run.measures.step.tolist()
        assert list(trace.y) == pytest.approx(run.measures[measure].tolist(), abs=1e-4)
    assert switches(figure) == [20]
    assert "stage switch" in texts(figure)
    label = MEASURES[measure].label
    assert figure.layout.yaxis.title.text == label + (", log scale" if log else "")
    assert (figure.layout.yaxis.type == "log") is log
    value = reference_value(measure, runs[0].references)
    assert (value is not None) is bool(MEASURES[measure].reference)
    if value is not None:  # a line or, where that would flatten the curves, an arrow to it
        note = f"{MEASURES[measure].beside}: {MEASURES[measure].text(value)}".replace("\u202f", " ")
        away = any(f"{arrow} {note}" in texts(figure) for arrow in "↑↓")
        assert (note in texts(figure)) is (value > 0 or not log)
        assert (value in levels(figure)) is (note in texts(figure) and not away)
        low, high = figure.layout.yaxis.range
        shown = [y for trace in figure.data for _, y in drawn(trace) if y > 0 or not log]
        shown += levels(figure)
        assert all(low <= (math.log10(y) if log else y) <= high for y in shown)


def test_a_point_tells_its_run_step_state_and_value(runs):
    for trace, run in zip(measure_figure(runs, "val_loss").data, runs, strict=True):
        assert trace.hovertemplate.startswith(run.config.label())
        assert "%{y:,.2f}" in trace.hovertemplate
        assert list(trace.customdata) == run.states.tolist()


def test_the_entropy_figure_draws_ln_v_and_the_line_of_the_dead(runs):
    figure = entropy_figure(runs)
    assert "dead above this line" in texts(figure)
    assert {math.log(2048), 0.99 * math.log(2048)} <= set(levels(figure))


def test_sizes_lengths_and_texts_of_an_arm_differ_in_name_and_marker():
    variants = [{}, {"hidden": 512}, {"steps": 5000}, {"corpus": "other"}]
    lines = measure_figure([history("l2-0.0", **v) for v in variants], "unique_tokens").data
    assert len({line.name for line in lines}) == len({line.marker.symbol for line in lines}) == 4
    assert len({line.line.color for line in lines}) == 1
    small, large = measure_figure(
        [history("l2-0.0"), history("l2-0.0", hidden=512)], "val_loss"
    ).data
    assert small.name == "l2-0.0, hidden 256"
    assert small.marker.symbol != large.marker.symbol


def test_the_seeds_of_an_arm_are_one_line_and_hidden_together():
    band, line = loss_figure([history("fp-l2-0.0"), history("fp-l2-0.0", seed=1)]).data
    assert band.legendgroup == line.legendgroup == line.name == "fp-l2-0.0 (2 runs)"


def test_a_few_lines_are_labelled_at_their_ends_and_many_in_a_legend_below():
    few = loss_figure(HISTORIES)
    assert few.layout.showlegend is False
    assert all(h.config.arm in texts(few) for h in HISTORIES)
    many = loss_figure([history("l2-0.0", hidden=64 * n) for n in range(1, 8)])
    assert many.layout.showlegend is not False
    assert many.layout.legend.y < 0
    assert many.layout.height > few.layout.height


def test_lines_that_end_at_different_steps_have_a_legend():
    figure = loss_figure([history("l2-0.0"), history("l2-0.05", steps=5000)])
    assert figure.layout.showlegend is not False


def test_arms_that_were_given_are_drawn_like_named_ones():
    arms = ["l2-0.0+decay=0.01", "adamw-0.0+peak_lr=0.003"]
    figure = diversity_figure([history(arm) for arm in arms])
    assert [trace.name for trace in figure.data] == arms


def test_a_recipe_without_stages_has_no_switch_in_a_figure():
    figure = loss_figure([history("recommended", steps=2000)])
    assert switches(figure) == []
