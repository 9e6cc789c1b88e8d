"""Charts without a script: places in percent of the plot, round ticks, and gaps left out."""

import math

import pytest

from bitnet.display.charts import Chart, Level, Line


def chart(points, **look):
    return Chart("title", [Line("a", "#123456", points)], **look)


def test_points_stand_where_their_values_are():
    found = chart([(0, 1), (10, 100), (20, 10_000)], log=True)
    assert found.x_range == (0, 20)
    assert found.y_range == (1, 10_000)
    assert [found.up(y) for y in (1, 10, 100, 10_000)] == [0, 25, 50, 100]
    assert found.path(found.lines[0]) == "M0 100L50 50L100 0"


def test_a_linear_axis_has_air_and_round_ticks():
    found = chart([(1, 6.8), (20_000, 10.8)], levels=[Level(7.7, "unigram")])
    low, high = found.y_range
    assert low < 6.8 < 10.8 < high
    assert [text for _, text in found.y_ticks()] == ["7", "8", "9", "10", "11"]
    assert [text for _, text in found.x_ticks()] == [
        "0", "5\u202f000", "10\u202f000", "15\u202f000", "20\u202f000",
    ]  # fmt: skip
    assert found.levels_drawn() == [(found.up(7.7), "unigram")]


def test_dots_are_lines_without_length():
    found = Chart("title", [Line("a", "#123456", [(0, 0), (10, 1)], dots=True)], low=-1, high=2)
    assert found.path(found.lines[0]).count("h0") == 2


def test_what_an_axis_cannot_show_is_left_out():
    points = [(0, 0), (1, math.nan), (2, 10), (3, math.inf)]
    found = chart(points, log=True, levels=[Level(0, "nothing"), Level(10, "ten")])
    assert found.path(found.lines[0]).count("M") == 1
    assert "nan" not in found.path(found.lines[0])
    assert [text for _, text in found.levels_drawn()] == ["ten"]


def test_the_text_of_a_level_just_below_another_goes_below_its_line():
    levels = [Level(y, str(y)) for y in (50, 8, 10, 11.5, 100)]
    found = chart([(0, 0), (1, 100)], levels=levels).level_texts()
    assert [text for _, text, _ in found] == ["50", "8", "10", "11.5", "100"]
    # 8 is near 10, whose own text has gone below: that of 8 stays above, as far as it can.
    assert [text for _, text, under in found if under] == ["10"]


@pytest.mark.parametrize("points", [[], [(0, 0)], [(5, 3), (5, 3)], [(0, math.nan)]])
@pytest.mark.parametrize("log", [True, False])
def test_a_chart_of_little_or_nothing_can_be_drawn(points, log):
    found = chart(points, log=log)
    places = [place for place, _ in [*found.x_ticks(), *found.y_ticks()]]
    assert all(math.isfinite(place) for place in places)
    assert "nan" not in found.path(found.lines[0])


def test_ticks_of_many_decades_are_powers_and_few():
    ticks = chart([(0, 1e-11), (1, 0.5)], log=True).y_ticks()
    assert len(ticks) <= 6
    assert ticks[0][1] == "10⁻¹¹"
    assert [text for _, text in chart([(0, 0.001), (1, 1)], log=True).y_ticks()] == [
        "0.001", "0.01", "0.1", "1",
    ]  # fmt: skip
