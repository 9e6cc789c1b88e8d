"""Runs as lines: the median of an arm's seeds in a band of all of them."""

import pytest

from bitnet.display.bands import common_state
from bitnet.display.curves import loss_figure, measure_figure, spread_figure
from bitnet.display.theme import ARM_COLOURS
from tests.support.figures import levels, texts
from tests.support.histories import DEAD, HEALTHY, ONE_TOKEN, history


def ending(*losses):
    """Runs of an arm, one a seed, of these held-out losses throughout."""
    rows = [HEALTHY | {"val_loss": loss} for loss in losses]
    return [history("l2-0.0", seed=seed, stage1=row, stage2=row) for seed, row in enumerate(rows)]


def test_the_spread_of_seeds_is_a_band_around_their_median(tiny_runs):
    first, second = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.0", 1]
    figure = spread_figure([first, second, tiny_runs["adamw-0.0", 0]], "val_loss")
    band, line, alone = figure.data
    both = [first.measures.val_loss.tolist(), second.measures.val_loss.tolist()]
    pairs = list(zip(*both, strict=True))
    assert list(line.y) == pytest.approx([sum(pair) / 2 for pair in pairs], abs=1e-4)
    n = len(line.x)
    assert list(band.y[:n]) == pytest.approx([max(pair) for pair in pairs], abs=1e-4)
    assert list(band.y[n:])[::-1] == pytest.approx([min(pair) for pair in pairs], abs=1e-4)
    assert line.name == "l2-0.0 (2 runs)"
    assert alone.name == "adamw-0.0"
    assert line.line.color == ARM_COLOURS["l2-0.0"]
    assert not band.showlegend


def test_one_run_far_from_the_others_does_not_move_the_line():
    band, line = measure_figure(ending(5.0, 5.2, 9.0), "val_loss").data
    assert set(line.y) == {5.2}
    assert set(band.y) == {5.0, 9.0}
    assert "5.00 to 9.00" in line.customdata[0]


def test_sizes_lengths_and_texts_are_lines_of_their_own():
    runs = [
        history("l2-0.0"),
        history("l2-0.0", seed=1),
        history("l2-0.0", hidden=512),
        history("l2-0.0", steps=5000),
    ]

    def lines(histories):
        return [trace.name for trace in spread_figure(histories, "val_loss").data if trace.name]

    assert lines(runs) == [
        "l2-0.0, hidden 256, 20000 steps (2 runs)", "l2-0.0, hidden 512, 20000 steps",
        "l2-0.0, hidden 256, 5000 steps",
    ]  # fmt: skip
    texts_apart = [*runs[:2], history("l2-0.0", corpus="other")]
    assert lines(texts_apart) == ["l2-0.0, wikipedia-sample (2 runs)", "l2-0.0, other"]


def test_a_band_goes_as_far_as_all_of_its_runs():
    runs = [history("l2-0.0"), history("l2-0.0", seed=1, until=12_000, status="stopped")]
    _, line = measure_figure(runs, "val_loss").data
    assert line.x[-1] == 12_000
    assert line.name == "l2-0.0 (2 runs) (incomplete)"


def test_the_state_of_several_runs_is_that_of_most_else_the_worst():
    dead, collapsed, diverse = (
        history("l2-0.0", stage1=row, stage2=row) for row in (DEAD, ONE_TOKEN, HEALTHY)
    )
    assert common_state([dead, diverse, diverse], 20_000) == "diverse"
    assert common_state([diverse, collapsed], 20_000) == "collapsed"
    assert common_state([diverse, collapsed, dead], 20_000) == "dead"


def test_a_reference_far_from_the_data_is_pointed_at_and_does_not_flatten_it():
    near, far = ending(7.5, 7.6, 8.2), ending(5.0, 5.01, 5.02)
    assert levels(measure_figure(near, "val_loss")) == [7.7]
    assert "unigram model: 7.70" in texts(measure_figure(near, "val_loss"))
    figure = measure_figure(far, "val_loss")
    assert levels(figure) == []
    assert "↑ unigram model: 7.70" in texts(figure)
    low, high = figure.layout.yaxis.range
    assert 5.02 - 5.0 < high - low < 1.2 * (5.02 - 5.0)
    assert 7.7 in levels(loss_figure(far))  # whose subject it is
