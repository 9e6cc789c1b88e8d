"""The health of the latent weights: decay against gradient, row norms, flips of ternary values."""

from collections.abc import Mapping

import torch
from torch import Tensor

from bitnet.linear import BitLinear
from bitnet.quant import ternary
from bitnet.recipes import DECAYED, GROUPS
from bitnet.transformer import BitNetModel, parameter_groups

__all__ = ["HEALTH", "ROW_BINS", "WeightHealth"]

# Rows of embedding and head by how often their token stands in the training text.
ROW_BINS = {
    "never": (0, 0),
    "1-9": (1, 9),
    "10-99": (10, 99),
    "100-999": (100, 999),
    "1000+": (1000, None),
}
HEALTH = (
    *(f"{what}.{group}" for group in GROUPS for what in ("mean_abs", "gradient", "penalty")),
    *(f"row_norm.{which}.{name}" for which in ("embedding", "head") for name in ROW_BINS),
    "minus", "zero", "plus", "flipped", "flipped_back",
)  # fmt: skip


class WeightHealth:
    """Measures a model's latent weights at each evaluation of a run.

    `token_counts` [V] are those of the training text; `decayed` names the weights that decay
    applies to, as in `Recipe`. The ternary values of the last two evaluations are kept, and belong
    to a checkpoint (`state`, `restore`).
    """

    def __init__(self, token_counts: Tensor, decayed: str = "all"):
        self.decayed = DECAYED[decayed]
        self.rows = {
            name: (token_counts >= low)
            & (token_counts <= (token_counts.max() if high is None else high))
            for name, (low, high) in ROW_BINS.items()
        }
        self.before: list[dict[str, Tensor]] = []  # newest first

    @torch.no_grad()
    def __call__(self, model: BitNetModel, wd: float) -> dict[str, float]:
        """The measures named in `HEALTH`, after an update with decay coefficient `wd`.

        Per group: `mean_abs`, the mean |W|; `gradient`, the norm of the loss gradient as the
        optimizer saw it (clipped); `penalty`, the norm of wd * W, which coupled decay adds to it.
        `row_norm`: mean norm of the rows of a frequency bin. Over all BitLinear weights: the shares
        of -1, 0 and +1; `flipped`, the share whose ternary value differs from that at the last
        evaluation; `flipped_back`, the share that differs from the last but not from the one before
        it (oscillation; Nagel et al. 2022, section 3). A full-precision model gets the values it
        would have had. NaN where there is nothing to measure.
        """
        groups = parameter_groups(model)
        found: dict[str, float] = {}
        for group, weights in groups.items():
            size = sum(w.numel() for w in weights)
            found[f"mean_abs.{group}"] = sum(w.abs().sum().item() for w in weights) / size
            found[f"gradient.{group}"] = _norm([w.grad for w in weights if w.grad is not None])
            found[f"penalty.{group}"] = wd * _norm(weights) if group in self.decayed else 0.0
        for which in ("embedding", "head"):
            norms = groups[which][0].norm(dim=1)
            for name, rows in self.rows.items():
                found[f"row_norm.{which}.{name}"] = norms[rows.to(norms.device)].mean().item()
        return found | self._flips(model)

    def state(self) -> dict[str, Tensor]:
        """The ternary values kept from the evaluations before, by name."""
        return {
            f"{age}.{name}": values
            for age, kept in enumerate(self.before)
            for name, values in kept.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back a `state`."""
        ages: dict[str, dict[str, Tensor]] = {}
        for key, values in tensors.items():
            age, _, name = key.partition(".")
            ages.setdefault(age, {})[name] = values
        self.before = [ages[age] for age in sorted(ages)]

    def _flips(self, model: BitNetModel) -> dict[str, float]:
        now = {
            name: ternary(module.weight)[0].to(torch.int8).cpu()
            for name, module in model.named_modules()
            if isinstance(module, BitLinear)
        }
        total = sum(values.numel() for values in now.values())

        def share(count) -> float:
            return sum(int(count(name, values).sum()) for name, values in now.items()) / total

        found = {
            "minus": share(lambda _, values: values == -1),
            "zero": share(lambda _, values: values == 0),
            "plus": share(lambda _, values: values == 1),
            "flipped": torch.nan,
            "flipped_back": torch.nan,
        }
        if self.before:
            last = self.before[0]
            found["flipped"] = share(lambda name, values: values != last[name])
        if len(self.before) == 2:
            first = self.before[1]
            found["flipped_back"] = share(
                lambda name, values: (values != last[name]) & (values == first[name])
            )
        self.before = [now, *self.before[:1]]
        return found


def _norm(tensors: list[Tensor]) -> float:
    return sum(t.double().square().sum().item() for t in tensors) ** 0.5
