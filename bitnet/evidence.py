"""The evidence: the runs of a folder, the plan they belong to and what it lacks, and both as the lines that documents quote."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bitnet.config import RunConfig
from bitnet.history import History, HistoryError
from bitnet.sweep import Sweep
from bitnet.verdict import final_counts

__all__ = ["evidence_lines", "load_evidence", "load_plan", "missing_lines", "survey"]

_CHECKOUT = Path(__file__).parent.parent
_COLUMNS = ("seed's probe", "unique tokens", "effective tokens", "context (nats)", "held-out loss", "state", "checks")


def load_evidence(folder: str | Path = "") -> list[History]:
    """Every run in `folder` (empty: `results/runs` of the checkout), verified by its checksums.

    Errors: `HistoryError` where there is none, and for one that is damaged.
    """
    folder = Path(folder or _CHECKOUT / "results" / "runs").expanduser()
    found = [History.load(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
    if not found:
        raise HistoryError(f"{folder}: no committed runs here; they come with a checkout of the project")
    return found


def load_plan(path: str | Path = "") -> Sweep:
    """The sweep of a plan file (empty: the registered plan of the checkout). Errors: `ParameterError`, one line."""
    return Sweep.load(path or _CHECKOUT / "params" / "plan.yaml")


def survey(sweep: Sweep, folder: str | Path = "") -> tuple[list[History], pd.DataFrame]:
    """The runs of `sweep` in `folder` (empty: `results/runs`), in its order, and a table of what was found of each run.

    A run that is under way or was cut short is among the histories and says so; one that is not there or is damaged is in
    the table only. Errors: `HistoryError` where there is no run of the sweep at all.
    """
    folder = Path(folder or _CHECKOUT / "results" / "runs").expanduser()
    histories, rows = [], []
    for run in sweep.runs:
        history, said = _find(run, folder)
        histories += [history] if history else []
        rows.append((run.arm, run.hidden, run.steps, run.seed, said))
    if not histories:
        raise HistoryError(f"{folder}: holds no readable run of this sweep")
    return histories, pd.DataFrame(rows, columns=["arm", "hidden", "steps", "seed", "found"])


def _find(run: RunConfig, folder: Path) -> tuple[History | None, str]:
    """The run in that folder, a complete one first if there are several, and what was found in words."""
    history, said = None, "missing"
    for path in sorted(folder.glob(f"{run.name}-*/manifest.json")):
        try:
            other = History.load(path.parent)
        except HistoryError as error:
            said = f"damaged: {error}"
            continue
        if other.config == run and (history is None or other.complete):
            history = other
    if history:
        steps = history.measures.step
        reached = f"evaluated up to step {steps.max()}" if len(steps) else "not evaluated yet"
        said = "complete" if history.complete else f"{history.status}, {reached}"
    return history, said


def evidence_lines(histories: Sequence[History]) -> list[str]:
    """One row of a Markdown table a run: arm, hidden, steps, seed, and what its last evaluation found."""
    lines = []
    for row in final_counts(histories).to_dict("records"):
        run = f"`{row['arm']}` | {row['hidden']} | {row['step']} | {row['seed']}"
        lines.append(f"| {run} | {' | '.join(str(row[name]) for name in _COLUMNS)} |")
    return lines


def missing_lines(sweep: Sweep, histories: Sequence[History]) -> list[str]:
    """One item of a Markdown list for every run of the plan that is not there complete."""
    there = {history.config for history in histories if history.complete}
    return [f"- `{run.arm}`, hidden {run.hidden}, {run.steps} steps, seed {run.seed}" for run in sweep.runs if run not in there]
