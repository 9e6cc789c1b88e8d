"""The model against its plain reference, and the brief's parameter names."""

import pytest
import torch

from benchmarks import reference
from bitnet import BitNetConfig, BitNetModel
from bitnet.transformer import Cache

SIZES = {
    "the brief's shape": {},
    "grouped KV heads": {"num_heads": 4, "num_kv_heads": 2},
    "one KV head": {"num_heads": 8, "num_kv_heads": 1},
    "full precision": {"quantize": False},
    "wide feed-forward, other constants": {
        "ffn_hidden_size": 56,
        "norm_eps": 1e-3,
        "rope_theta": 500.0,
    },
    "one layer": {"num_layers": 1},
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("shape", [(4, 32), (1, 7), (3, 1)], ids=str)
def test_logits_and_gradients_agree_with_the_reference(model_and_reference, sizes, shape):
    """To the rounding of float64: no activation here is that close to a quantization threshold."""
    model, parameters, arguments = model_and_reference(**sizes)
    ids = torch.randint(0, 97, shape, generator=torch.Generator().manual_seed(2))
    ours, plain = model(ids), reference.logits(parameters, ids, **arguments)
    assert ours.shape == (*shape, 97)
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)
    weights = torch.randn(
        plain.shape, dtype=plain.dtype, generator=torch.Generator().manual_seed(3)
    )
    (ours * weights).sum().backward()
    (plain * weights).sum().backward()
    for name, p in model.named_parameters():
        expected = parameters[name].grad
        torch.testing.assert_close(
            p.grad, expected, rtol=1e-8, atol=1e-9 * float(expected.abs().max() + 1), msg=name
        )


def test_float32_logits_agree_to_float32_rounding(model_and_reference):
    model, parameters, arguments = model_and_reference(
        torch.float32, hidden_size=64, quantize=False
    )
    ids = torch.randint(0, 97, (4, 32))
    torch.testing.assert_close(
        model(ids), reference.logits(parameters, ids, **arguments), rtol=1e-5, atol=1e-5
    )


def test_parameter_names_and_shapes_are_the_seeds():
    hidden, vocabulary = 32, 97
    model = BitNetModel(
        BitNetConfig(vocab_size=vocabulary, hidden_size=hidden, num_layers=1, num_kv_heads=2)
    )
    expected = {
        "token_embeddings.weight": (vocabulary, hidden),
        "blocks.0.attention.norm.weight": (hidden,),
        "blocks.0.attention.qkv_proj.weight": (hidden + 2 * 16, hidden),
        "blocks.0.attention.qkv_proj.norm.weight": (hidden,),
        "blocks.0.attention.out_proj.weight": (hidden, hidden),
        "blocks.0.attention.out_proj.norm.weight": (hidden,),
        "blocks.0.feedforward.norm.weight": (hidden,),
        "blocks.0.feedforward.gate_up.weight": (4 * hidden, hidden),
        "blocks.0.feedforward.gate_up.norm.weight": (hidden,),
        "blocks.0.feedforward.down.weight": (hidden, 2 * hidden),
        "blocks.0.feedforward.down.norm.weight": (2 * hidden,),
        "final_norm.weight": (hidden,),
        "lm_head.weight": (vocabulary, hidden),
    }
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == expected
    state = {name: torch.randn(shape) for name, shape in expected.items()}
    model.load_state_dict(state, strict=True)
    assert torch.equal(model.lm_head.weight, state["lm_head.weight"])


def test_the_default_model_has_28_4_million_parameters():
    blocks = 4 * (256 * 768 + 256 * 256 + 256 * 1024 + 512 * 256 + 5 * 256 + 512)
    parameters = BitNetModel(BitNetConfig()).parameters()
    assert sum(p.numel() for p in parameters) == 2 * 50257 * 256 + blocks + 256


def test_attention_is_causal(model_and_reference):
    model, _, _ = model_and_reference()
    ids = torch.randint(0, 97, (1, 12))
    changed = ids.clone()
    changed[0, -1] = (ids[0, -1] + 1) % 97
    before, after = model(ids), model(changed)
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.equal(before[:, -1], after[:, -1])


def test_norm_placement_inside_leaves_out_the_outer_norms():
    names = {
        n
        for n, _ in BitNetModel(BitNetConfig(97, 32, 1, norm_placement="inside")).named_parameters()
    }
    assert "blocks.0.attention.norm.weight" not in names
    assert "blocks.0.attention.qkv_proj.norm.weight" in names


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("first", [1, 4])
def test_reading_on_from_a_cache_gives_the_features_of_the_whole(model_and_reference, sizes, first):
    model, _, _ = model_and_reference(**sizes)
    ids = torch.randint(0, 97, (2, 9), generator=torch.Generator().manual_seed(6))
    cache = Cache()
    assert cache.length == 0
    with torch.no_grad():
        parts = [model.features(ids[:, :first], cache)]
        for position in range(first, 9):
            assert cache.length == position
            parts.append(model.features(ids[:, position : position + 1], cache))
        torch.testing.assert_close(
            torch.cat(parts, dim=1), model.features(ids), rtol=1e-9, atol=1e-9
        )
    assert sorted(cache.layers) == list(range(model.config.num_layers))
    assert all(
        k.shape == v.shape == (2, model.config.num_kv_heads, 9, model.config.head_dim)
        for k, v in cache.layers.values()
    )


def test_a_filled_cache_takes_one_token_at_a_time(model_and_reference):
    model, _, _ = model_and_reference()
    cache = Cache()
    model.features(torch.zeros(1, 3, dtype=torch.long), cache)
    with pytest.raises(AssertionError, match="one token at a time"):
        model.features(torch.zeros(1, 2, dtype=torch.long), cache)
    assert cache.length == 3
