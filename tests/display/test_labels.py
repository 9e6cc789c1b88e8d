"""Labels in the margin: as near to their places as they can be, none over another."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet.display.labels import apart, wrapped


@given(st.lists(st.tuples(st.floats(0, 300), st.sampled_from([16, 32])), min_size=1, max_size=8))
def test_nothing_overlaps_or_leaves_the_plot_if_there_is_room(things):
    values, sizes = zip(*sorted(things), strict=True)
    places = apart(values, sizes, 300)
    boxes = [(at - size / 2, at + size / 2) for at, size in zip(places, sizes, strict=True)]
    assert all(above >= top - 1e-6 for (_, top), (above, _) in pairwise(boxes))
    if sum(sizes) <= 300:
        assert boxes[0][0] >= -1e-6
        assert boxes[-1][1] <= 300 + 1e-6


def test_what_has_room_stays_in_its_place():
    assert apart([50, 100, 200], [16, 32, 16], 300) == [50, 100, 200]
    assert apart([100, 100], [16, 16], 300) == [92, 108]
    assert apart([], [], 300) == []


@pytest.mark.parametrize("text", ["l2-0.05", "ln V, a uniform prediction: 10.825 (sotu)", "a" * 60])
def test_a_long_text_is_broken_between_words_only(text):
    assert wrapped(text).replace("<br>", " ") == text
