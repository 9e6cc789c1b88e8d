"""Numbers as people write them."""

import math

import pytest

from bitnet.display.numbers import decimal, measured, percent, whole
from bitnet.evaluation.measures import MISSING, SEPARATORS, number


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (whole(2), "2"),
        (whole(73.0), "73"),
        (whole(4123), "4\u202f123"),
        (whole(1234567), "1\u202f234\u202f567"),
        (whole(math.nan), MISSING),
        (decimal(10.8249), "10.82"),
        (decimal(-0.0001), "0.00"),
        (decimal(-0.25), "-0.25"),
        (decimal(5, 0), "5"),
        (decimal(math.nan), MISSING),
        (decimal(math.inf), MISSING),
        (percent(0.758), "76\u00a0%"),
        (percent(0.0996), "10\u00a0%"),
        (percent(0.0571), "5.7\u00a0%"),
        (percent(0.0001), "<0.1\u00a0%"),
        (percent(0), "0\u00a0%"),
        (percent(1), "100\u00a0%"),
        (percent(math.nan), MISSING),
        (measured("unique_tokens", 968.0), "968"),
        (measured("val_loss", 7.0), "7.00"),
        (measured("context_information", -1e-9), "0.00"),
        (measured("seq_rep_4", 0.673), "67\u00a0%"),
        (number(4123), "4\u202f123"),
        (SEPARATORS, ".\u202f"),  # in a figure as beside it
    ],
)
def test_numbers_are_written_as_people_write_them(found, text):
    assert found == text
