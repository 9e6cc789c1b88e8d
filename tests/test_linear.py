"""BitLinear against the integers that it stands for, with gradients, by either kernel."""

import torch

from benchmarks import reference
from bitnet import BitLinear


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
