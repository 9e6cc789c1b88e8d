"""Repeats of sequences whose answer is known."""

import pytest
import torch

from bitnet import ParameterError
from bitnet.evaluation.diversity import CONTINUATION
from bitnet.evaluation.repetition import (
    LONGEST_PERIOD,
    TAIL,
    continuation_measures,
    distinct_n,
    ends_in_loop,
    only_here,
    repeated,
    seq_rep_n,
)

LOOP = [1, 2, 3, 4] * 3  # 9 four-grams, 4 of them distinct
PLAIN = list(range(12))


def test_repeats_of_known_sequences():
    assert seq_rep_n(torch.tensor([PLAIN])) == 0
    assert seq_rep_n(torch.tensor([[7] * 12])) == pytest.approx(8 / 9)
    assert seq_rep_n(torch.tensor([LOOP])) == pytest.approx(5 / 9)
    assert seq_rep_n(torch.tensor([LOOP, PLAIN])) == pytest.approx(5 / 18)  # the mean
    assert seq_rep_n(torch.tensor([PLAIN, PLAIN])) == 0  # repeats between sequences do not count
    assert seq_rep_n(torch.tensor([[5, 5, 6]]), 1) == pytest.approx(1 / 3)
    assert seq_rep_n(torch.tensor([[1, 2, 3, 4]])) == 0  # one four-gram


def test_distinct_n_of_known_sequences():
    assert distinct_n(torch.tensor([[7] * 12]), 1) == pytest.approx(1 / 12)
    assert distinct_n(torch.tensor([PLAIN]), 2) == 1
    assert distinct_n(torch.tensor([PLAIN, PLAIN]), 2) == 0.5  # repeats between sequences count
    pairs = torch.tensor([[1, 2, 1, 2], [2, 1, 3, 3]])
    assert distinct_n(pairs, 2) == pytest.approx(4 / 6)  # 12 21 13 33 of six


@pytest.mark.parametrize(
    ("ids", "n", "expected"),
    [
        (PLAIN, 4, []),
        (LOOP, 4, range(4, 12)),
        ([1, 2, 3, 4, 9, 1, 2, 3, 4, 8], 4, range(5, 9)),
        ([1, 2, 3, 4, 9, 1, 2, 3, 5, 8], 4, []),  # only three in a row
        ([7] * 6, 4, range(1, 6)),  # the second four-gram starts at the second token
        ([5, 6, 5], 1, [2]),
    ],
)
def test_the_tokens_of_a_repeated_gram_are_marked(ids, n, expected):
    assert repeated(torch.tensor([ids]), n)[0].nonzero().flatten().tolist() == list(expected)


def test_marks_do_not_cross_sequences():
    assert not repeated(torch.tensor([PLAIN, PLAIN])).any()


@pytest.mark.parametrize("function", [seq_rep_n, distinct_n, repeated])
@pytest.mark.parametrize("n", [0, 4])
def test_grams_must_fit_the_sequence(function, n):
    with pytest.raises(ParameterError, match=f"n = {n}: must be a whole number from 1 to 3"):
        function(torch.tensor([[1, 2, 3]]), n)


def test_measures_of_continuations_are_shares_of_their_grams():
    said = torch.randint(0, 4, (5, CONTINUATION), generator=torch.Generator().manual_seed(2))
    assert continuation_measures(said) == {
        "seq_rep_4": seq_rep_n(said, 4),
        "distinct_1": distinct_n(said, 1),
        "distinct_2": distinct_n(said, 2),
    }
    loop = continuation_measures(torch.full((5, CONTINUATION), 7))
    assert loop["seq_rep_4"] == pytest.approx(1 - 1 / 21)
    assert loop["distinct_1"] == pytest.approx(1 / (5 * 24))
    assert loop["distinct_2"] == pytest.approx(1 / (5 * 23))


@pytest.mark.parametrize(
    ("ids", "loops"),
    [
        (list(range(30)), False),
        ([*range(20), *[7] * 16], True),
        ([*range(20), *[7] * 15], False),  # periodic, but too short a tail
        ([*range(20), *[7] * 30, 8], False),  # it has left its loop
        ([*range(20), *[1, 2, 3] * 5, 1], True),  # 16 tokens, the last repeat cut off
        ([*range(20), *list(range(8)) * 2], True),  # the longest pattern, twice
        ([*range(20), *list(range(9)) * 4], False),  # a longer one
        ([*[1, 2, 3, 4] * 4, *range(16)], False),  # a loop at the beginning only
        ([5] * 16, True),
    ],
    ids=str,
)
def test_a_passage_ends_in_a_loop_or_not(ids, loops):
    assert ends_in_loop(torch.tensor([ids, list(range(len(ids)))])).tolist() == [loops, False]
    assert (TAIL, LONGEST_PERIOD) == (16, 8)


def test_a_passage_shorter_than_the_tail_is_refused():
    with pytest.raises(ParameterError, match="tokens = 15: must be a whole number of at least 16"):
        ends_in_loop(torch.tensor([[1] * 15]))


def test_what_stands_in_one_sequence_alone_is_counted_once():
    ids = torch.tensor([[1, 2, 1, 2], [1, 2, 3, 3], [4, 4, 4, 4]])
    assert only_here(ids, 1) == [0, 1, 1]  # 3 and 4
    assert only_here(ids, 2) == [1, 2, 1]  # 21; 23 and 33; 44
    assert only_here(ids[:1], 2) == [2]
