"""BitLinear: a linear layer that sees ternary weights and 8-bit activations."""

from torch import Tensor, nn

from bitnet.quant import activation_quant, weight_quant
from bitnet.runtime.kernels import linear

__all__ = ["BitLinear"]


class BitLinear(nn.Linear):
    """y = Q_a(RMSNorm(x)) @ Q_w(W)^T, without bias: [..., in_features] -> [..., out_features].

    The latent weight stays in full precision and learns through straight-through gradients.
    `quantize=False` makes both quantizers the identity, which gives the full-precision control with
    the same parameters. Source: Wang et al. 2023, "BitNet", eq. 11; Ma et al. 2024 for the ternary
    weights.
    """

    def __init__(
        self, in_features: int, out_features: int, eps: float = 1e-5, quantize: bool = True
    ):
        super().__init__(in_features, out_features, bias=False)
        self.norm = nn.RMSNorm(in_features, eps=eps)
        self.quantize = quantize

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        if not self.quantize:
            return linear(x, self.weight)
        return linear(activation_quant(x), weight_quant(self.weight))
