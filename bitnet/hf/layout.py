"""The layout of a model in Hugging Face transformers: its configuration, and its tensors by name.

| norms | ternary | full precision |
|---|---|---|
| "double" | Llama, a norm inside each quantized linear | `modeling_normed_llama.py` |
| "inside" | BitNet, its linears quantized | BitNet |
"""

from typing import Any

from torch import Tensor

from bitnet.config import BitNetConfig
from bitnet.quant import ternary
from bitnet.transformer import BitNetModel

__all__ = ["WRAPPER", "configuration", "needs_wrapper", "tensors"]

WRAPPER = "modeling_normed_llama"  # the module beside this one that an export may carry
VALUES_A_BYTE = 4  # ternary values of 2 bits each

# Our norms of a block, and theirs.
_OUTER = {
    "attention.norm": "input_layernorm",
    "feedforward.norm": "post_attention_layernorm",
}
_INSIDE = {
    "attention.qkv_proj.norm": "input_layernorm",
    "attention.out_proj.norm": "self_attn.attn_sub_norm",
    "feedforward.gate_up.norm": "post_attention_layernorm",
    "feedforward.down.norm": "mlp.ffn_sub_norm",
}


def needs_wrapper(config: BitNetConfig) -> bool:
    """Whether transformers has no class for such a model, and the export carries one."""
    return config.norm_placement == "double" and not config.quantize


def configuration(model: BitNetModel, length: int) -> dict[str, Any]:
    """What `config.json` holds of a model that was trained on windows of `length` tokens.

    There are no special tokens: the text of this study has none.
    """
    config = model.config
    facts = {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.ffn_hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "hidden_act": "relu2",
        "max_position_embeddings": length,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": _tied(model),
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "dtype": "float32",
    }
    return facts | _model_class(config) | _quantization(config)


def tensors(model: BitNetModel, packed: bool = False) -> dict[str, Tensor]:
    """The tensors that `model.safetensors` holds.

    Ternary weights are the values -1, 0, 1 beside the scale [1] of the *fused* layer they are
    rows of. They are float32 [out, in], or with `packed` uint8 [out / 4, in] where out divides by
    4: byte i holds the rows i, i + out / 4, ... as value + 1, two bits each, lowest first.
    """
    state = model.state_dict()
    found = {
        "model.embed_tokens.weight": state["token_embeddings.weight"],
        "model.norm.weight": state["final_norm.weight"],
    }
    if not _tied(model):
        found["lm_head.weight"] = state["lm_head.weight"]
    for i, block in enumerate(model.blocks):
        named = _of_block(block.state_dict(), model.config, packed)
        found |= {f"model.layers.{i}.{name}": tensor for name, tensor in named.items()}
    # Copies: a file of tensors may not hold two that share memory.
    return {name: tensor.clone().contiguous() for name, tensor in found.items()}


def _of_block(state: dict[str, Tensor], config: BitNetConfig, packed: bool) -> dict[str, Tensor]:
    """The tensors of a block by their names in transformers."""
    double = config.norm_placement == "double"
    norms = _OUTER if double else _INSIDE
    found = {f"{name}.weight": state[f"{norm}.weight"] for norm, name in norms.items()}
    for fused, parts in _parts(config).items():
        weight, scale = state[f"{fused}.weight"], None
        if config.quantize:
            weight, scale = ternary(weight)
        for name, rows in zip(parts, weight.split(list(parts.values())), strict=True):
            if double:
                found[f"{name}.rms_norm.weight"] = state[f"{fused}.norm.weight"]
            if scale is not None:
                found[f"{name}.weight_scale"] = scale.reshape(1)
                rows = _packed(rows) if packed and not len(rows) % VALUES_A_BYTE else rows
            found[f"{name}.weight"] = rows
    return found


def _tied(model: BitNetModel) -> bool:
    return model.lm_head.weight is model.token_embeddings.weight


def _parts(config: BitNetConfig) -> dict[str, dict[str, int]]:
    """Our linears of a block, and of each the linears that take its rows: how many, in order."""
    hidden, width = config.hidden_size, config.ffn_hidden_size
    kv = config.num_kv_heads * config.head_dim
    attention = {"self_attn.q_proj": hidden, "self_attn.k_proj": kv, "self_attn.v_proj": kv}
    return {
        "attention.qkv_proj": attention,
        "attention.out_proj": {"self_attn.o_proj": hidden},
        "feedforward.gate_up": {"mlp.gate_proj": width, "mlp.up_proj": width},
        "feedforward.down": {"mlp.down_proj": hidden},
    }


def _model_class(config: BitNetConfig) -> dict[str, Any]:
    if needs_wrapper(config):
        classes = {
            "AutoConfig": "NormedLlamaConfig",
            "AutoModelForCausalLM": "NormedLlamaForCausalLM",
        }
        return {
            "model_type": "normed_llama",
            "architectures": ["NormedLlamaForCausalLM"],
            "auto_map": {auto: f"{WRAPPER}.{name}" for auto, name in classes.items()},
        }
    name = "Llama" if config.norm_placement == "double" else "BitNet"
    return {"model_type": name.lower(), "architectures": [f"{name}ForCausalLM"]}


def _quantization(config: BitNetConfig) -> dict[str, Any]:
    """Never "online": it would take a scale for each part of a fused layer."""
    if not config.quantize:
        return {}
    return {
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
            "use_rms_norm": config.norm_placement == "double",
            "rms_norm_eps": config.norm_eps,
            "modules_to_not_convert": ["lm_head"],
        }
    }


def _packed(values: Tensor) -> Tensor:
    """Ternary values [out, in] -> uint8 [out / 4, in], as transformers unpacks them."""
    quarters = (values + 1).byte().chunk(VALUES_A_BYTE)
    return sum(quarter << 2 * i for i, quarter in enumerate(quarters))  # type: ignore[return-value]
