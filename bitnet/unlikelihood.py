"""Sequence-level unlikelihood: the model's own greedy continuations, made less likely to repeat."""

import torch
import torch.nn.functional as F
from torch import Tensor

from bitnet.decode import continue_prompts
from bitnet.transformer import BitNetModel

__all__ = ["penalised", "penalised_updates", "repeats", "unlikelihood"]

# Half of the updates of the last quarter: before, a model has little else to say than repeats.
FROM, EVERY = 0.75, 2
GIVEN = 0.25  # of a window; the model continues it to its length
NGRAM = 4


def penalised(step: int, total: int) -> bool:
    """Whether update `step` of a run of `total` updates has the penalty."""
    return step > FROM * total and step % EVERY == 0


def penalised_updates(total: int, done: int = 0) -> int:
    """How many updates of a run of `total` have the penalty, of those after update `done`."""
    return total // EVERY - max(done, int(FROM * total)) // EVERY


def unlikelihood(model: BitNetModel, ids: Tensor) -> Tensor:
    """The penalty on what a model repeats, in nats a token, for windows ids [B, S] of text.

    It continues the first quarter of each window greedily. Of the tokens it adds, those in a 4-gram
    that stood in the window before are to be unlikely: - ln(1 - p), summed over them and divided by
    B (S - 1), the positions of the window that have a loss. Source: Welleck et al. 2020, eq. 6.
    """
    given = max(1, round(GIVEN * ids.shape[1]))
    written = continue_prompts(model, ids[:, :given], ids.shape[1] - given).to(ids.device)
    whole = torch.cat([ids[:, :given], written], dim=1)
    wrong = repeats(whole, given)
    # The last position has nothing to predict.
    logits = model.lm_head(model.features(whole)[:, :-1][wrong[:, 1:]])
    shares = logits.float().log_softmax(-1).gather(1, whole[wrong][:, None]).exp()
    return -torch.log1p(-shares.clamp(max=1 - 1e-5)).sum() / wrong[:, 1:].numel()


def repeats(ids: Tensor, given: int) -> Tensor:
    """Which tokens [B, S], from position `given` > 0 on, are in a 4-gram that came before."""
    grams = ids.unfold(1, NGRAM, 1)
    same = (grams[:, :, None] == grams[:, None]).all(dim=-1)
    again = same.tril(diagonal=-1).any(dim=-1)
    # A token belongs to the 4-grams that start at it and at the three before it.
    found = F.pad(again, (NGRAM - 1, NGRAM - 1)).unfold(1, NGRAM, 1).any(dim=-1)
    found[:, :given] = False
    return found
