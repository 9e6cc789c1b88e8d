"""Early warning on made-up runs: the threshold between them, and what it is worth on others."""

import numpy as np
import pandas as pd
import pytest

from bitnet.analysis.early import QUANTITIES, STEPS, Alarm, alarms, judged, quantities
from tests.support.histories import DEAD, HEALTHY, MINIATURE, history


def run(gain, end, entropy=5.0):
    """A run whose gains fall to `gain` at once, with that entropy in Stage 1."""
    found = history("l2-0.1", stage1=end | {"predictive_entropy": entropy}, stage2=end, **MINIATURE)
    steps = found.measures.step
    health = pd.DataFrame({"step": steps})
    for name in ("norm", "head"):
        health[f"mean_abs.{name}"] = [2.0, *[2.0 * gain] * (len(steps) - 1)]
    health["gradient.norm"], health["penalty.norm"] = 0.5, 0.1 / gain
    object.__setattr__(found, "health", health)
    return found


DYING, ALIVE = [run(0.1, DEAD), run(0.2, DEAD)], [run(0.6, HEALTHY), run(0.8, HEALTHY)]


def test_the_quantities_are_relative_to_the_start():
    found = quantities(run(0.25, HEALTHY, entropy=10.825 / 2), 300)
    assert found == pytest.approx(
        {"gain": 0.25, "head": 0.25, "penalty": 0.8, "entropy": 0.5, "information": 2.0}
    )
    with pytest.raises(KeyError):
        quantities(run(0.25, HEALTHY), 301)


def test_a_threshold_lies_between_those_that_end_down_and_those_that_do_not():
    found = {(alarm.quantity, alarm.step): alarm for alarm in alarms(DYING + ALIVE)}
    assert found["gain", 300].threshold == pytest.approx(0.4)
    assert found["penalty", 900].threshold == pytest.approx((0.2 / 0.2 + 0.2 / 0.6) / 2)
    assert {name for name, _ in found} == set(QUANTITIES) - {"entropy"}  # which is one value here
    assert {step for _, step in found} == set(STEPS)


def test_precision_and_recall_are_of_the_runs_given():
    others = [run(0.3, DEAD), run(0.5, DEAD), run(0.35, HEALTHY), run(0.9, HEALTHY)]
    (row,) = judged([Alarm("gain", 300, 0.4)], others).to_dict("records")
    assert (row["precision"], row["recall"]) == (0.5, 0.5)
    (never,) = judged([Alarm("gain", 300, 0.01)], others).to_dict("records")
    assert np.isnan(never["precision"])
    assert never["recall"] == 0
