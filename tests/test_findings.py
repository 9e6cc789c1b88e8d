"""The preflight's findings on plans whose flaws are known."""

from bitnet import RunConfig, preflight

FACTS = {"train_tokens": 688_683}


def subjects(runs, level=None):
    return {f.subject for f in preflight(runs, FACTS, 50257) if level in (None, f.level)}


def test_preflight_of_the_brief_itself():
    """The brief as it stands: one arm, one seed, coupled decay, a text read four times."""
    found = subjects([RunConfig("l2-0.0")])
    assert {"the brief's probe", "data", "checkpoints", "coupled decay", "control", "seeds"} <= found
    assert "length" not in found
    assert "schedule" not in found


def test_preflight_of_a_quick_look():
    warnings = subjects([RunConfig(arm, steps=200) for arm in ("l2-0.05", "l2-0.0", "adamw-0.0")], "warning")
    assert warnings == {"length", "schedule", "coupled decay"}


def test_preflight_of_a_sound_plan_has_only_the_coupled_decay_to_warn_of():
    runs = [RunConfig(arm, seed=s) for arm in ("l2-0.05", "l2-0.0", "adamw-0.0", "fp-l2-0.0") for s in (0, 1)]
    assert subjects(runs, "warning") == {"coupled decay"}
    assert "seeds" not in subjects(runs)


def test_preflight_of_a_probe_below_the_bar():
    assert {"probe", "probe ceiling"} <= subjects([RunConfig("l2-0.0", probe_positions=20)], "warning")


def test_preflight_without_the_fix():
    assert {"arms", "control"} <= subjects([RunConfig("l2-0.1")], "warning")
