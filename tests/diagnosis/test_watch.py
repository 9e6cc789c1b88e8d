"""The watch in a bare loop: when it looks, what it says, and that training is the same with it."""

import pytest
import torch
from torch.optim import Adam, AdamW

import bitnet
from benchmarks.models import PlainGPT, train
from bitnet import ParameterError
from bitnet.diagnosis.alarms import ALARMS


def watched(texts, optimizer, steps=60, say=lambda line: None, planned=0, **options):
    """A model after its training, and its watch; without options there is none."""
    torch.manual_seed(0)
    model = PlainGPT()
    made = optimizer(model.parameters())
    watch = None
    if options:
        watch = bitnet.Watch(model, texts[1], made, log=say, steps=planned, **options)
    train(model, made, texts[0], steps=steps, callback=watch or (lambda step: None))
    return model, watch


def adamw(parameters):
    return AdamW(parameters, lr=5e-3)


def coupled(parameters):
    return Adam(parameters, lr=5e-3, weight_decay=0.1)


def test_training_is_the_same_to_the_last_bit_under_a_watch(texts):
    """The model has dropout, and so random numbers that a look must not draw."""
    plain, _ = watched(texts, adamw, steps=12)
    seen, watch = watched(texts, adamw, steps=12, every=2, positions=64)
    assert len(watch.looks) == 6
    for name, value in plain.state_dict().items():
        assert torch.equal(value, seen.state_dict()[name]), name
    assert seen.training


def test_it_looks_at_its_cadence_and_when_an_alarm_is_due(texts):
    _, watch = watched(texts, adamw, every=25, positions=64)
    assert [look.step for look in watch.looks] == [25, 50]
    _, watch = watched(texts, adamw, every=25, positions=64, planned=60)
    assert [look.step for look in watch.looks] == [6, 15, 25, 50]
    assert {alarm.step(60) for alarm in ALARMS} == {6, 15}


def test_what_it_sees_is_what_a_diagnosis_measures(texts):
    lines = []
    model, watch = watched(texts, adamw, steps=60, say=lines.append, every=60, positions=512)
    found = bitnet.diagnose(model, texts[1], positions=512)
    (look,) = watch.looks
    assert look.measures == {name: found.measures[name] for name in look.measures}
    assert look.state == found.state
    table = watch.table()
    assert table.step.tolist() == [60]
    assert table.val_loss.tolist() == [look.measures["val_loss"]]
    (line,) = lines
    assert line.startswith(f"step 60: {look.state}, {look.measures['unique_tokens']} distinct tok")


def test_a_run_that_goes_down_is_warned_of_and_a_healthy_one_is_not(texts):
    lines = []
    _, watch = watched(
        texts, coupled, steps=160, say=lines.append, every=1000, positions=512, planned=160
    )
    assert lines[0].startswith("warning: Adam with weight_decay=0.1 adds the decay to the gradient")
    late = watch.looks[-1]
    assert late.step == 40
    assert any("step 40: early warning: mutual information is 0.0" in line for line in lines)
    assert "16 of 17 such runs ended dead or collapsed" in late.warnings[0]
    lines.clear()
    _, watch = watched(
        texts, lambda p: AdamW(p, lr=0.02), steps=40, say=lines.append, every=1000, positions=512,
        planned=160,
    )  # fmt: skip
    assert watch.looks[-1].step == 40
    assert watch.looks[-1].warnings == []
    assert not any("warning: mutual" in line for line in lines)


def test_a_line_is_said_when_the_state_changes_and_not_else(texts):
    lines = []
    _, watch = watched(texts, adamw, steps=60, say=lines.append, every=5, positions=128)
    states = [look.state for look in watch.looks]
    changes = sum(a != b for a, b in zip(["", *states], states, strict=False))
    assert len(lines) == changes < len(states)


def test_a_model_that_diverges_is_said_to_and_the_loop_goes_on(texts):
    lines = []
    model = PlainGPT()
    watch = bitnet.Watch(model, texts[1], every=1, positions=64, log=lines.append)
    with torch.no_grad():
        model.head.weight[0] = torch.nan
    assert watch(1).state == "diverged"
    assert watch(2).measures == {}
    assert lines == ["step 1: diverged"]


@pytest.mark.parametrize("given", [{"every": 0}, {"steps": -1}, {"positions": 0}, {"text": [1, 2]}])
def test_what_is_wrong_is_refused_before_training(given, texts):
    with pytest.raises(ParameterError):
        bitnet.Watch(**{"model": PlainGPT(), "text": texts[1]} | given)
