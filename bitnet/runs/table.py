"""Many runs as one table: what their folders hold, without what is the same in all of them."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from bitnet import checks, files
from bitnet.checks import first_line
from bitnet.config import RunConfig
from bitnet.evaluation.weights import HEALTH
from bitnet.runs.history import History, HistoryError, seal
from bitnet.runs.rows import MEASURE_COLUMNS, check_numbers
from bitnet.runs.schema import check_facts, check_runs

__all__ = ["read_table", "write_table"]

# One row a run, one row an evaluation, and what several runs share: each text, each device.
_RUNS, _EVALUATIONS, _FACTS = "runs.csv", "evaluations.csv", "facts.json"
_CONFIG = tuple(field.name for field in fields(RunConfig))
_NUMBERS = [*MEASURE_COLUMNS, *HEALTH]
_SHARED = ("corpus", "device", "versions")  # of a manifest
_OWN = ("identity", "status", "started", "ended", "reason")
# As text, whatever it looks like: a file of the name 1984 is no number.
_WORDS = dict.fromkeys((*_OWN, "config.arm", "config.corpus"), str)
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
    sums = {name: _sha256(folder / name) for name in (_RUNS, _EVALUATIONS)} | {_FACTS: seal(facts)}
    (folder / _FACTS).write_text(json.dumps(facts | {"sha256": sums}, indent=1) + "\n")


def read_table(folder: str | Path) -> list[History]:
    """The histories of such a folder, verified by its checksums; they have no snapshots.

    Raises: `HistoryError` where it is missing or damaged.
    """
    folder = checks.path("folder", folder)
    try:
        files.check_folder(folder)
        return _read(folder)
    except (
        OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError
    ) as error:  # fmt: skip
        raise HistoryError(
            f"{folder}: not a readable table of runs ({first_line(error)})"
        ) from error


def _read(folder: Path) -> list[History]:
    facts = check_facts(files.read_json(folder / _FACTS), name_prefix=_FACTS)
    if facts["sha256"].get(_FACTS, sealed := seal(facts)) != sealed:  # tables of before had none
        raise ValueError(f"{_FACTS} does not match its checksum")
    contents = {name: files.read_bytes(folder / name) for name in (_RUNS, _EVALUATIONS)}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != facts["sha256"][name]:
            raise ValueError(f"{name} does not match its checksum")
    runs = pd.read_csv(io.BytesIO(contents[_RUNS]), keep_default_na=False, dtype=_WORDS)
    rows = check_runs(runs.to_dict("records"), name_prefix=_RUNS)
    if [row["run"] for row in rows] != list(range(len(rows))):
        raise ValueError(f"{_RUNS}: its runs must be numbered from 0")
    if len({row["identity"] for row in rows}) < len(rows):
        raise ValueError(f"{_RUNS} names a run twice")
    table = pd.read_csv(io.BytesIO(contents[_EVALUATIONS]))[["run", *_NUMBERS]]
    if not table.run.isin(range(len(rows))).all():
        raise ValueError(f"{_EVALUATIONS} has a run that is not in {_RUNS}")
    own = dict(list(table.groupby("run")))
    return [_history(row, facts, own.get(row["run"], table[:0])) for row in rows]


def _history(row: dict[str, Any], facts: dict[str, list[Any]], table: pd.DataFrame) -> History:
    for name in (*_SHARED, "references"):
        if row[name] >= len(facts[name]):
            raise ValueError(f"{_FACTS} has no {name} of number {row[name]}")
    shared = {name: facts[name][row[name]] for name in _SHARED}
    config = RunConfig(**{name: row[f"config.{name}"] for name in _CONFIG})
    if row["identity"].rpartition("-")[0] != config.name:
        raise ValueError(f"{_RUNS}: {row['identity']} is of {config.name}")
    table = table[_NUMBERS].reset_index(drop=True)
    check_numbers(_EVALUATIONS, table, config.steps)
    return History(
        config=config,
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
