"""The evidence: the runs of a folder, the plan they belong to, and what it lacks."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bitnet.config import RunConfig
from bitnet.history import History, HistoryError, default_runs_dir
from bitnet.sweep import Sweep

__all__ = ["CHECKOUT", "RESULTS", "collect", "load_evidence", "load_plan", "survey"]

CHECKOUT = Path(__file__).parent.parent
RESULTS = CHECKOUT / "results" / "runs"


def load_evidence(folder: str | Path = "") -> list[History]:
    """Every run in `folder` (empty: `results/runs` of the checkout), verified by its checksums.

    Errors: `HistoryError` where there is none, and for one that is damaged.
    """
    folder = Path(folder or RESULTS).expanduser()
    found = [History.load(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
    if not found:
        raise HistoryError(f"{folder}: no committed runs here; they come with a checkout of the project")
    return found


def load_plan(path: str | Path = "") -> Sweep:
    """The sweep of a plan file (empty: the registered plan of the checkout). Errors: `ParameterError`, one line."""
    return Sweep.load(path or CHECKOUT / "params" / "plan.yaml")


def survey(sweep: Sweep, folder: str | Path = "") -> tuple[list[History], pd.DataFrame]:
    """The runs of `sweep` in `folder` (empty: `results/runs`), in its order, and a table of what was found of each run.

    A run that is under way or was cut short is among the histories and says so; one that is not there or is damaged is in
    the table only. Errors: `HistoryError` where there is no run of the sweep at all.
    """
    folder = Path(folder or RESULTS).expanduser()
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
        if other.config != run:
            continue
        if not _of_this_recipe(other):
            said = "trained by another version of the recipe"
        elif history is None or (other.complete and not history.complete):
            history = other
    if history:
        reached = f"evaluated up to step {history.measures.step.max()}" if history.evaluated else "not evaluated yet"
        said = "complete" if history.complete else f"{history.status}, {reached}"
    return history, said


def _of_this_recipe(history: History) -> bool:
    """Whether this code would give the run the name that it has: the name holds a hash of all that decides its numbers."""
    facts: Mapping[str, Any] = history.manifest
    try:
        corpus, device = facts["corpus"], facts["device"]
        name = history.config.identity(corpus["fingerprint"], device["kind"], device["precision"], device["strict"])
        return name == facts["identity"]
    except KeyError:
        return False


def collect(sweep: Sweep, runs_dir: str | Path = "", folder: str | Path = "") -> list[str]:
    """Copy what a finished run of the sweep leaves in `runs_dir`, without its weights, to `folder` (empty: `results/runs`).

    A run that is there already is left alone, and is not joined by a second one from another device. Returns the names of
    the new ones.
    """
    source, folder = Path(runs_dir or default_runs_dir()), Path(folder or RESULTS)
    new = []
    for run in sweep.runs:
        there, _ = _find(run, folder)
        if there and there.complete:
            continue
        history, _ = _find(run, source)
        if history and history.complete and history.folder:
            partial = folder / f"{history.folder.name}.tmp"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(history.folder, partial, ignore=shutil.ignore_patterns("*.safetensors", "*.tmp"))
            new.append(partial.rename(folder / history.folder.name).name)
    return new
