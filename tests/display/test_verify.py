"""The verify figure: one line an arm, dead evaluations hollow, states as a strip below."""

import math
from itertools import pairwise

import pytest

from bitnet.display.theme import ARM_COLOURS, FAINT, STATE_COLOURS
from bitnet.display.verify import hero_figure, verify_figure
from tests.support.figures import drawn, label_boxes, levels, switches, texts
from tests.support.histories import DEAD, HEALTHY, ONE_TOKEN, history

FINAL = {"l2-0.05": 2, "l2-0.0": 224, "adamw-0.0": 250, "fp-l2-0.0": 240}


def arms(final, seeds=(0, 1, 2), stage1=ONE_TOKEN):
    """Runs of the arms, collapsed to the switch, that end at `final` tokens, a seed 20 more."""
    return [
        history(arm, seed=s, stage1=stage1, stage2=HEALTHY | {"unique_tokens": count + 20 * s})
        for s in seeds
        for arm, count in final.items()
    ]


def lines(figure):
    """The line of each arm, by its name."""
    shown = [t for t in figure.data if t.type == "scatter" and t.showlegend is not False]
    return {trace.name: trace for trace in shown}


def points(figure):
    """The points of each arm, by its name."""
    return {t.name: t for t in figure.data if t.type == "scatter" and t.mode == "markers"}


def strips(figure):
    """(name, from, to, colour, word) of each area of the strip."""
    bars = [trace for trace in figure.data if trace.type == "bar"]
    return [
        (bar.name, bar.base[0], bar.base[0] + bar.x[0], bar.marker.color, bar.text) for bar in bars
    ]


def test_it_shows_each_arm_with_its_median_in_a_band_of_its_seeds():
    figure = hero_figure(arms(FINAL))
    assert set(lines(figure)) == {"l2-0.05", "l2-0.0", "adamw-0.0"}
    scatters = [trace for trace in figure.data if trace.type == "scatter"]
    bands = {trace.legendgroup: trace for trace in scatters if trace.fill == "toself"}
    for arm, line in lines(figure).items():
        band, n = bands[arm], len(line.x)
        assert line.line.color == ARM_COLOURS[arm]
        assert line.y[-1] == FINAL[arm] + 20
        assert (band.y[n - 1], band.y[n]) == (FINAL[arm] + 40, FINAL[arm])
    assert set(lines(verify_figure(arms(FINAL)))) == set(FINAL)


def test_it_has_a_log_axis_the_switch_and_references():
    figure = verify_figure(arms(FINAL))
    assert figure.layout.yaxis.type == "log"
    assert "log scale" in figure.layout.yaxis.title.text
    assert figure.layout.title.text
    assert switches(figure) == [10_000]
    assert "stage switch" in texts(figure)
    assert set(levels(figure)) == {4123, 1917}
    assert "ceiling: 4 123 positions" in texts(figure)
    assert "the text itself: 1 917" in texts(figure)


@pytest.mark.parametrize(
    "final",
    [
        FINAL,
        {"l2-0.05": 2, "l2-0.0": 2, "adamw-0.0": 2},
        {"adamw-0.0": 250, "l2-0.0": 251, "l2-0.05": 252},
        {"l2-0.0": 5, "adamw-0.0": 3000, "l2-0.05": 4},
        {"l2-0.0": 4000, "adamw-0.0": 4000, "l2-0.05": 4000},
    ],
    ids=["apart", "equal", "close", "far", "at the ceiling"],
)
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["one seed", "three"])
def test_lines_are_labelled_at_their_ends_and_no_label_lies_over_another(final, seeds):
    figure = verify_figure(arms(final, seeds))
    assert figure.layout.showlegend is False
    named = [a for a in figure.layout.annotations if a.text.startswith("<b>")]
    found = {a.text.partition("</b>")[0].removeprefix("<b>"): a for a in named}
    assert set(found) == set(final)
    for arm, label in found.items():
        assert (label.x, label.xref, label.xanchor) == (1, "paper", "left")
        assert label.y == pytest.approx(math.log10(points(figure)[arm].y[-1]))
    boxes = sorted(label_boxes(figure))
    for (_, top), (bottom, _) in pairwise(boxes):
        assert bottom >= top - 1e-6
    low, high = figure.layout.yaxis.range
    assert all(low <= a.y <= high for a in named)


def test_a_dead_network_looks_dead_however_many_tokens_it_counts():
    figure = verify_figure([history("l2-0.05", stage1=DEAD, stage2=DEAD)])
    (line,), (marks,) = lines(figure).values(), points(figure).values()
    assert drawn(line) == [], "its count in the colour of the arm"
    assert set(marks.marker.symbol) == {"circle-open"}
    assert set(marks.marker.color) == {FAINT}
    assert set(marks.y) == {900}
    assert all("the count means nothing" in text for text in marks.customdata)
    assert "dead: its count means nothing" in texts(figure)


def test_the_strip_tells_the_states_at_one_glance():
    """Dead to the switch and back, dead to the end, never down."""
    figure = verify_figure(
        [
            history("adamw-0.0"),
            history("l2-0.0", stage1=DEAD),
            history("l2-0.05", stage1=DEAD, stage2=ONE_TOKEN),
        ]
    )
    dead, collapsed, diverse = (STATE_COLOURS[s] for s in ("dead", "collapsed", "diverse"))
    assert strips(figure) == [
        ("l2-0.05", 0, 10_000, dead, "dead"),
        ("l2-0.05", 10_000, 20_000, collapsed, "collapsed"),
        ("l2-0.0", 0, 10_000, dead, "dead"),
        ("l2-0.0", 10_000, 20_000, diverse, "diverse"),
        ("adamw-0.0", 0, 10_000, diverse, "diverse"),
        ("adamw-0.0", 10_000, 20_000, diverse, "diverse"),
    ]
    marks = points(figure)
    assert set(marks["l2-0.0"].marker.symbol[:10]) == {"circle-open"}
    assert set(marks["l2-0.0"].marker.symbol[-5:]) == {"circle"}
    assert set(marks["l2-0.05"].marker.symbol[-5:]) == {"x"}


def test_fewer_arms_or_none_are_drawn():
    assert set(lines(hero_figure([history("adamw-0.0")]))) == {"adamw-0.0"}
    assert len(hero_figure([history("no-decay")]).data) == 0
    assert set(lines(verify_figure([history("no-decay")]))) == {"no-decay"}


def test_a_run_that_was_stopped_is_marked():
    figure = verify_figure([history("l2-0.0", status="stopped", until=5000)])
    assert "(incomplete)" in texts(figure)
