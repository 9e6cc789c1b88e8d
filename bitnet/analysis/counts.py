"""The counts of finished runs as tables: at their last evaluation, and at the plan's milestones."""

from collections.abc import Sequence

import pandas as pd

from bitnet import checks
from bitnet.analysis.assessment import WORKS_BAR, assess
from bitnet.analysis.baselines import beaten
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History
from bitnet.schedule import milestones, stage_boundary

__all__ = ["checklist", "column_heads", "final_counts", "final_counts_and_switch"]

COUNTED = (
    "unique_predictions", "unique_tokens", "effective_tokens", "top1_share", "context_information",
    "val_loss", "seq_rep_4",
)  # fmt: skip
_EXPECTED = {
    "early in Stage 1": "16-20 of 20 (20-prompt probe)",
    "end of Stage 1": "about 2 (collapse)",
    "after the switch": "more than 8 (recovery)",
    "middle of Stage 2": "stays up",
    "last step": f"more than {WORKS_BAR}",
}


def final_counts(histories: Sequence[History]) -> pd.DataFrame:
    """One row a run: its measures at the last evaluation, with its state and outcome.

    `loss below` names the best of the baselines (uniform, unigram, bigram, trigram) that it beats.
    A run that was never evaluated has no row; there is a column for the order of the text where one
    is not as it is.
    """
    checks.instances("histories", histories, History, "History.load")
    rows, shuffled = [], any(history.config.order for history in histories)
    for history in (h for h in histories if h.evaluated):
        config, last, assessment = history.config, history.rows()[-1], assess(history)
        judged = assessment.outcome in ("passes", "fails", "open")
        short = " (short)" if judged and not assessment.full_length else ""
        found = {MEASURES[name].column: _rounded(name, last[name]) for name in COUNTED}
        rows.append({
            "arm": config.arm, "hidden": config.hidden, "seed": config.seed,
            **({"order": config.order} if shuffled else {}),
            "step": int(last["step"]), **found,
            "loss below": beaten(history),
            "state": history.states.iloc[-1], "checks": assessment.outcome + short,
        })  # fmt: skip
    return pd.DataFrame(rows)


def final_counts_and_switch(histories: Sequence[History]) -> pd.DataFrame:
    """As `final_counts`, with the state "at the switch": "not reached" where a run ended before."""
    found = final_counts(histories)
    if len(found):
        states = [_state_at(h, stage_boundary(h.config.steps)) for h in histories if h.evaluated]
        found.insert(1, "at the switch", states)
    return found


def checklist(history: History) -> pd.DataFrame:
    """The plan's milestones of one run: what the brief expected there, and what was measured."""
    checks.instance("history", history, History, "History.load")
    heads = column_heads([history])
    rows = []
    for name, step in milestones(history.config.steps).items():
        row: dict[str, object] = {
            "milestone": name,
            "step": step,
            "the brief expects": _EXPECTED[name],
        }
        if found := history.at(step):
            for measure in ("unique_predictions", "unique_tokens", "val_loss"):
                row[heads[measure]] = _rounded(measure, found[measure])
        row["state"] = _state_at(history, step)
        rows.append(row)
    return pd.DataFrame(rows)


def column_heads(histories: Sequence[History]) -> dict[str, str]:
    """The column of each counted measure, with what all of these runs are to be read against.

    A value that differs between the runs is left out: no run is read against that of another.
    """
    heads = {name: MEASURES[name].column for name in COUNTED}
    for name, key, text in (
        ("unique_predictions", "unique_predictions_ceiling", "of {:.0f}"),
        ("unique_tokens", "unique_tokens_ceiling", "of {:.0f}"),
        ("seq_rep_4", "human_seq_rep_4", "text: {:.2f}"),
    ):
        values = {history.references.get(key) for history in histories}
        value = values.pop() if len(values) == 1 else None
        if value is not None:
            heads[name] += f" ({text.format(value)})"
    return heads


def _state_at(history: History, step: int) -> str:
    states = history.states[history.measures.step == step]
    return str(states.iloc[0]) if len(states) else "not reached"


def _rounded(name: str, value: float) -> float | int:
    decimals = MEASURES[name].decimals
    return round(value, decimals) if decimals else int(value)
