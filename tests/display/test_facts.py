"""The facts of the story: looked up in the committed runs, and written as people write them."""

import pytest

from bitnet.display.facts import Facts


@pytest.fixture(scope="module")
def facts(committed):
    return Facts(committed)


def row(committed, name, step):
    (run,) = [h for h in committed if h.config.name == name]
    return run.at(step)


def test_a_value_is_that_of_the_trace(facts, committed):
    fix = "l2-0.0-h256-t20000-s0"
    assert (
        facts.value("l2-0.0", "unique_tokens")
        == f"{row(committed, fix, 20000)['unique_tokens']}"[:-2]
    )
    assert facts.value("l2-0.0", "val_loss", 1000) == f"{row(committed, fix, 1000)['val_loss']:.2f}"
    with pytest.raises(AssertionError, match="not evaluated at step 1500"):
        facts.value("l2-0.0", "val_loss", 1500)


def test_ends_are_over_all_full_runs_of_an_arm(facts, committed):
    ends = [
        h.measures.unique_tokens.iloc[-1]
        for h in committed
        if h.config.arm == "l2-0.0" and h.config.steps == 20_000
    ]
    assert facts.ends("l2-0.0", "unique_tokens") == f"{min(ends):.0f} to {max(ends):.0f}"
    assert facts.runs_of("l2-0.0") == len(ends) == 4
    assert facts.ends("l2-0.05", "unique_tokens") == "2"
    assert facts.ends("l2-0.0", "seq_rep_4") == "51 to 67\u00a0%"


def test_the_probe_is_read_by_state(facts, committed):
    count, seen = facts.probed("dead")
    counts = [
        c for h in committed for c in h.measures.unique_predictions[(h.states == "dead").to_numpy()]
    ]
    assert count == len(counts)
    assert seen == f"{min(counts)} to {max(counts)}"


def test_when_it_collapses_and_from_when_it_is_diverse(facts):
    assert facts.collapse("l2-0.0") == 4000
    assert facts.diverse_from("l2-0.0") == 12_000
    assert facts.diverse_from("adamw-0.0") == 4000
    assert facts.winner("l2-0.0", 10_000) == "the"


def test_weights_have_two_digits_and_the_pull_is_a_ratio(facts, committed):
    assert facts.weight("l2-0.0", "mean_abs.ternary", 1) == "0.029"
    assert facts.weight("l2-0.0", "mean_abs.ternary", 1000) == "0.000036"
    assert facts.weight("l2-0.0", "mean_abs.norm", 1) == "1.0"
    assert facts.pull("l2-0.0", "ternary") == "6"
    assert (facts.decay("l2-0.05", 1), facts.decay("l2-0.05", 2)) == ("0.1", "0.05")
    assert facts.sizes() == "256 and 512"
