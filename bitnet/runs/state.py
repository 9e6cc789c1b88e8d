"""Whether a checkpoint is of a run: its rows, and the names and shapes of its tensors."""

from collections.abc import Mapping
from itertools import chain, pairwise

import torch
from torch import Tensor

from bitnet.config import RunConfig
from bitnet.linear import BitLinear
from bitnet.runs.checkpoint import Checkpoint
from bitnet.runs.schema import check_rows
from bitnet.train import optimized
from bitnet.transformer import BitNetModel

__all__ = ["check_state"]

_MOMENTS = ("exp_avg", "exp_avg_sq")  # of Adam and AdamW


def check_state(config: RunConfig, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint from which a run of this configuration could not go on.

    Raises: `ValueError`.
    """
    check_rows(checkpoint.rows, name_prefix="rows")
    steps = [0, *(row["step"] for row in checkpoint.rows), checkpoint.step + 1]
    if any(later <= step for step, later in pairwise(steps)):
        raise ValueError(f"the steps of its rows do not rise to {checkpoint.step}")
    found, expected = checkpoint.tensors, _shapes(config, checkpoint.tensors)
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise ValueError(f"{name} is missing")
        if found[name].shape != expected.get(name):
            raise ValueError(f"{name} is none of this run's, or has another shape")


def _shapes(config: RunConfig, found: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """What `Trainer.state` gives after an update; the memory of a model is not taken for it.

    With the ternary values of the last evaluation, and of the one before if those are `found`.
    """
    with torch.device("meta"):
        model = BitNetModel(config.model())
    linear = {name: m.weight.shape for name, m in model.named_modules() if isinstance(m, BitLinear)}
    shapes = {f"model.{name}": p.shape for name, p in model.state_dict().items()}
    for index, p in enumerate(chain(*optimized(model, config.recipe))):
        shapes |= {f"optimizer.{index}.{name}": p.shape for name in _MOMENTS}
        shapes[f"optimizer.{index}.step"] = torch.Size()
    ages = 1 + any(name.startswith("health.1.") for name in found)
    for age in range(ages):
        shapes |= {f"health.{age}.{name}": shape for name, shape in linear.items()}
    return shapes
