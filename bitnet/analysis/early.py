"""Early warning: from which step on, and by which measure, the end of a run is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from bitnet.evaluation.diversity import DOWN
from bitnet.runs.history import History

__all__ = ["QUANTITIES", "STEPS", "Alarm", "alarms", "judged", "quantities"]

STEPS = (300, 600, 900, 1500, 3000)
# Whether a network that is going down has more (+1) or less (-1) of it.
QUANTITIES = {
    "gain": -1,  # mean gain, over its start
    "head": -1,  # mean |W| of the head, over its start
    "penalty": 1,  # norm of the penalty over that of the gradient, of the gains
    "entropy": 1,  # predictive entropy over ln V
    "information": -1,  # of context and prediction, in nats
}


def quantities(history: History, step: int) -> dict[str, float]:
    """The five quantities of a run after update `step`. Raises: `KeyError`: not evaluated then."""
    health = history.health.set_index("step")
    first, now = health.iloc[0], health.loc[step]
    measures = history.measures.set_index("step").loc[step]
    gradient = now["gradient.norm"]
    penalty = now["penalty.norm"]
    return {
        "gain": now["mean_abs.norm"] / first["mean_abs.norm"],
        "head": now["mean_abs.head"] / first["mean_abs.head"],
        "penalty": penalty / gradient if gradient else np.inf * (penalty > 0),
        "entropy": measures.predictive_entropy / history.references["ln_vocabulary"],
        "information": measures.context_information,
    }


@dataclass(frozen=True)
class Alarm:
    """A quantity, a step and a threshold: beyond it a run is said to end down."""

    quantity: str
    step: int
    threshold: float

    def rings(self, history: History) -> bool:
        """Whether it does for this run."""
        sign = QUANTITIES[self.quantity]
        return sign * quantities(history, self.step)[self.quantity] > sign * self.threshold


def alarms(histories: Sequence[History]) -> list[Alarm]:
    """For each quantity and step the threshold that tells these runs apart best.

    The midpoint between two neighbouring values with the best balanced accuracy, the lower of
    equals.
    """
    ends = np.array([history.states.iloc[-1] in DOWN for history in histories])
    found = []
    for name, sign in QUANTITIES.items():
        for step in STEPS:
            values = np.array([quantities(history, step)[name] for history in histories])
            ordered = np.unique(values[np.isfinite(values)])
            middles = [(a + b) / 2 for a, b in pairwise(ordered)]
            if middles:
                accuracy = [_balanced(sign * values > sign * middle, ends) for middle in middles]
                found.append(Alarm(name, step, middles[int(np.argmax(accuracy))]))
    return found


def judged(chosen: Sequence[Alarm], histories: Sequence[History]) -> pd.DataFrame:
    """Precision and recall of alarms on runs that were not used to choose them, a row an alarm."""
    ends = np.array([history.states.iloc[-1] in DOWN for history in histories])
    rows = []
    for alarm in chosen:
        rung = np.array([alarm.rings(history) for history in histories])
        both = int((rung & ends).sum())
        precision = both / rung.sum() if rung.sum() else np.nan
        recall = both / ends.sum() if ends.sum() else np.nan
        rows.append((alarm.quantity, alarm.step, alarm.threshold, precision, recall))
    return pd.DataFrame(rows, columns=["quantity", "step", "threshold", "precision", "recall"])


def _balanced(rung: np.ndarray, ends: np.ndarray) -> float:
    """The mean of the two shares called right: of those that end down, and of those that do not."""
    return ((rung & ends).sum() / ends.sum() + (~rung & ~ends).sum() / (~ends).sum()) / 2
