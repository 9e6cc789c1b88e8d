"""Statistics over seeds: paired differences, means with bootstrap intervals, recovery."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bitnet.config import RunConfig
from bitnet.evaluation.diversity import COLLAPSED_CONTEXT_INFORMATION
from bitnet.runs.history import History
from bitnet.schedule import stage_boundary

__all__ = [
    "Setting",
    "bootstrap_interval",
    "final_intervals",
    "paired_differences",
    "recovery",
    "setting",
]

RESAMPLES = 10_000
COMPARED = (
    "val_loss",
    "effective_tokens",
    "unique_tokens",
    "context_information",
    "top1_share",
    "seq_rep_4",
)

# What two runs share that are compared as a pair.
Setting = tuple[int, int, int, str, int, int]


def setting(config: RunConfig) -> Setting:
    """What a run shares with the runs of other arms that it is compared with."""
    c = config
    return c.hidden, c.steps, c.seed, c.corpus, c.vocabulary, c.order


def bootstrap_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """A percentile bootstrap interval of the mean, from a fixed seed.

    Source: Efron & Tibshirani 1993, section 13.3. Of a few values it cannot reach beyond the
    smallest and the largest of them; of one value it is that value.
    """
    drawn = np.random.default_rng(0).choice(
        np.asarray(values, dtype=float), size=(RESAMPLES, len(values))
    )
    low, high = np.quantile(drawn.mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def final_intervals(histories: Sequence[History], measure: str) -> pd.DataFrame:
    """A measure at the last step of the complete runs, over seeds; one row an arm, length and size.

    Columns: arm, steps, hidden, seeds, mean, low, high, each. `low` and `high` are the 95 %
    bootstrap interval of the mean, `each` the values by seed of the weights and of the order; arms
    in the order of the runs. Another corpus or vocabulary has rows of its own.
    """
    found: dict[tuple[str, int, int, str, int], dict[tuple[int, int], float]] = {}
    for c, measures in ((h.config, h.measures) for h in histories if h.complete):
        values = found.setdefault((c.arm, c.steps, c.hidden, c.corpus, c.vocabulary), {})
        values[c.seed, c.order] = float(measures[measure].iloc[-1])
    rows = []
    for (arm, steps, hidden, *_), values in found.items():
        each = [values[seed] for seed in sorted(values)]
        rows.append(
            (arm, steps, hidden, len(each), float(np.mean(each)), *bootstrap_interval(each), each)
        )
    arms = list(dict.fromkeys(row[0] for row in rows))
    rows.sort(key=lambda row: (arms.index(row[0]), row[1:3]))
    return pd.DataFrame(
        rows, columns=["arm", "steps", "hidden", "seeds", "mean", "low", "high", "each"]
    )


def paired_differences(
    histories: Sequence[History], arm: str, against: str, measures: Sequence[str] = COMPARED
) -> pd.DataFrame:
    """`arm` minus `against` at the last step, paired by all of `setting`.

    A pair has the same data and the same initial weights. One row a measure: the mean difference,
    its 95 % bootstrap interval over the pairs, the number of pairs, every single difference, and
    whether all of them have the same sign. Only complete runs count; no row where there is no pair.
    """
    ends = {(h.config.arm, setting(h.config)): h.rows()[-1] for h in histories if h.complete}
    pairs = [
        (row, ends[against, at])
        for (name, at), row in ends.items()
        if name == arm and (against, at) in ends
    ]
    rows = []
    for measure in measures if pairs else ():
        differences = [mine[measure] - theirs[measure] for mine, theirs in pairs]
        low, high = bootstrap_interval(differences)
        same_sign = min(differences) > 0 or max(differences) < 0
        rows.append({
            "measure": measure, f"{arm} minus {against}": float(np.mean(differences)),
            "from": low, "to": high, "pairs": len(pairs),
            "each": ", ".join(f"{d:+.3g}" for d in differences), "same sign": same_sign,
        })  # fmt: skip
    return pd.DataFrame(rows)


def recovery(history: History) -> dict[str, object]:
    """What happens at the stage switch: the mutual information before it, and when it is regained.

    "steps to 0.1 nats" counts from the switch to the first evaluation in Stage 2 whose mutual
    information is at least 0.1 nats (the bar of the state "collapsed"); None where that never
    comes, 0 where it was there all along. A run that was never evaluated has the first four only.
    """
    config = history.config
    boundary = stage_boundary(config.steps)
    row: dict[str, object] = {
        "arm": config.arm, "hidden": config.hidden, "seed": config.seed, "switch at": boundary,
    }  # fmt: skip
    if not history.evaluated:
        return row
    information = history.measures.set_index("step").context_information
    before = information[information.index <= boundary].iloc[-1]
    after = information[information.index > boundary]
    alive = after[after >= COLLAPSED_CONTEXT_INFORMATION]
    steps: int | None = int(alive.index[0]) - boundary if len(alive) else None
    return row | {
        "before (nats)": round(float(before), 3),
        "at the end (nats)": round(float(information.iloc[-1]), 3),
        "steps to 0.1 nats": 0 if before >= COLLAPSED_CONTEXT_INFORMATION else steps,
    }
