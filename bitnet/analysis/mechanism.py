"""The mechanism: what weight decay alone does to a weight, beside what was measured."""

import math
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from bitnet.data import Corpus
from bitnet.linear import BitLinear
from bitnet.recipes import Recipe
from bitnet.runs.history import History
from bitnet.schedule import stage_boundary
from bitnet.train import initial_model

__all__ = [
    "block_table",
    "death_step",
    "death_table",
    "faded",
    "predicted_row_norms",
    "shrunken",
    "unseen_shrunk",
]

GONE = 0.5  # of the first norm: a row with less is called dying


def faded(weight: Tensor, recipe: Recipe, total: int, step: int, gradient: float = 0.0) -> Tensor:
    """What decay leaves of `weight` (any shape) after `step` of `total` updates, learning aside.

    The loss gradient is taken to point nowhere; `gradient` is its root mean square, with both signs
    equally often. Coupled decay adds wd * w to it, and Adam divides the sum by its own size, so
    that the weight walks to zero by lr * wd |w| / sqrt(gradient^2 + (wd w)^2) in each update: by
    the learning rate itself, whatever the coefficient, where the penalty is the larger, and with a
    time constant of gradient / (lr * wd) where the gradient is (Kingma & Ba 2015, algorithm 1;
    Loshchilov & Hutter 2019, section 2). Decoupled decay multiplies by 1 - lr * wd (algorithm 2). A
    weight that has arrived is taken to stay at zero; in truth Adam lags behind near zero and leaves
    it within about one learning rate.
    """
    rates = [recipe.rates(t, total) for t in range(1, step + 1)]
    if recipe.optimizer == "adamw":
        return weight * math.prod(1 - lr * wd for lr, wd in rates)
    if not gradient:
        walked = sum(lr for lr, wd in rates if wd > 0)
        return (weight.abs() - walked).clamp(min=0) * weight.sign()
    size = weight.abs()
    for lr, wd in rates:
        penalty = wd * size
        size = (size - lr * penalty / (gradient**2 + penalty**2).sqrt()).clamp(min=0)
    return size * weight.sign()


def shrunken(weight: Tensor, recipe: Recipe, total: int, step: int) -> Tensor:
    """What is left of rows of the head after `step` of `total` gradientless updates."""
    return faded(weight, recipe, total, step) if "head" in recipe.decayed_groups else weight


def death_step(size: float, recipe: Recipe, total: int) -> int | None:
    """The update after which nothing is left of a weight of that size in such a row, or None."""
    if recipe.optimizer == "adamw" or "head" not in recipe.decayed_groups:
        return None
    left = size
    for t in range(1, total + 1):
        lr, wd = recipe.rates(t, total)
        left -= lr if wd > 0 else 0.0
        if left <= 0:
            return t
    return None


def predicted_row_norms(history: History, corpus: Corpus, which: str = "embedding") -> pd.DataFrame:
    """Mean norm of the rows of tokens that never occur: step, measured, predicted by decay alone.

    `which`: "embedding", whose unseen rows get no loss gradient at all, or "head", whose rows all
    get a little.
    """
    model = initial_model(history.config, corpus.vocab_size)
    weights = {"embedding": model.token_embeddings.weight, "head": model.lm_head.weight}
    weight = weights[which].detach()
    unseen = weight[corpus.counts == 0]
    total, recipe = history.config.steps, history.config.recipe
    steps = history.health.step.astype(int).tolist()
    left = (shrunken(unseen, recipe, total, step) for step in steps)
    return pd.DataFrame({
        "step": steps,
        "measured": history.health[f"row_norm.{which}.never"].tolist(),
        "predicted": [rows.norm(dim=1).mean().item() for rows in left],
    })  # fmt: skip


def death_table(histories: Sequence[History], corpus: Corpus) -> pd.DataFrame:
    """When the head's rows of unseen tokens had lost half of their norm: predicted and measured.

    The prediction is by decay alone, the measurement by the evaluations. None: not by the end of
    the run. A run that was never evaluated has no row.
    """
    rows = []
    for history in (h for h in histories if h.evaluated):
        config = history.config
        norms = predicted_row_norms(history, corpus, "head")
        lowest = norms.measured.min() / norms.measured.iloc[0]
        gone = norms[norms.measured < GONE * norms.measured.iloc[0]]
        weight = initial_model(config, corpus.vocab_size).lm_head.weight.detach()[:1000]
        every = [
            (t, shrunken(weight, config.recipe, config.steps, t).norm())
            for t in _dense(config.steps)
        ]
        rows.append({
            "arm": config.arm,
            "decay": config.recipe.stage1_decay,
            "predicted": next((t for t, norm in every if norm < GONE * weight.norm()), None),
            "measured": int(gone.step.iloc[0]) if len(gone) else None,
            "lowest share of the first norm": round(float(lowest), 3),
        })  # fmt: skip
    return pd.DataFrame(rows).astype({"predicted": "Int64", "measured": "Int64"})


def unseen_shrunk(history: History) -> bool | str:
    """Whether the embedding's rows of unseen tokens had lost half of their norm by the switch.

    "not known" for a run that was not evaluated there, since it diverged before.
    """
    switch = stage_boundary(history.config.steps)
    norms = history.health.set_index("step")["row_norm.embedding.never"]
    return bool(norms[switch] < GONE * norms.iloc[0]) if switch in norms.index else "not known"


def block_table(histories: Sequence[History], corpus: Corpus) -> pd.DataFrame:
    """The mean |W| of the blocks' projections: at first, at the last step, and by decay alone.

    The prediction takes the loss gradient as noise of the size that the run's evaluations found
    (the median over them, per weight): what is measured above it is what learning has put there. A
    run that was never evaluated has no row.
    """
    rows = []
    for history in (h for h in histories if h.evaluated):
        config, health = history.config, history.health
        model = initial_model(config, corpus.vocab_size)
        weights = [m.weight.detach().flatten() for m in model.modules() if isinstance(m, BitLinear)]
        first = torch.cat(weights)
        gradient = float(health["gradient.ternary"].median()) / math.sqrt(len(first))
        left = faded(first, config.recipe, config.steps, config.steps, gradient).abs().mean().item()
        rows.append({
            "arm": config.arm,
            "decay": config.recipe.stage1_decay,
            "gradient (rms)": gradient,
            "mean |W| at first": health["mean_abs.ternary"].iloc[0],
            "at the last step": health["mean_abs.ternary"].iloc[-1],
            "decay alone": left,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _dense(total: int) -> range:
    return range(1, total + 1, max(1, total // 100))
