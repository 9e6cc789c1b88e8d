"""An optimizer as a diagnosis sees it: how it applies decay, and the update that it has ready."""

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from bitnet import checks
from bitnet.diagnosis.subject import Subject

__all__ = ["KINDS", "Stepper"]

# How a weight without a gradient shrinks: not at all; by the learning rate, whatever its size and
# the coefficient; by rate times coefficient of itself; or nobody knows.
KINDS = ("none", "coupled", "proportional", "unknown")
TRIAL_LR, TRIAL_DECAY = 1e-3, 0.1
SIZES = (
    1.0,
    0.1,
)  # of the weights of the trial: proportional decay moves them 10 : 1, coupled 1 : 1
_PLACES = {"foreach", "fused", "capturable", "differentiable", "maximize"}  # not what it computes


@dataclass(frozen=True)
class Stepper:
    """An optimizer of (some of) a subject's weights."""

    optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, optimizer: Any, subject: Subject) -> "Stepper":
        """That of the subject, out of what wraps it (accelerate).

        Raises: `ParameterError` for what is no optimizer, or holds none of the subject's weights.
        """
        inner = getattr(optimizer, "optimizer", optimizer)
        if not isinstance(inner, torch.optim.Optimizer):
            allowed = "must be a torch.optim.Optimizer"
            raise checks.ParameterError("optimizer", type(optimizer).__name__, allowed)
        found = cls(inner)
        if not any(id(p) in found.settings for p in subject.model.parameters()):
            problem = "holds none of the model's parameters: it trains another model, or a copy"
            raise checks.ParameterError("optimizer", found.name, problem)
        return found

    @property
    def name(self) -> str:
        return type(self.optimizer).__name__

    @cached_property
    def settings(self) -> dict[int, tuple[float, float]]:
        """(learning rate, weight decay) of each parameter, by its `id`."""
        return {
            id(parameter): (float(group.get("lr") or 0.0), float(group.get("weight_decay") or 0.0))
            for group in self.optimizer.param_groups
            for parameter in group["params"]
        }

    def decay(self, parameter: nn.Parameter) -> float:
        """The coefficient of a parameter; 0 where it is not held."""
        return self.settings.get(id(parameter), (0.0, 0.0))[1]

    @property
    def rate(self) -> float:
        """The largest learning rate of any group."""
        return max(rate for rate, _ in self.settings.values())

    @property
    def coefficient(self) -> float:
        """The largest coefficient of decay of any group."""
        return max(decay for _, decay in self.settings.values())

    @property
    def updates(self) -> int:
        """How many it has made; 0 for one that does not count, such as SGD."""
        return max((int(s.get("step", 0)) for s in self.optimizer.state.values()), default=0)

    @cached_property
    def kind(self) -> str:
        """How it applies decay, one of `KINDS`, found by trial.

        Another optimizer of its class is given two weights of different size without a gradient,
        and takes a step: what it then does to them is decay alone.
        """
        if not self.coefficient:
            return "none"
        takes = inspect.signature(type(self.optimizer).__init__).parameters
        defaults = self.optimizer.defaults.items()
        settings = {name: value for name, value in defaults if name in takes.keys() - _PLACES}
        weights = [nn.Parameter(torch.full((2, 2), s, dtype=torch.float64)) for s in SIZES]
        for weight in weights:
            weight.grad = torch.zeros_like(weight)
        try:
            trial = type(self.optimizer)(
                weights, **settings | {"lr": TRIAL_LR, "weight_decay": TRIAL_DECAY}
            )
            trial.step()
        except Exception:  # a stranger's optimizer may want anything
            return "unknown"
        moved = [size - w.mean().item() for size, w in zip(SIZES, weights, strict=True)]
        if min(moved) <= 0:
            return "unknown"
        ratio, proportional = moved[0] / moved[1], SIZES[0] / SIZES[1]
        near = proportional**0.5  # halfway between 1 : 1 and 10 : 1
        return "coupled" if ratio < near else "proportional"

    @property
    def ready(self) -> dict[nn.Parameter, Tensor] | None:
        """What its next update would take from each weight if the gradient kept its mean.

        By its moments: lr * m / (sqrt(v) + eps), each corrected for its start, for Adam and AdamW
        (Kingma & Ba 2015, algorithm 1); lr * buffer for SGD with momentum. None where it has none.
        """
        adam = isinstance(self.optimizer, torch.optim.Adam | torch.optim.AdamW)
        if not adam and not isinstance(self.optimizer, torch.optim.SGD):
            return None
        found = {}
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                state = self.optimizer.state.get(parameter, {})
                update = _of_adam(group, state) if adam else state.get("momentum_buffer")
                if update is not None:
                    found[parameter] = float(group["lr"]) * update
        return found or None


def _of_adam(group: dict[str, Any], state: dict[str, Any]) -> Tensor | None:
    if "exp_avg" not in state:
        return None
    step = float(state["step"])
    first, second = (1 - beta**step for beta in map(float, group["betas"]))
    squares = state.get("max_exp_avg_sq", state["exp_avg_sq"])
    return (state["exp_avg"] / first) / ((squares / second).sqrt() + group["eps"])
