"""Where coupled decay should kill: boundaries in its coefficient, with no constant fitted to runs.

Adam divides the sum of gradient and penalty by its own size, which changes no sign: on average it
stands still where loss + decay/2 |w|^2 does. The last gain g [H] and the head h [V, H] make logits
l_v = sum_j z_j g_j h_vj of features z. Where these are the same in every context, each of size 1,
given logits cost least at decay * |l| (the arithmetic and the geometric mean). So a network without
context stands where cross-entropy(l) + decay |l| is least, a convex problem in l alone.
"""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from bitnet.batches import Batches
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.recipes import Recipe
from bitnet.runtime.kernels import linear_cross_entropy
from bitnet.train import clip_scale, initial_model
from bitnet.transformer import parameter_groups

__all__ = ["Boundaries", "context_free", "dead_from", "gains_shrink_from", "predicted_state"]

BATCHES = 100  # at the initial weights, over which a gradient's size is taken
TOLERANCE = 1e-9  # of the logits' change in an iteration, by their size


def dead_from(counts: Tensor) -> float:
    """The coefficient from which on no logits are worth their penalty: |p - u|.

    `counts` [V] are those of the training text, p its frequencies, u = 1/V. At l = 0 the gradient
    of the cross-entropy is u - p, and that of the penalty is a ball of radius decay.
    """
    p = _frequencies(counts)
    return (p - 1 / len(p)).norm().item()


def context_free(counts: Tensor, decay: float) -> Tensor:
    """The log-probabilities [V] at which cross-entropy + decay |l| is least, in nats.

    Uniform from `dead_from` on; at 0 the unigram model of the tokens that are there. By accelerated
    proximal gradients with restarts (Beck & Teboulle 2009; O'Donoghue & Candes 2015).
    """
    p = _frequencies(counts)
    step = 2.0  # one over the Lipschitz constant of the gradient, which is at most 1/2
    logits = ahead = torch.zeros_like(p)
    t = 1.0
    for _ in range(100_000):
        there = ahead - step * (torch.softmax(ahead, 0) - p)
        new = there * max(0.0, 1 - step * decay / max(there.norm().item(), 1e-30))
        if (new - logits).norm() <= TOLERANCE * max(1.0, new.norm().item()):
            break
        if torch.dot(ahead - new, new - logits) > 0:
            t = 1.0
        following = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead = new + (t - 1) / following * (new - logits)
        logits, t = new, following
    return torch.log_softmax(new, 0)


def gains_shrink_from(config: RunConfig, corpus: Corpus) -> float:
    """The coefficient at which the penalty on a gain, which begins at 1, is what its gradient is.

    Of all gains together: the root mean square over them and over the first batches, as the
    optimizer sees it (clipped), at the initial weights. From there on Adam walks towards zero by
    about its learning rate in each update.
    """
    model = initial_model(config, corpus.vocab_size)
    batches = Batches(config, corpus.ordered(config.order))
    squares, gains = 0.0, parameter_groups(model)["norm"]
    for t in range(1, BATCHES + 1):
        ids = batches(t)
        model.zero_grad()
        features = model.features(ids)[:, :-1].flatten(0, 1)
        linear_cross_entropy(features, model.lm_head.weight, ids[:, 1:].flatten()).backward()
        clip = clip_scale(model.parameters(), config.recipe.clip_norm)
        squares += sum((g.grad / clip).square().sum().item() for g in gains if g.grad is not None)
    return (squares / BATCHES / sum(g.numel() for g in gains)) ** 0.5


@dataclass(frozen=True)
class Boundaries:
    """The coefficients of `dead_from` and of `gains_shrink_from`."""

    dead: float
    gains: float

    @classmethod
    def of(cls, config: RunConfig, corpus: Corpus) -> "Boundaries":
        """Those of a run; of its arm the quantizers and the clip matter."""
        return cls(dead_from(corpus.counts), gains_shrink_from(config, corpus))

    def state(self, recipe: Recipe) -> str:
        """What a run with one coefficient in both stages should end as: dead, collapsed or up.

        Dead where gains and head both pay the penalty and none is worth it; if one of them pays
        nothing it grows for the other. Collapsed where all weights decay and the gains shrink, so
        that context no longer passes. Decoupled decay is no part of the gradient, and never wins.
        """
        decay = recipe.stage2_decay if recipe.optimizer == "adam" else -inf
        if {"head", "norm"} <= set(recipe.decayed_groups) and decay >= self.dead:
            return "dead"
        return "collapsed" if recipe.decayed == "all" and decay >= self.gains else "up"


def predicted_state(config: RunConfig, corpus: Corpus) -> str:
    """`Boundaries.state` of a run."""
    return Boundaries.of(config, corpus).state(config.recipe)


def _frequencies(counts: Tensor) -> Tensor:
    return counts.double() / counts.sum()
