"""The model card: what the run was, how it fared, how far the export agrees."""

import pytest

from bitnet.hf.agreement import Agreement, Difference
from bitnet.hf.card import model_card
from bitnet.runs.trained import load

FOUND = Agreement(2048, Difference(4.8e-6, 0.079), Difference(3.8e-6, 0.054))


@pytest.fixture
def card(tiny_runs):
    def of(arm):
        return model_card(load(tiny_runs[arm, 0].folder), FOUND, "5.24.0")

    return of


def test_it_says_what_the_run_was_and_how_it_fared(card, tiny_runs):
    text, run = card("adamw-0.0"), tiny_runs["adamw-0.0", 0]
    last = run.rows()[-1]
    assert f"# {run.config.label()}\n" in text
    assert f"State: **{run.states.iloc[-1]}**" in text
    assert f"| held-out loss (nats a token) | {last['val_loss']:.2f} | " in text
    assert f"loss of the batch was {last['loss']:.2f} nats" in text
    assert "- **no**: as long as the plan" in text
    assert '"optimizer": "adamw"' in text


def test_both_numbers_of_agreement_stand_in_it(card):
    text = " ".join(card("l2-0.0").split())
    assert "against this export | 4.8e-06 | 7.9% |" in text
    assert "moved by one bit | 3.8e-06 | 5.4% |" in text
    assert "2048 positions" in text
    assert "transformers 5.24.0" in text


def test_it_says_that_it_is_for_inference_and_how_it_is_loaded(card):
    ternary, whole = card("l2-0.0"), card("fp-adamw-0.0")
    for text in (ternary, whole):
        assert "**For inference only.**" in text
    assert whole.count('"FOLDER", trust_remote_code=True') == 2
    assert "trust_remote_code" not in ternary
    assert "TORCHDYNAMO_DISABLE=1" in ternary
    assert "TORCHDYNAMO_DISABLE" not in whole


def test_its_code_runs(card):
    code = card("l2-0.0").partition("```python\n")[2].partition("```")[0]
    compile(code, "card", "exec")
    assert code.count("FOLDER") == 2
