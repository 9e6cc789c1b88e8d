"""A watch for a training loop of any make: a short look every so many updates, early warnings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from torch import Tensor, nn

from bitnet import checks
from bitnet.diagnosis.alarms import ALARMS
from bitnet.diagnosis.findings import coupled_decay
from bitnet.diagnosis.look import glance
from bitnet.diagnosis.optimizer import Stepper
from bitnet.diagnosis.sample import Sample
from bitnet.evaluation.diversity import state
from bitnet.terminal import say

__all__ = ["EVERY", "WATCHED", "Look", "Watch"]

EVERY, WATCHED = 100, 512  # updates between looks; positions of a look
DIVERGED = "diverged"


@dataclass(frozen=True)
class Look:
    """What a watch saw after update `step`: the state, the measures, and warnings in words.

    The state of a model whose logits are not finite is "diverged", and it has no measures.
    """

    step: int
    state: str
    measures: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Watch:
    """Call it with the number of each update, from 1 on; every so many it looks at the model.

    `text` are ids, or a text with its `tokenizer`, as `bitnet.diagnose` takes them: at least 4 096
    tokens that the model is not trained on. With `steps`, the length of the run, it also looks when
    an early warning is due. A line is logged when the state changes and with each warning; all
    looks are kept in `looks`. The model, its gradients and random numbers stay as they are.

    Raises: `ParameterError` as `bitnet.diagnose`, before training; never in the loop.
    """

    def __init__(
        self,
        model: nn.Module,
        text: str | Tensor | Sequence[int],
        optimizer: Any = None,
        every: int = EVERY,
        steps: int = 0,
        tokenizer: Any = None,
        positions: int = WATCHED,
        log: Callable[[str], None] = say,
    ):
        self.every = checks.integer("every", every, 1)
        steps = checks.integer("steps", steps, 0)
        self.sample, self.subject, _ = Sample.for_model(model, text, tokenizer, positions)
        self.references = self.sample.references
        self.due = {alarm.step(steps): alarm for alarm in ALARMS} if steps else {}
        self.looks: list[Look] = []
        self.log = log
        stepper = None if optimizer is None else Stepper.of(optimizer, self.subject)
        if stepper is not None and stepper.kind == "coupled":
            log(f"warning: {coupled_decay(stepper.name, stepper.coefficient, stepper.rate)}")

    def __call__(self, step: int) -> Look | None:
        """Look after update `step` if it is time to; what was seen, else None."""
        if step % self.every and step not in self.due:
            return None
        look = self._look(step)
        before = self.looks[-1].state if self.looks else ""
        if look.state != before:
            self.log(f"step {step}: {look.state}{_in_words(look.measures)}")
        for warning in look.warnings:
            self.log(f"step {step}: early warning: {warning}")
        self.looks.append(look)
        return look

    def table(self) -> pd.DataFrame:
        """All looks, a row each: step, state, and the measures by their standard names."""
        rows = [{"step": look.step, "state": look.state, **look.measures} for look in self.looks]
        return pd.DataFrame(rows)

    def _look(self, step: int) -> Look:
        try:
            measures, _ = glance(self.subject, self.sample)
        except checks.ParameterError:  # the loop it is in may know what to do
            return Look(step, DIVERGED)
        alarm, warnings = self.due.get(step), []
        if alarm is not None and alarm.rings(measures, self.references):
            warnings.append(alarm.in_words(alarm.value(measures, self.references)))
        return Look(step, state(measures, self.references), measures, warnings)


def _in_words(measures: dict[str, float]) -> str:
    if not measures:
        return ""
    tokens, loss = measures["unique_tokens"], measures["val_loss"]
    return f", {tokens:.0f} distinct tokens, held-out loss {loss:.2f}"
