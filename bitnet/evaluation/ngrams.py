"""What a table of word pairs or triples predicts: interpolated Kneser-Ney, to read a model against.

Source: Kneser & Ney 1995; Chen & Goodman 1999, section 2.7 (interpolated, one fixed discount).
"""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bitnet import checks

__all__ = ["DISCOUNT", "KneserNey", "bits_per_byte", "ngram_losses"]

DISCOUNT = 0.75  # taken from every count, as Kneser & Ney do; no estimate of it
LEAST_TOKENS = 3  # of a training stream: one triple
MOST_TOKENS = 2**21 - 1  # of a vocabulary: three ids in one int64


class KneserNey:
    """The pairs and triples of a training stream [N] of ids below `vocab_size`, counted.

    A table of order n mixes the discounted counts of its n-grams with the order below, which counts
    in how many different contexts a token stands, and the lowest of these with 1 / V: every token
    has a probability, and those of a context sum to 1. A context that was never seen leaves it to
    the order below. Takes some ten times the memory of the stream as int64, and no loop over it.

    Raises: `ParameterError` for fewer than 3 tokens, a vocabulary of none or of more than 2097151,
    and ids outside it.
    """

    def __init__(self, stream: np.ndarray | Tensor, vocab_size: int):
        self.size = checks.integer("vocab_size", vocab_size, 1, MOST_TOKENS)
        ids = np.asarray(stream).astype(np.int64)
        checks.integer("tokens of the training stream", len(ids), LEAST_TOKENS)
        for end in (int(ids.min()), int(ids.max())):
            checks.integer("token", end, 0, self.size - 1)
        pairs = ids[:-1] * self.size + ids[1:]
        self._triples = _Table.counted(pairs[:-1] * self.size + ids[2:], self.size)
        self._pairs = _Table.counted(pairs, self.size)
        # In the orders below each different n-gram counts once, without its first token.
        self._kinds = _Table.counted(self._triples.grams % self.size**2, self.size)
        kinds = np.bincount(self._pairs.grams % self.size, minlength=self.size)
        mass = DISCOUNT * np.count_nonzero(kinds)
        self._lowest = (np.maximum(kinds - DISCOUNT, 0) + mass / self.size) / kinds.sum()

    def of_pairs(self, before: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The probability [n] of each target after one token: ids [n], all below `vocab_size`."""
        return self._pairs.mixed(before, targets, self._lowest[targets])

    def of_triples(self, second: np.ndarray, before: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The probability [n] of each target after `second`, then `before`: ids [n], as above."""
        lower = self._kinds.mixed(before, targets, self._lowest[targets])
        return self._triples.mixed(second * self.size + before, targets, lower)


def ngram_losses(
    stream: np.ndarray | Tensor, windows: np.ndarray | Tensor, vocab_size: int
) -> dict[str, float]:
    """`bigram_loss` and `trigram_loss`: mean cross-entropy in nats of the tables of a stream [N].

    At every position of the windows [n, S] but the first, and with no token from outside the
    window, as a model sees it: after its first token the trigram table has only one to go by, and
    is the bigram table. Raises: `ParameterError` as `KneserNey`, and for windows shorter than 2.
    """
    table, ids = KneserNey(stream, vocab_size), np.asarray(windows).astype(np.int64)
    checks.integer("tokens of a window", ids.shape[1], 2)
    left, right = ids[:, :-1], ids[:, 1:]
    pairs = table.of_pairs(left.ravel(), right.ravel()).reshape(right.shape)
    third = right[:, 1:]
    triples = table.of_triples(left[:, :-1].ravel(), left[:, 1:].ravel(), third.ravel())
    after_two = np.concatenate([pairs[:, :1], triples.reshape(third.shape)], axis=1)
    return {"bigram_loss": _loss(pairs), "trigram_loss": _loss(after_two)}


def bits_per_byte(loss: float, bytes_a_token: float) -> float:
    """A loss in nats a token as bits a byte of the text, which compares between vocabularies.

    `bytes_a_token` is the mean over the predicted tokens: loss * tokens / (ln 2 * bytes).
    """
    return loss / (math.log(2) * bytes_a_token)


@dataclass(frozen=True)
class _Table:
    """The n-grams of one order, ascending, each packed into an int64, and what begins them.

    `grams` [G] are context * V + token, `counts` [G] theirs. Of each context [C]: the sum of the
    counts, and how many different tokens follow it.
    """

    size: int
    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    sums: np.ndarray
    followers: np.ndarray

    @classmethod
    def counted(cls, keys: np.ndarray, size: int) -> "_Table":
        """The table of packed n-grams [N], one for each time that it stands in the text."""
        grams, counts = np.unique(keys, return_counts=True)
        contexts, starts, followers = np.unique(
            grams // size, return_index=True, return_counts=True
        )
        return cls(size, grams, counts, contexts, np.add.reduceat(counts, starts), followers)

    def mixed(self, context: np.ndarray, targets: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """The probabilities [n], given those of the order below; these, after an unseen context."""
        place, seen = _find(self.contexts, context)
        found, there = _find(self.grams, context * self.size + targets)
        direct = np.where(there, self.counts[found] - DISCOUNT, 0.0)
        mixture = (direct + DISCOUNT * self.followers[place] * lower) / self.sums[place]
        return np.where(seen, mixture, lower)


def _find(ascending: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the values [n] are in an array, and whether they are; elsewhere any valid place."""
    place = np.searchsorted(ascending, wanted).clip(max=len(ascending) - 1)
    return place, ascending[place] == wanted


def _loss(probabilities: np.ndarray) -> float:
    return float(-np.log(probabilities).mean())
