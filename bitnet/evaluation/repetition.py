"""How degenerate generated text is: n-grams repeated within it, and how many are distinct."""

import torch
from torch import Tensor

from bitnet import checks

__all__ = ["continuation_measures", "distinct_n", "repeated", "seq_rep_n"]


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
