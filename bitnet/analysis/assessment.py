"""The assessment of one run: questions put to its history, by bars fixed before any long run."""

from dataclasses import dataclass

import pandas as pd

from bitnet.analysis.baselines import BASELINES, read_against
from bitnet.evaluation.diversity import DIVERSE_UNIQUE_TOKENS, DOWN
from bitnet.runs.history import History, HistoryError
from bitnet.scales import full_length, scale_of
from bitnet.schedule import stage_boundary

__all__ = [
    "FAILS_BAR", "NO_PLAN", "PLAN_LENGTH", "WORKS_BAR", "Assessment", "Check", "assess",
    "collapsed_by_the_switch", "last_quarter", "state_at_switch",
]  # fmt: skip

WORKS_BAR = DIVERSE_UNIQUE_TOKENS  # the brief: "256-hidden step 20k shows >50 tokens"
FAILS_BAR = 10  # the brief: "step 20k shows <10 tokens"
LAST_QUARTER = 0.25  # of Stage 2: diversity has to hold there, so that none passes that fades
PLAN_LENGTH = "as long as the plan"  # the one check that a shorter run fails by being short
NO_PLAN = "no plan is registered for this vocabulary and batch"


@dataclass(frozen=True)
class Check:
    """One question put to one run: True, False, or None where the run cannot answer it."""

    name: str
    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Assessment:
    """The checks of one run and what they amount to.

    `label` is that of the run, `scale` the name of its scale, or "none"; `full_length` says whether
    it is as long as the plan of that scale. `outcome`: passes, fails, open (between the bars),
    unfinished, invalid.
    """

    label: str
    arm: str
    scale: str
    hidden: int
    vocabulary: int
    steps: int
    seed: int
    order: int
    full_length: bool
    outcome: str
    checks: tuple[Check, ...]


def assess(history: History) -> Assessment:
    """The checks of one run, and its outcome."""
    config, ceiling = history.config, history.references["unique_tokens_ceiling"]

    def concluded(outcome: str) -> Assessment:
        return Assessment(
            config.label(), config.arm, scale.name if scale else "none", config.hidden,
            config.vocabulary, config.steps, config.seed, config.order, full_length(config),
            outcome, tuple(checks),
        )  # fmt: skip

    scale = scale_of(config)
    length = f"{config.steps} of {scale.steps} steps" if scale else NO_PLAN
    checks = [
        Check("trained to the end", history.complete, f"status {history.status}"),
        Check(PLAN_LENGTH, full_length(config), length),
    ]
    if not history.complete:
        return concluded("fails" if history.status == "diverged" else "unfinished")
    if not history.measures.unique_tokens.between(1, ceiling).all():
        reason = "a count of 0, or above the ceiling, is a bug and no result"
        checks.append(Check("the counts are possible", False, reason))
        return concluded("invalid")
    checks += _checks(history, ceiling)
    passed = [check.passed for check in checks if check.name != PLAN_LENGTH]
    return concluded("fails" if False in passed else "open" if None in passed else "passes")


def _checks(history: History, ceiling: float) -> list[Check]:
    """What a complete run is asked."""
    last, unigram = history.rows()[-1], history.references["unigram_loss"]
    known = read_against(history)
    others = (f"{what} {known[name]:.2f}" for name, what in BASELINES.items() if name in known)
    learned = f"loss {last['val_loss']:.2f}; {', '.join(others)}"
    late = last_quarter(history)
    states = history.states[late.index]
    bad = sorted(set(states) & set(DOWN))
    seen = f"{', '.join(sorted(set(states)))} at all {len(states)} evaluations"
    if bad:
        times = int(states.isin(bad).sum())
        seen = f"{' and '.join(bad)} at {times} of {len(states)} evaluations"
    reach = f"ceiling {ceiling:.0f}, bar {WORKS_BAR}"
    lowest = int(late.unique_tokens.min())
    return [
        Check("the probe can count to the bar", bool(ceiling > WORKS_BAR), reach),
        Check("learned", bool(last["val_loss"] < unigram), learned),
        _against_bars("diverse at the last step", int(last["unique_tokens"]), ceiling),
        _against_bars("sustained over the last quarter of Stage 2", lowest, ceiling, "lowest of "),
        Check("neither dead nor collapsed there", not bad, seen),
    ]


def _against_bars(name: str, count: int, ceiling: float, what: str = "") -> Check:
    """Above the upper bar, below the lower one, or neither."""
    passed = True if count > WORKS_BAR else False if count < FAILS_BAR else None
    bars = f"(works above {WORKS_BAR}, fails below {FAILS_BAR})"
    return Check(name, passed, f"{what}{count} unique tokens of {ceiling:.0f} {bars}")


def last_quarter(history: History) -> pd.DataFrame:
    """The evaluations in the last quarter of Stage 2, the last step included."""
    boundary, total = stage_boundary(history.config.steps), history.config.steps
    return history.measures[history.measures.step > total - LAST_QUARTER * (total - boundary)]


def collapsed_by_the_switch(history: History) -> bool:
    """Whether a run is dead or collapsed at its last evaluation in Stage 1."""
    return state_at_switch(history) in DOWN


def state_at_switch(history: History) -> str:
    """The state of a run at its last evaluation in Stage 1.

    Raises: `HistoryError` where it has none there.
    """
    stage1 = history.measures.step <= stage_boundary(history.config.steps)
    if not stage1.any():
        raise HistoryError(f"{history.config.label()}: was not evaluated before the switch")
    return str(history.states[stage1].iloc[-1])
