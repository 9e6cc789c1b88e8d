"""The BitNet b1.58 language model: a small Llama-like decoder, its projections BitLinear."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitnet.config import BitNetConfig
from bitnet.linear import BitLinear, RMSNorm
from bitnet.recipes import GROUPS
from bitnet.runtime.kernels import gated

__all__ = ["Attention", "BitNetModel", "Block", "Cache", "FeedForward", "parameter_groups"]


class Cache:
    """Keys and values [B, kv_heads, S, d] by layer, so that decoding reads each token once."""

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self.layers[0][0].shape[2] if self.layers else 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new tokens to those of `layer`, and return all of them."""
        if layer in self.layers:
            k, v = (torch.cat(pair, dim=2) for pair in zip(self.layers[layer], (k, v), strict=True))
        self.layers[layer] = (k, v)
        return k, v


def rotary_tables(
    length: int, head_dim: int, theta: float, like: Tensor, start: int = 0
) -> tuple[Tensor, Tensor]:
    """Cosines and sines [length, head_dim / 2] of the rotary angles position * theta^(-2i/d).

    Source: Su et al. 2021, eq. 15. Positions count from `start`. Computed in float64, on the device
    and in the type of `like`.
    """
    frequency = theta ** -(
        torch.arange(0, head_dim, 2, device=like.device, dtype=torch.float64) / head_dim
    )
    angle = torch.outer(
        torch.arange(start, start + length, device=like.device, dtype=torch.float64), frequency
    )
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of [B, heads, S, d]; first half real, second half imaginary."""
    real, imaginary = x.chunk(2, dim=-1)
    return torch.cat([real * cos - imaginary * sin, real * sin + imaginary * cos], dim=-1)


def outer_norm(config: BitNetConfig) -> nn.Module:
    """The norm at the head of a sub-layer; the identity where only BitLinear normalises."""
    if config.norm_placement == "inside":
        return nn.Identity()
    return RMSNorm(config.hidden_size, eps=config.norm_eps)


class Attention(nn.Module):
    """Causal self-attention with rotary positions and grouped KV heads: [B, S, H] -> [B, S, H].

    The fused projection yields q, k, v in that order; each KV head serves heads / kv_heads
    neighbouring query heads. Source: Vaswani et al. 2017, eq. 1; Ainslie et al. 2023 for the
    grouping.
    """

    def __init__(self, config: BitNetConfig, layer: int):
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads, self.head_dim = (
            config.num_heads,
            config.num_kv_heads,
            config.head_dim,
        )
        width = (self.heads + 2 * self.kv_heads) * self.head_dim
        self.norm = outer_norm(config)
        self.qkv_proj = BitLinear(config.hidden_size, width, config.norm_eps, config.quantize)
        self.out_proj = BitLinear(
            config.hidden_size, config.hidden_size, config.norm_eps, config.quantize
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None = None) -> Tensor:
        batch, length, hidden = x.shape
        qkv = self.qkv_proj(self.norm(x)).view(batch, length, -1, self.head_dim).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        causal = True
        if cache is not None:
            causal = (
                cache.layers.get(self.layer) is None
            )  # a single new token may look at all that came before it
            k, v = cache.extend(self.layer, k, v)
        if self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, dim=1)
            v = v.repeat_interleave(self.heads // self.kv_heads, dim=1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(out.transpose(1, 2).reshape(batch, length, hidden))


class FeedForward(nn.Module):
    """Gated squared-ReLU feed-forward, down(relu(gate)^2 * up): [B, S, H] -> [B, S, H].

    Source: So et al. 2021; Shazeer 2020.
    """

    def __init__(self, config: BitNetConfig):
        super().__init__()
        self.norm = outer_norm(config)
        self.gate_up = BitLinear(
            config.hidden_size, 2 * config.ffn_hidden_size, config.norm_eps, config.quantize
        )
        self.down = BitLinear(
            config.ffn_hidden_size, config.hidden_size, config.norm_eps, config.quantize
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.down(gated(self.gate_up(self.norm(x))))


class Block(nn.Module):
    """One decoder layer: x + Attention(x), then x + FeedForward(x)."""

    def __init__(self, config: BitNetConfig, layer: int):
        super().__init__()
        self.attention = Attention(config, layer)
        self.feedforward = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None = None) -> Tensor:
        x = x + self.attention(x, cos, sin, cache)
        return x + self.feedforward(x)


class BitNetModel(nn.Module):
    """Token ids [B, S] -> logits [B, S, V].

    Parameter names and shapes are the brief's, so that its state dicts load with `strict=True`.
    Initialisation is PyTorch's own: standard normal embeddings, Kaiming-uniform (a = sqrt 5)
    projections, ones for the norms. Embedding and head are not quantized and not tied.
    """

    def __init__(self, config: BitNetConfig):
        super().__init__()
        self.config = config
        self.token_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.final_norm = RMSNorm(config.hidden_size, eps=config.norm_eps)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def features(self, input_ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Token ids [B, S] -> the normalised hidden states [B, S, H] that the head reads.

        With a `cache` the ids go on from the tokens already in it; after the first call, one token
        at a time.
        """
        length, start = input_ids.shape[1], cache.length if cache is not None else 0
        assert not start or length == 1, "a filled cache takes one token at a time"
        x = self.token_embeddings(input_ids)
        cos, sin = rotary_tables(length, self.config.head_dim, self.config.rope_theta, x, start)
        for block in self.blocks:
            x = block(x, cos, sin, cache)
        return self.final_norm(x)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.lm_head(self.features(input_ids))


def parameter_groups(model: BitNetModel) -> dict[str, list[Tensor]]:
    """The parameters of a model by group: embedding, head, ternary (of the blocks), norm."""
    groups: dict[str, list[Tensor]] = {group: [] for group in GROUPS}
    for name, parameter in model.named_parameters():
        if name.startswith(("token_embeddings", "lm_head")):
            groups["embedding" if name.startswith("token") else "head"].append(parameter)
        else:
            groups["norm" if "norm" in name else "ternary"].append(parameter)
    return groups
