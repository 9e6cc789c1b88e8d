"""The evaluations of a run as its files hold them, one row each: measures, health, snapshots."""

import io
from itertools import chain, pairwise
from pathlib import Path

import pandas as pd

from bitnet import files
from bitnet.config import RunConfig
from bitnet.evaluation.measures import MEASURES
from bitnet.evaluation.weights import HEALTH
from bitnet.records import Snapshot
from bitnet.runs.schema import check_snapshot

__all__ = ["HEALTH_COLUMNS", "MEASURE_COLUMNS", "TRACE_COLUMNS", "check_numbers", "read_rows"]

TRACE_COLUMNS = ("Step", "Loss", "UniquePredictions", "LR", "WD")  # as in the brief's own files
MEASURE_COLUMNS = ("step", "loss", "lr", "wd", *MEASURES)
HEALTH_COLUMNS = ("step", *HEALTH)
_COUNTS = ["unique_predictions", "unique_tokens"]


def read_rows(
    folder: Path, config: RunConfig, under_way: bool
) -> tuple[pd.DataFrame, pd.DataFrame, list[Snapshot]]:
    """Measures, health and snapshots of a run folder, of the same evaluations.

    The files of a run that is `under_way` may be an evaluation apart: then the last is left out.

    Raises: `ValueError`, `KeyError` or `TypeError` where they are not what a run leaves.
    """
    measures = _table(folder / "measures.csv", MEASURE_COLUMNS, config.steps)
    health = _table(folder / "health.csv", HEALTH_COLUMNS, config.steps)
    lines = files.read_text(folder / "snapshots.jsonl").splitlines()
    if under_way:
        rows = min(len(measures), len(health), len(lines))
        measures, health, lines = measures[:rows], health[:rows], lines[:rows]
    if measures.step.tolist() != health.step.tolist() or len(lines) != len(measures):
        raise ValueError("its files are not of the same evaluations")
    return measures, health, [_snapshot(line, config.vocabulary) for line in lines]


def check_numbers(name: str, table: pd.DataFrame, last_step: int) -> None:
    """Refuse the evaluations of a run that are not numbers, or whose steps do not rise.

    `name` is that of their file. Raises: `ValueError`.
    """
    if not len(table):
        return
    if any(dtype.kind not in "if" for dtype in table.dtypes) or table.step.dtype.kind != "i":
        raise ValueError(f"{name} holds something else than numbers")
    whole = [column for column in _COUNTS if column in table]
    if any(table[column].dtype.kind != "i" for column in whole):
        raise ValueError(f"{name}: {' and '.join(whole)} must be whole numbers")
    steps = [0, *table.step.tolist(), last_step + 1]
    if any(later <= step for step, later in pairwise(steps)):
        raise ValueError(f"{name}: its steps must rise, from 1 to {last_step}")


def _table(path: Path, columns: tuple[str, ...], last_step: int) -> pd.DataFrame:
    table = pd.read_csv(io.BytesIO(files.read_bytes(path)))[list(columns)]
    check_numbers(path.name, table, last_step)
    return table


def _snapshot(line: str, vocabulary: int) -> Snapshot:
    values = files.parse_json(line)
    check_snapshot(values, name_prefix="snapshots.jsonl")
    found = Snapshot(**values)
    pairs = (*found.top_tokens, *chain(*found.next_tokens))
    if max(chain((pair[0] for pair in pairs), *found.continuations)) >= vocabulary:
        raise ValueError(f"snapshots.jsonl has a token that is none of {vocabulary}")
    return found
