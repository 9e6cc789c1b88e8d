"""The early warnings are what the committed runs of the second plan support, number by number."""

import pytest

from bitnet.analysis import cause
from bitnet.analysis.early import alarms, quantities
from bitnet.analysis.results import load_results
from bitnet.diagnosis.alarms import ALARMS
from bitnet.evaluation.diversity import DOWN
from bitnet.runs.table import read_table


def ends_down(history):
    return history.states.iloc[-1] in DOWN


def rings(alarm, history):
    """Whether an alarm rings for a committed run, from what was measured at its step."""
    measures = history.measures.set_index("step").loc[alarm.step(history.config.steps)]
    return alarm.rings(measures.to_dict(), history.references)


@pytest.fixture(scope="module")
def runs():
    """Those that the thresholds were chosen on, and the others."""
    found = [h for h in read_table(cause.TABLE) if h.complete and not h.config.seed]
    chosen_on = [h for h in found if cause._chooses(h)]
    return chosen_on, [h for h in found if h not in chosen_on]


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.quantity)
def test_thresholds_and_worth_are_those_of_the_committed_runs(alarm, runs):
    chosen_on, others = runs
    step = alarm.step(6000)
    (found,) = [a for a in alarms(chosen_on) if (a.quantity, a.step) == (alarm.quantity, step)]
    assert alarm.threshold == pytest.approx(found.threshold, abs=5e-4)
    rung = [h for h in others if rings(alarm, h)]
    assert rung == [h for h in others if found.rings(h)]
    assert (alarm.runs, alarm.rang) == (len(others), len(rung))
    assert (alarm.right, alarm.down) == (sum(map(ends_down, rung)), sum(map(ends_down, others)))


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.quantity)
def test_at_full_size_it_rings_for_every_run_that_ends_down_and_no_other(alarm):
    """But for the runs whose decay is taken off in Stage 2, which is the cure."""
    kept = [h for h in load_results() if not h.config.arm.endswith("l2-0.0")]
    assert len(kept) == 15
    assert [rings(alarm, h) for h in kept] == [ends_down(h) for h in kept]
    assert sum(map(ends_down, kept)) == 8


def test_an_alarm_reads_its_quantity_and_says_what_it_was_worth(runs):
    history = runs[1][0]
    step, measures = 600, history.measures.set_index("step").loc[600].to_dict()
    entropy, information = ALARMS
    assert entropy.value(measures, history.references) == pytest.approx(
        quantities(history, step)["entropy"]
    )
    assert information.value(measures, history.references) == measures["context_information"]
    assert entropy.in_words(0.9).startswith("predictive entropy is 0.90 of ln V (above 0.87) ")
    assert entropy.in_words(0.9).endswith(
        "after 10 % of the updates: 16 of 17 such runs ended dead or collapsed in the miniature, "
        "and none of the others"
    )
    assert information.rings({"context_information": 0.1}, {})
    assert not information.rings({"context_information": 0.2}, {})
    assert entropy.step(3) == 1
