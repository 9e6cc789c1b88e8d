"""BitLinear: a linear layer that sees ternary weights and 8-bit activations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bitnet.quant import eight_bit, ternary
from bitnet.runtime.kernels import norm_gradients, normalised, product, rms_norm

__all__ = ["BitLinear", "RMSNorm", "weights_kept"]


class RMSNorm(nn.RMSNorm):
    """torch's, by the kernel whose gradient is written out: a third of the operations."""

    def __init__(self, width: int, eps: float):
        super().__init__(width, eps=eps)
        self.epsilon = eps

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.epsilon)


class BitLinear(nn.Linear):
    """y = Q_a(RMSNorm(x)) @ Q_w(W)^T, without bias: [..., in_features] -> [..., out_features].

    The latent weight stays in full precision and learns through straight-through gradients.
    `quantize=False` makes both quantizers the identity, which gives the full-precision control with
    the same parameters. Source: Wang et al. 2023, "BitNet", eq. 11; Ma et al. 2024 for the ternary
    weights. With `activation_quant`, `weight_quant` and autograd this is

        F.linear(activation_quant(self.norm(x)), weight_quant(self.weight))
    """

    def __init__(
        self, in_features: int, out_features: int, eps: float = 1e-5, quantize: bool = True
    ):
        super().__init__(in_features, out_features, bias=False)
        self.norm = RMSNorm(in_features, eps=eps)
        self.quantize = quantize
        self.kept: Tensor | None = None  # see `weights_kept`

    def forward(self, x: Tensor) -> Tensor:
        gain, eps = self.norm.weight, self.norm.epsilon
        if self.kept is None:
            return _BitLinear.apply(x, gain, self.weight, eps, self.quantize)
        _, _, a = _seen(x, gain, eps, self.quantize)
        return product(a, self.kept).view(*x.shape[:-1], len(self.kept))


@contextmanager
def weights_kept(model: nn.Module) -> Iterator[None]:
    """While it holds, each `BitLinear` of a model quantizes its weight once, not at every call.

    For many calls that learn nothing: the same numbers, and no gradients. The weights must stay
    as they are meanwhile.
    """
    layers = [module for module in model.modules() if isinstance(module, BitLinear)]
    try:
        with torch.no_grad():
            for layer in layers:
                layer.kept = _used(layer.weight, layer.quantize)
        yield
    finally:
        for layer in layers:
            layer.kept = None


def _seen(x: Tensor, gain: Tensor, eps: float, quantize: bool) -> tuple[Tensor, Tensor, Tensor]:
    """`normalised` of the rows of x, and the activations [N, K] that the product is taken of."""
    z, inverse = normalised(x.flatten(0, -2), eps)
    a = z * gain
    return z, inverse, eight_bit(a) if quantize else a


def _used(weight: Tensor, quantize: bool) -> Tensor:
    """The weight that the product is taken with."""
    if not quantize:
        return weight
    values, scale = ternary(weight)
    return values.mul_(scale)


class _BitLinear(torch.autograd.Function):
    """The layer as one node of the graph: a small model's update is mostly such bookkeeping.

    Backward: the products' gradients, at the quantized values, pass both quantizers unchanged.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, weight: Tensor, eps: float, quantize: bool
    ) -> Tensor:
        z, inverse, a = _seen(x, gain, eps, quantize)
        w = _used(weight, quantize)
        ctx.save_for_backward(z, inverse, gain, a, w)
        return product(a, w).view(*x.shape[:-1], len(w))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        z, inverse, gain, a, w = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        by_x, by_gain = norm_gradients(product(rows, w.T), z, inverse, gain)
        by_x = by_x.view(*grad.shape[:-1], len(gain))
        return by_x, by_gain, product(rows.T, a.T), None, None
