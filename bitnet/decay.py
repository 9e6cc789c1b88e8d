"""What weight decay alone does to a weight that gets no gradient: the analytic side of the mechanism."""

import math
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from bitnet.arms import Recipe
from bitnet.data import Corpus
from bitnet.history import History
from bitnet.schedule import learning_rate, weight_decay
from bitnet.train import initial_model

__all__ = ["death_step", "death_table", "predicted_row_norms", "shrunken"]

GONE = 0.05  # of the first norm: a row with less is called dead


def shrunken(weight: Tensor, recipe: Recipe, total: int, step: int) -> Tensor:
    """What is left of the rows `weight` of embedding or head after `step` of `total` updates without any loss gradient.

    Coupled decay: the penalty is the whole gradient, Adam divides it by its own size, and the weight walks to zero by
    the learning rate in every update, whatever the coefficient (Loshchilov & Hutter 2019, section 2; Kingma & Ba 2015,
    algorithm 1 with g = wd * w). Decoupled decay: the weight is multiplied by 1 - lr * wd in each update (algorithm 2).
    A weight that has arrived is taken to stay at zero. In truth Adam slows down on the last stretch, so that a weight of
    size one arrives about a hundred updates later, and is then left within one or two learning rates of zero.
    """
    if recipe.decayed == "blocks":
        return weight
    rates = [_rates(t, total, recipe) for t in range(1, step + 1)]
    if recipe.optimizer == "adamw":
        return weight * math.prod(1 - lr * wd for lr, wd in rates)
    walked = sum(lr for lr, wd in rates if wd > 0)
    return (weight.abs() - walked).clamp(min=0) * weight.sign()


def death_step(size: float, recipe: Recipe, total: int) -> int | None:
    """The update after which nothing is left of a weight of that size in such a row; None if something always is."""
    if recipe.optimizer == "adamw" or recipe.decayed == "blocks":
        return None
    left = size
    for t in range(1, total + 1):
        lr, wd = _rates(t, total, recipe)
        left -= lr if wd > 0 else 0.0
        if left <= 0:
            return t
    return None


def predicted_row_norms(history: History, corpus: Corpus, which: str = "embedding") -> pd.DataFrame:
    """Mean norm of the rows of tokens that never occur, measured and as decay alone would have it: step, measured, predicted.

    `which`: "embedding", whose unseen rows get no loss gradient at all, or "head", whose rows all get a little.
    """
    model = initial_model(history.config, corpus.vocab_size)
    weight = {"embedding": model.token_embeddings.weight, "head": model.lm_head.weight}[which].detach()
    unseen = weight[torch.bincount(corpus.train, minlength=corpus.vocab_size) == 0]
    total, recipe = history.config.steps, history.config.recipe
    steps = history.health.step.astype(int).tolist()
    return pd.DataFrame({
        "step": steps,
        "measured": history.health[f"row_norm.{which}.never"].tolist(),
        "predicted": [shrunken(unseen, recipe, total, step).norm(dim=1).mean().item() for step in steps],
    })  # fmt: skip


def death_table(histories: Sequence[History], corpus: Corpus) -> pd.DataFrame:
    """When the head's rows of unseen tokens died in each run: predicted by decay alone, and measured at an evaluation.

    Dead: a mean norm below 5 % of the first. None: not by the end of the run.
    """
    rows = []
    for history in histories:
        config = history.config
        norms = predicted_row_norms(history, corpus, "head")
        gone = norms[norms.measured < GONE * norms.measured.iloc[0]]
        weight = initial_model(config, corpus.vocab_size).lm_head.weight.detach()[:1000]
        every = [(t, shrunken(weight, config.recipe, config.steps, t).norm()) for t in _dense(config.steps)]
        rows.append({
            "arm": config.arm,
            "decay": config.recipe.stage1_decay,
            "predicted": next((t for t, norm in every if norm < GONE * weight.norm()), None),
            "measured": int(gone.step.iloc[0]) if len(gone) else None,
            "lowest share of the first norm": round(float(norms.measured.min() / norms.measured.iloc[0]), 3),
        })  # fmt: skip
    return pd.DataFrame(rows).astype({"predicted": "Int64", "measured": "Int64"})


def _dense(total: int) -> range:
    return range(1, total + 1, max(1, total // 100))


def _rates(step: int, total: int, recipe: Recipe) -> tuple[float, float]:
    lr = learning_rate(step, total, recipe.peak_lr)
    return lr, weight_decay(step, total, recipe.stage1_decay, recipe.stage2_decay)
