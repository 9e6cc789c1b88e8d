"""The phenomena: found where they are made up, not where they are not, counted where mixed."""

from dataclasses import replace

import pandas as pd
import pytest

from bitnet.analysis.phenomena import HEALTHY_PROBE, SHRUNKEN, agreement, held, phenomena
from tests.support.histories import DEAD, HEALTHY, MINIATURE, ONE_TOKEN, history

GROUPS = ("embedding", "head", "ternary", "norm")


def with_health(run, left):
    """The run with weights of which at every step but the first so much is left, by group."""
    steps = run.measures.step.tolist()
    columns = {
        f"mean_abs.{group}": [1.0, *[left.get(group, 1.0)] * (len(steps) - 1)] for group in GROUPS
    }
    return replace(run, health=pd.DataFrame({"step": steps, **columns}))


def study(**changed):
    """What the full runs show, as four made-up runs; some of them changed."""
    gone = dict.fromkeys(GROUPS, 0.01)
    better, worst = HEALTHY | {"val_loss": 5.0}, HEALTHY | {"val_loss": 5.4}
    runs = {
        "l2-0.05": with_health(history("l2-0.05", stage1=DEAD, stage2=DEAD), gone),
        "l2-0.0": with_health(history("l2-0.0", stage1=DEAD), gone),
        "adamw-0.0": with_health(history("adamw-0.0", stage2=better), {}),
        "fp-l2-0.0": with_health(history("fp-l2-0.0", stage1=ONE_TOKEN, stage2=worst), {}),
    }
    return list((runs | changed).values())


def answers(runs):
    return {phenomenon.name: phenomenon.answer for phenomenon in phenomena(runs)}


AS_PUBLISHED = {
    "coupled decay kills the network in Stage 1": "yes",
    "the 20-prompt probe calls that dead network healthy": "yes",
    "coupled decay is dead or collapsed at the switch": "yes",
    "which of both it is at the switch": "dead",
    "the groups of weights that have shrunk by then": "embedding, head, blocks, norms",
    "l2-0.0, the fix, comes back after the switch": "yes",
    "l2-0.0 is diverse at the last step": "yes",
    "l2-0.05, the broken setting, stays down": "yes",
    "full precision is down at the switch too": "yes",
    "full precision comes back too": "yes",
    "adamw-0.0 is never down": "yes",
    "l2-0.0 repeats half of its greedy 4-grams at the end": "no",
    "the order of the final losses, best first": "adamw-0.0 < l2-0.0 < l2-0.05",
    "the same of the fix and its control": "fp-l2-0.0 < l2-0.0",
}


def test_every_phenomenon_is_found_where_it_is():
    assert answers(study()) == AS_PUBLISHED


@pytest.mark.parametrize(
    ("changed", "name", "answer"),
    [
        ({"l2-0.0": history("l2-0.0", stage1=HEALTHY)},
         "coupled decay kills the network in Stage 1", "1 of 2"),
        ({"l2-0.0": history("l2-0.0", stage1=DEAD | {"unique_predictions": HEALTHY_PROBE - 1})},
         "the 20-prompt probe calls that dead network healthy", "1 of 2"),
        ({"l2-0.0": history("l2-0.0", stage1=HEALTHY)},
         "coupled decay is dead or collapsed at the switch", "1 of 2"),
        ({"l2-0.0": history("l2-0.0", stage1=ONE_TOKEN)},
         "which of both it is at the switch", "collapsed or dead"),
        ({"l2-0.0": history("l2-0.0", stage1=DEAD, stage2=DEAD)},
         "l2-0.0, the fix, comes back after the switch", "no"),
        ({"l2-0.0": history("l2-0.0", stage1=DEAD, last=DEAD)},
         "l2-0.0, the fix, comes back after the switch", "no"),
        ({"l2-0.0": history("l2-0.0", stage1=DEAD, last=DEAD)},
         "l2-0.0 is diverse at the last step", "no"),
        ({"l2-0.05": history("l2-0.05", stage1=DEAD, stage2=DEAD, last=HEALTHY)},
         "l2-0.05, the broken setting, stays down", "no"),
        ({"fp-l2-0.0": history("fp-l2-0.0")},
         "full precision is down at the switch too", "no"),
        ({"adamw-0.0": history("adamw-0.0", stage1=ONE_TOKEN)}, "adamw-0.0 is never down", "no"),
        ({"l2-0.0": history("l2-0.0", stage1=DEAD, stage2=HEALTHY | {"seq_rep_4": 0.51})},
         "l2-0.0 repeats half of its greedy 4-grams at the end", "yes"),
        ({"adamw-0.0": history("adamw-0.0", stage2=HEALTHY | {"val_loss": 6.0})},
         "the order of the final losses, best first", "l2-0.0 < adamw-0.0 < l2-0.05"),
        ({"fp-l2-0.0": history("fp-l2-0.0", stage2=HEALTHY | {"val_loss": 6.0})},
         "the same of the fix and its control", "l2-0.0 < fp-l2-0.0"),
    ],
)  # fmt: skip
def test_where_it_is_not_the_answer_says_so(changed, name, answer):
    healthy = {arm: with_health(run, dict.fromkeys(GROUPS, 0.01)) for arm, run in changed.items()}
    assert answers(study(**healthy))[name] == answer


def test_a_group_has_shrunk_below_a_tenth_of_its_first_size():
    sizes = {"head": SHRUNKEN - 0.001, "embedding": SHRUNKEN + 0.001}
    runs = [
        with_health(history(arm, stage1=DEAD, stage2=DEAD), sizes) for arm in ("l2-0.0", "l2-0.05")
    ]
    assert answers(runs)["the groups of weights that have shrunk by then"] == "head"


def test_a_missing_or_unfinished_arm_leaves_its_phenomena_open():
    full = study()
    cut = replace(full[2], status="stopped")
    found = answers([*full[:2], cut])
    open_ones = {name for name, answer in found.items() if answer == "not known"}
    assert open_ones == {
        "full precision is down at the switch too", "full precision comes back too",
        "adamw-0.0 is never down", "the order of the final losses, best first",
        "the same of the fix and its control",
    }  # fmt: skip


def test_the_agreement_of_two_sizes_is_word_for_word():
    other = with_health(history("l2-0.0", stage1=ONE_TOKEN), dict.fromkeys(GROUPS, 0.01))
    table = agreement({"here": study(), "there": study(**{"l2-0.0": other})})
    unlike = table[table.agree == "no"].set_index("phenomenon")
    assert set(unlike.index) == {
        "coupled decay kills the network in Stage 1", "which of both it is at the switch",
        "the 20-prompt probe calls that dead network healthy",
    }  # fmt: skip
    assert (table.agree == "not known").sum() == 0
    alone = agreement({"here": study(), "there": study()[:2]})
    assert (alone.agree == "not known").sum() == 5


def test_predictions_are_told_as_held_or_not_with_their_evidence():
    table = held(
        study(),
        {"adamw-0.0 is never down": "yes", "which of both it is at the switch": "collapsed"},
    )
    assert table.held.tolist() == ["yes", "no"]
    assert table.prediction.tolist()[0] == "adamw-0.0 is never down: yes"
    assert table.evidence.tolist()[1].startswith("dead (l2-0.0: 900 distinct tokens, loss 10.82")
    assert held(study()[:1], {"adamw-0.0 is never down": "yes"}).held.tolist() == ["not known"]
    with pytest.raises(KeyError):
        held(study(), {"pigs fly": "yes"})


def test_the_evidence_names_the_pairs_of_seeds():
    pairs = [with_health(history("adamw-0.0", seed=i, order=i, **MINIATURE), {}) for i in range(2)]
    (found,) = (p for p in phenomena(pairs) if p.name == "adamw-0.0 is never down")
    assert found.evidence == (
        "adamw-0.0, seed 0, order 0: down at 0 of 22 evaluations; "
        "adamw-0.0, seed 1, order 1: down at 0 of 22 evaluations"
    )


def test_one_coupled_arm_is_enough_to_look_at_stage_1():
    found = answers(study()[:1])
    assert found["coupled decay kills the network in Stage 1"] == "yes"
    assert found["coupled decay is dead or collapsed at the switch"] == "yes"
    assert found["l2-0.0, the fix, comes back after the switch"] == "not known"
