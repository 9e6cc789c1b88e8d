"""How degenerate generated text is: n-grams repeated in it, how many are distinct, and loops."""

from collections import Counter

import torch
from torch import Tensor

from bitnet import checks

__all__ = [
    "LONGEST_PERIOD", "TAIL", "continuation_measures", "distinct_n", "ends_in_loop", "only_here",
    "repeated", "seq_rep_n",
]  # fmt: skip

# A passage ends in a loop if its last 16 tokens repeat a pattern of at most 8, so that the whole
# pattern stands there twice at least. People do not write so, but for rows of a table.
TAIL, LONGEST_PERIOD = 16, 8


def continuation_measures(continuations: Tensor) -> dict[str, float]:
    """Repeats within each of the continuations [n, S], and the variety of all of them together."""
    return {
        "seq_rep_4": seq_rep_n(continuations, 4),
        "distinct_1": distinct_n(continuations, 1),
        "distinct_2": distinct_n(continuations, 2),
    }


def seq_rep_n(ids: Tensor, n: int = 4) -> float:
    """The share of n-grams in a sequence that are repeats, averaged over the sequences [B, S].

    1 - distinct n-grams / n-grams: "seq-rep-n" of Welleck et al. 2020, section 4.

    Raises: `ParameterError` for sequences shorter than n.
    """
    grams = _grams(ids, n)
    return sum(1 - len(set(row)) / len(row) for row in grams) / len(grams)


def distinct_n(ids: Tensor, n: int) -> float:
    """Distinct n-grams over all n-grams, of all sequences [B, S] together.

    "distinct-n" of Li et al. 2016, section 5. Raises: `ParameterError` as `seq_rep_n`.
    """
    grams = [gram for row in _grams(ids, n) for gram in row]
    return len(set(grams)) / len(grams)


def only_here(ids: Tensor, n: int) -> list[int]:
    """For each of the sequences [B, S], how many distinct n-grams stand in it and in no other.

    Raises: `ParameterError` as `seq_rep_n`.
    """
    rows = [set(row) for row in _grams(ids, n)]
    holders = Counter(gram for row in rows for gram in row)
    return [sum(holders[gram] == 1 for gram in row) for row in rows]


def ends_in_loop(ids: Tensor) -> Tensor:
    """Whether each of the sequences [B, S] ends in a loop: a mask [B].

    It does if its last `TAIL` tokens have a period p of at most `LONGEST_PERIOD`: each of them, but
    the first p, is the token p places before it.

    Raises: `ParameterError` for sequences shorter than `TAIL`.
    """
    checks.integer("tokens", ids.shape[1], TAIL)
    tail = ids[:, -TAIL:]
    periods = range(1, LONGEST_PERIOD + 1)
    return torch.stack([(tail[:, p:] == tail[:, :-p]).all(dim=1) for p in periods]).any(dim=0)


def repeated(ids: Tensor, n: int = 4) -> Tensor:
    """A mask [B, S] of the tokens in an n-gram that stood earlier in the same sequence."""
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for row, grams in enumerate(_grams(ids, n)):
        seen: set[tuple[int, ...]] = set()
        for start, gram in enumerate(grams):
            if gram in seen:
                mask[row, start : start + n] = True
            seen.add(gram)
    return mask


def _grams(ids: Tensor, n: int) -> list[list[tuple[int, ...]]]:
    checks.integer("n", n, 1, ids.shape[1])
    return [[tuple(gram) for gram in row.unfold(0, n, 1).tolist()] for row in ids]
