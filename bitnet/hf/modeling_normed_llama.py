"""A Llama with a norm of its input inside every linear of its blocks: full precision.

An export carries this file, since transformers has no such class: load it with
`trust_remote_code=True`.
"""

from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm


class NormedLinear(nn.Linear):
    """y = RMSNorm(x) @ W^T: [..., in_features] -> [..., out_features]."""

    def __init__(self, in_features: int, out_features: int, eps: float):
        super().__init__(in_features, out_features, bias=False)
        self.rms_norm = LlamaRMSNorm(in_features, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.rms_norm(x))


class NormedLlamaConfig(LlamaConfig):
    """A Llama's, under a name of its own, so that no plain Llama is taken for it."""

    model_type = "normed_llama"


class NormedLlamaForCausalLM(LlamaForCausalLM):
    """Token ids [B, S] -> logits [B, S, V]."""

    config_class = NormedLlamaConfig

    def __init__(self, config: NormedLlamaConfig):
        super().__init__(config)
        for layer in self.model.layers:
            for block in (layer.self_attn, layer.mlp):
                for name, child in list(block.named_children()):
                    if isinstance(child, nn.Linear):
                        linear = NormedLinear(
                            child.in_features, child.out_features, config.rms_norm_eps
                        )
                        setattr(block, name, linear)
