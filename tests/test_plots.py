"""Figures: what is in them, and that they can be serialised."""

import json

import pytest
from test_verdict import DEAD, history

from bitnet import ARMS
from bitnet.plots import ARM_COLOURS, diversity_figure, loss_figure, published, seed_probe_figure

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
