"""Tensors for transformers: the rows of fused layers, their scales, 2 bits a value."""

import pytest
import torch

from bitnet.hf.layout import configuration, tensors
from bitnet.quant import ternary
from tests.support.hf import LENGTH, random_model

FUSED = {
    "attention.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "feedforward.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
}


@pytest.mark.parametrize("kind", ["grouped heads, tied", "inside"])
def test_parts_are_the_rows_of_a_fused_layer_with_its_scale(kind):
    model = random_model(kind)
    found, state = tensors(model), model.state_dict()
    for fused, parts in FUSED.items():
        values, scale = ternary(state[f"blocks.1.{fused}.weight"])
        names = [f"model.layers.1.{part}" for part in parts]
        assert torch.equal(torch.cat([found[f"{name}.weight"] for name in names]), values)
        assert all(torch.equal(found[f"{name}.weight_scale"], scale[None]) for name in names)


def test_a_packed_weight_is_read_back_by_transformers():
    from transformers.integrations.bitnet import unpack_weights

    model = random_model("ternary")
    whole, packed = tensors(model), tensors(model, packed=True)
    assert whole.keys() == packed.keys()
    small = [name for name in packed if packed[name].dtype == torch.uint8]
    assert len(small) == 7 * model.config.num_layers
    for name in small:
        assert torch.equal(unpack_weights(packed[name], torch.float32), whole[name])


def test_rows_that_do_not_divide_by_four_are_not_packed():
    model = random_model("ternary")
    model.config.__dict__.update(num_heads=16, num_kv_heads=1)  # k and v of 2 rows each
    weight = model.blocks[0].attention.qkv_proj.weight
    model.blocks[0].attention.qkv_proj.weight = torch.nn.Parameter(weight[:36].clone())
    model.blocks[1].attention.qkv_proj.weight = torch.nn.Parameter(weight[:36].clone())
    packed = tensors(model, packed=True)
    found = {part: packed[f"model.layers.0.self_attn.{part}_proj.weight"] for part in "qk"}
    assert found["q"].shape == (8, 32)
    assert found["q"].dtype == torch.uint8
    assert found["k"].shape == (2, 32)
    assert found["k"].dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "name", "quantized", "normed"),
    [
        ("ternary", "Llama", True, True),
        ("inside", "BitNet", True, False),
        ("full precision, inside", "BitNet", False, False),
        ("full precision", "NormedLlama", False, False),
    ],
)
def test_each_kind_has_its_class(kind, name, quantized, normed):
    facts = configuration(random_model(kind), LENGTH)
    assert facts["architectures"] == [f"{name}ForCausalLM"]
    quantization = facts.get("quantization_config", {})
    assert bool(quantization) is quantized
    assert quantization.get("use_rms_norm", False) is normed
    assert ("auto_map" in facts) is (name == "NormedLlama")


def test_a_tied_head_is_left_out():
    for kind, tied in (("ternary", False), ("grouped heads, tied", True)):
        model = random_model(kind)
        assert configuration(model, LENGTH)["tie_word_embeddings"] is tied
        assert ("lm_head.weight" in tensors(model)) is not tied
