"""The preflight's findings on plans whose flaws are known."""

import numpy as np
import pytest

from bitnet import Corpus, RunConfig, preflight
from tests.support.corpus import made_up_vocabulary

TOKENS = 764_459  # of the sample of Wikipedia, of which 688 683 are for training


@pytest.fixture(scope="module")
def text():
    return Corpus.from_stream("zeros", np.zeros(TOKENS, dtype=np.uint16), "zeros")


@pytest.fixture
def subjects(text):
    """The subjects of what the preflight of some runs finds."""

    def found(runs, level=None):
        return {f.subject for f in preflight(runs, text) if level in (None, f.level)}

    return found


def test_preflight_of_the_brief_itself(subjects):
    """The brief as it stands: one arm, one seed, coupled decay, a text read four times."""
    found = subjects([RunConfig("l2-0.0")])
    assert {"20-prompt probe", "data", "milestones", "coupled decay", "control", "seeds"} <= found
    assert "length" not in found
    assert "schedule" not in found


def test_preflight_of_a_quick_look(subjects):
    warnings = subjects(
        [RunConfig(arm, steps=200) for arm in ("l2-0.05", "l2-0.0", "adamw-0.0")], "warning"
    )
    assert warnings == {"length", "schedule", "coupled decay"}


def test_preflight_of_the_miniature(text):
    """Its length is that of its own plan; 6000 steps of the brief's size are short."""
    sizes = {"hidden": 64, "vocabulary": 4096, "batch_size": 8}
    whole, cut = (RunConfig("l2-0.0", steps=steps, **sizes) for steps in (6000, 600))
    assert not {"length", "scale"} & {f.subject for f in preflight([whole], text)}
    for run, plan in ((cut, 6000), (RunConfig("l2-0.0", steps=6000), 20_000)):
        (found,) = (f for f in preflight([run], text) if f.subject == "length")
        assert found.level == "warning"
        assert found.message.startswith(f"{run.steps} of the plan's {plan} steps: ")


@pytest.mark.parametrize(
    "change", [{"vocabulary": 4096}, {"batch_size": 8}, {"sequence_length": 64}], ids=str
)
def test_preflight_where_no_plan_is_registered(text, change):
    findings = preflight([RunConfig("l2-0.0", **change)], text)
    (found,) = (f for f in findings if f.subject == "scale")
    assert found.level == "warning"
    assert found.message.startswith("no plan is registered for this vocabulary and batch: ")
    assert "length" not in {f.subject for f in findings}


def test_preflight_of_a_sound_plan_has_only_the_coupled_decay_to_warn_of(subjects):
    runs = [
        RunConfig(arm, seed=s)
        for arm in ("l2-0.05", "l2-0.0", "adamw-0.0", "fp-l2-0.0")
        for s in (0, 1)
    ]
    assert subjects(runs, "warning") == {"coupled decay"}
    assert "seeds" not in subjects(runs)


def test_preflight_of_a_probe_below_the_bar(subjects):
    assert {"probe", "probe ceiling"} <= subjects(
        [RunConfig("l2-0.0", probe_positions=20)], "warning"
    )


def test_preflight_without_the_fix(subjects):
    assert {"arms", "control"} <= subjects([RunConfig("l2-0.1")], "warning")


def test_the_text_is_counted_in_epochs_of_its_training_part(text):
    (found,) = (f for f in preflight([RunConfig("l2-0.0")], text) if f.subject == "data")
    assert len(text.train) == 688_683
    assert "will be read 3.7 times" in found.message


def test_an_arm_by_its_overrides_is_judged_by_its_recipe(subjects):
    decoupled = [RunConfig("adamw-0.0+peak_lr=0.003"), RunConfig("adamw-0.0+decay=0.01")]
    assert "coupled decay" not in subjects(decoupled)
    assert "coupled decay" in subjects([*decoupled, RunConfig("l2-0.0+decay=0.001")])


def test_a_small_vocabulary_is_not_warned_of_the_coupled_decay():
    zeros, words = np.zeros(TOKENS, dtype=np.uint16), made_up_vocabulary(1000)
    small = Corpus.from_stream("small", zeros, "small", words)
    assert "coupled decay" not in {f.subject for f in preflight([RunConfig("l2-0.0")], small)}
