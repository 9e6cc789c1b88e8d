"""The results: the runs of a folder, the grid they belong to, and what is missing."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bitnet import checks
from bitnet.committed import committed
from bitnet.config import RunConfig
from bitnet.data import load_corpus
from bitnet.runs.grid import Grid
from bitnet.runs.history import History, HistoryError, default_runs_dir
from bitnet.runs.weights import keep_in_bfloat16
from bitnet.scales import FULL, Scale
from bitnet.texts import CORPORA

__all__ = ["RESULTS", "collect", "load_plan", "load_results", "survey", "with_weights"]

RESULTS = committed(FULL.results)


def load_results(
    folder: str | Path = "",
    *,
    hidden: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
) -> list[History]:
    """Every run in `folder` (empty: the committed ones, `results/runs`), verified by its checksums.

    `hidden`, `steps` and `seed` choose those of that size, length or seed.

    Raises: `HistoryError` where there is none, and for one that is damaged.
    """
    folder = checks.folder("folder", folder) or RESULTS
    wanted = {
        name: value if value is None else checks.integer(name, value, 0)
        for name, value in (("hidden", hidden), ("steps", steps), ("seed", seed))
    }
    found = [History.load(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
    chosen = [
        history
        for history in found
        if all(value in (None, getattr(history.config, name)) for name, value in wanted.items())
    ]
    if not chosen:
        raise HistoryError(f"{folder}: no committed runs here; they come with the project")
    return chosen


def with_weights() -> list[History]:
    """The committed runs whose weights are committed too, which can write without any training.

    The miniature's first pair of the question's arms, and the recommended recipe.
    """
    folders = [path.parent for path in committed("results").glob("*/*/weights-*.safetensors")]
    return [History.load(folder) for folder in sorted(folders, key=lambda path: path.name)]


def load_plan(path: str | Path = "", scale: Scale = FULL) -> Grid:
    """The grid of a file; empty: that of a scale's registered plan.

    Raises: `ParameterError`, one line.
    """
    default = isinstance(path, str) and not path
    return Grid.load(committed(scale.plan) if default else path)


def survey(grid: Grid, folder: str | Path = "") -> tuple[list[History], pd.DataFrame]:
    """The runs of `grid` in `folder` (empty: `results/runs`), and a table of what was found.

    Both in the order of the grid. A run that is under way or was cut short is among the histories
    and says so; one that is not there or is damaged is in the table only.

    Raises: `HistoryError` where there is no run of the grid at all.
    """
    folder = checks.folder("runs_dir", folder) or RESULTS
    texts, histories, rows = _fingerprints(grid), [], []
    for run in grid.runs:
        history, found = _find(run, folder, texts)
        histories += [history] if history else []
        rows.append((run.arm, run.hidden, run.steps, run.seed, run.order, found))
    if not histories:
        raise HistoryError(f"{folder}: holds no readable run of this grid")
    return histories, pd.DataFrame(
        rows, columns=["arm", "hidden", "steps", "seed", "order", "found"]
    )


def collect(
    grid: Grid,
    runs_dir: str | Path = "",
    folder: str | Path = "",
    with_weights: Callable[[RunConfig], bool] = lambda run: False,
) -> list[str]:
    """Copy finished runs of the grid from `runs_dir` to `folder`.

    Of those that `with_weights` chooses the weights go with it, in bfloat16. `folder` is
    `results/runs` if empty. A run that is there already is left alone, and is not
    joined by a second one from another device. Returns the names of the new ones.
    """
    source = checks.folder("runs_dir", runs_dir) or default_runs_dir()
    folder = checks.folder("folder", folder) or RESULTS
    left_out, new = shutil.ignore_patterns("*.safetensors", "*.tmp"), []
    texts = _fingerprints(grid)
    for run in grid.runs:
        there, _ = _find(run, folder, texts)
        if there and there.complete:
            continue
        history, _ = _find(run, source, texts)
        if history and history.complete and history.folder:
            partial = folder / f"{history.folder.name}.tmp"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(history.folder, partial, ignore=left_out)
            if with_weights(run):
                keep_in_bfloat16(history, partial)
            new.append(partial.rename(folder / history.folder.name).name)
    return new


_Texts = Mapping[tuple[str, int], str]


def _fingerprints(grid: Grid) -> _Texts:
    """Those of the grid's own texts, by path and vocabulary; a text of the package has its name."""
    texts = {(run.corpus, run.vocabulary) for run in grid.runs if run.corpus not in CORPORA}
    return {text: load_corpus(*text, log=lambda line: None).fingerprint for text in texts}


def _find(run: RunConfig, folder: Path, texts: _Texts) -> tuple[History | None, str]:
    """The run in that folder, and what was found in words; a complete one first, if several.

    Whatever path it was trained from: of one's own `texts` the fingerprint counts.
    """
    text = texts.get((run.corpus, run.vocabulary))
    history, found = None, "missing"
    for path in sorted(folder.glob(f"{run.name}-{'[0-9a-f]' * 10}/manifest.json")):
        try:
            other = History.load(path.parent)
        except HistoryError as error:
            found = f"damaged: {error}"
            continue
        facts: Mapping[str, Any] = other.manifest
        named = other.config.corpus == run.corpus
        same_text = facts["corpus"]["fingerprint"] == text if text else named
        if not (other.is_of(run) and same_text):
            continue
        if not _of_this_recipe(other):
            found = "trained by another version of the recipe"
        elif history is None or (other.complete and not history.complete):
            history = other
    if history is None:
        return None, found
    if history.complete:
        return history, "complete"
    reached = f"evaluated up to step {history.measures.step.max()}" if history.evaluated else ""
    return history, f"{history.status}, {reached or 'not evaluated yet'}"


def _of_this_recipe(history: History) -> bool:
    """Whether this code would give the run the name that it has, a hash of all that decides it."""
    facts: Mapping[str, Any] = history.manifest
    corpus, device = facts["corpus"], facts["device"]
    name = history.config.identity(
        corpus["fingerprint"], device["kind"], device["precision"], device["strict"]
    )
    return name == facts["identity"]
