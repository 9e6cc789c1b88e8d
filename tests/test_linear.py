"""BitLinear against the integers that it stands for, with gradients, by either kernel."""

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from benchmarks import reference
from bitnet import BitLinear, activation_quant, weight_quant


def test_it_multiplies_ternary_weights_with_quantized_activations(kernel):
    torch.manual_seed(0)
    layer = BitLinear(16, 8)
    x = torch.randn(5, 16)
    normed = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    scale = 127 / normed.abs().amax(-1, keepdim=True)
    weight_scale = layer.weight.abs().mean()
    integers = (normed * scale).round() @ (layer.weight / weight_scale).round().clamp(-1, 1).T
    torch.testing.assert_close(layer(x), integers / scale * weight_scale, rtol=1e-5, atol=1e-5)
    plain = BitLinear(16, 8, quantize=False)
    torch.testing.assert_close(plain(x), normed @ plain.weight.T, rtol=1e-5, atol=1e-5)


def plain(layer, x, weight, gain):
    """The same layer, put together from its parts and differentiated by autograd."""
    a = reference.rms_norm(x, gain, 1e-5)
    if layer.quantize:
        return F.linear(activation_quant(a), weight_quant(weight))
    return F.linear(a, weight)


@pytest.mark.parametrize("quantize", [True, False])
@pytest.mark.parametrize("lead", [(5,), (2, 3), (1, 1, 4)])
def test_its_gradients_are_those_of_its_parts(lead, quantize):
    torch.manual_seed(0)
    layer = BitLinear(16, 8, quantize=quantize).double()
    layer.norm.weight.data.uniform_(0.5, 1.5)
    given = torch.randn(*lead, 16, dtype=torch.float64), layer.weight, layer.norm.weight
    leaves = [t.detach().clone().requires_grad_() for t in given]
    x = given[0].requires_grad_()
    weights = torch.randn(*lead, 8, dtype=torch.float64)
    found, expected = layer(x), plain(layer, *leaves)
    torch.testing.assert_close(found, expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for ours, theirs in zip(given, leaves, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_gradients_of_its_latent_weight_and_norm_are_those_of_the_reference():
    torch.manual_seed(0)
    layer = BitLinear(16, 8).double()
    layer.norm.weight.data.uniform_(0.5, 1.5)
    x, weights = (torch.randn(5, n, dtype=torch.float64) for n in (16, 8))
    (layer(x) * weights).sum().backward()
    w, norm = (p.detach().clone().requires_grad_() for p in (layer.weight, layer.norm.weight))
    (reference.bit_linear(x, w, norm, 1e-5, True) * weights).sum().backward()
    torch.testing.assert_close(layer.weight.grad, w.grad)
    torch.testing.assert_close(layer.norm.weight.grad, norm.grad)


def test_full_precision_passes_a_numerical_check():
    layer = BitLinear(4, 3, quantize=False).double()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)

    def by_all(x, *parameters):
        names = ("weight", "norm.weight")
        return functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(by_all, (x, layer.weight, layer.norm.weight))


def test_it_leaves_its_parameters_and_input_as_they_were(kernel):
    for quantize in (True, False):
        layer, x = BitLinear(16, 8, quantize=quantize), torch.randn(5, 16)
        kept = [t.clone() for t in (x, *layer.parameters())]
        layer(x).sum().backward()
        assert all(map(torch.equal, kept, (x, *layer.parameters())))
