"""The tables of a live view."""

import re

import pytest

from bitnet import Plan
from bitnet.display.seen import Seen, arms_table


@pytest.fixture
def runs():
    return Plan(hidden=16, steps=6000, arms=("l2-0.0", "l2-blocks-0.0"), device="cpu").runs


def rows(seen):
    """The texts of the rows below the heads."""
    table = re.sub(r"[\u202f\u00a0]", " ", arms_table(seen, ""))
    return [re.sub("<[^>]*>", "", row) for row in table.split("</tr>")[1:-1]]


def test_a_run_that_waits_for_the_stage_1_of_another_says_so(runs):
    leads, waits = runs
    seen = {leads: Seen(losses={40: 5.0}, status="training"), waits: Seen(begins=3000)}
    lead, wait = rows(seen)
    assert "40 of 6 000" in lead and "(" not in lead
    assert "0 of 6 000 (waiting: Stage 1 is shared, begins after step 3 000)" in wait


def test_a_run_that_shares_nothing_or_has_begun_does_not(runs):
    one, other = runs
    seen = {one: Seen(), other: Seen(losses={3001: 5.0}, status="training", begins=3000)}
    waits, begun = rows(seen)
    assert "0 of 6 000 (waiting)" in waits
    assert "3 001 of 6 000" in begun and "shared" not in begun
    seen[other].status = "stopped"
    assert "3 001 of 6 000 (stopped)" in rows(seen)[1]
