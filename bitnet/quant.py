"""The two quantizers of BitNet b1.58, with straight-through gradients."""

import torch
from torch import Tensor

__all__ = ["activation_quant", "eight_bit", "ternary", "weight_quant"]

MIN_SCALE = 1e-5  # keeps an all-zero tensor finite; never reached by a living layer


def ternary(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The ternary values {-1, 0, +1} of a weight, of its shape, and their scale, a scalar.

    The scale is mean |W|, at least 1e-5.
    Source: Ma et al. 2024, "The Era of 1-bit LLMs", eqs. 1-3 (absmean).
    """
    scale = weight.abs().mean().clamp(min=MIN_SCALE)
    return (weight / scale).round_().clamp_(-1, 1), scale


def eight_bit(x: Tensor) -> Tensor:
    """Activations [..., n] -> the nearest of at most 255 levels a token, of the same shape.

    Each token (last axis) has its own scale 127 / max|x|, so that its largest value lands on level
    +-127 and none has to be clamped. Source: Wang et al. 2023, "BitNet", eqs. 4-5, with the range
    of b1.58 ([-127, 127] on this scale).
    """
    scale = 127.0 / x.abs().amax(dim=-1, keepdim=True).clamp_(min=MIN_SCALE)
    return (x * scale).round_().div_(scale)


def weight_quant(weight: Tensor) -> Tensor:
    """A weight of any shape -> scale * {-1, 0, +1} of the same shape; see `ternary`.

    The gradient passes through unchanged (straight-through estimator; Bengio et al. 2013).
    """
    values, scale = ternary(weight.detach())
    return _StraightThrough.apply(weight, values.mul_(scale))


def activation_quant(x: Tensor) -> Tensor:
    """Activations [..., n] -> `eight_bit` of them; the gradient passes through unchanged."""
    return _StraightThrough.apply(x, eight_bit(x.detach()))


class _StraightThrough(torch.autograd.Function):
    """Forward: the quantized value, exactly. Backward: the identity."""

    @staticmethod
    def forward(ctx, x: Tensor, quantized: Tensor) -> Tensor:
        return quantized.view_as(quantized)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None
