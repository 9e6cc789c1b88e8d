"""Dose and outcome: how runs with one coefficient of decay end, cell by cell."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pandas as pd

from bitnet.config import RunConfig
from bitnet.evaluation.diversity import DOWN
from bitnet.runs.history import History
from bitnet.scales import MINIATURE

__all__ = [
    "DIVERGED",
    "DOSES",
    "UP",
    "best_thresholds",
    "block_of",
    "boundary_cells",
    "cells",
    "end_state",
    "score",
    "up_or",
]

DOSES = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # of the dose block
UP, UNDECIDED, DIVERGED = "up", "undecided", "diverged"


def end_state(history: History) -> str:
    """The state at the last step of a run; "diverged" where the loss was no longer a number."""
    return history.status if not history.complete else str(history.states.iloc[-1])


def up_or(state: str) -> str:
    """A state with learning and diverse taken together, as up."""
    return UP if state in ("learning", "diverse") else state


def cells(histories: Sequence[History], predict: Callable[[History], str]) -> pd.DataFrame:
    """One row a cell, in order: its dose, the end of its runs, and what was predicted.

    Columns: `block` (dose, group, vocabulary or batch), `kind` (coupled or decoupled), `quantized`,
    `decay`, `rate`, `decayed`, `vocabulary`, `batch` (tokens), `pairs` (runs of the cell), `states`
    (of each), `state` ("undecided" where they differ), `loss` (the median, held-out, nats),
    `predicted` and `right`. `predict` gives dead, collapsed or up. Runs that did not come to an end
    are left out.
    """
    found: dict[RunConfig, list[History]] = {}
    for history in histories:
        if history.complete or history.status == DIVERGED:
            found.setdefault(replace(history.config, seed=0, order=0), []).append(history)
    return pd.DataFrame([_row(cell, runs, predict) for cell, runs in found.items()])


def _row(cell: RunConfig, runs: list[History], predict: Callable[[History], str]) -> dict:
    recipe, states = cell.recipe, [end_state(run) for run in runs]
    ups = {up_or(state) for state in states}
    state = states[0] if len(set(states)) == 1 else ups.pop() if len(ups) == 1 else UNDECIDED
    predicted = predict(runs[0])
    losses = pd.Series(
        [run.measures.val_loss.iloc[-1] for run in runs if run.complete], dtype=float
    )
    return {
        "block": block_of(cell),
        "kind": "coupled" if recipe.optimizer == "adam" else "decoupled",
        "quantized": recipe.quantize,
        "decay": recipe.stage2_decay,
        "rate": recipe.peak_lr,
        "decayed": recipe.decayed,
        "vocabulary": cell.vocabulary,
        "batch": cell.batch_size * cell.sequence_length,
        "pairs": len(runs),
        "states": tuple(states),
        "state": state,
        "loss": losses.median(),
        "predicted": predicted,
        "right": up_or(state) == predicted,
        "config": cell,
    }


def block_of(run: RunConfig) -> str:
    """The block of the plan that a run belongs to: dose, group, vocabulary or batch."""
    if run.recipe.decayed != "all":
        return "group"
    if run.batch_size != MINIATURE.batch_size:
        return "batch"
    own = run.vocabulary == MINIATURE.vocabulary and run.recipe.stage2_decay in DOSES
    return "dose" if own else "vocabulary"


def boundary_cells(table: pd.DataFrame) -> list[RunConfig]:
    """The cells of the dose block that are down where a neighbour is not, or the other way round.

    By pair (0, 0). Neighbours: the next dose, and the next rate, of the same kind and precision.
    A dose of 0 is coupled and decoupled alike.
    """
    dose = table[table.block == "dose"]
    zero = dose[dose.decay == 0].assign(kind="decoupled")
    dose = pd.concat([dose, zero])
    found: dict[RunConfig, None] = {}
    for along, across in (("decay", "rate"), ("rate", "decay")):
        for _, line in dose.groupby(["kind", "quantized", across]):
            rows = line.sort_values(along).to_dict("records")
            for one, other in pairwise(rows):
                if (one["states"][0] in DOWN) != (other["states"][0] in DOWN):
                    found |= dict.fromkeys((one["config"], other["config"]))
    return [config for config in table.config if config in found]


def best_thresholds(table: pd.DataFrame) -> list[tuple[float, float]]:
    """The coefficients (collapsed from, dead from) that call most coupled dose cells right.

    With the outcomes in hand: what a predictor has to beat. All that are equally good, among the
    coefficients of the whole table.
    """
    dose = table[(table.block == "dose") & (table.kind == "coupled")]
    doses = [*sorted(map(float, table.decay.unique())), float("inf")]
    right: dict[tuple[float, float], int] = {}
    for pair in ((c, d) for c in doses for d in doses if c <= d):
        calls = [call(row, *pair) for row in dose.itertuples()]
        right[pair] = sum(c == up_or(state) for c, state in zip(calls, dose.state, strict=True))
    return [pair for pair, hits in right.items() if hits == max(right.values())]


def call(row: Hashable, collapsed: float, dead: float) -> str:
    """What two thresholds on the coefficient of coupled decay call a cell."""
    decay = row.decay if row.kind == "coupled" else 0.0  # type: ignore[attr-defined]
    return "dead" if decay >= dead else "collapsed" if decay >= collapsed else UP


def score(table: pd.DataFrame) -> pd.DataFrame:
    """By block and in all: cells, and how many predictor and best thresholds call right.

    From the least to the most, where several thresholds are equally good by the dose block.
    """
    best = best_thresholds(table)
    hits = pd.DataFrame(
        [[call(row, *pair) == up_or(row.state) for pair in best] for row in table.itertuples()],
        index=table.index,
    )
    blocks: Iterable = [*table.groupby("block", sort=False), ("all", table)]
    rows = []
    for name, block in blocks:
        sums = hits.loc[block.index].sum()
        ends = dict.fromkeys(str(int(value)) for value in (sums.min(), sums.max()))
        rows.append((name, len(block), int(block.right.sum()), " to ".join(ends)))
    return pd.DataFrame(rows, columns=["block", "cells", "predictor", "best thresholds"])
