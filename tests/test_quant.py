"""Quantizers: values, levels and straight-through gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import reference
from bitnet import activation_quant, weight_quant
from bitnet.quant import ternary

shapes = st.tuples(st.integers(1, 5), st.integers(1, 40))
scales = st.floats(1e-3, 1e3)


@given(shapes, scales, st.integers(0, 1000))
def test_weights_take_three_values(shape, size, seed):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * size
    values, scale = ternary(weight)
    assert set(values.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert scale == weight.abs().mean().clamp(min=1e-5)
    assert torch.equal(weight_quant(weight), values * scale)


def test_weight_thresholds_at_half_the_scale():
    weight = torch.tensor(
        [0.1, -0.1, 2.0, -2.0, 0.6, -0.6, 0.4, -0.4]
    )  # mean |w| = 0.775, so the threshold is 0.3875
    assert ternary(weight)[0].tolist() == [0, 0, 1, -1, 1, -1, 1, -1]


@given(shapes, scales, st.integers(0, 1000))
def test_activations_have_at_most_255_levels_a_token(shape, size, seed):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * size
    quantized = activation_quant(x)
    levels = (quantized * 127 / x.abs().amax(-1, keepdim=True)).round()
    assert levels.abs().max() <= 127
    # half a level, and the rounding of float32 on top
    assert ((quantized - x).abs() <= x.abs().amax(-1, keepdim=True) / 127 * (0.5 + 1e-4)).all()
    assert torch.allclose(quantized.abs().amax(-1), x.abs().amax(-1))


def test_a_token_of_many_values_uses_255_levels():
    x = torch.linspace(-1, 1, 10_001)[None]
    assert activation_quant(x).unique().numel() == 255


def test_each_token_has_its_own_scale():
    x = torch.tensor([[1.0, 0.5], [100.0, 50.0]])
    assert torch.allclose(
        activation_quant(x) / x.abs().amax(-1, keepdim=True), activation_quant(x[:1]).expand(2, 2)
    )


@pytest.mark.parametrize("quantizer", [weight_quant, activation_quant])
def test_gradients_pass_straight_through(quantizer):
    x = torch.randn(4, 9, requires_grad=True)
    coefficients = torch.randn(4, 9)
    (quantizer(x) * coefficients).sum().backward()
    assert torch.equal(x.grad, coefficients)


@pytest.mark.parametrize("quantizer", [weight_quant, activation_quant])
def test_zeros_stay_zero(quantizer):
    assert torch.equal(quantizer(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_the_reference_agrees():
    x = torch.randn(6, 33)
    # x + (q - x) in the reference rounds where the library returns q itself
    assert torch.allclose(weight_quant(x), reference.quantize_weight(x), atol=1e-6)
    assert torch.allclose(activation_quant(x), reference.quantize_activation(x), atol=1e-6)
