"""The costly arithmetic: matrix products, and the vocabulary projection fused with its loss.

Float32 products on a CPU go through oneDNN where that is faster than the BLAS.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from bitnet.runtime.cpu import onednn_is_faster, onednn_product

__all__ = ["head_logits", "linear", "linear_cross_entropy", "product", "through_onednn"]

# Through the BLAS of a CPU the logits come in column blocks that stay in cache, and each of their
# rows starts on a cache line of its own (16 floats; 50257 is odd): together up to a third faster
# than one plain product.
CPU_COLUMNS = 2048
CPU_ALIGNMENT = 16


def product(a: Tensor, b: Tensor) -> Tensor:
    """a [N, K] @ b [M, K]^T -> [N, M], outside autograd."""
    return onednn_product(a, b) if through_onednn(a) else a @ b.T


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x [..., K] @ weight [M, K]^T -> [..., M], with the gradients of both."""
    return _Linear.apply(x, weight) if through_onednn(x) else F.linear(x, weight)


def through_onednn(x: Tensor) -> bool:
    """Whether products of `x` go through oneDNN: float32 on a CPU where that is faster."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and onednn_is_faster()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x.flatten(0, -2), weight).view(*x.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        return product(rows, weight.T).view_as(x), product(rows.T, x.flatten(0, -2).T)


def head_logits(features: Tensor, weight: Tensor) -> Tensor:
    """features [N, H] @ weight [V, H]^T -> logits [N, V], at least in float32, outside autograd."""
    on_cpu, dtype = features.device.type == "cpu", features.dtype
    if not on_cpu or dtype != torch.float32 or through_onednn(features):
        logits = product(features, weight)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
    padded = -(-len(weight) // CPU_ALIGNMENT) * CPU_ALIGNMENT
    logits = features.new_empty(len(features), padded)[:, : len(weight)]
    for i in range(0, len(weight), CPU_COLUMNS):
        torch.mm(features, weight[i : i + CPU_COLUMNS].T, out=logits[:, i : i + CPU_COLUMNS])
    return logits


def linear_cross_entropy(
    features: Tensor,
    weight: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The mean cross-entropy of targets [N] under features [N, H] @ weight [V, H]^T, in nats.

    The gradient by the logits is softmax minus target distribution, so that one buffer of [N, V]
    beside the logits serves the whole step where autograd would keep several. With smoothing e the
    target distribution is (1 - e) onehot + e / V (Szegedy et al. 2016, section 7). `dtype` is that
    of the three matrix products; all between them is in the type of `features`.
    """
    return _LinearCrossEntropy.apply(
        features, weight, targets, label_smoothing, dtype or features.dtype
    )


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, targets: Tensor, e: float, dtype: torch.dtype
    ) -> Tensor:
        w = weight.to(dtype)
        z = head_logits(features.to(dtype), w)
        z_max, z_target = z.amax(dim=1), z.gather(1, targets[:, None])[:, 0]
        z_mean = z.mean(dim=1) if e else z_target
        p = torch.softmax(z, dim=1)
        # ln sum e^z = z_max - ln p_max. The maximum is taken off the other logits first: they can
        # be large, and close to it.
        below = (1 - e) * (z_max - z_target) + e * (z_max - z_mean)
        loss = (below - p.amax(dim=1).log()).mean()
        # From here on p is the gradient by the logits, but for the factor 1 / N.
        if e:
            p.sub_(e / p.shape[1])
        p.scatter_add_(1, targets[:, None], p.new_full((len(p), 1), e - 1))
        ctx.save_for_backward(features, w, p.to(dtype))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        features, w, p = ctx.saved_tensors
        # The factors go to the smaller side of each product, of [N, H] instead of [N, V].
        by_features = product(p, w.T).to(features.dtype) * grad / len(p)
        small = (features * grad / len(p)).to(w.dtype)
        return by_features, product(p.T, small.T).to(features.dtype), None, None, None
