"""Many runs as one table: what their folders hold, without what is the same in all of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from bitnet import files
from bitnet.checks import first_line
from bitnet.config import RunConfig
from bitnet.evaluation.weights import HEALTH
from bitnet.runs.history import History, HistoryError
from bitnet.runs.rows import MEASURE_COLUMNS

__all__ = ["read_table", "write_table"]

# One row a run, one row an evaluation, and what several runs share: each text, each device.
_RUNS, _EVALUATIONS, _FACTS = "runs.csv", "evaluations.csv", "facts.json"
_CONFIG = tuple(field.name for field in fields(RunConfig))
_SHARED = ("corpus", "device", "versions")  # of a manifest
_OWN = ("identity", "status", "started", "ended", "reason")
_DIGITS = "%.6g"  # of a measure: more than two runs of one seed on two machines share


def write_table(histories: Sequence[History], folder: str | Path) -> None:
    """Write the runs into three files of a folder, in place of what it holds of an earlier table.

    Measures and health of every evaluation, to six digits; not the snapshots.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, list[Any]] = {name: [] for name in (*_SHARED, "references")}
    rows, evaluations = [], []
    for number, history in enumerate(histories):
        manifest: dict[str, Any] = dict(history.manifest)
        shared = {name: manifest.get(name) for name in _SHARED}
        shared["references"] = dict(history.references)
        row = {"run": number, **{name: manifest.get(name, "") for name in _OWN}}
        row |= {name: _index(facts[name], value) for name, value in shared.items()}
        # `corpus` is the number of a text's facts, `config.corpus` its name.
        config = {f"config.{name}": value for name, value in asdict(history.config).items()}
        rows.append(row | config)
        table = history.measures.merge(history.health, on="step", validate="one_to_one")
        table.insert(0, "run", number)
        evaluations.append(table)
    pd.DataFrame(rows).to_csv(folder / _RUNS, index=False)
    pd.concat(evaluations).to_csv(folder / _EVALUATIONS, index=False, float_format=_DIGITS)
    sums = {name: _sha256(folder / name) for name in (_RUNS, _EVALUATIONS)}
    (folder / _FACTS).write_text(json.dumps(facts | {"sha256": sums}, indent=1) + "\n")


def read_table(folder: str | Path) -> list[History]:
    """The histories of such a folder, verified by its checksums; they have no snapshots.

    Raises: `HistoryError` where it is missing or damaged.
    """
    folder = Path(folder)
    try:
        files.check_folder(folder)
        facts = files.read_json(folder / _FACTS)
        for name, expected in facts["sha256"].items():
            if _sha256(files.sibling(folder, name)) != expected:
                raise ValueError(f"{name} does not match its checksum")
        runs = pd.read_csv(folder / _RUNS, keep_default_na=False).to_dict("records")
        evaluations = dict(list(pd.read_csv(folder / _EVALUATIONS).groupby("run")))
        nothing = pd.DataFrame(columns=["run", *MEASURE_COLUMNS, *HEALTH])  # it diverged at once
        return [_history(row, facts, evaluations.get(row["run"], nothing)) for row in runs]
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise HistoryError(
            f"{folder}: not a readable table of runs ({first_line(error)})"
        ) from error


def _history(row: dict[str, Any], facts: dict[str, list[Any]], table: pd.DataFrame) -> History:
    shared = {name: facts[name][row[name]] for name in _SHARED}
    table = table.reset_index(drop=True)
    return History(
        config=RunConfig(**{name: row[f"config.{name}"] for name in _CONFIG}),
        status=row["status"],
        measures=table[list(MEASURE_COLUMNS)],
        references=facts["references"][row["references"]],
        manifest={name: row[name] for name in _OWN} | shared,
        health=table[["step", *HEALTH]],
    )


def _index(among: list[Any], value: Any) -> int:
    """The place of a value in a list, to which it is added if it is not there."""
    if value not in among:
        among.append(value)
    return among.index(value)


def _sha256(path: Path) -> str:
    return hashlib.sha256(files.read_bytes(path)).hexdigest()
