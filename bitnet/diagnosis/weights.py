"""A subject's weights: decay against gradient by group, rows by frequency, effective ranks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitnet.diagnosis.look import Features
from bitnet.diagnosis.optimizer import Stepper
from bitnet.diagnosis.sample import Sample
from bitnet.diagnosis.subject import Subject
from bitnet.evaluation.weights import ROW_BINS

__all__ = ["DEAD_ROW", "Ends", "Group", "Rows", "ends", "gradients", "groups", "moved", "ranks"]

WINDOWS = 16  # of the sample, that gradients and moved predictions are taken on
# A row is dead if its norm is less than this share of that of the larger rows (the 90th
# percentile): it adds to a logit a hundredth of what these add.
DEAD_ROW, LARGER = 0.01, 0.9


@dataclass(frozen=True)
class Group:
    """Parameters of one kind: how many, their mean |W|, the norms of gradient and penalty.

    `penalty` is that of decay times weight, NaN without an optimizer; `held` is whether the
    optimizer has all of them.
    """

    name: str
    parameters: int
    mean_abs: float
    gradient: float
    penalty: float
    held: bool = True

    @property
    def ratio(self) -> float:
        """Penalty over gradient."""
        return self.penalty / self.gradient if self.gradient else torch.inf * self.penalty


@dataclass(frozen=True)
class Rows:
    """The rows of one end for the tokens that the text has so often: mean norm, how many dead."""

    end: str
    frequency: str
    tokens: int
    norm: float
    dead: int


@dataclass(frozen=True)
class Ends:
    """Of embedding and head: rows by frequency, and how many rows decay outweighs.

    `outweighed` names for each end of which decay is coupled (rows, of so many).
    """

    rows: list[Rows]
    outweighed: dict[str, tuple[int, int]]


def gradients(subject: Subject, sample: Sample) -> dict[nn.Parameter, Tensor]:
    """The gradient of the mean loss over the first windows, of each parameter that is trained.

    As autograd gives it, not clipped; what lies in `.grad` stays as it is.
    """
    trained = subject.trained
    if not trained:
        return {}
    windows = sample.windows[:WINDOWS]
    with subject.at_rest(gradients=True):
        logits = subject.logits(windows[:, :-1]).flatten(0, 1)
        loss = F.cross_entropy(logits, windows[:, 1:].flatten().to(logits.device))
        found = torch.autograd.grad(loss, trained, allow_unused=True)
    return {p: g for p, g in zip(trained, found, strict=True) if g is not None}


@torch.no_grad()
def groups(
    subject: Subject, gradient: Mapping[nn.Parameter, Tensor], stepper: Stepper | None
) -> list[Group]:
    """The table of the subject's groups."""
    trained = {id(parameter) for parameter in subject.trained}
    found = []
    for name, weights in subject.groups.items():
        size = sum(w.numel() for w in weights)
        mean_abs = sum(w.abs().double().sum().item() for w in weights) / size
        penalty, held = torch.nan, True
        if stepper is not None:
            penalty = _norm([stepper.decay(w) * w for w in weights])
            held = all(id(w) in stepper.settings for w in weights if id(w) in trained)
        norm = _norm([gradient[w] for w in weights if w in gradient])
        found.append(Group(name, size, mean_abs, norm, penalty, held))
    return found


@torch.no_grad()
def ends(
    subject: Subject, sample: Sample, gradient: Mapping[nn.Parameter, Tensor],
    stepper: Stepper | None,
) -> Ends:  # fmt: skip
    """The rows of embedding and head, by how often their tokens stand in the text."""
    rows, outweighed = [], {}
    for end in ("embedding", "head"):
        module = getattr(subject, end)
        if module is None or (end == "head" and subject.tied):
            continue
        weight = module.weight[: subject.vocab_size]
        norms = weight.double().norm(dim=1).cpu()
        dead = norms < DEAD_ROW * norms.quantile(LARGER)
        for name, (low, high) in ROW_BINS.items():
            most = sample.counts.max() if high is None else high
            chosen = (sample.counts >= low) & (sample.counts <= most)
            if chosen.any():
                rows.append(
                    Rows(end, name, int(chosen.sum()), norms[chosen].mean().item(),
                         int(dead[chosen].sum()))
                )  # fmt: skip
        decay = stepper.decay(module.weight) if stepper and stepper.kind == "coupled" else 0.0
        if decay and module.weight in gradient:
            pull = gradient[module.weight][: subject.vocab_size].double().norm(dim=1).cpu()
            outweighed[end] = (int((decay * norms > pull).sum()), len(norms))
    return Ends(rows, outweighed)


def ranks(subject: Subject, features: Features) -> dict[str, tuple[float, int]]:
    """(effective rank, largest possible) of embedding, head, and of what the head reads.

    The exponential of the entropy of the singular values' shares (Roy & Vetterli 2007); of the
    features around their mean.
    """
    scatters = {} if features.scatter is None else {"features": features.scatter}
    for end in ("embedding", "head"):
        module = getattr(subject, end)
        if module is not None and not (end == "head" and subject.tied):
            weight = module.weight.detach().double()
            scatters[end] = weight.T @ weight
    return {name: (_effective(scatter), len(scatter)) for name, scatter in scatters.items()}


@torch.no_grad()
def moved(subject: Subject, sample: Sample, stepper: Stepper | None) -> float:
    """How far the next update would turn the predictions: mean KL divergence, in nats.

    Of the predictions before it from those after it, over the first windows. The weights are then
    as they were, to the last bit. NaN where it is not known what the update would be.
    """
    update = stepper.ready if stepper is not None else None
    if update is None:
        return torch.nan
    ids = sample.windows[:WINDOWS, :-1]
    kept = {parameter: parameter.clone() for parameter in update}
    with subject.at_rest():
        before = subject.logits(ids).log_softmax(dim=-1)
        try:
            for parameter, change in update.items():
                parameter.sub_(change.to(parameter.dtype))
            after = subject.logits(ids, finite=False).log_softmax(dim=-1)
        finally:
            for parameter, value in kept.items():
                parameter.copy_(value)
    turned = (before.exp() * (before - after)).sum(dim=-1).mean().item()
    return turned if math.isfinite(turned) else math.inf


def _effective(scatter: Tensor) -> float:
    values = torch.linalg.eigvalsh(scatter).clamp(min=0).sqrt()
    if not values.sum():
        return 0.0
    return torch.special.entr(values / values.sum()).sum().exp().item()


def _norm(tensors: list[Tensor]) -> float:
    return sum(t.double().square().sum().item() for t in tensors) ** 0.5
