"""Cells, their neighbours and the score of a predictor, on made-up runs whose end is known."""

import pytest

from bitnet.analysis.boundary import Boundaries
from bitnet.analysis.dose import best_thresholds, boundary_cells, cells, end_state, score, up_or
from bitnet.display.diagram import phase_diagram
from tests.support.histories import DEAD, HEALTHY, MINIATURE, ONE_TOKEN, history

BOUNDARIES = Boundaries(dead=0.05, gains=0.005)


def run(arm, end, **named):
    return history(arm, stage1=end, stage2=end, **MINIATURE | named)


def predict(found):
    return BOUNDARIES.state(found.config.recipe)


RUNS = [
    run("no-decay", HEALTHY),
    run("l2-0.0+decay=0.001", HEALTHY),
    run("l2-0.0+decay=0.01", ONE_TOKEN),
    run("l2-0.1", DEAD),
    run("no-decay+peak_lr=0.003", HEALTHY),
    run("l2-0.0+decay=0.001+peak_lr=0.003", ONE_TOKEN),
    run("l2-0.0+decay=0.01+peak_lr=0.003", DEAD),
    run("l2-0.1+peak_lr=0.003", DEAD),
    run("adamw-0.0+decay=0.01", HEALTHY),
    run("adamw-0.0+decay=0.1", HEALTHY),
    run("l2-0.1+decayed=head", HEALTHY),
    run("l2-0.0+decay=0.01", ONE_TOKEN, vocabulary=1024),
    run("l2-0.0+decay=0.01", ONE_TOKEN, batch_size=2),
]


def test_a_cell_has_its_dose_its_end_and_what_was_predicted():
    table = cells(RUNS, predict)
    assert table.block.tolist() == ["dose"] * 10 + ["group", "vocabulary", "batch"]
    assert table.state.tolist()[:4] == ["diverse", "diverse", "collapsed", "dead"]
    assert table.predicted.tolist()[:4] == ["up", "up", "collapsed", "dead"]
    assert table.right.tolist() == [True] * 5 + [False, False] + [True] * 6
    assert table.kind.tolist()[8:10] == ["decoupled"] * 2
    assert table.loss[3] == DEAD["val_loss"]


def test_pairs_of_a_cell_are_taken_together_and_may_differ():
    more = [
        run("l2-0.1", DEAD, seed=1, order=1),
        run("l2-0.0+decay=0.01", DEAD, seed=1, order=1),
        run("no-decay", HEALTHY | {"unique_tokens": 20}, seed=1, order=1),
    ]
    table = cells([*RUNS, *more], predict)
    assert len(table) == len(RUNS)
    assert table.pairs.tolist()[:4] == [2, 1, 2, 2]
    assert table.state.tolist()[:4] == ["up", "diverse", "undecided", "dead"]
    assert table.states[2] == ("collapsed", "dead")
    assert not table.right[2]


def test_a_run_that_did_not_end_is_left_out_and_one_that_diverged_is_not():
    short = run("l2-0.0+decay=0.03", DEAD, until=3000, status="stopped")
    lost = run("l2-0.0+decay=0.03", DEAD, until=3000, status="diverged")
    assert len(cells([short], predict)) == 0
    assert cells([lost], predict).state.tolist() == ["diverged"]
    assert end_state(lost) == "diverged"
    assert [up_or(state) for state in ("learning", "diverse", "dead")] == ["up", "up", "dead"]


def test_cells_at_a_boundary_have_a_neighbour_on_the_other_side():
    found = [config.arm for config in boundary_cells(cells(RUNS, predict))]
    assert found == [
        "l2-0.0+decay=0.001",  # beside collapsed, in dose and in rate
        "l2-0.0+decay=0.01",
        "no-decay+peak_lr=0.003",
        "l2-0.0+peak_lr=0.003+decay=0.001",
    ]


def test_the_best_thresholds_are_chosen_on_coupled_dose_cells_and_may_be_several():
    """Four pairs call six of eight cells."""
    found = best_thresholds(cells(RUNS, predict))
    assert found == [(0.001, 0.01), (0.001, 0.1), (0.01, 0.01), (0.01, 0.1)]


def test_the_score_counts_cells_by_block():
    table = score(cells(RUNS, predict)).set_index("block")
    assert table.loc["dose"].tolist() == [10, 8, "8"]
    assert table.loc["group"].tolist() == [1, 1, "0"]
    assert table.loc["vocabulary"].tolist() == [1, 1, "0 to 1"]
    assert table.loc["all"].tolist() == [13, 11, "8 to 10"]


def test_the_diagram_has_a_cell_for_each_dose_and_rate_and_the_predicted_lines():
    figure = phase_diagram(cells(RUNS, predict), BOUNDARIES)
    (cells_of,) = figure.data
    said = list(cells_of.text)
    assert len(said) == 10
    assert said.count("dead<br>10.82") == 3
    assert "diverse<br>5.50" in said
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    # Doses 0, 0.001, 0.01, 0.1 stand at 0 to 3: 0.005 is 0.7 decades above 0.001, 0.05 above 0.01.
    assert [line.x0 for line in lines] == pytest.approx([1.699, 2.699], abs=1e-3)
    assert tuple(figure.layout.yaxis.ticktext) == (
        "decoupled, peak rate 0.0015", "coupled, peak rate 0.0015", "coupled, peak rate 0.003",
    )  # fmt: skip
