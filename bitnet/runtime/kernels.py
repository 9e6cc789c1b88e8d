"""The costly arithmetic: products, and what is fused by hand: norm, gate, vocabulary and loss.

Large float32 products on a CPU go through oneDNN where that is faster than the BLAS. Each fused
function is one node of the graph: an update of a small model is mostly the keeping of such books.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bitnet.runtime.cpu import onednn_is_faster, onednn_product

__all__ = [
    "gated", "head_logits", "linear_cross_entropy", "norm_gradients", "normalised", "product",
    "rms_norm", "through_onednn",
]  # fmt: skip

# Through the BLAS of a CPU the logits come in column blocks that stay in cache, and each of their
# rows starts on a cache line of its own (16 floats; 50257 is odd): together up to a third faster
# than one plain product.
CPU_COLUMNS = 2048
CPU_ALIGNMENT = 16
# Up to so many multiplications the BLAS is faster in any case: oneDNN prepares each call for as
# long as these take, and copies a transposed left side.
SMALL_PRODUCT = 2**22


def product(a: Tensor, b: Tensor) -> Tensor:
    """a [N, K] @ b [M, K]^T -> [N, M], outside autograd."""
    if a.numel() * len(b) <= SMALL_PRODUCT or not through_onednn(a):
        return a @ b.T
    if a.stride(1) != 1 and a.shape[1] > len(b):  # a copy of the result is less than one of a
        return onednn_product(b.contiguous(), a).T.contiguous()
    return onednn_product(a, b)


def through_onednn(x: Tensor) -> bool:
    """Whether products of `x` go through oneDNN: float32 on a CPU where that is faster."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and onednn_is_faster()


def rms_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    """x [..., K] / rms(x) * gain [K] -> [..., K], with the gradients of both.

    rms(x) = sqrt(mean(x^2) + eps) over the last axis. Source: Zhang & Sennrich 2019, eq. 4.
    """
    return _RMSNorm.apply(x, gain, eps)


def normalised(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Rows x [N, K] divided by their rms, and 1 / rms [N, 1], outside autograd."""
    mean_square = torch.linalg.vecdot(x, x).unsqueeze_(-1).div_(x.shape[-1])
    inverse = mean_square.add_(eps).rsqrt_()
    return x * inverse, inverse


def norm_gradients(grad: Tensor, z: Tensor, inverse: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients by x [N, K] and gain [K] of y = z * gain, for `z, inverse` of `normalised`.

    dgain = sum_n dy z, and dx = (dy gain - z mean(dy gain z)) / rms.
    """
    along = grad * z
    back = along.mv(gain).unsqueeze_(-1)
    by_x = (grad * gain).addcmul_(z, back, value=-1 / z.shape[-1]).mul_(inverse)
    return by_x, along.sum(dim=0)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, eps: float) -> Tensor:
        z, inverse = normalised(x.flatten(0, -2), eps)
        ctx.save_for_backward(z, inverse, gain)
        return (z * gain).view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        by_x, by_gain = norm_gradients(grad.flatten(0, -2), *ctx.saved_tensors)
        return by_x.view_as(grad), by_gain, None


def gated(gate_up: Tensor) -> Tensor:
    """Gate beside up [..., 2F] -> relu(gate)^2 * up [..., F]. So et al. 2021; Shazeer 2020."""
    return _Gated.apply(gate_up)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        gate, up = gate_up.chunk(2, dim=-1)
        open_ = gate.relu()
        ctx.save_for_backward(open_, up)
        return (open_ * open_).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        open_, up = ctx.saved_tensors
        by_both = grad.new_empty(*grad.shape[:-1], 2 * grad.shape[-1])
        by_gate, by_up = by_both.chunk(2, dim=-1)
        half = grad * open_
        torch.mul(half, open_, out=by_up)
        torch.mul(half.mul_(2), up, out=by_gate)
        return by_both


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
