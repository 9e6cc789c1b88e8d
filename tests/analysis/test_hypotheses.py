"""The registered hypotheses, on made-up histories whose answer is known."""

import pytest

from bitnet import RunConfig, judge
from bitnet.analysis.hypotheses import (
    answers_by_size,
    coefficient,
    hypotheses,
    kind_of_decay,
    quantization,
)
from tests.support.histories import BROKEN, DEAD, HEALTHY, history

WORSE = HEALTHY | {"val_loss": 6.5}
FIX = history("l2-0.0", stage1=DEAD, stage2=WORSE)
RIVAL = history("adamw-0.0")


@pytest.mark.parametrize(
    ("runs", "answer"),
    [
        ([BROKEN, FIX, RIVAL], "supported"),
        ([BROKEN, FIX, history("adamw-0.0", stage1=DEAD)], "refuted"),
        ([BROKEN, FIX, history("adamw-0.0", stage2=HEALTHY | {"val_loss": 6.6})], "mixed"),
        ([BROKEN, history("l2-0.0", stage2=WORSE), RIVAL], "mixed"),
        ([BROKEN, FIX], "not known"),
        ([BROKEN, FIX, history("adamw-0.0", until=19_000)], "not known"),
        ([history("adamw-0.0", stage1=DEAD)], "refuted"),
        ([BROKEN, FIX, RIVAL, history("adamw-0.0", seed=1, stage1=DEAD)], "refuted"),
    ],
)
def test_the_rival_explanation(runs, answer):
    assert kind_of_decay(runs)[0] == answer


@pytest.mark.parametrize(
    ("stages", "answer"),
    [
        ([DEAD, DEAD], "no"),
        ([HEALTHY, HEALTHY], "yes"),
        ([DEAD, HEALTHY], "mixed"),
        ([], "not known"),
    ],
)
def test_the_part_of_quantization(stages, answer):
    runs = [history("fp-l2-0.0", seed=i, stage1=stage) for i, stage in enumerate(stages)]
    assert quantization(runs)[0] == answer


def test_the_coefficient_matters_if_all_pairs_agree_in_sign():
    pair = [history("l2-0.05", stage2=WORSE), history("l2-0.0")]
    agreeing = HEALTHY | {"effective_tokens": 50.0, "context_information": 1.9, "val_loss": 6.5}
    assert coefficient([history("l2-0.05", stage2=agreeing), history("l2-0.0")])[0] == "yes"
    assert coefficient(pair)[0] == "mixed"  # two of the three measures do not differ
    assert coefficient([history("l2-0.05"), history("l2-0.0")])[0] == "no"
    assert coefficient(pair[:1])[0] == "not known"


def test_the_coefficient_is_read_within_a_size_with_an_interval_over_its_seeds():
    def pair(hidden, seed, loss):
        after = HEALTHY | {"val_loss": loss, "effective_tokens": 20.0, "context_information": 1.0}
        return [
            history("l2-0.05", hidden=hidden, seed=seed, stage2=after),
            history("l2-0.0", hidden=hidden, seed=seed),
        ]

    answer, reason = coefficient([*pair(256, 0, 6.5), *pair(256, 1, 7.5), *pair(512, 0, 8.5)])
    assert answer == "yes"
    interval = "(mean -1.5, 95 % interval -2 to -1)"
    assert f"hidden 256: held-out loss -1, -2 {interval}, effective tokens +40, +40" in reason
    last = "hidden 512: held-out loss -3, effective tokens +40, mutual information +1"
    assert reason.endswith(last)
    # The sizes differ in sign.
    assert coefficient([*pair(256, 0, 6.5), *pair(512, 0, 4.5)])[0] == "mixed"


def test_missing_runs_of_the_plan_make_an_answer_provisional():
    planned = [
        RunConfig(arm, seed=seed)
        for arm in ("l2-0.05", "l2-0.0", "adamw-0.0", "fp-l2-0.0")
        for seed in (0, 1)
    ]
    runs = [BROKEN, FIX, RIVAL, history("fp-l2-0.0", stage1=DEAD)]
    table = hypotheses(runs, planned)
    assert table.answer.tolist() == [
        "supported so far (1 of 2)",
        "no so far (1 of 2)",
        "yes so far (1 of 2)",
    ]
    assert judge(runs).answer == "works"
    verdict = judge(runs, planned)
    assert verdict.answer == "inconclusive"
    assert (
        "the plan still lacks l2-0.05, hidden 256, 20000 steps, seed 1 and 1 more" in verdict.reason
    )
    both = [
        *runs,
        history("l2-0.05", seed=1, stage1=DEAD, stage2=DEAD),
        history("l2-0.0", seed=1, stage1=DEAD, stage2=WORSE),
    ]
    assert judge(both, planned).answer == "works"  # the rival is not needed for the verdict


def test_a_failing_seed_decides_whatever_is_missing():
    planned = [RunConfig("l2-0.0", seed=seed) for seed in (0, 1, 2)]
    assert judge([BROKEN, history("l2-0.0", stage2=DEAD)], planned).answer == "does not work"


def test_each_size_has_its_answer_and_all_have_theirs():
    runs = [
        BROKEN,
        FIX,
        history("l2-0.0", hidden=512, stage2=DEAD),
        history("l2-0.05", hidden=512, stage2=DEAD),
    ]
    table = answers_by_size(runs, [RunConfig("l2-0.0", hidden=768)])
    assert dict(zip(table.hidden, table.answer, strict=True)) == {
        "256": "works", "512": "does not work", "768": "inconclusive", "all": "does not work",
    }  # fmt: skip
