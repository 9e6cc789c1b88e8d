"""Matrix products: through oneDNN where it is faster than the BLAS, which autograd and `torch.mm` use."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from bitnet.backend import onednn_is_faster

__all__ = ["linear", "product", "through_onednn"]


def product(a: Tensor, b: Tensor) -> Tensor:
    """a [N, K] @ b [M, K]^T -> [N, M], outside autograd."""
    if through_onednn(a):
        # The operator that torch.compile puts in the place of a linear layer. Torch has no public name for it.
        return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    return a @ b.T


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x [..., K] @ weight [M, K]^T -> [..., M], with the gradients of both."""
    return _Linear.apply(x, weight) if through_onednn(x) else F.linear(x, weight)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x.flatten(0, -2), weight).view(*x.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        return product(rows, weight.T).view_as(x), product(rows.T, x.flatten(0, -2).T)


def through_onednn(x: Tensor) -> bool:
    """Whether products of `x` go through oneDNN: float32 on a CPU where that is faster."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and onednn_is_faster()
