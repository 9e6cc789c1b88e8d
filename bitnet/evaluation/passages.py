"""Passages that a model writes after held-out openings, measured beside what people wrote."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bitnet import checks
from bitnet.config import BLOCK
from bitnet.data import Corpus
from bitnet.decode import continue_prompts
from bitnet.evaluation.repetition import TAIL, distinct_n, ends_in_loop, only_here, seq_rep_n
from bitnet.transformer import BitNetModel

__all__ = [
    "GIVEN", "GREEDY", "HUMAN", "MEASURED", "NUCLEUS", "PASSAGES", "TOKENS", "Passages",
    "check_passages", "held_out_passages", "interval", "write_passages",
]  # fmt: skip

PASSAGES, GIVEN, TOKENS = 512, 16, 64
TOP_P = 0.9  # within the range that Holtzman et al. 2020 recommend
GREEDY, NUCLEUS, HUMAN = "greedy", f"nucleus {TOP_P}", "the text"
ROWS_A_BATCH = 128  # sampling sorts the logits of a batch: 26 MB of them at GPT-2's vocabulary
SEEDS_APART = 1_000_003  # of the first batches of two seeds: far more than there are batches
RESAMPLES, LEVEL = 1000, 0.95

# Each measure, and what it is. Those of one passage are averaged over the passages.
MEASURED = {
    "seq_rep_4": "repeated 4-grams within a passage",
    "distinct_1_within": "distinct tokens within a passage",
    "distinct_2_within": "distinct 2-grams within a passage",
    "distinct_1": "distinct tokens, of all passages together",
    "distinct_2": "distinct 2-grams, of all passages together",
    "loops": "passages that end in a loop",
}


@dataclass(frozen=True)
class Passages:
    """Held-out openings [n, 16], and how each goes on [n, tokens] by the name of who wrote it.

    The names are `GREEDY`, `NUCLEUS` and `HUMAN`. `asked` is how many openings were asked for;
    the held-out text may have fewer.
    """

    openings: Tensor
    texts: Mapping[str, Tensor]
    asked: int

    @property
    def tokens(self) -> int:
        """How many were added to each opening."""
        return self.texts[HUMAN].shape[1]

    def table(self) -> pd.DataFrame:
        """One row a text and measure of `MEASURED`: text, measure, value, low, high.

        All values are shares; `low` and `high` are their 95 % bootstrap interval, see `interval`.
        """
        rows = [
            {"text": text, "measure": measure, "value": value, "low": low, "high": high}
            for text, ids in self.texts.items()
            for measure, (value, low, high) in _measured(ids).items()
        ]
        return pd.DataFrame(rows)


def write_passages(
    model: BitNetModel,
    corpus: Corpus,
    passages: int = PASSAGES,
    tokens: int = TOKENS,
    seed: int = 0,
) -> Passages:
    """Let a model continue held-out openings of 16 tokens, greedily and by nucleus sampling.

    Beside them stands how the text itself goes on. The sampling is from softmax(logits), kept to
    the smallest set of tokens that holds 0.9 of the probability (Holtzman et al. 2020); its draws
    depend on `seed` alone.

    As wherever a model is decoded here, it sees all that came before, and rotary positions go on
    counting past the length that it was trained at (32 tokens for committed runs). There the model
    is asked for what it was never trained to do; `tokens=16` stays within that length.

    Raises: `ParameterError` for values out of range and for a text that does not fit.
    """
    passages, tokens, seed = check_passages(passages, tokens, seed)
    if corpus.vocab_size != model.config.vocab_size:
        allowed = f"must have the model's {model.config.vocab_size} tokens, not {corpus.vocab_size}"
        raise checks.ParameterError("corpus", corpus.name, allowed)
    whole = held_out_passages(corpus, passages, GIVEN + tokens)
    openings, human = whole[:, :GIVEN], whole[:, GIVEN:]

    def greedy(rows: Tensor, _: int) -> Tensor:
        return continue_prompts(model, rows, tokens)

    def nucleus(rows: Tensor, batch: int) -> Tensor:
        # A seed of its own, or the same rows of all batches would share their draws.
        own = (seed * SEEDS_APART + batch) % 2**31
        return continue_prompts(model, rows, tokens, 1.0, 0, TOP_P, own)

    said = {GREEDY: _batched(greedy, openings), NUCLEUS: _batched(nucleus, openings)}
    return Passages(openings, said | {HUMAN: human}, passages)


def check_passages(passages: object, tokens: object, seed: object) -> tuple[int, int, int]:
    """The arguments of `write_passages`, checked and converted. Raises: `ParameterError`."""
    return (
        checks.integer("passages", passages, 2),
        checks.integer("tokens", tokens, TAIL, BLOCK - GIVEN),
        checks.integer("seed", seed, 0, 2**31 - 1),
    )


def held_out_passages(corpus: Corpus, wanted: int, length: int) -> Tensor:
    """Evenly spaced passages [n, length] of held-out text; n is at most `wanted`.

    None overlap, and each lies in one part of unbroken text, within which an article may end. The
    same corpus gives the same ones.

    Raises: `ParameterError` where there are not two.
    """
    parts = [part[: len(part) // length * length] for part in corpus.held_out_parts]
    found = torch.from_numpy(np.concatenate(parts).astype(np.int64)).view(-1, length)
    if len(found) < 2:
        allowed = f"must hold out two passages of {length} tokens, and has {len(found)}"
        raise checks.ParameterError("corpus", corpus.name, allowed)
    return found[torch.linspace(0, len(found) - 1, min(wanted, len(found))).round().long()]


def interval(
    each: np.ndarray, value: float, draws: int = RESAMPLES, level: float = LEVEL
) -> tuple[float, float]:
    """A percentile bootstrap interval of a value, over passages, from a fixed seed.

    `each` [n] is what each passage adds. For a mean that is its own value (Efron & Tibshirani 1993,
    section 13.3). The share of distinct n-grams of all passages together cannot be resampled so: a
    passage that is drawn twice brings nothing new, and every resample would have far fewer. There
    `each` is what would be missing without the passage, and the interval of its mean is moved to
    the value; the spread is the jackknife's, rather too wide than too narrow (Efron & Stein 1981).
    Where all passages are alike it is one point, which is not certainty.
    """
    chosen = np.random.default_rng(0).integers(0, len(each), (draws, len(each)))
    around = each[chosen].mean(axis=1) - each.mean()
    low, high = np.quantile(around, [(1 - level) / 2, (1 + level) / 2])
    return max(0.0, value + float(low)), min(1.0, value + float(high))


def _measured(ids: Tensor) -> dict[str, tuple[float, float, float]]:
    """Value, low and high of each measure of passages [n, S]."""
    rows = ids.split(1)
    within = {
        "seq_rep_4": [seq_rep_n(row, 4) for row in rows],
        "distinct_1_within": [distinct_n(row, 1) for row in rows],
        "distinct_2_within": [distinct_n(row, 2) for row in rows],
        "loops": ends_in_loop(ids).double().tolist(),
    }
    found = {name: (float(np.mean(each)), np.array(each)) for name, each in within.items()}
    for n in (1, 2):
        alone = np.array(only_here(ids, n)) / (ids.shape[1] - n + 1)
        found[f"distinct_{n}"] = (distinct_n(ids, n), alone)
    return {name: (found[name][0], *interval(found[name][1], found[name][0])) for name in MEASURED}


def _batched(write: Callable[[Tensor, int], Tensor], openings: Tensor) -> Tensor:
    return torch.cat([write(rows, i) for i, rows in enumerate(openings.split(ROWS_A_BATCH))])
