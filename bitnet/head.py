"""The vocabulary projection and its loss, which at GPT-2's vocabulary are most of a training step."""

import torch
from torch import Tensor

from bitnet.product import product, through_onednn

__all__ = ["head_logits", "head_loss"]

# Through the BLAS of a CPU the logits come in column blocks that stay in cache, and each of their rows starts on a cache
# line of its own (16 floats; 50257 is odd): together up to a third faster than one plain product.
CPU_COLUMNS = 2048
CPU_ALIGNMENT = 16


def head_logits(features: Tensor, weight: Tensor) -> Tensor:
    """features [N, H] @ weight [V, H]^T -> logits [N, V], at least in float32."""
    if features.device.type != "cpu" or features.dtype != torch.float32 or through_onednn(features):
        logits = product(features, weight)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
    padded = -(-len(weight) // CPU_ALIGNMENT) * CPU_ALIGNMENT
    logits = features.new_empty(len(features), padded)[:, : len(weight)]
    for i in range(0, len(weight), CPU_COLUMNS):
        torch.mm(features, weight[i : i + CPU_COLUMNS].T, out=logits[:, i : i + CPU_COLUMNS])
    return logits


@torch.no_grad()
def head_loss(
    features: Tensor, weight: Tensor, targets: Tensor, label_smoothing: float = 0.0, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean cross-entropy (nats) of targets [N] under the logits, with its gradients by features [N, H] and weight [V, H].

    The gradient by the logits is softmax minus target distribution, so that one buffer of [N, V] beside the logits
    serves the whole step where autograd would keep several. With smoothing e the target distribution is (1 - e) onehot + e / V
    (Szegedy et al. 2016, section 7). `dtype` is that of the three matrix products; what they return, and all between
    them, is in the type of `features`.
    """
    dtype = dtype or features.dtype
    x, w = features.to(dtype), weight.to(dtype)
    z = head_logits(x, w)
    z_max, z_target = z.amax(dim=1), z.gather(1, targets[:, None])[:, 0]
    z_mean = z.mean(dim=1) if label_smoothing else z_target
    p = torch.softmax(z, dim=1)
    # ln sum e^z = z_max - ln p_max. The maximum is taken off the other logits first: they can be large, and close to it.
    below = (1 - label_smoothing) * (z_max - z_target) + label_smoothing * (z_max - z_mean)
    loss = (below - p.amax(dim=1).log()).mean()

    # From here on p is the gradient by the logits but for the factor 1 / N, which goes to the smaller side of each product.
    if label_smoothing:
        p.sub_(label_smoothing / p.shape[1])
    p.scatter_add_(1, targets[:, None], p.new_full((len(p), 1), label_smoothing - 1))
    p = p.to(dtype)
    by_features = product(p, w.T).to(features.dtype) / len(p)
    by_weight = product(p.T, (features / len(p)).to(dtype).T).to(features.dtype)
    return loss, by_features, by_weight
