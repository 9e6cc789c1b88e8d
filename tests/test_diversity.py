"""Measures on distributions whose answers are known, the states, and the probe."""

import math

import pytest
import torch

from bitnet import Corpus, Probe, RunConfig, measure, state
from bitnet.data import BLOCK
from bitnet.diversity import measure_logits
from bitnet.train import initial_model

V, N = 64, 640
TARGETS = torch.arange(N) % V
REFERENCES = {"ln_vocabulary": math.log(V), "unigram_loss": 4.0}


def measured(logits):
    """In two chunks, which must not matter."""
    return measure_logits([(logits[:300].clone(), TARGETS[:300]), (logits[300:].clone(), TARGETS[300:])], V)[0]


def test_a_dead_model_is_uniform():
    m = measured(torch.zeros(N, V))
    assert m["predictive_entropy"] == pytest.approx(math.log(V), abs=1e-5)
    assert m["val_loss"] == pytest.approx(math.log(V), abs=1e-5)
    assert m["context_information"] == pytest.approx(0, abs=1e-5)
    assert state(m, REFERENCES) == "dead"


def test_a_dead_model_scores_high_on_counting_winners():
    m = measured(torch.randn(N, V, generator=torch.Generator().manual_seed(0)) * 1e-4)
    assert m["unique_tokens"] == V
    assert m["effective_tokens"] > 0.9 * V
    assert state(m, REFERENCES) == "dead"


def test_a_constant_model_has_collapsed():
    logits = torch.zeros(N, V)
    logits[:, 7] = 50.0
    m = measured(logits)
    assert m["unique_tokens"] == 1
    assert m["effective_tokens"] == pytest.approx(1)
    assert m["top1_share"] == 1
    assert m["predictive_entropy"] == pytest.approx(0, abs=1e-5)
    assert m["context_information"] == pytest.approx(0, abs=1e-5)
    assert m["val_loss"] == pytest.approx(50 * (1 - 1 / V), rel=1e-4)
    assert state(m, REFERENCES) == "collapsed"


def test_a_model_that_knows_every_answer_is_diverse():
    m = measured(50.0 * torch.eye(V)[TARGETS])
    assert m["unique_tokens"] == V
    assert m["effective_tokens"] == pytest.approx(V)
    assert m["top1_share"] == pytest.approx(1 / V)
    assert m["context_information"] == pytest.approx(math.log(V), abs=1e-4)
    assert m["val_loss"] == pytest.approx(0, abs=1e-4)
    assert state(m, REFERENCES) == "diverse"


def test_a_model_of_the_unigram_ignores_its_context():
    shares = torch.arange(1, V + 1).float().log()
    m = measured(shares.expand(N, V).clone())
    entropy = torch.distributions.Categorical(logits=shares).entropy().item()
    assert m["predictive_entropy"] == pytest.approx(entropy, abs=1e-5)
    assert m["context_information"] == pytest.approx(0, abs=1e-5)
    assert state(m, REFERENCES) == "collapsed"


def test_half_knowledge_is_learning():
    """Knows the answer among eight: ln 8 nats of context, but only eight tokens ever win."""
    groups = torch.zeros(N, V)
    groups[torch.arange(N), TARGETS // 8 * 8] = 5.0
    m = measured(groups)
    assert m["unique_tokens"] == 8
    assert m["effective_tokens"] == pytest.approx(8, rel=1e-3)
    assert m["context_information"] > 0.1
    assert state(m, REFERENCES) == "learning"


def test_a_long_thin_tail_does_not_fool_effective_tokens():
    logits = torch.zeros(N, V)
    logits[:, 0] = 1.0
    logits[torch.arange(V), torch.arange(V)] = 2.0  # each token wins once, token 0 everywhere else
    m = measured(logits)
    assert m["unique_tokens"] == V
    assert m["effective_tokens"] < 3


def test_infinite_loss_is_not_diverse():
    good = measured(50.0 * torch.eye(V)[TARGETS])
    assert state(good | {"val_loss": math.nan}, REFERENCES) == "collapsed"


def test_entropy_and_information_against_their_definitions():
    logits = torch.randn(N, V, generator=torch.Generator().manual_seed(3)) * 2
    p = logits.double().softmax(-1)
    m = measured(logits)
    mean_entropy = torch.special.entr(p).sum(-1).mean().item()
    assert m["predictive_entropy"] == pytest.approx(mean_entropy, abs=1e-5)
    assert m["context_information"] == pytest.approx(torch.special.entr(p.mean(0)).sum().item() - mean_entropy, abs=1e-5)
    assert m["val_loss"] == pytest.approx(-p.log()[torch.arange(N), TARGETS].mean().item(), abs=1e-5)


def test_the_probe_is_fixed_held_out_text(corpus):
    probe = Probe.from_corpus(corpus, positions=500, length=32)
    assert probe.windows.shape == (17, 32)  # 17 windows of 31 next tokens are the first to reach 500
    assert torch.equal(probe.windows, Probe.from_corpus(corpus, positions=500, length=32).windows)
    flat = corpus.held_out.flatten().unfold(0, 32, 32)
    assert all((flat == window).all(-1).any() for window in probe.windows)
    assert probe.prompts.shape == (20, 8)


def test_references_name_ceilings_and_the_text_itself(corpus):
    probe = Probe.from_corpus(corpus, positions=500)
    targets = probe.windows[:, 1:].flatten()
    assert probe.references["unique_tokens_ceiling"] == targets.numel() == 527
    assert probe.references["unique_predictions_ceiling"] == 20
    assert probe.references["human_unique_tokens"] == targets.unique().numel()
    assert probe.references["human_top1_share"] == pytest.approx(targets.bincount().max().item() / 527)
    assert probe.references["unigram_loss"] == pytest.approx(-corpus.unigram[targets].log().mean().item(), abs=1e-5)


def test_measures_of_a_model_are_those_of_its_logits(corpus):
    probe = Probe.from_corpus(corpus, positions=300)
    model = initial_model(RunConfig("l2-0.0", hidden=32, layers=1), corpus.vocab_size)
    m = measure(model, probe)
    with torch.no_grad():
        logits = model(probe.windows[:, :-1]).flatten(0, 1)
        answers = model(probe.prompts)[:, -1].argmax(-1)
    expected, _ = measure_logits([(logits, probe.windows[:, 1:].flatten())], corpus.vocab_size)
    assert m.pop("unique_predictions") == answers.unique().numel()
    for name, value in expected.items():
        assert m[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name


def test_a_short_text_gives_fewer_positions():
    tokens = torch.arange(12 * BLOCK) % 50
    probe = Probe.from_corpus(Corpus("short", tokens.numpy().astype("uint16"), "short", 50), positions=10_000)
    assert probe.references["unique_tokens_ceiling"] == 50  # more positions than there are tokens
    assert probe.windows.shape == (BLOCK // 32, 32)
