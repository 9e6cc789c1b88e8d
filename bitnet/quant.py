"""The two quantizers of BitNet b1.58, with straight-through gradients."""

import torch
from torch import Tensor

__all__ = ["activation_quant", "ternary", "weight_quant"]

MIN_SCALE = 1e-5  # keeps an all-zero tensor finite; never reached by a living layer


def ternary(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The ternary values {-1, 0, +1} of a weight, of its shape, and their scale, a scalar.

    The scale is mean |W|, at least 1e-5.
    Source: Ma et al. 2024, "The Era of 1-bit LLMs", eqs. 1-3 (absmean).
    """
    scale = weight.abs().mean().clamp(min=MIN_SCALE)
    return (weight / scale).round_().clamp_(-1, 1), scale


def weight_quant(weight: Tensor) -> Tensor:
    """A weight of any shape -> scale * {-1, 0, +1} of the same shape.

    The gradient passes through unchanged.
    Source: Ma et al. 2024, "The Era of 1-bit LLMs", eqs. 1-3 (absmean, one scale a tensor);
    straight-through estimator: Bengio et al. 2013.
    """
    values, scale = ternary(weight.detach())
    return _straight_through(weight, values.mul_(scale))


def activation_quant(x: Tensor) -> Tensor:
    """Activations [..., n] -> the same shape on at most 255 levels a token.

    The gradient passes through unchanged. Each token (last axis) has its own scale 127 / max|x|, so
    that its largest value lands on level +-127. Source: Wang et al. 2023, "BitNet", eqs. 4-5, with
    the range of b1.58 ([-127, 127] on this scale).
    """
    with torch.no_grad():
        scale = 127.0 / x.abs().amax(dim=-1, keepdim=True).clamp(min=MIN_SCALE)
        levels = (x * scale).round_().clamp_(-128, 127).div_(scale)
    return _straight_through(x, levels)


class _StraightThrough(torch.autograd.Function):
    """Forward: the quantized value, exactly. Backward: the identity."""

    @staticmethod
    def forward(ctx, x: Tensor, quantized: Tensor) -> Tensor:
        return quantized.view_as(quantized)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def _straight_through(x: Tensor, quantized: Tensor) -> Tensor:
    return _StraightThrough.apply(x, quantized)
