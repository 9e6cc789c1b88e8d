"""What the pieces show of a run: what its history holds, as texts."""

import pytest

from bitnet.display.moments import BARS, PASSAGES, described, moment_at, moments, steps_of
from bitnet.display.numbers import whole
from bitnet.display.tables import segments, shown
from tests.support.histories import history


def test_a_moment_says_what_the_history_holds(tiny_runs):
    run = tiny_runs["l2-0.0", 0]
    (found,) = moments([run])
    assert found["label"] == "l2-0.0"
    assert [m["step"] for m in found["moments"]] == run.measures.step.tolist()
    assert [m["state"] for m in found["moments"]] == run.states.tolist()
    for moment, row, snapshot in zip(found["moments"], run.rows(), run.snapshots, strict=True):
        assert moment["count"] == whole(row["unique_tokens"])
        assert moment["of"] == whole(run.references["unique_tokens_ceiling"])
        assert moment["facts"][0] == f"{row['unique_predictions']:.0f} of 20"
        assert moment["facts"][1] == f"{row['val_loss']:.2f}"
        assert len(moment["bars"]) == min(BARS, len(snapshot.top_tokens))
        token, share, _ = snapshot.top_tokens[0]
        assert moment["bars"][0][:2] == (shown(token, run.vocabulary), round(100 * share, 2))
        said = [segments(snapshot.continuations[i], run.vocabulary) for i in PASSAGES]
        assert moment["said"] == said


def test_the_rest_of_the_histogram_is_counted(committed):
    (run,) = [h for h in committed if h.config.name == "l2-0.0-h256-t20000-s0"]
    found = moments([run])[0]
    assert moment_at(found, 10_000)["rest"] == "no others"
    assert moment_at(found, 20_000)["rest"] == "218 others: 37\u00a0%"


def test_a_step_between_evaluations_has_the_one_before_and_before_the_first_the_first(tiny_runs):
    (found,) = moments([tiny_runs["l2-0.0", 0]])
    assert moment_at(found, 29)["step"] == 28
    assert moment_at(found, 40)["step"] == 40
    assert moment_at(found, 0)["step"] == 1


def test_steps_are_those_of_any_run_and_say_their_stage():
    found = steps_of([history("l2-0.0"), history("adamw-0.0", steps=5000)])
    assert [step["step"] for step in found[:3]] == [1, 250, 500]
    when = {step["step"]: step["when"] for step in found}
    assert when[10_000] == "update 10\u202f000 of 20\u202f000, the last of Stage 1"
    assert when[11_000].endswith("Stage 2")
    assert when[250] == "update 250 of 5\u202f000, Stage 1"


def test_a_recipe_without_stages_names_none():
    (said, *_) = steps_of([history("recommended", steps=2000)])
    assert said["when"] == f"update {said['step']} of 2\u202f000"


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("l2-0.05", "Adam + L2, decay 0.1, then 0.05"),
        ("l2-0.1", "Adam + L2, decay 0.1"),
        ("adamw-0.0", "AdamW, decay 0.1, then 0"),
        ("no-decay", "Adam, no decay"),
        ("fp-l2-0.0", "Adam + L2, decay 0.1, then 0, full precision"),
    ],
)
def test_an_arm_is_described_by_its_optimizer_and_coefficients(arm, words):
    assert described(arm) == words
