"""What a look finds is what a plain computation finds, whatever is asked at once."""

import math

import pytest
import torch

from benchmarks.models import SIZE, PlainGPT, gpt2, token_text
from bitnet import BitNetConfig, BitNetModel
from bitnet.decode import continue_prompts
from bitnet.diagnosis import look as module
from bitnet.diagnosis.look import Features, continued, glance, observe
from bitnet.diagnosis.sample import Sample
from bitnet.diagnosis.subject import Subject

SAMPLE = Sample.of(token_text(tokens=5000), SIZE, positions=500)


@pytest.fixture(params=[PlainGPT, gpt2])
def subject(request):
    torch.manual_seed(0)
    model = request.param()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # so that predictions differ
    return Subject.of(model, torch.arange(SIZE))


def test_measures_are_those_of_all_logits_at_once(subject, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_CHUNK", 1)
    monkeypatch.setattr(module, "ENTRIES_A_CHUNK", SIZE * 70)  # two windows
    features = Features()
    measures, counts = glance(subject, SAMPLE, features)
    subject.model.eval()
    with torch.no_grad():
        output = subject.model(SAMPLE.windows[:, :-1])
    logits = getattr(output, "logits", output).flatten(0, 1).double()
    p, targets = logits.softmax(-1), SAMPLE.windows[:, 1:].flatten()
    entropy = -(p * p.log()).sum(-1).mean().item()
    mean = p.mean(0)
    assert measures["val_loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(logits, targets).item(), rel=1e-5
    )
    assert measures["predictive_entropy"] == pytest.approx(entropy, rel=1e-5)
    assert measures["context_information"] == pytest.approx(
        -(mean * mean.log()).sum().item() - entropy, rel=1e-3
    )
    assert counts.tolist() == torch.bincount(logits.argmax(-1), minlength=SIZE).tolist()
    assert features.count == len(targets)


def test_features_are_what_the_head_reads(subject):
    features, kept = Features(), []
    subject.head.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    glance(subject, SAMPLE, features)
    x = torch.cat([part.flatten(0, 1) for part in kept]).double()
    scatter = (x - x.mean(0)).T @ (x - x.mean(0))
    torch.testing.assert_close(features.scatter, scatter, rtol=1e-6, atol=1e-6)
    assert len(subject.head._forward_pre_hooks) == 1  # that of this test


def test_what_a_model_says_is_its_winners_and_greedy_continuations():
    torch.manual_seed(0)
    model = BitNetModel(BitNetConfig(vocab_size=SIZE, hidden_size=16, num_layers=1))
    subject = Subject.of(model, torch.arange(SIZE))
    measures, snapshot = observe(subject, SAMPLE, Features())
    openings = SAMPLE.passages[:, :8]
    ours = continue_prompts(model, openings, 24)
    with subject.at_rest():
        theirs = continued(subject, openings)
    # A tie in the last bit may fall either way, since ours keeps a cache.
    assert (ours == theirs).all(dim=1).double().mean() > 0.9
    assert snapshot.continuations == theirs[:8].tolist()
    assert measures["unique_tokens"] == sum(tokens for _, tokens in snapshot.abundances)
    assert 1 <= measures["unique_predictions"] <= 20
    assert math.isfinite(measures["seq_rep_4"])
