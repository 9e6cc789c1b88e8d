"""Weights: gradients that leave `.grad` alone, penalties, rows, ranks, and one update's turn."""

import math

import pytest
import torch
from torch.optim import SGD, Adam, AdamW

from benchmarks.models import SIZE, PlainGPT, token_text, train
from bitnet.diagnosis.look import Features
from bitnet.diagnosis.optimizer import Stepper
from bitnet.diagnosis.sample import Sample
from bitnet.diagnosis.subject import MATRICES, Subject
from bitnet.diagnosis.weights import ends, gradients, groups, moved, ranks

IDS = token_text(tokens=6000)
SAMPLE = Sample.of(IDS, SIZE, positions=640)


@pytest.fixture
def subject():
    torch.manual_seed(0)
    return Subject.of(PlainGPT(), IDS)


def test_gradients_are_those_of_a_plain_backward_and_grad_stays(subject):
    model = subject.model
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    found = gradients(subject, SAMPLE)
    assert all((p.grad == 7).all() for p in model.parameters())
    model.eval()
    windows = SAMPLE.windows[:16]
    logits = model(windows[:, :-1]).flatten(0, 1)
    model.zero_grad()
    torch.nn.functional.cross_entropy(logits, windows[:, 1:].flatten()).backward()
    for parameter in model.parameters():
        torch.testing.assert_close(found[parameter], parameter.grad)


def test_frozen_weights_have_no_gradient(subject):
    subject.model.head.weight.requires_grad_(False)
    assert subject.model.head.weight not in gradients(subject, SAMPLE)
    subject.model.requires_grad_(False)
    assert gradients(subject, SAMPLE) == {}


def test_penalty_against_gradient_by_group(subject):
    gradient = gradients(subject, SAMPLE)
    optimizer = Adam(subject.model.parameters(), weight_decay=0.5)
    found = {g.name: g for g in groups(subject, gradient, Stepper.of(optimizer, subject))}
    head = subject.model.head.weight.detach()
    assert found["head"].penalty == pytest.approx(0.5 * head.norm().item(), rel=1e-6)
    assert found["head"].gradient == pytest.approx(gradient[subject.head.weight].norm().item())
    assert found["head"].ratio == found["head"].penalty / found["head"].gradient
    assert found["head"].mean_abs == pytest.approx(head.abs().mean().item(), rel=1e-6)
    assert found[MATRICES].held
    assert math.isnan(groups(subject, gradient, None)[0].penalty)


def test_rows_are_counted_by_how_often_their_token_stands_in_the_text(subject):
    with torch.no_grad():
        subject.embedding.weight[:20] = 0
        subject.head.weight[100:] *= 2
    found = ends(subject, SAMPLE, {}, None).rows
    of_embedding = [rows for rows in found if rows.end == "embedding"]
    assert sum(rows.tokens for rows in of_embedding) == SIZE
    assert sum(rows.dead for rows in of_embedding) == 20
    never = int((SAMPLE.counts == 0).sum())
    assert [rows.tokens for rows in of_embedding if rows.frequency == "never"] == [never]
    assert sum(rows.dead for rows in found if rows.end == "head") == 0
    mean = sum(rows.norm * rows.tokens for rows in found if rows.end == "head") / SIZE
    norms = subject.head.weight.detach().norm(dim=1)
    assert mean == pytest.approx(norms.mean().item(), rel=1e-5)


def test_decay_outweighs_rows_only_where_it_is_coupled(subject):
    gradient = gradients(subject, SAMPLE)
    pull = gradient[subject.embedding.weight].norm(dim=1)
    weight = subject.embedding.weight.detach().norm(dim=1)
    for kind, expected in ((Adam, int((0.01 * weight > pull).sum())), (AdamW, None)):
        stepper = Stepper.of(kind(subject.model.parameters(), weight_decay=0.01), subject)
        found = ends(subject, SAMPLE, gradient, stepper).outweighed
        assert found.get("embedding") == (expected and (expected, SIZE))
    seen = SAMPLE.windows[:16, :-1].unique().numel()
    assert expected is None
    assert int((0.01 * weight > pull).sum()) >= SIZE - seen  # no gradient reaches the others


def test_effective_ranks_are_those_of_known_matrices(subject):
    features = Features()
    features(None, (torch.eye(8, 32)[None],))
    with torch.no_grad():
        subject.head.weight.copy_(torch.outer(torch.ones(SIZE), torch.randn(32)))
        subject.embedding.weight.zero_()
        subject.embedding.weight[:4, :4] = torch.eye(4)
    found = ranks(subject, features)
    assert found["head"][0] == pytest.approx(1, abs=1e-3)
    assert found["embedding"] == (pytest.approx(4), 32)
    assert found["features"][0] == pytest.approx(7, rel=1e-6)  # eight points around their mean


def test_one_update_turns_predictions_and_leaves_every_weight_as_it_was(subject):
    optimizer = AdamW(subject.model.parameters(), lr=1e-3)
    train(subject.model, optimizer, IDS, steps=10)
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    found = moved(subject, SAMPLE, Stepper.of(optimizer, subject))
    assert found > 0
    for group in optimizer.param_groups:
        group["lr"] *= 3
    # For small steps the divergence grows with the square of the step.
    assert moved(subject, SAMPLE, Stepper.of(optimizer, subject)) == pytest.approx(
        9 * found, rel=0.1
    )
    for name, value in subject.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_an_update_to_where_nothing_is_finite_turns_infinitely_far(subject):
    optimizer = SGD(subject.model.parameters(), lr=1e30, momentum=0.9)
    subject.model.zero_grad()
    for parameter in subject.model.parameters():
        parameter.grad = torch.ones_like(parameter) * 1e10
        optimizer.state[parameter]["momentum_buffer"] = parameter.grad.clone()
    assert moved(subject, SAMPLE, Stepper.of(optimizer, subject)) == math.inf
    assert math.isnan(moved(subject, SAMPLE, None))
