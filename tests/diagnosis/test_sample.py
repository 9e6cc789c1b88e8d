"""What is asked of a text: windows that do not meet the rest, its own values, and its length."""

import math

import pytest
import torch

from benchmarks.models import SIZE, token_text
from bitnet import ParameterError
from bitnet.diagnosis.sample import ASKED, LEAST, LENGTH, MOST, Sample


def test_windows_are_spread_and_the_rest_lies_between_them():
    ids = torch.arange(8192)
    sample = Sample.of(ids, 8192, positions=310)
    assert sample.windows.shape == (10, LENGTH)
    assert sample.windows[0, 0] == 0
    assert sample.windows[-1, -1] == 8191
    assert sorted([*sample.windows.flatten().tolist(), *sample.rest.tolist()]) == ids.tolist()
    assert sample.counts.tolist() == [1] * 8192
    assert {tuple(row) for row in sample.passages.tolist()} == {
        tuple(row) for row in sample.windows.tolist()
    }


def test_a_short_text_is_asked_at_a_quarter_and_no_more():
    sample = Sample.of(torch.zeros(LEAST, dtype=torch.long), 4, positions=10**6)
    assert sample.windows.numel() == LEAST // ASKED
    assert len(sample.passages) == 32
    assert Sample.of(torch.zeros(MOST + 64, dtype=torch.long), 4).counts[0] == MOST


def test_a_text_that_is_too_short_or_a_vocabulary_too_large_is_refused():
    for ids, size, match in (
        (
            torch.zeros(LEAST - 1, dtype=torch.long),
            4,
            "^tokens of the text = 4095: must be a whole",
        ),
        (torch.zeros(LEAST, dtype=torch.long), 2**21, "^vocabulary of the model = 2097152: must"),
    ):
        with pytest.raises(ParameterError, match=match):
            Sample.of(ids, size)


def test_references_are_the_text_s_own_values():
    sample = Sample.of(token_text(tokens=20_000), SIZE, positions=1000)
    found, targets = sample.references, sample.windows[:, 1:].flatten()
    assert found["ln_vocabulary"] == pytest.approx(math.log(SIZE))
    assert found["human_unique_tokens"] == targets.unique().numel()
    shares = (torch.bincount(sample.rest, minlength=SIZE) + 1).double()
    shares /= shares.sum()
    assert found["unigram_loss"] == pytest.approx(-shares.log()[targets].mean().item(), rel=1e-6)
    # Each of half of the tokens has a fixed successor, which a table of pairs finds.
    assert found["bigram_loss"] < found["unigram_loss"] - 1
