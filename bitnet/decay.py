"""What weight decay alone does to a weight that gets no gradient: the analytic side of the mechanism."""

import torch
from torch import Tensor

from bitnet.arms import Recipe
from bitnet.schedule import learning_rate, weight_decay

__all__ = ["death_step", "shrunken"]


def shrunken(weight: Tensor, recipe: Recipe, total: int, step: int) -> Tensor:
    """The weights that are left of `weight` (any shape) after `step` of `total` updates in which no loss gradient came.

    Coupled decay: the penalty is the whole gradient, Adam divides it by its own size, and the weight walks to zero by
    the learning rate in every update, whatever the coefficient (Loshchilov & Hutter 2019, section 2; Kingma & Ba 2015,
    algorithm 1 with g = wd * w). Decoupled decay: the weight is multiplied by 1 - lr * wd in each update (algorithm 2).
    A weight that has arrived is taken to stay at zero; in truth it is left within about one learning rate of it.
    """
    size = weight.abs()
    for t in range(1, step + 1):
        lr, wd = _rates(t, total, recipe)
        if recipe.optimizer == "adamw":
            size = size * (1 - lr * wd)
        elif wd > 0:
            size = (size - lr).clamp(min=0)
    return size * weight.sign()


def death_step(size: float, recipe: Recipe, total: int) -> int | None:
    """The update after which nothing is left of a weight of that size without gradient; None if something always is."""
    left = torch.tensor(float(size), dtype=torch.float64)
    for t in range(1, total + 1):
        lr, wd = _rates(t, total, recipe)
        if recipe.optimizer == "adam" and wd > 0:
            left = left - lr
        if left <= 0:
            return t
    return None


def _rates(step: int, total: int, recipe: Recipe) -> tuple[float, float]:
    lr = learning_rate(step, total, recipe.peak_lr)
    return lr, weight_decay(step, total, recipe.stage1_decay, recipe.stage2_decay)
