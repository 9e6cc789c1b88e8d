"""The finished runs of a plan, taken out of a folder of runs into one committed table."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bitnet.analysis.dose import DIVERGED
from bitnet.config import RunConfig
from bitnet.runs.grid import Grid
from bitnet.runs.history import History, HistoryError
from bitnet.runs.table import read_table, write_table

__all__ = ["add_runs", "runs_of", "table_of"]


def runs_of(paths: Iterable[Path]) -> tuple[RunConfig, ...]:
    """The runs of those of the grid files that there are, in their order."""
    return tuple(run for path in paths if path.exists() for run in Grid.load(path).runs)


def table_of(folder: str | Path) -> list[History]:
    """The runs of a committed table; none where there is none yet."""
    return read_table(folder) if Path(folder).exists() else []


def add_runs(
    planned: Sequence[RunConfig], runs_dir: str | Path, folder: str | Path
) -> list[History]:
    """Add what a plan asks for and `runs_dir` has finished to the table in `folder`; the new ones.

    What stands in the table stays as it is. Only runs that were trained as the plans say count: on
    a CPU, in float32, by one thread.

    Raises: `HistoryError` where a run is there twice.
    """
    there = {history.config: history for history in table_of(folder)}
    new: dict[RunConfig, History] = {}
    for run in planned:
        for path in sorted(Path(runs_dir).glob(f"{run.name}-*/manifest.json")):
            history = History.load(path.parent)
            finished = history.complete or history.status == DIVERGED
            if history.config == run and run not in there and finished and _as_planned(history):
                if run in new:
                    raise HistoryError(f"{path.parent}: a second run of {run.label()}")
                new[run] = history
    if new:
        found = there | new
        write_table([found[run] for run in planned if run in found], folder)
    return list(new.values())


def _as_planned(history: History) -> bool:
    device: Any = history.manifest.get("device") or {}
    found = tuple(device.get(name) for name in ("kind", "precision", "threads"))
    return found == ("cpu", "float32", 1)
