"""Measures on distributions whose answers are known, the states, and the probe."""

import math
from itertools import combinations

import pytest
import torch

from bitnet import Corpus, Probe, RunConfig, measure, state
from bitnet.config import BLOCK
from bitnet.evaluation.diversity import CONTINUATION, OPENING, measure_logits, rarefaction
from bitnet.evaluation.repetition import continuation_measures
from bitnet.train import initial_model
from tests.support.corpus import made_up_vocabulary

V, N = 64, 640
TARGETS = torch.arange(N) % V
REFERENCES = {"ln_vocabulary": math.log(V), "unigram_loss": 4.0}


def measured(logits):
    """In two chunks, which must not matter."""
    return measure_logits(
        [(logits[:300].clone(), TARGETS[:300]), (logits[300:].clone(), TARGETS[300:])], V
    )[0]


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
    assert m["context_information"] == pytest.approx(
        torch.special.entr(p.mean(0)).sum().item() - mean_entropy, abs=1e-5
    )
    assert m["val_loss"] == pytest.approx(
        -p.log()[torch.arange(N), TARGETS].mean().item(), abs=1e-5
    )


def test_the_probe_is_fixed_held_out_text(corpus):
    probe = Probe.from_corpus(corpus, positions=500, length=32)
    # 17 windows of 31 next tokens are the first to reach 500.
    assert probe.windows.shape == (17, 32)
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
    assert probe.references["human_top1_share"] == pytest.approx(
        targets.bincount().max().item() / 527
    )
    assert probe.references["unigram_loss"] == pytest.approx(
        -corpus.unigram[targets].log().mean().item(), abs=1e-5
    )


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
    probe = Probe.from_corpus(
        Corpus.from_stream(
            "short", tokens.numpy().astype("uint16"), "short", made_up_vocabulary(50)
        ),
        positions=10_000,
    )
    assert probe.references["unique_tokens_ceiling"] == 50  # more positions than there are tokens
    assert probe.windows.shape == (BLOCK // 32, 32)


def winners_of(abundances):
    """A list with one token for each position it wins."""
    tokens = [times for times, tokens in abundances for _ in range(tokens)]
    return [token for token, times in enumerate(tokens) for _ in range(times)]


@pytest.mark.parametrize(
    "abundances", [[(1, 3), (2, 1), (4, 1)], [(3, 2)], [(9, 1)], [(1, 9)]], ids=str
)
def test_rarefaction_is_the_mean_over_all_smaller_probes(abundances):
    winners = winners_of(abundances)
    assert len(winners) in (6, 9)
    for n in range(1, len(winners) + 1):
        counts = [len(set(chosen)) for chosen in combinations(winners, n)]
        assert rarefaction(abundances, n) == pytest.approx(sum(counts) / len(counts), rel=1e-9), n


def test_rarefaction_of_a_probe_of_real_size_is_the_hypergeometric_law():
    abundances, n = [(1, 60), (10, 20), (387, 4), (2315, 1)], 20
    total = 60 + 200 + 1548 + 2315
    expected = sum(
        tokens * (1 - math.comb(total - times, n) / math.comb(total, n))
        for times, tokens in abundances
    )
    assert rarefaction(abundances, n) == pytest.approx(expected, rel=1e-9)


def test_the_limits_of_rarefaction():
    abundances = [(1, 60), (10, 20), (387, 4), (2315, 1)]
    assert rarefaction(abundances, 1) == pytest.approx(1)
    assert rarefaction(abundances, 4123) == pytest.approx(85)
    counts = [rarefaction(abundances, n) for n in (1, 2, 5, 20, 100, 1000, 4123)]
    assert counts == sorted(counts)
    assert all(
        count <= n + 1e-9 for count, n in zip(counts, (1, 2, 5, 20, 100, 1000, 4123), strict=True)
    )
    assert rarefaction([(50, 1)], 20) == 1
    assert rarefaction([(1, 50)], 20) == pytest.approx(20)


def test_rarefaction_agrees_with_drawing():
    """The mean of 2000 draws of 20 positions, within five standard errors."""
    abundances = [(1, 30), (20, 10), (300, 2)]
    winners = torch.tensor(winners_of(abundances))
    generator = torch.Generator().manual_seed(9)
    draws = (torch.randperm(len(winners), generator=generator)[:20] for _ in range(2000))
    counts = torch.tensor([winners[draw].unique().numel() for draw in draws]).double()
    assert rarefaction(abundances, 20) == pytest.approx(
        counts.mean().item(), abs=5 * counts.std().item() / 2000**0.5
    )


def test_passages_are_fixed_held_out_and_independent_of_the_windows(corpus):
    probe = Probe.from_corpus(corpus, positions=500)
    assert probe.passages.shape == (32, OPENING + CONTINUATION)
    assert torch.equal(probe.passages, Probe.from_corpus(corpus, positions=62, length=16).passages)
    held_out = corpus.held_out.flatten()
    starts = [
        i
        for i in range(0, len(held_out), 32)
        if (probe.passages == held_out[i : i + 32]).all(-1).any()
    ]
    assert len(starts) == 32
    assert (starts[0], starts[-1]) == (0, len(held_out) - 32)  # spread over all of the text
    human = continuation_measures(probe.passages[:, OPENING:])
    assert {
        f"human_{name}": value for name, value in human.items()
    }.items() <= probe.references.items()
