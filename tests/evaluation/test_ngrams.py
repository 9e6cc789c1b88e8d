"""Tables of word pairs and triples: by hand, against a plain implementation, and sums of 1."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitnet import ParameterError, Probe
from bitnet.evaluation.ngrams import DISCOUNT, KneserNey, bits_per_byte, ngram_losses

# Pairs 01 01 10 12, triples 010 012 101; 3 is never seen, and nothing follows 2.
STREAM, V = np.array([0, 1, 0, 1, 2]), 4
SEEN, UNSEEN = 0.8125 / 3, 0.5625 / 3  # of the lowest order: (1 - 0.75 + 0.75 * 3 / 4) / 3

streams = st.lists(st.integers(0, 5), min_size=3, max_size=60)


def plain(stream, context, target, size):
    """The probability of a token after a context of one or two, with dictionaries alone."""

    def gram(n):
        return [tuple(stream[i : i + n]) for i in range(len(stream) - n + 1)]

    def mixed(counts, context, target, lower):
        after = {g: n for g, n in counts.items() if g[:-1] == context}
        if not after:
            return lower
        direct = max(after.get((*context, target), 0) - DISCOUNT, 0)
        return (direct + DISCOUNT * len(after) * lower) / sum(after.values())

    lowest = mixed(Counter(g[1:] for g in set(gram(2))), (), target, 1 / size)
    if len(context) == 1:
        return mixed(Counter(gram(2)), context, target, lowest)
    middle = mixed(Counter(g[1:] for g in set(gram(3))), context[1:], target, lowest)
    return mixed(Counter(gram(3)), context, target, middle)


@pytest.mark.parametrize(
    ("before", "target", "expected"),
    [
        (0, 1, (2 - 0.75 + 0.75 * SEEN) / 2),
        (1, 0, (1 - 0.75 + 0.75 * 2 * SEEN) / 2),
        (1, 3, 0.75 * 2 * UNSEEN / 2),
        (0, 0, 0.75 * SEEN / 2),
        (2, 0, SEEN),
        (3, 3, UNSEEN),
    ],
)
def test_pairs_by_hand(before, target, expected):
    found = KneserNey(STREAM, V).of_pairs(np.array([before]), np.array([target]))
    assert found == pytest.approx([expected])


# What 0 has after 1, and 1 after 0, where each different triple counts once.
AFTER_1, AFTER_0 = (1 - 0.75 + 0.75 * 2 * SEEN) / 2, 1 - 0.75 + 0.75 * SEEN


@pytest.mark.parametrize(
    ("second", "before", "target", "expected"),
    [
        (0, 1, 0, (1 - 0.75 + 0.75 * 2 * AFTER_1) / 2),
        (1, 0, 1, 1 - 0.75 + 0.75 * AFTER_0),
        (2, 0, 1, AFTER_0),  # a pair that was never seen
        (0, 3, 2, SEEN),
        (3, 3, 3, UNSEEN),
    ],
)
def test_triples_by_hand(second, before, target, expected):
    ids = (np.array([i]) for i in (second, before, target))
    assert KneserNey(STREAM, V).of_triples(*ids) == pytest.approx([expected])


def test_losses_by_hand():
    windows = torch.tensor([[0, 1, 2], [1, 0, 1]])
    pairs = [0.7265625, 0.328125, 0.328125, 0.7265625]
    # The first position of a window has one token before it, for both.
    triples = [0.7265625, 0.37109375, 0.328125, 0.58984375]
    assert ngram_losses(STREAM, windows, V) == {
        "bigram_loss": pytest.approx(-sum(map(math.log, pairs)) / 4),
        "trigram_loss": pytest.approx(-sum(map(math.log, triples)) / 4),
    }


def test_a_window_of_two_has_pairs_only():
    found = ngram_losses(STREAM, np.array([[0, 1], [3, 3]]), V)
    assert found["bigram_loss"] == found["trigram_loss"]


@given(streams, st.integers(0, 6), st.integers(0, 6))
def test_the_probabilities_after_any_context_sum_to_one(stream, second, before):
    table, every = KneserNey(np.array(stream), 7), np.arange(7)
    one, two = np.full(7, before), np.full(7, second)
    for found in (table.of_pairs(one, every), table.of_triples(two, one, every)):
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert (found > 0).all()


@given(streams, st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=20))
def test_it_is_what_dictionaries_give(stream, asked):
    table, (second, before, targets) = KneserNey(np.array(stream), 7), np.array(asked).T
    assert table.of_pairs(before, targets) == pytest.approx(
        [plain(stream, (b,), t, 7) for _, b, t in asked]
    )
    assert table.of_triples(second, before, targets) == pytest.approx(
        [plain(stream, (a, b), t, 7) for a, b, t in asked]
    )


def test_a_larger_text_is_what_dictionaries_give(corpus):
    stream, windows = corpus.train[:3000], corpus.held_out[:1, :12]
    row, size = windows[0].tolist(), corpus.vocab_size
    text = stream.tolist()
    pairs = [plain(text, (row[i - 1],), row[i], size) for i in range(1, 12)]
    triples = [plain(text, (row[i - 2], row[i - 1]), row[i], size) for i in range(2, 12)]
    assert ngram_losses(stream, windows, size) == {
        "bigram_loss": pytest.approx(-np.log(pairs).mean()),
        "trigram_loss": pytest.approx(-np.log([pairs[0], *triples]).mean()),
    }


def test_the_largest_vocabulary_does_not_overflow():
    ids = np.array([65534, 65534, 65533, 65534], dtype=np.uint16)
    found = KneserNey(ids, 65535).of_triples(*(ids[i : i + 2].astype(np.int64) for i in range(3)))
    assert found == pytest.approx(
        [
            plain(ids.tolist(), tuple(map(int, ids[i : i + 2])), int(ids[i + 2]), 65535)
            for i in (0, 1)
        ]
    )


def test_the_references_of_a_probe_are_of_its_positions(corpus):
    probe = Probe.from_corpus(corpus, positions=300)
    losses = ngram_losses(corpus.train, probe.windows, corpus.vocab_size)
    assert losses.items() <= probe.references.items()
    # Each token of this corpus names the next, four times in five: pairs tell more than none.
    assert losses["bigram_loss"] < probe.references["unigram_loss"] - 1
    text = [corpus.vocabulary.lengths[i] for i in probe.windows[:, 1:].flatten()]
    assert probe.references["bytes_a_token"] == pytest.approx(sum(text) / len(text))


def test_bits_a_byte():
    # 8 tokens of 2 bits each, on 4 bytes: 4 bits a byte.
    assert bits_per_byte(2 * math.log(2), bytes_a_token=4 / 8) == pytest.approx(4)


@pytest.mark.parametrize(
    ("stream", "size", "line"),
    [
        ([0, 1], 4, "tokens of the training stream = 2: must be a whole number of at least 3"),
        ([0, 1, 4], 4, "token = 4: must be a whole number from 0 to 3"),
        ([0, -1, 2], 4, "token = -1: must be a whole number from 0 to 3"),
        ([0, 1, 2], 2**21, "vocab_size = 2097152: must be a whole number from 1 to 2097151"),
    ],
)
def test_what_cannot_be_counted_is_one_line(stream, size, line):
    with pytest.raises(ParameterError) as error:
        KneserNey(np.array(stream), size)
    assert str(error.value) == line


def test_a_window_without_a_target_is_refused():
    with pytest.raises(ParameterError, match="tokens of a window = 1"):
        ngram_losses(STREAM, np.array([[0]]), V)
