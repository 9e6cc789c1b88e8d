"""The head: logits, loss and both gradients against autograd on the plain loss."""

import pytest
import torch

from benchmarks import reference
from bitnet.head import CPU_COLUMNS, head_logits, head_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("vocabulary", [50, CPU_COLUMNS, 2 * CPU_COLUMNS + 3])
def test_loss_and_gradients_are_those_of_autograd(vocabulary, smoothing):
    torch.manual_seed(0)
    features = torch.randn(2, 9, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(vocabulary, 16, dtype=torch.float64, requires_grad=True)
    ids = torch.randint(0, vocabulary, (2, 9))
    plain = reference.next_token_loss(features @ weight.T, ids, smoothing)
    plain.backward()
    flat = features.detach()[:, :-1].flatten(0, 1)
    loss, by_features, by_weight = head_loss(flat, weight, ids[:, 1:].flatten(), smoothing)
    torch.testing.assert_close(loss, plain.detach())
    torch.testing.assert_close(by_features, features.grad[:, :-1].flatten(0, 1))
    torch.testing.assert_close(by_weight, weight.grad)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_in_float32_by_either_road(road, smoothing):
    torch.manual_seed(0)
    features, weight, targets = torch.randn(31, 16), torch.randn(70, 16), torch.randint(0, 70, (31,))
    exact = head_loss(features.double(), weight.double(), targets, smoothing)
    for found, expected in zip(head_loss(features, weight, targets, smoothing), exact, strict=True):
        torch.testing.assert_close(found, expected.float())


def test_logits_are_the_matrix_product(road):
    features, weight = torch.randn(5, 8), torch.randn(CPU_COLUMNS + 7, 8)
    torch.testing.assert_close(head_logits(features, weight), features @ weight.T)


def test_large_logits_do_not_overflow():
    features, weight = torch.full((3, 4), 100.0), torch.full((6, 4), 100.0)
    loss, by_features, _ = head_loss(features, weight, torch.tensor([0, 1, 2]))
    assert loss.item() == pytest.approx(torch.tensor(6.0).log().item())
    assert by_features.isfinite().all()
