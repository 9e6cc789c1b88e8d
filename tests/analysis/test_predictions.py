"""The registered predictions on tables whose answers are known."""

import pandas as pd
import pytest

from bitnet.analysis.boundary import Boundaries
from bitnet.analysis.dose import DOSES, cells
from bitnet.analysis.predictions import RATES, predictions
from bitnet.recipes import GROUPS
from tests.support.histories import DEAD, HEALTHY, MINIATURE, ONE_TOKEN, history

BOUNDARIES = Boundaries(dead=0.07, gains=0.0016)
ENDS = {"up": HEALTHY, "collapsed": ONE_TOKEN, "dead": DEAD, "diverged": HEALTHY}
ENDS["learning"] = HEALTHY | {"unique_tokens": 20}
WARNINGS = pd.DataFrame(
    [("gain", 900, 0.4, 0.95, 0.9), ("head", 3000, 0.4, 1.0, 1.0), ("entropy", 300, 0.9, 1.0, 0.5)],
    columns=["quantity", "step", "threshold", "precision", "recall"],
)


def predict(run):
    return BOUNDARIES.state(run.config.recipe)


def run(arm, end, **named):
    status = "diverged" if end == "diverged" else "complete"
    return history(arm, stage1=ENDS[end], stage2=ENDS[end], status=status, **MINIATURE | named)


def as_predicted(changed=()):
    """Every run of the plan with the end that was predicted, but for those in `changed`, by arm."""
    dose = {d: "up" if d <= 1e-3 else "collapsed" if d <= 3e-2 else "dead" for d in DOSES}
    wanted = {}
    for decay, end in dose.items():
        for base, kind in (("l2-0.0", end), ("adamw-0.0", "up")):
            for rate in RATES:
                wanted[f"{base}+decay={decay}+peak_lr={rate}", 4096, 8] = kind
            wanted[f"fp-{base}+decay={decay}", 4096, 8] = kind
    for group in GROUPS:
        wanted[f"l2-0.1+decayed={group}", 4096, 8] = "up"
        dead = group in ("embedding", "ternary")
        wanted[f"l2-0.1+decayed=all-but-{group}", 4096, 8] = "dead" if dead else "collapsed"
    for decay, end in ((0.001, "up"), (0.01, "collapsed")):
        for size, batch in ((1024, 8), (16384, 8), (50257, 8), (4096, 2), (4096, 32)):
            wanted[f"l2-0.0+decay={decay}", size, batch] = end
    for size, batch in ((1024, 8), (4096, 8), (4096, 2), (4096, 32)):
        wanted["l2-0.0+decay=0.075", size, batch] = "dead"
    for size in (16384, 50257):
        wanted["l2-0.0+decay=0.075", size, 8] = "collapsed"
    wanted |= dict(changed)
    return [
        run(arm, end, vocabulary=size, batch_size=batch)
        for (arm, size, batch), end in wanted.items()
        if end
    ]


def foretold(vocabulary, decay):
    return 9.05 if decay < 0.1 else 9.0


def answers(changed=(), foretell=foretold, warnings=WARNINGS, whole=True):
    table = predictions(cells(as_predicted(changed), predict), foretell, warnings, whole)
    return dict(zip(table.prediction, table.answer, strict=True))


def test_all_hold_where_every_run_ends_as_predicted():
    assert set(answers().values()) == {"held"}


@pytest.mark.parametrize(
    ("cell", "end", "prediction"),
    [
        (("l2-0.0+decay=0.03+peak_lr=0.0015", 4096, 8), "dead", "P1"),
        (("adamw-0.0+decay=0.1+peak_lr=0.003", 4096, 8), "collapsed", "P2"),
        (("l2-0.0+decay=0.001+peak_lr=0.003", 4096, 8), "collapsed", "P3"),
        (("fp-l2-0.0+decay=0.003", 4096, 8), "up", "P4"),
        (("l2-0.1+decayed=all-but-ternary", 4096, 8), "collapsed", "P5"),
        (("l2-0.1+decayed=head", 4096, 8), "dead", "P6"),
        (("l2-0.0+decay=0.075", 16384, 8), "dead", "P7"),
        (("l2-0.0+decay=0.01", 4096, 32), "up", "P8"),
    ],
)
def test_one_cell_that_ends_otherwise_refutes_its_prediction_and_a_missing_one_leaves_it_open(
    cell, end, prediction
):
    found = answers({cell: end})
    assert [name for name, answer in found.items() if answer == "failed"] == [prediction]
    assert answers({cell: None})[prediction] == "not known"


def test_a_boundary_that_is_crossed_twice_is_none():
    again = {("l2-0.0+decay=0.01+peak_lr=0.003", 4096, 8): "up"}
    assert answers(again)["P3"] == "failed"


def test_learning_and_diverse_are_two_states_of_a_batch():
    assert answers({("l2-0.0+decay=0.001", 4096, 32): "learning"})["P8"] == "failed"
    assert answers({("l2-0.0+decay=0.001", 1024, 8): "learning"})["P8"] == "held"


@pytest.mark.parametrize(
    ("cell", "prediction"),
    [
        (("adamw-0.0+decay=0.1+peak_lr=0.003", 4096, 8), "P2"),
        (("fp-adamw-0.0+decay=0.1", 4096, 8), "P4"),
    ],
)
def test_a_run_that_diverged_is_neither_up_nor_down(cell, prediction):
    assert answers({cell: "diverged"})[prediction] == "not known"


def test_losses_of_collapsed_runs_are_compared_with_those_foretold_groups_too():
    assert answers(foretell=lambda vocabulary, decay: 9.11)["P9"] == "failed"
    off = answers(foretell=lambda vocabulary, decay: 9.5 if decay in (0.01, 0.03) else 9.0)
    assert off["P9"] == "failed"
    of_groups = answers(foretell=lambda vocabulary, decay: 9.5 if decay == 0.1 else 9.0)
    assert of_groups["P9"] == "held"  # two of some twenty


def test_what_is_about_all_runs_waits_for_all():
    found = answers(whole=False)
    assert [name for name, answer in found.items() if answer == "not known"] == ["P9", "P10"]


def test_an_early_warning_has_to_be_good_and_early():
    assert answers(warnings=WARNINGS[1:])["P10"] == "failed"
    assert answers(warnings=WARNINGS[:0])["P10"] == "not known"
