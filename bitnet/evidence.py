"""The committed evidence: runs in a results folder, what a plan still lacks, and both as the lines that documents quote."""

from collections.abc import Sequence
from pathlib import Path

from bitnet.history import History, HistoryError
from bitnet.sweep import Sweep
from bitnet.verdict import final_counts

__all__ = ["evidence_lines", "load_evidence", "missing_lines"]

_COLUMNS = ("seed's probe", "unique tokens", "effective tokens", "context (nats)", "held-out loss", "state", "checks")


def load_evidence(folder: str | Path = "") -> list[History]:
    """Every run in `folder` (empty: `results/runs` of the checkout), verified by its checksums.

    Errors: `HistoryError` where there is none, and for one that is damaged.
    """
    folder = Path(folder or Path(__file__).parent.parent / "results" / "runs")
    found = [History.load(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
    if not found:
        raise HistoryError(f"{folder}: no committed runs here; they come with a checkout of the project")
    return found


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
