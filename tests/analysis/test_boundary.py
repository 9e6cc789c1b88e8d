"""The predictor's boundaries: by hand, by a plain search, by the gradient at the start."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from bitnet import ARMS, RunConfig
from bitnet.analysis.boundary import (
    BATCHES,
    Boundaries,
    context_free,
    dead_from,
    gains_shrink_from,
    predicted_state,
)
from bitnet.arms import recipe
from bitnet.train import initial_model
from bitnet.transformer import parameter_groups
from tests.support.corpus import VOCABULARY

COUNTS = torch.tensor([70, 20, 10, 0])
P = COUNTS.double() / 100


def test_dead_from_is_the_distance_of_the_text_from_uniform():
    by_hand = math.sqrt(0.45**2 + 0.05**2 + 0.15**2 + 0.25**2)
    assert dead_from(COUNTS) == pytest.approx(by_hand)


@pytest.mark.parametrize("decay", [0.01, 0.1, 0.4])
def test_the_penalised_loss_is_least_where_it_is_said_to_be(decay):
    """Against gradient descent from many places: none finds less, and the best finds the same."""

    def penalised(logits):
        loss = -(P * torch.log_softmax(logits, -1)).sum(-1)
        return loss + decay * logits.norm(dim=-1)

    found = context_free(COUNTS, decay)
    least = penalised(found - found.mean()).item()
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 4, generator=generator, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.02)
    for step in range(4000):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 4000)
        optimizer.zero_grad()
        penalised(logits).sum().backward()
        optimizer.step()
    assert least <= penalised(logits).min().item() + 1e-9
    assert least == pytest.approx(penalised(logits).min().item(), abs=1e-4)


def test_just_below_the_boundary_there_is_something_to_learn_and_from_it_on_nothing():
    at = dead_from(COUNTS)
    uniform = torch.full((4,), -math.log(4), dtype=torch.float64)
    torch.testing.assert_close(context_free(COUNTS, at * 1.001), uniform)
    assert (context_free(COUNTS, at * 0.99) - uniform).abs().max() > 1e-3


def test_without_decay_it_is_the_unigram_model():
    seen = torch.tensor([50, 30, 20])
    torch.testing.assert_close(
        context_free(seen, 0.0).exp(), seen.double() / 100, rtol=1e-4, atol=1e-4
    )


def test_gains_shrink_from_is_the_size_of_their_clipped_gradient_at_the_start(corpus):
    """By a plain loop with torch's own loss and clipping."""
    config = RunConfig("l2-0.0", hidden=16, layers=1, heads=2, steps=30, vocabulary=VOCABULARY)
    model, squares = initial_model(config, VOCABULARY), []
    for t in range(BATCHES):
        at = (torch.arange(128) + t * 128) % len(corpus.train)
        ids = corpus.train[at].view(4, 32)
        model.zero_grad()
        F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        gains = [g.grad.flatten() for g in parameter_groups(model)["norm"]]
        squares.append(torch.cat(gains).square().mean())
    expected = torch.stack(squares).mean().sqrt().item()
    assert gains_shrink_from(config, corpus) == pytest.approx(expected, rel=1e-3)
    assert gains_shrink_from(replace(config, arm="adamw-0.0"), corpus) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("l2-0.1", "dead"),
        ("l2-0.0+decay=0.01", "collapsed"),
        ("l2-0.0+decay=0.001", "up"),
        ("no-decay", "up"),
        ("l2-0.1+decayed=head", "up"),
        ("l2-0.1+decayed=all-but-norm", "up"),
        ("l2-0.1+decayed=all-but-embedding", "dead"),
        ("adamw-0.0+decay=0.1", "up"),
        ("fp-l2-0.0+decay=0.1", "dead"),
    ],
)
def test_the_state_follows_from_dose_group_and_kind(arm, expected):
    assert Boundaries(dead=0.07, gains=0.0016).state(recipe(arm)) == expected


def test_the_prediction_of_a_run_is_by_its_own_boundaries(corpus):
    config = RunConfig("l2-0.1", hidden=16, layers=1, heads=2, steps=30, vocabulary=VOCABULARY)
    found = Boundaries.of(config, corpus)
    assert predicted_state(config, corpus) == found.state(ARMS["l2-0.1"])
