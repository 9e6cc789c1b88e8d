"""Decoding against its definitions, without a cache and with plain loops."""

import pytest
import torch

from bitnet.decode import continue_prompts, prompt_ids, sampling_distribution
from bitnet.linear import BitLinear
from bitnet.quant import ternary

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
def test_greedy_decoding_with_a_cache_is_that_of_the_whole_prefix_each_time(
    model_and_reference, sizes, length
):
    model, _, _ = model_and_reference(**sizes)
    ids = PROMPTS[:, :length]
    with torch.no_grad():
        for _ in range(16):
            ids = torch.cat([ids, model(ids)[:, -1:].argmax(-1)], dim=1)
    found = continue_prompts(model, PROMPTS[:, :length], 16)
    assert torch.equal(found, ids[:, length:])
    # A model that always says the same would pass without looking back.
    assert found.unique().numel() > 1


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_weights_are_quantized_once_a_text_and_not_kept_behind_it(
    model_and_reference, sizes, monkeypatch
):
    model, _, _ = model_and_reference(**sizes)
    layers = [module for module in model.modules() if isinstance(module, BitLinear)]
    quantized = []
    monkeypatch.setattr(
        "bitnet.linear.ternary", lambda weight: quantized.append(weight) or ternary(weight)
    )
    before = continue_prompts(model, PROMPTS, 8)
    assert len(quantized) == (len(layers) if model.config.quantize else 0)
    assert all(layer.kept is None for layer in layers)
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(layer.weight.flip(0))
    assert not torch.equal(continue_prompts(model, PROMPTS, 8), before)


def test_weights_are_let_go_where_decoding_fails(model_and_reference):
    model, _, _ = model_and_reference()
    with pytest.raises(IndexError):
        continue_prompts(model, torch.tensor([[97]]), 4)  # no such token
    assert all(m.kept is None for m in model.modules() if isinstance(m, BitLinear))


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


@pytest.mark.parametrize(
    "options",
    [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}, {"temperature": 1e-300}],
    ids=str,
)
def test_the_narrowest_sampling_is_greedy(model_and_reference, options):
    model, _, _ = model_and_reference()
    sampled = continue_prompts(model, PROMPTS, 12, **({"temperature": 1.0} | options))
    assert torch.equal(sampled, continue_prompts(model, PROMPTS, 12))


def test_sampled_tokens_come_in_their_shares(model_and_reference):
    """4000 draws of one token: each share within five standard deviations."""
    model, _, _ = model_and_reference()
    drawn = continue_prompts(
        model, PROMPTS[:1].expand(4000, -1), 1, temperature=0.7, top_k=6, seed=1
    ).flatten()
    with torch.no_grad():
        shares = sampling_distribution(model(PROMPTS[:1])[:, -1].float(), 0.7, 6, 1.0)[0]
    found = torch.bincount(drawn, minlength=97) / len(drawn)
    assert (found > 0).sum() == 6
    assert ((found - shares).abs() <= 5 * (shares * (1 - shares) / len(drawn)).sqrt()).all()


def plain_distribution(row, temperature, top_k, top_p):
    """Token by token, from the likeliest on: kept while those before hold less than top_p."""
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

    def kept(top_k, top_p):
        return sampling_distribution(logits, 1.0, top_k, top_p)[0].tolist()

    assert kept(2, 1.0) == pytest.approx([4 / 7, 0, 3 / 7, 0])
    assert kept(0, 0.65) == pytest.approx([4 / 7, 0, 3 / 7, 0])
    assert kept(0, 0.75) == pytest.approx([4 / 9, 0, 3 / 9, 2 / 9])
    assert kept(3, 0.5) == pytest.approx([4 / 7, 0, 3 / 7, 0])  # 4/9 is not yet half


def test_a_low_temperature_tends_to_the_likeliest_and_a_high_one_to_uniform():
    winner = torch.nn.functional.one_hot(LOGITS.argmax(-1), 40).float()
    for temperature in (1e-3, 1e-30, 1e-300):
        torch.testing.assert_close(sampling_distribution(LOGITS, temperature, 0, 1.0), winner)
    torch.testing.assert_close(
        sampling_distribution(LOGITS, 1e6, 0, 1.0),
        torch.full_like(winner, 1 / 40),
        rtol=1e-4,
        atol=0,
    )


def test_prompts_are_cut_to_the_last_tokens_of_the_shortest():
    hello = [15496, 995]  # "Hello world"
    assert prompt_ids("Hello world").tolist() == [hello]
    assert prompt_ids(["Hello world", "Hello"]).tolist() == [[995], [15496]]
    assert prompt_ids("Hello world | Hello |").tolist() == [[995], [15496]]
    assert prompt_ids(["a | b"]).shape[1] > 1  # only one text is split
