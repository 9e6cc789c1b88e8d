"""Whether a checkpoint is of a run: its rows, and the names, shapes and values of its tensors."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain

import torch
from torch import Tensor

from bitnet.config import RunConfig
from bitnet.linear import BitLinear
from bitnet.runs.checkpoint import Checkpoint
from bitnet.runs.schema import check_rows
from bitnet.schedule import evaluation_steps
from bitnet.train import optimized
from bitnet.transformer import BitNetModel

__all__ = ["check_state"]

Form = tuple[torch.Size, torch.dtype]
_MOMENTS = ("exp_avg", "exp_avg_sq")  # of Adam and AdamW


def check_state(config: RunConfig, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint from which a run of this configuration could not go on as it began.

    A checksum that is right says nothing of that: whoever can write a folder can seal it again.

    Raises: `ValueError`.
    """
    check_rows(checkpoint.rows, name_prefix="rows")
    step, due = checkpoint.step, evaluation_steps(config.steps, config.eval_every)
    if not 0 < step <= config.steps:
        raise ValueError(f"step {step} is none of its {config.steps}")
    if [row["step"] for row in checkpoint.rows] != [at for at in due if at <= step]:
        raise ValueError(f"its rows are not of the evaluations up to step {step}")
    found = checkpoint.tensors
    expected = _tensors(config, any(name.startswith("health.1.") for name in found))
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise ValueError(f"{name} is missing")
        if (found[name].shape, found[name].dtype) != expected.get(name):
            raise ValueError(f"{name} is none of this run's, or has another shape or type")
        if not _possible(name, found[name], step):
            raise ValueError(f"{name} holds what no run has after step {step}")


def _possible(name: str, tensor: Tensor, step: int) -> bool:
    """Whether a run may have these values after an update."""
    if name.startswith("health."):
        return bool((tensor.abs() <= 1).all())  # ternary
    if name.startswith("optimizer.") and name.endswith(".step"):
        return tensor.item() == step
    finite = bool(tensor.isfinite().all())
    return finite and not (name.endswith(".exp_avg_sq") and bool((tensor < 0).any()))


@lru_cache(maxsize=8)
def _tensors(config: RunConfig, evaluated_twice: bool) -> Mapping[str, Form]:
    """What `Trainer.state` gives after an update; the memory of a model is not taken for it.

    With the ternary values of the last evaluation and, if `evaluated_twice`, of the one before.
    """
    with torch.device("meta"):
        model = BitNetModel(config.model())
    linear = {name: m.weight.shape for name, m in model.named_modules() if isinstance(m, BitLinear)}
    found = {f"model.{name}": (p.shape, p.dtype) for name, p in model.state_dict().items()}
    for index, p in enumerate(chain(*optimized(model, config.recipe))):
        found |= {f"optimizer.{index}.{name}": (p.shape, p.dtype) for name in _MOMENTS}
        found[f"optimizer.{index}.step"] = (torch.Size(), torch.float32)
    for age in range(1 + evaluated_twice):
        found |= {f"health.{age}.{name}": (shape, torch.int8) for name, shape in linear.items()}
    return found
