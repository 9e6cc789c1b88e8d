"""Early warnings that the committed runs support: a measure, when it is read, what it was worth.

Of the second plan (`results/PLAN-2.md`, `results/CAUSE.md`), whose alarms were chosen on some runs
and judged on the others. Taken here are those two that missed no run, one early and one later.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ALARMS", "EarlyWarning"]


@dataclass(frozen=True)
class EarlyWarning:
    """An alarm, and what it was worth on the `runs` that it was not chosen on.

    It is read after a `share` of the run's updates, and rings beyond `threshold`: above it for
    `entropy` (over ln V), below it for `information` (nats). It `rang` for so many runs, of which
    `right` ended down; in all `down` did.
    """

    quantity: str
    share: float
    threshold: float
    rang: int
    right: int
    down: int
    runs: int

    def step(self, steps: int) -> int:
        """The update after which it is read, of a run of so many."""
        return max(1, round(self.share * steps))

    def value(self, measures: Mapping[str, float], references: Mapping[str, float]) -> float:
        """What it reads."""
        if self.quantity == "information":
            return measures["context_information"]
        return measures["predictive_entropy"] / references["ln_vocabulary"]

    def rings(self, measures: Mapping[str, float], references: Mapping[str, float]) -> bool:
        """Whether the run is said to end down."""
        value = self.value(measures, references)
        return value < self.threshold if self.quantity == "information" else value > self.threshold

    def in_words(self, value: float) -> str:
        """What it found, and what that was worth."""
        read = {
            "entropy": f"predictive entropy is {value:.2f} of ln V (above {self.threshold:.2f})",
            "information": f"mutual information is {value:.2f} nats (below {self.threshold:.2f})",
        }[self.quantity]
        when = f"after {100 * self.share:.0f} % of the updates"
        worth = f"{self.right} of {self.rang} such runs ended dead or collapsed"
        return f"{read} {when}: {worth} in the miniature, and none of the others"


ALARMS = (
    EarlyWarning("entropy", 0.1, 0.8714, rang=17, right=16, down=16, runs=59),
    EarlyWarning("information", 0.25, 0.147, rang=17, right=16, down=16, runs=59),
)
