"""Matrix products by either road, against float64."""

import pytest
import torch

from bitnet import backend
from bitnet.product import linear, product, through_onednn


def test_products_of_plain_and_transposed_matrices(road):
    torch.manual_seed(0)
    a, b = torch.randn(7, 33), torch.randn(5, 33)
    assert through_onednn(a) == (road == "oneDNN")
    exact = (a.double() @ b.double().T).float()
    for left in (a, a.T.contiguous().T):
        for right in (b, b.T.contiguous().T):
            torch.testing.assert_close(product(left, right), exact)


@pytest.mark.parametrize("lead", [(6,), (2, 3), (1, 1, 1)])
def test_a_linear_layer_and_its_gradients(road, lead):
    torch.manual_seed(0)
    x, weight, grad = torch.randn(*lead, 16), torch.randn(9, 16), torch.randn(*lead, 9)
    exact = [t.double().requires_grad_() for t in (x, weight)]
    y = torch.nn.functional.linear(*exact)
    y.backward(grad.double())
    x.requires_grad_(), weight.requires_grad_()
    ours = linear(x, weight)
    ours.backward(grad)
    torch.testing.assert_close(ours, y.float())
    for mine, theirs in zip((x, weight), exact, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad.float())


def test_other_types_and_a_switched_off_onednn_take_the_blas(monkeypatch):
    monkeypatch.setattr(backend, "_amd_with_avx512", lambda: True)
    assert not through_onednn(torch.zeros(1, dtype=torch.float64)) and not through_onednn(torch.zeros(1, dtype=torch.bfloat16))
    assert not through_onednn(torch.zeros(1, device="meta"))
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not through_onednn(torch.zeros(1))


def test_a_manifest_says_which_road_was_taken(road):
    assert backend.choose("cpu").facts()["products"] == road
