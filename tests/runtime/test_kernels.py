"""Products by either kernel; norm, gate and the loss of the head against autograd in float64."""

import pytest
import torch

from benchmarks import reference
from bitnet.runtime import cpu, kernels
from bitnet.runtime.kernels import (
    CPU_COLUMNS,
    gated,
    head_logits,
    linear_cross_entropy,
    product,
    rms_norm,
    through_onednn,
)


def test_products_of_plain_and_transposed_matrices(kernel):
    torch.manual_seed(0)
    a, b = torch.randn(7, 33), torch.randn(5, 33)
    assert through_onednn(a) == (kernel == "oneDNN")
    exact = (a.double() @ b.double().T).float()
    for left in (a, a.T.contiguous().T):
        for right in (b, b.T.contiguous().T):
            torch.testing.assert_close(product(left, right), exact)


def test_a_long_transposed_left_side_gives_the_same_product(kernel):
    """The gradient by a weight: more tokens than columns, so that the smaller side is turned."""
    a, b = torch.randn(33, 7).T, torch.randn(33, 5).T
    found = product(a, b)
    torch.testing.assert_close(found, (a.double() @ b.double().T).float())
    assert found.is_contiguous()  # a fused optimizer copies a gradient that is not


def test_small_products_take_the_blas(monkeypatch):
    monkeypatch.setattr(cpu, "_amd_with_avx512", lambda: True)
    taken = []
    monkeypatch.setattr(kernels, "onednn_product", lambda a, b: taken.append(len(a)) or a @ b.T)
    monkeypatch.setattr(kernels, "SMALL_PRODUCT", 2 * 3 * 5)
    for rows in (2, 3):
        product(torch.ones(rows, 3), torch.ones(5, 3))
    assert taken == [3]


def compared(ours, plain, *shapes):
    """A function and its gradients against autograd of the plain formula, and numerically."""
    torch.manual_seed(0)
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    weights = torch.randn_like(plain(*given))
    found, expected = ours(*given), plain(*given)
    torch.testing.assert_close(found, expected)
    by_hand = torch.autograd.grad((found * weights).sum(), given)
    by_autograd = torch.autograd.grad((expected * weights).sum(), given)
    torch.testing.assert_close(by_hand, by_autograd)
    assert torch.autograd.gradcheck(ours, given)


@pytest.mark.parametrize("lead", [(6,), (2, 3), (1, 1, 1)])
def test_a_norm_and_its_gradients(lead):
    compared(
        lambda x, gain: rms_norm(x, gain, 1e-2),
        lambda x, gain: reference.rms_norm(x, gain, 1e-2),
        (*lead, 7), (7,),
    )  # fmt: skip


@pytest.mark.parametrize("lead", [(6,), (2, 3)])
def test_a_gate_and_its_gradient(lead):
    def plain(x):
        gate, up = x.chunk(2, dim=-1)
        return torch.relu(gate) ** 2 * up

    compared(gated, plain, (*lead, 10))


def test_other_types_and_a_switched_off_onednn_take_the_blas(monkeypatch):
    monkeypatch.setattr(cpu, "_amd_with_avx512", lambda: True)
    assert not through_onednn(torch.zeros(1, dtype=torch.float64))
    assert not through_onednn(torch.zeros(1, dtype=torch.bfloat16))
    assert not through_onednn(torch.zeros(1, device="meta"))
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not through_onednn(torch.zeros(1))


def test_logits_are_the_matrix_product(kernel):
    features, weight = torch.randn(5, 8), torch.randn(CPU_COLUMNS + 7, 8)
    torch.testing.assert_close(head_logits(features, weight), features @ weight.T)


def by_autograd(features, weight, targets, smoothing, factor):
    """The plain loss, and the gradients of `factor` times it, by torch's own autograd."""
    leaves = [t.detach().clone().requires_grad_() for t in (features, weight)]
    # The reference drops the last position of each row and the first of the targets.
    logits = torch.cat([leaves[0] @ leaves[1].T, leaves[0].new_zeros(1, len(weight))])
    ids = torch.cat([targets.new_zeros(1), targets])
    loss = reference.next_token_loss(logits[None], ids[None], smoothing)
    (factor * loss).backward()
    return loss.detach(), *(leaf.grad for leaf in leaves)


def by_the_kernel(features, weight, targets, smoothing, factor, dtype=None):
    leaves = [t.detach().clone().requires_grad_() for t in (features, weight)]
    loss = linear_cross_entropy(*leaves, targets, smoothing, dtype)
    (factor * loss).backward()
    return loss.detach(), *(leaf.grad for leaf in leaves)


def case(vocabulary, dtype, rows=17, width=16):
    torch.manual_seed(0)
    features = torch.randn(rows, width, dtype=dtype)
    weight = torch.randn(vocabulary, width, dtype=dtype)
    return features, weight, torch.randint(0, vocabulary, (rows,))


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("vocabulary", [50, CPU_COLUMNS, 2 * CPU_COLUMNS + 3])
def test_loss_and_gradients_are_those_of_autograd(vocabulary, smoothing, factor):
    """In float64; `factor` is a gradient from above that is not one."""
    given = (*case(vocabulary, torch.float64), smoothing, factor)
    for found, expected in zip(by_the_kernel(*given), by_autograd(*given), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_gradients_pass_a_numerical_check():
    """Also where loss and gradients meet others in one graph, and only one of them is asked for."""
    features, weight, targets = case(11, torch.float64, rows=5, width=3)
    features.requires_grad_(), weight.requires_grad_()

    def loss(features, weight):
        return linear_cross_entropy(features.sin(), weight * 2, targets, 0.1).square()

    assert torch.autograd.gradcheck(loss, (features, weight))
    (alone,) = torch.autograd.grad(linear_cross_entropy(features, weight, targets), weight)
    torch.testing.assert_close(alone, by_autograd(features, weight, targets, 0.0, 1.0)[2])


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("vocabulary", [70, CPU_COLUMNS + 7])
def test_in_float32_by_either_kernel(kernel, vocabulary, smoothing, factor):
    features, weight, targets = case(vocabulary, torch.float32, rows=31)
    exact = by_autograd(features.double(), weight.double(), targets, smoothing, factor)
    found = by_the_kernel(features, weight, targets, smoothing, factor)
    for mine, theirs in zip(found, exact, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs.float())


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_products_in_bfloat16_lose_no_more_than_its_rounding(smoothing, factor):
    """All between the products stays in float32: a bfloat16 has 8 bits, so each factor of a product
    is off by at most 2^-9 of itself. Loss and gradients come back in float32.
    """
    features, weight, targets = case(300, torch.float32, rows=64, width=32)
    exact = by_autograd(features.double(), weight.double(), targets, smoothing, factor)
    found = by_the_kernel(features, weight, targets, smoothing, factor, torch.bfloat16)
    for mine, theirs in zip(found, exact, strict=True):
        assert mine.dtype == torch.float32
        assert (mine - theirs).norm() <= 2**-6 * theirs.norm()
    assert not torch.equal(found[0], exact[0].float())


def test_large_logits_do_not_overflow():
    features, weight = torch.full((3, 4), 100.0), torch.full((6, 4), 100.0)
    loss, by_features, _ = by_the_kernel(features, weight, torch.tensor([0, 1, 2]), 0.0, 1.0)
    assert loss.item() == pytest.approx(torch.tensor(6.0).log().item())
    assert by_features.isfinite().all()


def test_its_inputs_are_left_as_they_were():
    features, weight, targets = case(50, torch.float32)
    before = [t.clone() for t in (features, weight, targets)]
    features.requires_grad_(), weight.requires_grad_()
    linear_cross_entropy(features, weight, targets, 0.1).backward()
    assert all(torch.equal(a, b) for a, b in zip(before, (features, weight, targets), strict=True))
