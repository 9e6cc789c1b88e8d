"""The penalty on repeats: which tokens it is for, its value, and what it does to decoding."""

import pytest
import torch

from bitnet.config import BitNetConfig
from bitnet.decode import continue_prompts
from bitnet.transformer import BitNetModel
from bitnet.unlikelihood import penalised, penalised_updates, repeats, unlikelihood


def marked(text, given=1):
    (row,) = repeats(torch.tensor([[ord(letter) for letter in text]]), given)
    return "".join("x" if one else "." for one in row.tolist())


@pytest.mark.parametrize(
    ("text", "given", "marks"),
    [
        ("abcdefgh", 1, "........"),
        ("abcdabcd", 1, "....xxxx"),
        ("abcdabcdab", 1, "....xxxxxx"),
        ("aaaaaaa", 1, ".xxxxxx"),  # from the second 4-gram on
        ("abcxabcyabcx", 1, "........xxxx"),
        ("abcabcdabcd", 1, ".......xxxx"),
        ("abcdabcd", 6, "......xx"),  # what was given is not the model's
    ],
)
def test_the_tokens_of_a_4_gram_that_came_before_are_repeats(text, given, marks):
    assert marked(text, given) == marks


def test_a_row_is_compared_with_itself_alone():
    assert not repeats(torch.tensor([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]]), 1).any()


def test_the_penalty_is_that_of_the_equation():
    """Against a plain loop over the model's own continuation."""
    torch.manual_seed(0)
    model = BitNetModel(BitNetConfig(vocab_size=50, hidden_size=16, num_layers=1, num_heads=2))
    ids = torch.randint(0, 50, (3, 32))
    written = continue_prompts(model, ids[:, :8], 24)
    whole, total, seen = torch.cat([ids[:, :8], written], dim=1), 0.0, 0
    shares = model(whole).softmax(-1)
    for row, share in zip(whole.tolist(), shares, strict=True):
        grams = [tuple(row[i : i + 4]) for i in range(29)]
        for position in range(8, 32):
            starts = [i for i in range(position - 3, position + 1) if 0 <= i < 29]
            if any(grams[i] in grams[:i] for i in starts):
                total -= torch.log(1 - share[position - 1, row[position]]).item()
                seen += 1
    assert seen, "this model does not repeat itself, so that nothing is shown"
    assert unlikelihood(model, ids).item() == pytest.approx(total / (3 * 31), rel=1e-4)


def test_half_of_the_updates_of_the_last_quarter_have_it():
    assert [t for t in range(1, 17) if penalised(t, 16)] == [14, 16]


@pytest.mark.parametrize("total", [1, 2, 15, 16, 17, 18, 6000])
def test_the_penalised_updates_are_counted(total):
    for done in {0, 1, total // 2, total * 3 // 4, total * 3 // 4 + 1, total - 1, total}:
        counted = sum(penalised(t, total) for t in range(done + 1, total + 1))
        assert penalised_updates(total, done) == counted
