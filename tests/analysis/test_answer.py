"""The answer in words, and a study beside the registered runs."""

import math
from dataclasses import replace

import pytest

from bitnet import judge
from bitnet.analysis.answer import beside_full, compare, in_words, registered
from bitnet.scales import MINIATURE as SCALE
from tests.support.histories import DEAD, HEALTHY, MINIATURE, ONE_TOKEN, history

UNIFORM = math.log(4096)
DEAD_HERE = DEAD | {"val_loss": UNIFORM, "predictive_entropy": UNIFORM}
SMALL = {"ln_vocabulary": UNIFORM}


def miniature(arm, **stages):
    run = history(arm, **MINIATURE, **stages)
    return replace(run, references={**run.references, **SMALL})


def study(**stages_of):
    """The three arms of the question; `fix` and so on are the stages of each."""
    default = {
        "broken": {"stage1": DEAD_HERE, "stage2": DEAD_HERE}, "fix": {"stage1": DEAD_HERE},
        "rival": {},
    }  # fmt: skip
    arms = {"broken": "l2-0.05", "fix": "l2-0.0", "rival": "adamw-0.0"}
    return [miniature(arms[name], **stages_of.get(name, default[name])) for name in arms]


def words(runs):
    return in_words(runs, judge(runs))


def test_the_answer_tells_what_each_arm_did():
    assert words(study()) == (
        "works here (miniature: hidden 64, 4096 tokens, 6000 steps): the fix came back from dead "
        "(8.32 = ln 4096) to 400 distinct tokens, the broken setting stayed dead, adamw-0.0 was "
        "never down and ended with 400 distinct tokens"
    )


@pytest.mark.parametrize(
    ("stages", "part"),
    [
        ({"fix": {"stage1": ONE_TOKEN}}, "the fix came back from collapsed (1 distinct token) to"),
        ({"fix": {"stage1": DEAD_HERE | {"val_loss": 8.5}}},
         "from dead (8.50; ln 4096 = 8.32) to"),
        ({"fix": {"stage1": DEAD_HERE, "stage2": DEAD_HERE}},
         "does not work here (miniature: hidden 64, 4096 tokens, 6000 steps): the fix was dead "
         "(8.32 = ln 4096) at the switch and ended dead, 900 distinct tokens"),
        ({"fix": {}}, "the fix was diverse (400 distinct tokens) at the switch and ended diverse"),
        ({"broken": {"stage1": DEAD_HERE}}, "the broken setting ended diverse, 400 distinct"),
        ({"rival": {"stage1": ONE_TOKEN}}, "adamw-0.0 was dead or collapsed at times"),
    ],
)  # fmt: skip
def test_whatever_they_did_is_said(stages, part):
    assert part in words(study(**stages))


def test_several_seeds_are_told_as_a_range():
    runs = study()
    more = history("l2-0.0", seed=1, order=1, **MINIATURE, stage1=DEAD_HERE,
                   stage2=HEALTHY | {"unique_tokens": 300})  # fmt: skip
    runs.append(replace(more, references={**more.references, **SMALL}))
    assert "to 300 to 400 distinct tokens" in words(runs)


def test_a_study_of_unknown_size_names_no_scale():
    runs = [history("l2-0.0", hidden=32, vocabulary=300, steps=100)]
    assert words(runs).startswith("inconclusive here (hidden 32, 300 tokens, 100 steps): the fix")


def test_a_study_beside_the_full_runs_says_where_they_agree_and_where_not():
    runs = [*study(), miniature("fp-l2-0.0", stage1=ONE_TOKEN)]
    full, verdict = registered()
    runs = [replace(run, health=full[0].health) for run in runs]
    found = compare(runs, judge(runs), full, verdict)
    assert found.answer == in_words(full, verdict)
    assert "does the fix work: works" in found.alike
    assert "which of both it is at the switch: dead here, collapsed there" in found.unlike
    assert not any("not known" in line for line in found.alike + found.unlike)


def test_runs_shorter_than_their_plan_are_not_compared():
    short = [history(arm, **(MINIATURE | {"steps": 400})) for arm in ("l2-0.05", "l2-0.0")]
    found = beside_full(short, judge(short))
    assert found is not None
    assert (found.alike, found.unlike) == ((), ())
    assert found.answer.startswith("works here (full: hidden 256 and 512")


def test_outside_a_checkout_there_is_nothing_beside(monkeypatch, tmp_path):
    monkeypatch.setattr("bitnet.analysis.answer.RESULTS", tmp_path / "absent")
    assert beside_full(study(), judge(study())) is None


def test_the_registered_runs_are_those_of_full_length():
    full, verdict = registered()
    assert {run.config.steps for run in full} == {20_000}
    assert len(full) == 15
    assert (verdict.answer, verdict.scale) == ("works", "full")
    assert SCALE.steps == 6000
