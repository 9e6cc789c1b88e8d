"""The facts that a page tells of the committed runs, computed and put as people write them."""

from collections.abc import Callable, Sequence

from bitnet.analysis.assessment import WORKS_BAR
from bitnet.display.numbers import decimal, measured, whole
from bitnet.display.tables import shown
from bitnet.evaluation.diversity import PROMPTS
from bitnet.runs.history import History
from bitnet.scales import FULL
from bitnet.schedule import milestones

__all__ = ["Facts"]


class Facts:
    """Looks up the committed runs: `value` for a measure, `ends` for a range over runs, and so on.

    Unless said otherwise of the runs of full length at `hidden` and `seed`. `at` has the plan's
    milestones. A step of None is the last.
    """

    def __init__(self, histories: Sequence[History], hidden: int = 256, seed: int = 0):
        self.histories = [history for history in histories if history.evaluated]
        self.full = [h for h in self.histories if h.config.steps == FULL.steps and h.complete]
        self.of = {
            h.config.arm: h for h in self.full if (h.config.hidden, h.config.seed) == (hidden, seed)
        }
        self.at = milestones(FULL.steps)
        self.probe_ceiling, self.bar, self.steps = PROMPTS, WORKS_BAR, FULL.steps

    def value(self, arm: str, measure: str, step: int | None = None) -> str:
        """A measure of an arm after update `step`."""
        return measured(measure, self._row(arm, step)[measure])

    def reference(self, name: str, measure: str) -> str:
        """A value that the runs are read against, written as `measure` is."""
        (value,) = {measured(measure, history.references[name]) for history in self.full}
        return value

    def ends(self, arm: str, measure: str) -> str:
        """A measure at the last step over all full runs of an arm: one value, or from to."""
        values = [h.rows()[-1][measure] for h in self.full if h.config.arm == arm]
        return _range(values, lambda value: measured(measure, value))

    def runs_of(self, arm: str) -> int:
        """How many full runs of an arm there are."""
        return sum(history.config.arm == arm for history in self.full)

    def decay(self, arm: str, stage: int) -> str:
        """The decay coefficient of an arm in Stage 1 or 2."""
        found = self.of[arm].config.recipe
        return f"{found.stage1_decay if stage == 1 else found.stage2_decay:g}"

    def sizes(self) -> str:
        """The hidden sizes of the full runs."""
        return " and ".join(map(str, sorted({history.config.hidden for history in self.full})))

    def always_from(self, arm: str, holds: Callable[[dict[str, float], str], bool]) -> int:
        """The first step from which something holds at every evaluation up to the last."""
        history = self.of[arm]
        found = [holds(r, s) for r, s in zip(history.rows(), history.states, strict=True)]
        first = max((i + 1 for i, held in enumerate(found) if not held), default=0)
        return int(history.measures.step.iloc[first])

    def diverse_from(self, arm: str) -> int:
        """The first step from which an arm is diverse at every evaluation."""
        return self.always_from(arm, lambda _, state: state == "diverse")

    def collapse(self, arm: str) -> int:
        """The first step at which an arm has collapsed."""
        history = self.of[arm]
        return int(history.measures.step[history.states == "collapsed"].iloc[0])

    def winner(self, arm: str, step: int | None = None) -> str:
        """The token that wins most positions."""
        history = self.of[arm]
        return shown(history.snapshot_at(step).top_tokens[0][0], history.vocabulary).replace(
            "␣", ""
        )

    def probed(self, state: str) -> tuple[int, str]:
        """How many evaluations of all runs are in a state, and what the 20-prompt probe counts."""
        counts = [
            count
            for history in self.histories
            for count in history.measures.unique_predictions[(history.states == state).to_numpy()]
        ]
        return len(counts), _range(counts, whole)

    def best_loss(self) -> str:
        """The lowest held-out loss of any run at its last step."""
        return decimal(min(h.rows()[-1]["val_loss"] for h in self.histories))

    def weight(self, arm: str, column: str, step: int) -> str:
        """A column of health, to two digits."""
        return _two_digits(self._health(arm, column, step))

    def pull(self, arm: str, group: str, step: int = 1) -> str:
        """How many times the penalty of a group of weights is its loss gradient."""
        penalty, gradient = (
            self._health(arm, f"{what}.{group}", step) for what in ("penalty", "gradient")
        )
        return whole(penalty / gradient)

    def _row(self, arm: str, step: int | None) -> dict[str, float]:
        found = self.of[arm].at(self.steps if step is None else step)
        assert found is not None, f"{arm} was not evaluated at step {step}"
        return found

    def _health(self, arm: str, column: str, step: int) -> float:
        return float(self.of[arm].health.set_index("step")[column][step])


def _two_digits(value: float) -> str:
    exponent = int(f"{value:.1e}".partition("e")[2])
    return decimal(value, max(0, 1 - exponent))


def _range(values: Sequence[float], text: Callable[[float], str]) -> str:
    low, high = text(min(values)), text(max(values))
    if low == high:
        return low
    return f"{low.removesuffix(chr(160) + '%')} to {high}" if "%" in high else f"{low} to {high}"
