"""Which runs one line stands for."""

from bitnet.display.groups import SEED, SIZE, shared_labels, together
from tests.support.histories import history

RUNS = [
    history("l2-0.0"),
    history("adamw-0.0"),
    history("l2-0.0", seed=1),
    history("l2-0.0", hidden=512, seed=2),
]


def test_seeds_share_a_label_and_what_else_differs_is_in_it():
    assert shared_labels(RUNS) == [
        "l2-0.0, hidden 256", "adamw-0.0, hidden 256", "l2-0.0, hidden 256", "l2-0.0, hidden 512",
    ]  # fmt: skip
    assert shared_labels(RUNS[:3]) == ["l2-0.0", "adamw-0.0", "l2-0.0"]
    assert shared_labels([]) == []


def test_runs_stand_together_in_their_order():
    first, rival, second, large = RUNS
    assert together(RUNS, (*SEED, *SIZE)) == {
        "l2-0.0": [first, second, large],
        "adamw-0.0": [rival],
    }


def test_another_text_is_another_line():
    other = history("l2-0.0", corpus="other", seed=1)
    assert list(together([RUNS[0], other])) == ["l2-0.0, wikipedia-sample", "l2-0.0, other"]
