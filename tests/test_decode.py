"""Decoding against its definitions, without a cache and with plain loops; repeats on sequences whose answer is known."""

import pytest
import torch

from bitnet import ParameterError
from bitnet.decode import continue_prompts, distinct_n, prompt_ids, repeated, sampling_distribution, seq_rep_n

SIZES = {
    "the brief's shape": {},
    "grouped KV heads": {"num_heads": 4, "num_kv_heads": 2},
    "one KV head": {"num_heads": 8, "num_kv_heads": 1},
    "full precision": {"quantize": False},
}
PROMPTS = torch.randint(0, 97, (3, 5), generator=torch.Generator().manual_seed(4))
LOGITS = 2 * torch.randn(6, 40, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("length", [1, 5])
def test_greedy_decoding_with_a_cache_is_that_of_the_whole_prefix_each_time(model_and_reference, sizes, length):
    model, _, _ = model_and_reference(**sizes)
    ids = PROMPTS[:, :length]
    with torch.no_grad():
        for _ in range(16):
            ids = torch.cat([ids, model(ids)[:, -1:].argmax(-1)], dim=1)
    found = continue_prompts(model, PROMPTS[:, :length], 16)
    assert torch.equal(found, ids[:, length:])
    assert found.unique().numel() > 1  # a model that always says the same would pass without looking back


def test_prompts_are_left_alone_and_do_not_see_one_another(model_and_reference):
    model, _, _ = model_and_reference()
    before = PROMPTS.clone()
    together = continue_prompts(model, PROMPTS, 8)
    assert torch.equal(PROMPTS, before)
    assert together.shape == (3, 8)
    for row in range(3):
        assert torch.equal(continue_prompts(model, PROMPTS[row : row + 1], 8)[0], together[row])


def test_samples_depend_on_the_seed_alone(model_and_reference):
    model, _, _ = model_and_reference()
    first = continue_prompts(model, PROMPTS, 12, temperature=1.0, seed=7)
    torch.manual_seed(123)  # the global state plays no part
    assert torch.equal(continue_prompts(model, PROMPTS, 12, temperature=1.0, seed=7), first)
    assert not torch.equal(continue_prompts(model, PROMPTS, 12, temperature=1.0, seed=8), first)


def test_sampling_leaves_the_global_random_state_alone(model_and_reference):
    model, _, _ = model_and_reference()
    before = torch.random.get_rng_state()
    continue_prompts(model, PROMPTS, 4, temperature=1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}, {"temperature": 1e-300}], ids=str)
def test_the_narrowest_sampling_is_greedy(model_and_reference, options):
    model, _, _ = model_and_reference()
    sampled = continue_prompts(model, PROMPTS, 12, **({"temperature": 1.0} | options))
    assert torch.equal(sampled, continue_prompts(model, PROMPTS, 12))


def test_sampled_tokens_come_in_their_shares(model_and_reference):
    """4000 draws of one token: each share within five standard deviations."""
    model, _, _ = model_and_reference()
    drawn = continue_prompts(model, PROMPTS[:1].expand(4000, -1), 1, temperature=0.7, top_k=6, seed=1).flatten()
    with torch.no_grad():
        shares = sampling_distribution(model(PROMPTS[:1])[:, -1].float(), 0.7, 6, 1.0)[0]
    found = torch.bincount(drawn, minlength=97) / len(drawn)
    assert (found > 0).sum() == 6
    assert ((found - shares).abs() <= 5 * (shares * (1 - shares) / len(drawn)).sqrt()).all()


def plain_distribution(row, temperature, top_k, top_p):
    """Token by token, from the likeliest on: kept while fewer than top_k are, and those before hold less than top_p."""
    p = (row.double() / temperature).softmax(-1)
    order = p.argsort(descending=True).tolist()[: top_k or None]
    within = p[order] / p[order].sum()
    kept, before = {}, 0.0
    for token, share in zip(order, within.tolist(), strict=True):
        if before < top_p:
            kept[token] = share
        before += share
    result = torch.zeros_like(p)
    for token, share in kept.items():
        result[token] = share / sum(kept.values())
    return result


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1.0, 0, 1.0),
        (0.5, 0, 1.0),
        (3.0, 0, 1.0),
        (1.0, 5, 1.0),
        (1.0, 0, 0.6),
        (0.8, 10, 0.9),
        (1.0, 99, 0.999),
        (0.3, 0, 1.0),
    ],
)
def test_the_sampling_distribution_is_its_definition(temperature, top_k, top_p):
    before = LOGITS.clone()
    found = sampling_distribution(LOGITS, temperature, top_k, top_p)
    assert torch.equal(LOGITS, before)
    expected = torch.stack([plain_distribution(row, temperature, top_k, top_p) for row in LOGITS])
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-7)
    assert torch.equal(found > 0, expected > 0)


def test_top_k_and_top_p_keep_the_likeliest():
    logits = torch.tensor([[0.4, 0.1, 0.3, 0.2]]).log()
    assert sampling_distribution(logits, 1.0, 2, 1.0)[0].tolist() == pytest.approx([4 / 7, 0, 3 / 7, 0])
    assert sampling_distribution(logits, 1.0, 0, 0.65)[0].tolist() == pytest.approx([4 / 7, 0, 3 / 7, 0])
    assert sampling_distribution(logits, 1.0, 0, 0.75)[0].tolist() == pytest.approx([4 / 9, 0, 3 / 9, 2 / 9])
    assert sampling_distribution(logits, 1.0, 3, 0.5)[0].tolist() == pytest.approx([4 / 7, 0, 3 / 7, 0])  # 4/9 is not yet half


def test_a_low_temperature_tends_to_the_likeliest_and_a_high_one_to_uniform():
    winner = torch.nn.functional.one_hot(LOGITS.argmax(-1), 40).float()
    for temperature in (1e-3, 1e-30, 1e-300):
        torch.testing.assert_close(sampling_distribution(LOGITS, temperature, 0, 1.0), winner)
    torch.testing.assert_close(sampling_distribution(LOGITS, 1e6, 0, 1.0), torch.full_like(winner, 1 / 40), rtol=1e-4, atol=0)


LOOP = [1, 2, 3, 4] * 3  # 9 four-grams, 4 of them distinct
PLAIN = list(range(12))


def test_repeats_of_known_sequences():
    assert seq_rep_n(torch.tensor([PLAIN])) == 0
    assert seq_rep_n(torch.tensor([[7] * 12])) == pytest.approx(8 / 9)
    assert seq_rep_n(torch.tensor([LOOP])) == pytest.approx(5 / 9)
    assert seq_rep_n(torch.tensor([LOOP, PLAIN])) == pytest.approx(5 / 18)  # the mean over sequences
    assert seq_rep_n(torch.tensor([PLAIN, PLAIN])) == 0  # repeats between sequences do not count
    assert seq_rep_n(torch.tensor([[5, 5, 6]]), 1) == pytest.approx(1 / 3)
    assert seq_rep_n(torch.tensor([[1, 2, 3, 4]])) == 0  # one four-gram


def test_distinct_n_of_known_sequences():
    assert distinct_n(torch.tensor([[7] * 12]), 1) == pytest.approx(1 / 12)
    assert distinct_n(torch.tensor([PLAIN]), 2) == 1
    assert distinct_n(torch.tensor([PLAIN, PLAIN]), 2) == 0.5  # repeats between sequences count
    assert distinct_n(torch.tensor([[1, 2, 1, 2], [2, 1, 3, 3]]), 2) == pytest.approx(4 / 6)  # 12 21 13 33 of six


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


def test_prompts_are_cut_to_the_last_tokens_of_the_shortest():
    hello = [15496, 995]  # "Hello world"
    assert prompt_ids("Hello world").tolist() == [hello]
    assert prompt_ids(["Hello world", "Hello"]).tolist() == [[995], [15496]]
    assert prompt_ids("Hello world | Hello |").tolist() == [[995], [15496]]
    assert prompt_ids(["a | b"]).shape[1] > 1  # only one text is split


@pytest.mark.parametrize("function", [seq_rep_n, distinct_n, repeated])
@pytest.mark.parametrize("n", [0, 4])
def test_grams_must_fit_the_sequence(function, n):
    with pytest.raises(ParameterError, match=f"n = {n}: must be a whole number from 1 to 3"):
        function(torch.tensor([[1, 2, 3]]), n)
